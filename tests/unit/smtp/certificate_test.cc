#include "smtp/certificate.h"

#include <gtest/gtest.h>

namespace pillarbox::smtp {
namespace {

using std::chrono::sys_days;
using namespace std::chrono_literals;

Presented presented(Presented::Trouble trouble, std::size_t at_fault = 0) {
  return {.chain = {{.subject = "CN=mail",
                     .names = {"mail.example.com", "192.0.2.1"},
                     .not_before = sys_days(2024y / 1 / 1),
                     .not_after = sys_days(2025y / 1 / 1),
                     .fingerprint = "AB:CD",
                     .pin = "sha256//AAAA"},
                    {.subject = "CN=Authority",
                     .not_before = sys_days(1950y / 1 / 1),
                     .not_after = sys_days(9999y / 12 / 31)}},
          .trouble = trouble,
          .at_fault = at_fault};
}

TEST(AClue, IsTheFingerprintWhereNobodyVouches) {
  EXPECT_EQ(clue(presented(Presented::Trouble::untrusted)), "its SHA-256 fingerprint is AB:CD");
  EXPECT_EQ(clue(presented(Presented::Trouble::untrusted, 1)), "its SHA-256 fingerprint is AB:CD");
}

TEST(AClue, IsBothDatesOutOfItsTime) {
  const std::string dates = "it is valid from 2024-01-01T00:00:00Z to 2025-01-01T00:00:00Z";
  EXPECT_EQ(clue(presented(Presented::Trouble::expired)), dates);
  EXPECT_EQ(clue(presented(Presented::Trouble::not_yet_valid)), dates);
}

TEST(AClue, NamesTheAuthorityThatIsOutOfItsTime) {
  EXPECT_EQ(clue(presented(Presented::Trouble::expired, 1)),
            "CN=Authority is valid from 1950-01-01T00:00:00Z to 9999-12-31T00:00:00Z");
}

TEST(AClue, IsTheNamesWhereTheChainIsSound) {
  EXPECT_EQ(clue(presented(Presented::Trouble::none)), "it is for mail.example.com, 192.0.2.1");
  Presented nameless = presented(Presented::Trouble::none);
  nameless.chain[0].names.clear();
  EXPECT_EQ(clue(nameless), "it names no host; its subject is CN=mail");
}

TEST(AClue, EndsSomewhere) {
  Presented many = presented(Presented::Trouble::none);
  many.chain[0].names.assign(500, "mail.example.com");
  EXPECT_TRUE(clue(many).ends_with(", mail.example.com and 480 more"));
}

TEST(AClue, IsTheKeyWhereAnotherIsPinned) {
  EXPECT_EQ(clue_for_pin(presented(Presented::Trouble::none)), "it is sha256//AAAA");
}

}  // namespace
}  // namespace pillarbox::smtp
