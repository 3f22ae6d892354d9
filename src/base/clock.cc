#include "base/clock.h"

#include <array>
#include <cstdio>

namespace pillarbox::base {
namespace {

// strftime's names follow the locale, mail's do not.
constexpr std::array<const char*, 7> days = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::array<const char*, 12> months = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

}  // namespace

std::string rfc5322_date(std::chrono::system_clock::time_point when) {
  const std::time_t time = std::chrono::system_clock::to_time_t(when);
  std::tm local{};
  ::localtime_r(&time, &local);
  const long minutes = local.tm_gmtoff / 60;
  const long distance = minutes < 0 ? -minutes : minutes;
  std::array<char, 64> out{};
  std::snprintf(out.data(), out.size(), "%s, %d %s %d %02d:%02d:%02d %c%02ld%02ld",
                days.at(static_cast<std::size_t>(local.tm_wday)), local.tm_mday,
                months.at(static_cast<std::size_t>(local.tm_mon)), local.tm_year + 1900, local.tm_hour, local.tm_min,
                local.tm_sec, minutes < 0 ? '-' : '+', distance / 60, distance % 60);
  return out.data();
}

std::string rfc3164_date(std::chrono::system_clock::time_point when) {
  const std::time_t time = std::chrono::system_clock::to_time_t(when);
  std::tm local{};
  ::localtime_r(&time, &local);
  std::array<char, 64> out{};
  std::snprintf(out.data(), out.size(), "%s %2d %02d:%02d:%02d", months.at(static_cast<std::size_t>(local.tm_mon)),
                local.tm_mday, local.tm_hour, local.tm_min, local.tm_sec);
  return out.data();
}

std::string iso8601_utc(std::chrono::system_clock::time_point when) {
  return iso8601_utc(std::chrono::floor<std::chrono::seconds>(when));
}

std::string iso8601_utc(std::chrono::sys_seconds when) {
  const std::time_t time = when.time_since_epoch().count();
  std::tm utc{};
  ::gmtime_r(&time, &utc);
  std::array<char, 64> out{};
  std::snprintf(out.data(), out.size(), "%04d-%02d-%02dT%02d:%02d:%02dZ", utc.tm_year + 1900, utc.tm_mon + 1,
                utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec);
  return out.data();
}

}  // namespace pillarbox::base
