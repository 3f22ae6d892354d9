#include "config/place.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "support.h"

namespace pillarbox::config {
namespace {

using test::contains;
using test::fails_as;
using test::succeeds;
using namespace std::string_view_literals;

// "host port"
std::string read(std::string_view text) {
  const auto place = parse_place(text);
  if (!place) return "none";
  return place->host + (place->port ? " " + std::to_string(*place->port) : "");
}

TEST(APlace, IsAHostAndPerhapsAPort) {
  EXPECT_EQ(read("mx.test"), "mx.test");
  EXPECT_EQ(read("mx.test:2525"), "mx.test 2525");
  EXPECT_EQ(read("[::1]:25"), "::1 25");
  EXPECT_EQ(read("::1"), "::1");
  EXPECT_EQ(read("[::1]"), "::1");
  EXPECT_EQ(read("fe80::1%eth0"), "fe80::1%eth0");
  EXPECT_EQ(read("[fe80::1%eth0]:25"), "fe80::1%eth0 25");
  EXPECT_EQ(read("m\xc3\xbcnchen.example"), "xn--mnchen-3ya.example");
  for (const char* text : {"", "a,b", "a/b", "u@h", "smtp://h", "a b", "h:0", "h:", "[h]", "-h", ":25", "[::1",
                           "[::1]:", "[::1]25", "[::1]x:25", "::1]", "::1%", "[]", "1:2:3"}) {
    EXPECT_EQ(read(text), "none") << text;
  }
}

std::string why_not(const std::string& text) {
  const auto place = parse_place(text);
  return place ? "" : place.error().text;
}

TEST(APlace, HasAHostsNameAndNoMore) {
  EXPECT_TRUE(contains(why_not("smtp://h"), "no scheme"));
  const std::string longest = std::string(126, 'a') + '.' + std::string(126, 'b');
  EXPECT_EQ(read(longest), longest);
  EXPECT_EQ(read(longest + ".:25"), longest + ". 25");
  EXPECT_TRUE(contains(why_not(longest + "c"), "253 bytes"));
  EXPECT_LT(why_not(std::string(100000, 'a')).size(), 300U);
  EXPECT_LT(why_not(std::string(100000, ',')).size(), 300U);
}

TEST(ADomain, IsWhatAnAddressMayHave) {
  EXPECT_EQ(*parse_domain("x.test"), "x.test");
  EXPECT_EQ(*parse_domain("m\xc3\xbcnchen.example"), "xn--mnchen-3ya.example");
  EXPECT_EQ(*parse_domain("[192.0.2.1]"), "[192.0.2.1]");
  for (const char* text : {"", "a..b", "-h", "a b", "a@b", "x.test:25", "\xff", "a\n"}) {
    EXPECT_TRUE(fails_as(parse_domain(text), Error::Kind::usage)) << text;
  }
}

TEST(APort, IsANumberFrom1To65535) {
  EXPECT_EQ(*parse_port("1"), 1);
  EXPECT_EQ(*parse_port("65535"), 65535);
  for (const char* text :
       {"", "0", "65536", "-1", "+1", " 1", "1 ", "0x19", "4294967321", "18446744073709551641", "smtp"}) {
    EXPECT_TRUE(fails_as(parse_port(text), Error::Kind::usage)) << text;
  }
}

TEST(AHeloName, IsAHostNameOrALiteral) {
  for (const char* text : {"host", "host.example.com", "[192.0.2.1]", "[IPv6:2001:db8::1]", "host_1", "h-1.example"}) {
    const auto helo = parse_helo(text);
    ASSERT_TRUE(succeeds(helo)) << text;
    EXPECT_EQ(*helo, text);
  }
}

TEST(AHeloName, CarriesNothingIntoTheDialogue) {
  for (const std::string_view text :
       {""sv, "a b"sv, "a\r\nMAIL FROM:<x>"sv, "a\n"sv, "a\r"sv, "a\0b"sv, "a\tb"sv, "[]"sv, "[a b]"sv, "[a"sv, "a]"sv,
        "<a>"sv, "a;b"sv, "m\xc3\xbc.example"sv, "a@b"sv, "\"a\""sv}) {
    EXPECT_TRUE(fails_as(parse_helo(text), Error::Kind::usage)) << base::escape(text);
  }
  EXPECT_TRUE(fails_as(parse_helo(std::string(256, 'a')), Error::Kind::usage));
}

TEST(ASourceAddress, IsNumeric) {
  for (const char* good : {"127.0.0.1", "192.0.2.7", "::1", "2001:db8::1", "fe80::1%eth0"}) {
    EXPECT_TRUE(succeeds(parse_source_address(good))) << good;
  }
  for (const char* bad : {"", "localhost", "eth0", "127.1", "1.2.3.4:5", "[::1]", "host!1.2.3.4", "1.2.3.4\n"}) {
    EXPECT_TRUE(fails_as(parse_source_address(bad), Error::Kind::usage)) << bad;
  }
}

TEST(APin, IsThirtyTwoOctets) {
  EXPECT_TRUE(is_pin("sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="));
  for (const char* text : {"", "sha256//", "sha256//x", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
                           "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFV="}) {
    EXPECT_FALSE(is_pin(text)) << text;
  }
}

TEST(AProxysUrl, TellsWhetherItHasAPassword) {
  const auto has = [](const char* text) { return parse_proxy_url(base::Secret(std::string(text)))->has_password; };
  EXPECT_TRUE(has("http://alice:pw@proxy.test:3128"));
  EXPECT_TRUE(has("socks5://a@b:pw@proxy.test"));
  EXPECT_FALSE(has("http://alice@proxy.test:3128"));
  EXPECT_FALSE(has("http://proxy.test:3128"));
}

TEST(AProxysUrl, IsRefusedWithoutShowingIt) {
  for (const char* text : {"http://alice:hunter2", "alice:hunter2@proxy.test", "http://alice:hunter2@"}) {
    const auto url = parse_proxy_url(base::Secret(std::string(text)));
    ASSERT_TRUE(fails_as(url, Error::Kind::usage)) << text;
    EXPECT_FALSE(contains(url.error().text, "hunter2")) << url.error().text;
  }
}

}  // namespace
}  // namespace pillarbox::config
