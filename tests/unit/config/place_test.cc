#include "config/place.h"

#include <gtest/gtest.h>

#include "support.h"

namespace pillarbox::config {
namespace {

using test::contains;
using test::fails_as;

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
