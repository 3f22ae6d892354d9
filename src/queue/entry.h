// Entry: a message in the queue, as it is on disk: one file that is written once and never changed. Its name is its id.
//
// The form is pillarbox-queue(5): a magic line with the version, length-prefixed fields (netstrings), the content as it
// leaves, before dot-stuffing, and a checksum over all before it. A file of which a byte is missing, changed or left
// over is no message.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "mail/envelope.h"
#include "smtp/work.h"

namespace pillarbox::queue {

using Time = std::chrono::system_clock::time_point;

// Whose configuration has the account that was chosen at submission.
enum class Owner { none, system, user };  // none: there was no configuration

struct Entry {
  std::string id = {};  // letters, digits and '-'; ids sort by arrival
  Time arrived = {};
  uid_t uid = 0;
  std::string account = {};  // "" with Owner::none
  Owner owner = Owner::none;
  bool account_named = false;  // by the caller, and not chosen by sender or default
  mail::Envelope envelope;
  smtp::Dsn dsn = {};
  std::string message_id = {};
  std::string bounce_of = {};  // of a notification of ours: the id of the message that it tells of
};

// Unguessable, and later than those of earlier times.
std::string new_id(Time now);
bool is_id(std::string_view name);

// All that stands before the content.
std::string encode(const Entry& entry, std::uint64_t content_size);

// What stands before the content, read back: every value is validated again, for a queue file is its owner's word.
struct Head {
  Entry entry;
  std::uint64_t content_size = 0;
};
Result<std::size_t> head_size(std::string_view start);  // 64 bytes of a file are enough to tell
Result<Head> decode(std::string_view head);             // data (65) if it is none
// No business of ours, and no damage.
bool is_later_entry(std::string_view start);

}  // namespace pillarbox::queue
