// Syslog: one line to the host's log daemon, in the form that glibc's syslog(3) sends (RFC 3164): by a datagram, or by
// a stream where the daemon listens for that. syslog(3) itself says nothing of a daemon that is not there.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/result.h"

namespace pillarbox::base {

struct Syslog {
  std::string tag = "pillarbox";  // who speaks; what no tag can hold becomes "_", and 32 characters of it count
  std::string socket = "/dev/log";
};

// priority: facility and severity together, as in <syslog.h>. The line must have been escaped. A daemon that takes
// nothing is waited for a second. io (74) with the socket's name; the line is lost then.
Result<void> send_to_syslog(const Syslog& syslog, int priority, std::string_view line,
                            std::chrono::system_clock::time_point now);

}  // namespace pillarbox::base
