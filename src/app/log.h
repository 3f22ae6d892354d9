// The log: one line for each message and attempt, with msmtp's keys, to syslog and to a file.
#pragma once

#include <optional>
#include <string>

#include "app/event.h"
#include "base/clock.h"
#include "base/syslog.h"
#include "base/unique_fd.h"
#include "config/settings.h"

namespace pillarbox::app {

// Writes the line wherever the settings say: the file's has the time in front, which a JSON line must have inside. What
// is returned is a warning for the user; mail does not fail for it.
std::optional<std::string> write_log(const config::Log& log, const Event& event, bool failed, const base::Clock& clock,
                                     const base::Syslog& syslog = {});

// For appending; made (0600) if it is missing. Nothing, and errno, if it can't be.
base::UniqueFd open_log(const std::string& path);

}  // namespace pillarbox::app
