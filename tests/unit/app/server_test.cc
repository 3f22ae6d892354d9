#include "app/server.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "support.h"

namespace pillarbox::app {
namespace {

using namespace std::string_view_literals;
using test::contains;
using test::fails_as;

constexpr auto usage = Error::Kind::usage;

// "host port", with "s" in front where TLS is implicit.
std::string read(std::string_view text) {
  const auto server = parse_server(text);
  if (!server) return "!" + server.error().text;
  return (server->implicit_tls ? "s " : "") + server->host + (server->port ? " " + std::to_string(*server->port) : "");
}

TEST(AServer, HasEveryFormOfTheManual) {
  EXPECT_EQ(read("mail.example.com"), "mail.example.com");
  EXPECT_EQ(read("mail.example.com:587"), "mail.example.com 587");
  EXPECT_EQ(read("localhost"), "localhost");
  EXPECT_EQ(read("192.0.2.1:2525"), "192.0.2.1 2525");
  EXPECT_EQ(read("[2001:db8::1]:25"), "2001:db8::1 25");
  EXPECT_EQ(read("[2001:db8::1]"), "2001:db8::1");
  EXPECT_EQ(read("[::ffff:192.0.2.1]"), "::ffff:192.0.2.1");
  EXPECT_EQ(read("2001:db8::1"), "2001:db8::1");
  EXPECT_EQ(read("smtp://mail.example.com"), "mail.example.com");
  EXPECT_EQ(read("smtp://mail.example.com:2525"), "mail.example.com 2525");
  EXPECT_EQ(read("smtps://mail.example.com"), "s mail.example.com");
  EXPECT_EQ(read("smtps://mail.example.com:4650"), "s mail.example.com 4650");
  EXPECT_EQ(read("smtps://[::1]:465"), "s ::1 465");
  EXPECT_EQ(read("SMTPS://Mail.Example.Com"), "s Mail.Example.Com");
  EXPECT_EQ(read("m\xc3\xbcnchen.example"), "xn--mnchen-3ya.example");
  EXPECT_EQ(read("host_1.example"), "host_1.example");
  EXPECT_EQ(read("h:1"), "h 1");
  EXPECT_EQ(read("h:65535"), "h 65535");
}

TEST(AServer, IsNothingElse) {
  for (const std::string_view text : {""sv,
                                      ":"sv,
                                      ":25"sv,
                                      "h:"sv,
                                      "h:0"sv,
                                      "h:65536"sv,
                                      "h:-1"sv,
                                      "h:+25"sv,
                                      "h: 25"sv,
                                      "h:25 "sv,
                                      "h:2x"sv,
                                      "h:99999999999999999999"sv,
                                      "smtp://"sv,
                                      "smtps://"sv,
                                      "smtp://:25"sv,
                                      "smtp:///"sv,
                                      "smtp://h/"sv,
                                      "smtp://h/path"sv,
                                      "smtp://h?x"sv,
                                      "smtp://h#x"sv,
                                      "smtp://user@h"sv,
                                      "smtp://user:pw@h"sv,
                                      "user@h"sv,
                                      "http://h"sv,
                                      "smtp://smtp://h"sv,
                                      "["sv,
                                      "[]"sv,
                                      "[]:25"sv,
                                      "[::1"sv,
                                      "::1]"sv,
                                      "[::1]25"sv,
                                      "[::1]:"sv,
                                      "[::1]:x"sv,
                                      "[::1]x:25"sv,
                                      "[a b]"sv,
                                      "-h"sv,
                                      "-s"sv,
                                      "h h"sv,
                                      " h"sv,
                                      "h\n"sv,
                                      "h\r\nx"sv,
                                      "h\0x"sv,
                                      "h\t"sv,
                                      "h\""sv,
                                      "h\\"sv,
                                      "h%41"sv,
                                      "h;x"sv,
                                      "h,x"sv}) {
    EXPECT_TRUE(fails_as(parse_server(text), usage)) << base::escape(text);
  }
}

TEST(AServer, HasAnIpv6AddressInItsBrackets) {
  for (const char* text : {"[h]", "[mail.example.com]", "[192.0.2.1]", "[1]"}) {
    EXPECT_TRUE(fails_as(parse_server(text), usage)) << text;
  }
}

TEST(AServer, NeverShowsControlBytesInItsError) {
  const auto server = parse_server("h\x1b[31m\n");
  ASSERT_TRUE(fails_as(server, usage));
  for (const char c : server.error().text) EXPECT_FALSE(base::is_control(c));
}

std::string proxy(const std::string& text) {
  const auto parsed = parse_proxy(base::Secret(std::string(text)));
  if (!parsed) return contains(parsed.error().text, "hunter2") ? "shown!" : "!";
  return parsed->name + (parsed->url.reveal() == text ? "" : " altered");
}

TEST(AProxy, IsShownWithoutItsPassword) {
  EXPECT_EQ(proxy("socks5h://proxy.example:1080"), "socks5h://proxy.example:1080");
  EXPECT_EQ(proxy("http://alice:hunter2@proxy.example:3128"), "http://proxy.example:3128");
  EXPECT_EQ(proxy("SOCKS4A://alice@[::1]:1080/"), "socks4a://[::1]:1080");
  EXPECT_EQ(proxy("socks5://a@b:hunter2@127.0.0.1:1"), "socks5://127.0.0.1:1");
}

TEST(AProxy, IsRefusedWithoutItsPassword) {
  for (const char* text :
       {"", "proxy.example:1080", "https://alice:hunter2@x:1", "smtp://x", "http://", "http://a:hunter2@",
        "socks5://alice:hunter2@x:99999", "socks5://x/path", "http://alice:hunter2@x y:1", "http://x\n:1", "://x"}) {
    EXPECT_EQ(proxy(text), "!") << text;
  }
}

}  // namespace
}  // namespace pillarbox::app
