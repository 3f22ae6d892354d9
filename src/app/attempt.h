// Attempt: what was tried with one message, as a line of the log says it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/event.h"
#include "base/clock.h"
#include "base/result.h"
#include "base/system.h"
#include "config/settings.h"
#include "mail/envelope.h"
#include "mail/recode.h"
#include "smtp/outcome.h"
#include "smtp/view.h"

namespace pillarbox::app {

struct Attempt {
  const config::Account* account = nullptr;  // if one was chosen
  std::string host = {};                     // that was talked to
  smtp::Connection connection = {};          // to it, if there was one
  const mail::Envelope* envelope = nullptr;  // if it is known
  smtp::Outcome outcome = {};
  std::string error = {};  // other than the outcome's
  int exit_code = 0;
  std::string_view status;  // sent, queued, deferred, bounced, failed
  std::string id = {};      // in the queue
  std::string message_id = {};
  std::uint64_t nuls_dropped = 0;
  mail::Recoding recoding = mail::Recoding::none;  // for the sake of long lines
  bool header_folded = false;
};

// Who did not get it, each by name, and why; then what stopped it for all.
std::vector<std::string> refusals(const mail::Envelope& envelope, const smtp::Outcome& outcome);

// Writes it; a log that can't be written is a warning under that name. urgent: somebody should look at it.
void log_attempt(const config::Log& log, const Attempt& attempt, bool urgent, std::string_view program,
                 const base::Clock& clock);

// Writes down what failed before there was a message to try: in the log of the configuration, where one can be read,
// else of its defaults. named: its file; tag: syslog's, if there is one.
void log_failure(const Error& error, const std::optional<std::string>& named, const std::optional<std::string>& tag,
                 std::string_view program, const base::System& system, const base::Clock& clock);

}  // namespace pillarbox::app
