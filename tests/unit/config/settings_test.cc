#include "config/settings.h"

#include <gtest/gtest.h>

#include "support.h"

namespace pillarbox::config {
namespace {

using test::contains;
using test::fails_as;

constexpr auto config_error = Error::Kind::config;

TEST(ChoosingAnAccount, NamesThoseThatThereAre) {
  Settings settings;
  EXPECT_TRUE(fails_as(settings.account(std::nullopt), config_error));
  settings.accounts.resize(2);
  settings.accounts[0].name = "work";
  settings.accounts[1].name = "home";
  EXPECT_EQ((*settings.account(std::nullopt))->name, "work");
  EXPECT_EQ((*settings.account("home"))->name, "home");
  const auto unknown = settings.account("hmoe");
  ASSERT_TRUE(fails_as(unknown, config_error));
  EXPECT_TRUE(contains(unknown.error().text, "work") && contains(unknown.error().text, "home"));
  settings.default_account = "gone";
  EXPECT_TRUE(fails_as(settings.account(std::nullopt), config_error));
  EXPECT_TRUE(fails_as(settings.account(""), config_error));
}

TEST(ChoosingAnAccount, IsLeftToAFileThatCanNotBeRead) {
  Settings settings;
  settings.accounts.resize(2);
  settings.accounts[0].name = "work";
  settings.accounts[1].name = "home";
  settings.unread = Error{config_error, "closed"};
  EXPECT_EQ(settings.account(std::nullopt).error().text, "closed");  // which may have a default_account
  EXPECT_EQ(settings.account("other").error().text, "closed");
  EXPECT_EQ((*settings.account("home"))->name, "home");
  settings.default_account = "home";
  EXPECT_EQ((*settings.account(std::nullopt))->name, "home");
  settings.accounts.clear();
  EXPECT_EQ(settings.account(std::nullopt).error().text, "closed");
}

// --- by the sender

Settings work_and_home() {
  Settings settings;
  settings.accounts.resize(2);
  settings.accounts[0].name = "work";
  settings.accounts[0].from = *mail::Address::parse("alice@work.test");
  settings.accounts[0].from_match = {"*@Lab.work.test", "team-*@*.test"};
  settings.accounts[1].name = "home";
  settings.accounts[1].from = *mail::Address::parse("alice@home.test");
  settings.accounts[1].from_match = {"*@work.test"};
  return settings;
}

std::string chosen(const Settings& settings, const std::string& sender, const std::optional<std::string>& name = {}) {
  const auto account = settings.account(name, *mail::Address::parse(sender));
  return account ? (*account)->name : account.error().text;
}

TEST(ChoosingAnAccount, GoesByTheSenderInOrder) {
  Settings settings = work_and_home();
  settings.default_account = "home";
  EXPECT_EQ(chosen(settings, "alice@work.test"), "work");
  EXPECT_EQ(chosen(settings, "alice@WORK.test"), "work");
  EXPECT_EQ(chosen(settings, "Alice@work.test"), "home");  // by the pattern: a local part's case counts
  EXPECT_EQ(chosen(settings, "bob@work.test"), "home");
  EXPECT_EQ(chosen(settings, "bob@lab.WORK.test"), "work");
  EXPECT_EQ(chosen(settings, "team-a@x.test"), "work");
  EXPECT_EQ(chosen(settings, "team@x.test"), "home");
  EXPECT_EQ(chosen(settings, "stranger@example.com"), "home");
  settings.default_account = "work";
  EXPECT_EQ(chosen(settings, "stranger@example.com"), "work");
  EXPECT_EQ(chosen(settings, "alice@work.test.example.com"), "work");
}

TEST(ChoosingAnAccount, GoesByTheNameBeforeTheSender) {
  const Settings settings = work_and_home();
  EXPECT_EQ(chosen(settings, "alice@work.test", "home"), "home");
  EXPECT_TRUE(contains(chosen(settings, "alice@work.test", "hmoe"), "there are: work, home"));
  EXPECT_EQ((*settings.account(std::nullopt, std::nullopt))->name, "work");  // the null sender's
}

TEST(APatternOfSenders, HasAStarForAnything) {
  Account account;
  const auto fits = [&](const std::string& pattern, const std::string& address) {
    account.from_match = {pattern};
    return account.is_for(*mail::Address::parse(address));
  };
  EXPECT_TRUE(fits("a@b.test", "a@b.test"));
  EXPECT_TRUE(fits("*@b.test", "a@b.test"));
  EXPECT_TRUE(fits("a*c@b.test", "abc@b.test"));
  EXPECT_TRUE(fits("a*c@b.test", "ac@b.test"));
  EXPECT_TRUE(fits("a*bc*c@b.test", "abbcbcc@b.test"));
  EXPECT_TRUE(fits("*@*", "a@b.test"));
  EXPECT_TRUE(fits("a@*.test", "a@b.c.test"));
  EXPECT_FALSE(fits("a@*.test", "a@test"));
  EXPECT_FALSE(fits("a*c@b.test", "abcd@b.test"));
  EXPECT_FALSE(fits("*@b.test", "a@xb.test"));
  EXPECT_FALSE(fits("a@b.test", "a@b.tes"));
  EXPECT_FALSE(fits("a?c@b.test", "abc@b.test"));
}

}  // namespace
}  // namespace pillarbox::config
