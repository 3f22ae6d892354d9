#include "config/netrc.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace pillarbox::config {
namespace {

std::string found(std::string_view text, std::string_view host, std::string_view login = "") {
  const auto entry = find_in_netrc(text, host, login);
  return entry ? entry->login + ":" + entry->password.reveal() : "nothing";
}

TEST(Netrc, HasAnEntryForAHost) {
  EXPECT_EQ(found("machine mx.test login alice password pw", "mx.test"), "alice:pw");
  EXPECT_EQ(found("machine mx.test\n\tlogin alice\r\n\tpassword pw\n", "MX.test"), "alice:pw");
  EXPECT_EQ(found("machine mx.test password pw login alice", "mx.test"), "alice:pw");
  EXPECT_EQ(found("machine mx.test user alice password pw", "mx.test"), "alice:pw");
  EXPECT_EQ(found("machine mx.test login alice password pw", "other.test"), "nothing");
  EXPECT_EQ(found("", "mx.test"), "nothing");
  EXPECT_EQ(found("machine mx.test login alice", "mx.test"), "nothing");
  EXPECT_EQ(found("machine mx.test", "mx.test"), "nothing");
  EXPECT_EQ(found("machine", "mx.test"), "nothing");
}

TEST(Netrc, MayHaveSeveralOfOneHost) {
  const std::string text =
      "machine mx.test login alice password one\nmachine mx.test login bob password two\n"
      "machine x.test login carol password three\ndefault login anybody password four\n";
  EXPECT_EQ(found(text, "mx.test"), "alice:one");
  EXPECT_EQ(found(text, "mx.test", "bob"), "bob:two");
  EXPECT_EQ(found(text, "x.test", "bob"), "nothing");
  EXPECT_EQ(found(text, "x.test", "anybody"), "anybody:four");
  EXPECT_EQ(found(text, "elsewhere.test"), "anybody:four");
}

TEST(Netrc, MayNameNoLogin) {
  EXPECT_EQ(found("machine mx.test password pw", "mx.test", "alice"), "alice:pw");
  EXPECT_EQ(found("machine mx.test password pw", "mx.test"), "nothing");
}

TEST(Netrc, HasWordsInQuotes) {
  EXPECT_EQ(found(R"(machine "mx.test" login "a b" password "p \"w\" \\ \t#")", "mx.test"), "a b:p \"w\" \\ \t#");
  EXPECT_EQ(found("machine mx.test login a password \"open", "mx.test"), "a:open");
  EXPECT_EQ(found(R"(machine mx.test login a password p"w\x)", "mx.test"), "a:p\"w\\x");
}

TEST(Netrc, HasCommentsWhereNoValueStands) {
  EXPECT_EQ(
      found("# machine mx.test login no password no\n  # more\nmachine mx.test # ours\nlogin alice password #pw\n",
            "mx.test"),
      "alice:#pw");
  EXPECT_EQ(found("machine mx.test login # password pw", "mx.test"), "#:pw");
}

TEST(Netrc, HasMacrosAndAccountsThatAreSkipped) {
  EXPECT_EQ(found("macdef init\nmachine mx.test login no password no\n\nmachine mx.test account x login a password pw",
                  "mx.test"),
            "a:pw");
  EXPECT_EQ(found("machine x.test\nmacdef init\nmachine mx.test login no password no", "mx.test"), "nothing");
}

}  // namespace
}  // namespace pillarbox::config
