#include "app/report.h"

#include <gtest/gtest.h>

#include "support.h"

namespace pillarbox::app {
namespace {

using Kind = Error::Kind;

TEST(ExitCodes, AreThoseOfSysexits) {
  const std::vector<std::tuple<Kind, int, std::string_view>> table = {{Kind::usage, 64, "EX_USAGE"},
                                                                      {Kind::data, 65, "EX_DATAERR"},
                                                                      {Kind::no_input, 66, "EX_NOINPUT"},
                                                                      {Kind::no_user, 67, "EX_NOUSER"},
                                                                      {Kind::no_host, 68, "EX_NOHOST"},
                                                                      {Kind::unavailable, 69, "EX_UNAVAILABLE"},
                                                                      {Kind::internal, 70, "EX_SOFTWARE"},
                                                                      {Kind::system, 71, "EX_OSERR"},
                                                                      {Kind::cannot_create, 73, "EX_CANTCREAT"},
                                                                      {Kind::io, 74, "EX_IOERR"},
                                                                      {Kind::temporary, 75, "EX_TEMPFAIL"},
                                                                      {Kind::protocol, 76, "EX_PROTOCOL"},
                                                                      {Kind::no_permission, 77, "EX_NOPERM"},
                                                                      {Kind::config, 78, "EX_CONFIG"}};
  for (const auto& [kind, code, name] : table) {
    EXPECT_EQ(exit_code(kind), code);
    EXPECT_EQ(exit_name(code), name);
  }
  EXPECT_EQ(exit_name(0), "EX_OK");
}

TEST(ATally, OfNothingIsSuccess) {
  EXPECT_EQ(Tally().exit_code(), 0);
}

TEST(ATally, IsTheFirstPermanentFailure) {
  Tally tally;
  tally.add(Kind::temporary);
  EXPECT_EQ(tally.exit_code(), 75);
  tally.add(Kind::no_user);
  EXPECT_EQ(tally.exit_code(), 67);
  tally.add(Kind::unavailable);
  tally.add(Kind::temporary);
  EXPECT_EQ(tally.exit_code(), 67);
}

TEST(Complaints, AreOneLineEachAndHarmless) {
  ::testing::internal::CaptureStderr();
  complain("smtp", Error{Kind::config, "first\nsecond \x1b[31m", "what mends it"});
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "smtp: first\nsmtp: second \\x1b[31m\nsmtp:   what mends it\n");
}

}  // namespace
}  // namespace pillarbox::app
