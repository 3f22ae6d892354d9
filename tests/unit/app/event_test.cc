#include "app/event.h"

#include <gtest/gtest.h>

namespace pillarbox::app {
namespace {

TEST(AnEvent, IsALineOfKeysAndValues) {
  const std::string line = Event("message")
                               .text("file", "a.eml")
                               .text("from", "<alice@example.com>")
                               .number("recipients", 3)
                               .text("reply", "2.0.0 Ok: queued as \"4F2C21\"")
                               .seconds("time", 0.0614)
                               .key_value();
  EXPECT_EQ(line,
            "message file=a.eml from=<alice@example.com> recipients=3 reply=\"2.0.0 Ok: queued as \\\"4F2C21\\\"\" "
            "time=0.061");
}

TEST(AnEvent, IsAJsonObjectWithTheSameKeys) {
  const std::string line = Event("connect")
                               .text("server", "mx \"1\"")
                               .number("port", 587)
                               .number("offset", -1)
                               .list("extensions", {"PIPELINING", "SIZE \"x\""})
                               .list("none", {})
                               .seconds("time", 0.1)
                               .json();
  EXPECT_EQ(line,
            "{\"event\":\"connect\",\"server\":\"mx \\\"1\\\"\",\"port\":587,\"offset\":-1,"
            "\"extensions\":[\"PIPELINING\",\"SIZE \\\"x\\\"\"],\"none\":[],\"time\":0.100}");
}

TEST(AnEvent, IsOneLineWhateverItHolds) {
  Event event("message");
  event.text("reply", "a\r\nmessage file=forged\n").text("file", "x\x1b[31m").list("recipients", {"a\nb"});
  EXPECT_EQ(event.key_value(),
            "message reply=\"a\\r\\nmessage file=forged\\n\" file=\"x\\x1b[31m\" recipients=\"a\\nb\"");
  EXPECT_EQ(event.json().find('\n'), std::string::npos);
  EXPECT_EQ(event.json().find('\x1b'), std::string::npos);
}

TEST(AnEvent, JoinsListsByCommas) {
  EXPECT_EQ(Event("x").list("extensions", {"PIPELINING", "SIZE", "8BITMIME"}).key_value(),
            "x extensions=PIPELINING,SIZE,8BITMIME");
  EXPECT_EQ(Event("x").list("extensions", {}).key_value(), "x extensions=\"\"");
  EXPECT_EQ(Event("x").list("recipients", {"\"a b\"@c"}).key_value(), "x recipients=\"\\\"a b\\\"@c\"");
}

TEST(AnEvent, WithoutANameIsALogLine) {
  Event line("");
  line.text("account", "work").number("mailsize", 5);
  EXPECT_EQ(line.key_value(), "account=work mailsize=5");
  EXPECT_EQ(line.json(), "{\"account\":\"work\",\"mailsize\":5}");
  EXPECT_EQ(Event("").json(), "{}");
}

}  // namespace
}  // namespace pillarbox::app
