// What the tests of the queue share: an entry, a spool in a folder of its own, and short ways to fill and read it.
#pragma once

#include <sys/types.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "queue/spool.h"
#include "support.h"

namespace pillarbox::queue::test {

using namespace pillarbox::test;  // NOLINT(google-build-using-namespace): its continuation
using namespace std::chrono_literals;

const Time noon = Time(std::chrono::seconds(1'800'000'000));

inline std::vector<mail::Address> addresses(const std::vector<std::string>& texts) {
  std::vector<mail::Address> out;
  for (const std::string& text : texts) out.push_back(*mail::Address::parse(text));
  return out;
}

inline Entry entry_to(const std::vector<std::string>& recipients = {"bob@example.net"},
                      const std::string& sender = "alice@example.com") {
  return {.arrived = noon,
          .uid = ::getuid(),
          .account = "work",
          .owner = Owner::system,
          .envelope = *mail::Envelope::make(*mail::ReversePath::parse(sender), addresses(recipients)),
          .message_id = "<1@example.com>"};
}

const std::string content = "Subject: hello\r\n\r\nThis is it.\r\n";

inline Spool spool_at(const std::string& place) {
  return **Spool::open(place, ::getuid(), Access::make);
}

inline Spool spool_in(const Folder& folder) {
  return spool_at(folder.path("place"));
}

// Puts a message into the queue; its id, or why not.
inline Result<std::string> put(Spool& spool, const Entry& entry, const std::string& text, const State& state) {
  auto begun = spool.begin(entry, text.size());
  if (!begun) return begun.error();
  base::MemorySource source(text);
  if (const auto written = begun->write(source); !written) return written.error();
  return begun->commit(state);
}

inline Result<std::string> put(Spool& spool, const Entry& entry = entry_to(), const std::string& text = content) {
  return put(spool, entry, text, State::fresh(entry.envelope.recipients().size()));
}

inline Result<std::optional<Locked>> take(Spool& spool, const std::string& id) {
  std::vector<std::string> warnings;
  return spool.lock(id, warnings);
}

inline State tried(std::size_t recipients = 1) {
  State state = State::fresh(recipients);
  state.tries = 2;
  state.next = noon + 5min;
  state.last = noon;
  state.reply = "450 4.2.1 later";
  return state;
}

inline std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

inline void write_file(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
}

// The names in a folder; what is below them as "corrupt/x".
inline std::set<std::string> names_in(const std::string& folder) {
  std::set<std::string> out;
  for (const auto& each : std::filesystem::recursive_directory_iterator(folder)) {
    if (!each.is_directory()) out.insert(each.path().lexically_relative(folder).string());
  }
  return out;
}

}  // namespace pillarbox::queue::test
