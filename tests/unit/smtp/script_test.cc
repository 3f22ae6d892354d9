#include "smtp/script.h"

#include <gtest/gtest.h>

#include "support.h"

namespace pillarbox::smtp {
namespace {

using test::fails_as;

// "-" for a line that goes to the server, "!" for one that can't be read, else the codes.
std::string read(std::string_view line) {
  const auto parsed = parse_expect(line);
  if (!parsed) return parsed.error().kind == Error::Kind::data ? "!" : "?";
  if (!*parsed) return "-";
  std::string out;
  for (const std::string& code : **parsed) out += (out.empty() ? "" : " ") + code;
  return out;
}

TEST(AnExpectLine, NamesCodesOrWhatTheyBeginWith) {
  EXPECT_EQ(read("expect 250"), "250");
  EXPECT_EQ(read("EXPECT 250"), "250");
  EXPECT_EQ(read("  expect   250  "), "250");
  EXPECT_EQ(read("expect 2xx"), "2");
  EXPECT_EQ(read("expect 25X"), "25");
  EXPECT_EQ(read("expect 2"), "2");
  EXPECT_EQ(read("expect 550 45 2xx"), "550 45 2");
}

TEST(AnExpectLine, IsRefusedIfItNamesNone) {
  for (const char* line :
       {"expect", "expect ", "expect ok", "expect 2500", "expect x50", "expect 2x0", "expect 250,251"}) {
    EXPECT_EQ(read(line), "!") << line;
  }
}

TEST(AnExpectLine, IsNoOtherLine) {
  for (const char* line :
       {"", "EXPN list", "expectation 250", "expect250", "RCPT TO:<expect 250@x>", ".", "NOOP expect 2"}) {
    EXPECT_EQ(read(line), "-") << line;
  }
}

}  // namespace
}  // namespace pillarbox::smtp
