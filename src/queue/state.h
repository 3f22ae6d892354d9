// State: what has become of an entry so far. A second file beside it, replaced as a whole; lost or damaged, the entry
// starts over: somebody may get the message twice, nobody loses it.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "queue/entry.h"

namespace pillarbox::queue {

enum class Progress {
  owed,      // still to be tried
  accepted,  // by a server
  refused,   // for good, and not yet told to the sender
  told,      // refused, and in a durable notification
};

struct RecipientState {
  Progress progress = Progress::owed;
  std::string reply = {};   // the server's last words on it, or why there are none; 512 bytes at most
  std::string status = {};  // RFC 3463, "" if not known
  std::string host = {};    // the server whose words they are, "" if they are ours
};

struct State {
  unsigned tries = 0;  // attempts that are over
  Time next = {};      // the epoch: at once
  std::optional<Time> last = {};
  std::string reply = {};                       // the last attempt's outcome, one line
  bool rests = false;                           // the account was in trouble, and not the message
  bool warned = false;                          // its sender has been told that it waits
  std::vector<RecipientState> recipients = {};  // in the envelope's order, one for each

  static State fresh(std::size_t recipients);
  [[nodiscard]] bool owes() const;  // a recipient is still to be tried
};

std::string encode(const State& state);
// Bytes that are enough for whatever becomes of a state in an attempt for so many of its recipients.
std::size_t room_for(const State& state, std::size_t tried);
bool is_later_state(std::string_view start);
// data (65) if it is damaged, or of another number of recipients.
Result<State> decode_state(std::string_view text, std::size_t recipients);

}  // namespace pillarbox::queue
