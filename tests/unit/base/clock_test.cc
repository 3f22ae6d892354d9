#include "base/clock.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <optional>

namespace pillarbox::base {
namespace {

// The zone of one test; the one before comes back.
class Zone {
 public:
  explicit Zone(const char* name) {
    if (const char* before = std::getenv("TZ")) before_ = before;
    ::setenv("TZ", name, 1);
    ::tzset();
  }
  Zone(const Zone&) = delete;
  Zone& operator=(const Zone&) = delete;
  ~Zone() {
    if (before_) {
      ::setenv("TZ", before_->c_str(), 1);
    } else {
      ::unsetenv("TZ");
    }
    ::tzset();
  }

 private:
  std::optional<std::string> before_;
};

std::string date(const char* zone, std::time_t time) {
  const Zone there(zone);
  return rfc5322_date(std::chrono::system_clock::from_time_t(time));
}

// POSIX zone texts, so that no zone database is needed; their signs are the other way round.
TEST(Date, IsLocalTimeWithItsZone) {
  EXPECT_EQ(date("UTC0", 0), "Thu, 1 Jan 1970 00:00:00 +0000");
  EXPECT_EQ(date("CET-1CEST,M3.5.0,M10.5.0/3", 1704067200), "Mon, 1 Jan 2024 01:00:00 +0100");
  EXPECT_EQ(date("CET-1CEST,M3.5.0,M10.5.0/3", 1719792000), "Mon, 1 Jul 2024 02:00:00 +0200");
  EXPECT_EQ(date("EST5", 1704067200), "Sun, 31 Dec 2023 19:00:00 -0500");
  EXPECT_EQ(date("IST-5:30", 1704067200), "Mon, 1 Jan 2024 05:30:00 +0530");
  EXPECT_EQ(date("NPT-5:45", 1704067200), "Mon, 1 Jan 2024 05:45:00 +0545");
  EXPECT_EQ(date("NST3:30", 1704067200), "Sun, 31 Dec 2023 20:30:00 -0330");
  EXPECT_EQ(date("XXX0:30", 1704067200), "Sun, 31 Dec 2023 23:30:00 -0030");
  EXPECT_EQ(date("LINT-14", 1704067200), "Mon, 1 Jan 2024 14:00:00 +1400");
}

TEST(Date, KnowsLeapDaysAndFarYears) {
  EXPECT_EQ(date("UTC0", 1709164800), "Thu, 29 Feb 2024 00:00:00 +0000");
  EXPECT_EQ(date("UTC0", 4102444799), "Thu, 31 Dec 2099 23:59:59 +0000");
  EXPECT_EQ(date("UTC0", -1), "Wed, 31 Dec 1969 23:59:59 +0000");
}

TEST(IsoTime, IsUtcWhateverTheZone) {
  const Zone there("IST-5:30");
  EXPECT_EQ(iso8601_utc(std::chrono::system_clock::from_time_t(0)), "1970-01-01T00:00:00Z");
  EXPECT_EQ(iso8601_utc(std::chrono::system_clock::from_time_t(1709164799)), "2024-02-28T23:59:59Z");
  EXPECT_EQ(iso8601_utc(std::chrono::sys_seconds(std::chrono::seconds(253402214400))), "9999-12-31T00:00:00Z");
}

}  // namespace
}  // namespace pillarbox::base
