// Outcome: what a transaction came to, for the message, each recipient and the account. The one place that says what a
// failure means: phase x reply x cause -> accepted, rejected or deferred, and an exit code's kind.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "smtp/dialogue.h"
#include "smtp/failure.h"

namespace pillarbox::smtp {

enum class Fate {
  accepted,
  rejected,  // for good: trying again is no use
  deferred,  // later it may work
};

struct Verdict {
  Fate fate = Fate::deferred;
  Error::Kind kind = Error::Kind::temporary;
  bool account = false;    // not this message's trouble: another one would fare the same
  bool elsewhere = false;  // the account's next host may do
  bool stopped = false;    // by a signal to us, with nothing said against the message
  bool passing = false;    // a connection that the server gave up, or a 4xx: it may be over at the next try
  std::string text = {};   // one line for people, with the server's words; not escaped
  std::optional<Reply> reply = {};
};

// What a failure means.
Verdict judge(const Failure& failure);

// What ended the conversation; that the connection was lost, if nothing else is known.
Verdict ending_of(const Dialogue& dialogue);

struct Outcome {
  std::vector<Verdict> recipients;  // in the envelope's order
  std::optional<Reply> accepted;    // the server's words on the message, if it took it for anybody
  std::optional<Verdict> failure;   // of the message as a whole; a refused recipient alone is none
  std::uint64_t size = 0;           // of the message, as far as it was sent
  std::chrono::duration<double> time = {};

  [[nodiscard]] std::size_t accepted_count() const;
  // Recipient i does not have the message for a reason of its own, and not for that of the whole message.
  [[nodiscard]] bool refused_alone(std::size_t i) const;
  // The first that failed for good, else the first that may work later, one with a reply if there is one, else nothing:
  // all is well.
  [[nodiscard]] const Verdict* worst() const;
};

// Reads off the dialogue what became of a transaction.
Outcome outcome_of(const Dialogue& dialogue, std::uint64_t size);

// Nothing was tried: all recipients share the verdict.
Outcome untried(std::size_t recipients, const Verdict& verdict);

}  // namespace pillarbox::smtp
