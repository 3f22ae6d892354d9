// Clock: the one door to the time of day, and dates as mail writes them.
#pragma once

#include <chrono>
#include <ctime>
#include <string>

namespace pillarbox::base {

using Instant = std::chrono::steady_clock::time_point;

class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual std::chrono::system_clock::time_point now() const { return std::chrono::system_clock::now(); }
};

// "Thu, 1 Jan 1970 00:00:00 +0000": RFC 5322 section 3.3, in the local zone.
std::string rfc5322_date(std::chrono::system_clock::time_point when);

// "Jan  1 00:00:00": RFC 3164 section 4.1.2, in the local zone.
std::string rfc3164_date(std::chrono::system_clock::time_point when);

// "1970-01-01T00:00:00Z": ISO 8601, UTC.
std::string iso8601_utc(std::chrono::system_clock::time_point when);
std::string iso8601_utc(std::chrono::sys_seconds when);  // also beyond the year 2262, where the clock's own count ends

}  // namespace pillarbox::base
