#include "app/log.h"

#include <fcntl.h>
#include <syslog.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string_view>
#include <system_error>

#include "base/unique_fd.h"

namespace pillarbox::app {
namespace {

int facility(std::string_view name) {
  struct Facility {
    std::string_view name;
    int value;
  };
  constexpr std::array<Facility, 11> facilities = {{{"mail", LOG_MAIL},
                                                    {"user", LOG_USER},
                                                    {"daemon", LOG_DAEMON},
                                                    {"local0", LOG_LOCAL0},
                                                    {"local1", LOG_LOCAL1},
                                                    {"local2", LOG_LOCAL2},
                                                    {"local3", LOG_LOCAL3},
                                                    {"local4", LOG_LOCAL4},
                                                    {"local5", LOG_LOCAL5},
                                                    {"local6", LOG_LOCAL6},
                                                    {"local7", LOG_LOCAL7}}};
  for (const Facility& known : facilities) {
    if (known.name == name) return known.value;
  }
  return LOG_MAIL;
}

}  // namespace

std::optional<std::string> write_log(const config::Log& log, const Event& event, bool failed,
                                     const base::Clock& clock) {
  const std::string line = log.json ? event.json() : event.key_value();
  if (log.syslog) {
    ::openlog(log.tag.c_str(), LOG_PID, facility(log.facility));
    ::syslog(failed ? LOG_ERR : LOG_INFO, "%s", line.c_str());
    ::closelog();
  }
  if (log.file.empty()) return std::nullopt;
  const base::UniqueFd fd(
      ::open(log.file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600));
  // JSON lines carry the time inside.
  const std::string out = (log.json ? "" : base::iso8601_utc(clock.now()) + " ") + line + "\n";
  if (fd && ::write(fd.get(), out.data(), out.size()) == static_cast<ssize_t>(out.size())) return std::nullopt;
  return log.file + ": the log can't be written: " + std::generic_category().message(errno);
}

}  // namespace pillarbox::app
