#include "app/discover.h"

#include <gtest/gtest.h>

#include <map>

#include "support.h"

namespace pillarbox::app {
namespace {

using config::Tls;

// What a domain's name server would say.
class FakeDns final : public base::Dns {
 public:
  [[nodiscard]] Result<std::vector<base::Srv>> srv(const std::string& name) const override {
    if (silent) return Error{Error::Kind::temporary, "no answer"};
    const auto found = records.find(name);
    return found == records.end() ? std::vector<base::Srv>() : found->second;
  }

  std::map<std::string, std::vector<base::Srv>> records;
  bool silent = false;
};

constexpr auto submissions = "_submissions._tcp.example.com";
constexpr auto submission = "_submission._tcp.example.com";

std::string found(const FakeDns& dns, const Wanted& wanted = {}) {
  const auto result = discover("example.com", wanted, dns);
  if (!result) return "error";
  if (!*result) return "nothing";
  return (*result)->host + ":" + std::to_string((*result)->port) + ((*result)->tls == Tls::implicit ? " implicit" : "");
}

TEST(Discover, TakesTlsFromTheFirstByteWhereBothAreAsGood) {
  FakeDns dns;
  EXPECT_EQ(found(dns), "nothing");
  dns.records[submission] = {{0, 100, 587, "mx.example.com"}};
  EXPECT_EQ(found(dns), "mx.example.com:587");
  dns.records[submissions] = {{0, 1, 465, "mx.example.com"}};
  EXPECT_EQ(found(dns), "mx.example.com:465 implicit");
}

TEST(Discover, TakesTheLowestPriorityThenTheGreatestWeight) {
  FakeDns dns;
  dns.records[submissions] = {{20, 0, 465, "late.example.com"}};
  dns.records[submission] = {
      {10, 1, 587, "light.example.com"}, {10, 9, 587, "heavy.example.com"}, {10, 5, 587, "middle.example.com"}};
  EXPECT_EQ(found(dns), "heavy.example.com:587");
}

TEST(Discover, TakesWhatIsWantedAlone) {
  FakeDns dns;
  dns.records[submissions] = {{20, 0, 465, "mx.example.com"}};
  dns.records[submission] = {{10, 0, 587, "mx.example.com"}, {5, 0, 25, "old.example.com"}};
  EXPECT_EQ(found(dns, {.tls = Tls::implicit}), "mx.example.com:465 implicit");
  for (const Tls tls : {Tls::starttls, Tls::opportunistic, Tls::off}) {
    EXPECT_EQ(found(dns, {.tls = tls}), "old.example.com:25");
  }
  EXPECT_EQ(found(dns, {.port = 587}), "mx.example.com:587");
  EXPECT_EQ(found(dns, {.tls = Tls::implicit, .port = 587}), "nothing");
}

TEST(Discover, PassesOverWhatIsNoServer) {
  FakeDns dns;
  dns.records[submissions] = {{0, 0, 0, ""}};
  EXPECT_EQ(found(dns), "nothing");
  dns.records[submissions] = {
      {0, 0, 465, ""}, {0, 0, 465, "a b\"; x"}, {0, 0, 465, "-C"}, {0, 0, 465, "host:25"}, {0, 0, 0, "mx.example.com"}};
  EXPECT_EQ(found(dns), "nothing");
}

TEST(Discover, TellsWhenNobodyAnswers) {
  FakeDns dns;
  dns.silent = true;
  EXPECT_TRUE(test::fails_as(discover("example.com", {}, dns), Error::Kind::temporary));
}

TEST(AHost, BelongsToADomain) {
  EXPECT_TRUE(belongs_to("mx.Example.com", "example.com"));
  EXPECT_TRUE(belongs_to("example.com", "EXAMPLE.com"));
  EXPECT_FALSE(belongs_to("mxexample.com", "example.com"));
  EXPECT_FALSE(belongs_to("example.com.evil.test", "example.com"));
  EXPECT_FALSE(belongs_to("com", "example.com"));
}

}  // namespace
}  // namespace pillarbox::app
