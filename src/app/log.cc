#include "app/log.h"

#include <fcntl.h>
#include <syslog.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <string_view>
#include <system_error>

namespace pillarbox::app {
namespace {

// In one write, so that lines of several processes don't mix.
Result<void> append(const config::Log& log, const std::string& line) {
  const base::UniqueFd own = log.opened < 0 ? open_log(log.file) : base::UniqueFd();
  const int fd = own ? own.get() : log.opened;
  const ssize_t count = fd < 0 ? -1 : ::write(fd, line.data(), line.size());  // open_log() has said why in errno
  if (count == static_cast<ssize_t>(line.size())) return {};
  const int code = count < 0 ? errno : ENOSPC;  // a part of it was written, and that is why
  return Error{Error::Kind::io, log.file + ": " + std::generic_category().message(code)};
}

}  // namespace

base::UniqueFd open_log(const std::string& path) {
  return base::UniqueFd(::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600));
}

std::optional<std::string> write_log(const config::Log& log, const Event& event, bool failed, const base::Clock& clock,
                                     const base::Syslog& syslog) {
  const std::string line = log.json ? event.json() : event.key_value();
  std::string troubles;
  const auto note = [&](const Result<void>& written) {
    if (!written) troubles += (troubles.empty() ? "" : "; ") + written.error().text;
  };
  if (log.syslog) {
    note(base::send_to_syslog(syslog, log.facility | (failed ? LOG_ERR : LOG_INFO), line, clock.now()));
  }
  if (!log.file.empty()) {
    note(append(log, (log.json ? "" : base::iso8601_utc(clock.now()) + " ") + line + "\n"));
  }
  if (log.shown) {
    const std::string shown = event.json() + "\n";
    std::fwrite(shown.data(), 1, shown.size(), stdout);
    std::fflush(stdout);  // a line at once: there may be several processes
  }
  if (troubles.empty()) return std::nullopt;
  return "the log can't be written: " + troubles;
}

}  // namespace pillarbox::app
