// Attempt: what was tried with one message, as a line of the log says it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "app/event.h"
#include "base/clock.h"
#include "config/settings.h"
#include "mail/envelope.h"
#include "mail/recode.h"
#include "smtp/outcome.h"

namespace pillarbox::app {

struct Attempt {
  const config::Account* account = nullptr;  // if one was chosen
  std::string host = {};                     // that was talked to
  const mail::Envelope* envelope = nullptr;  // if it is known
  smtp::Outcome outcome = {};
  std::string error = {};  // before anything was tried
  int exit_code = 0;
  std::string_view status;  // sent, queued, deferred, bounced, failed
  std::string id = {};      // in the queue
  std::string message_id = {};
  std::uint64_t nuls_dropped = 0;
  mail::Recoding recoding = mail::Recoding::none;  // for the sake of long lines
  bool header_folded = false;
};

// Writes it; a log that can't be written is a warning under that name. urgent: somebody should look at it.
void log_attempt(const config::Log& log, const Attempt& attempt, bool urgent, std::string_view program,
                 const base::Clock& clock);

}  // namespace pillarbox::app
