#include "queue/entry.h"

#include <gtest/gtest.h>

#include "queue.h"
#include "queue/checksum.h"

namespace pillarbox::queue {
namespace {

using namespace test;  // NOLINT(google-build-using-namespace)

const std::string an_id = "1j52sk9h000-abcdefghijklmnop";

Entry entry_with_id() {
  Entry entry = entry_to();
  entry.id = an_id;
  return entry;
}

// The head with one field exchanged; the outer length is mended.
std::string changed(const std::string& from, const std::string& to) {
  const std::string magic = "pillarbox-queue 1\n";
  std::string head = encode(entry_with_id(), 7).substr(magic.size());
  std::string fields = head.substr(head.find(':') + 1);
  fields.pop_back();
  EXPECT_NE(fields.find(from), std::string::npos) << from;
  fields.replace(fields.find(from), from.size(), to);
  return magic + std::to_string(fields.size()) + ':' + fields + ',';
}

TEST(Entry, IdsSortByTimeAndAreUnguessable) {
  std::string before;
  for (const auto after : {0us, 1us, 31us, 32us, 1'000'000us, 1'000'000'000'000us}) {
    const std::string id = new_id(noon + after);
    EXPECT_TRUE(is_id(id));
    EXPECT_LT(before, id);
    before = id;
  }
  EXPECT_NE(new_id(noon), new_id(noon));
  EXPECT_TRUE(is_id(new_id(Time::max())));
  EXPECT_TRUE(is_id(new_id(Time::min())));
}

TEST(Entry, NoOtherNameIsAnId) {
  EXPECT_TRUE(is_id(an_id));
  for (const std::string& name :
       {std::string(), std::string("new"), std::string("failed"), std::string("."), an_id + "x", an_id + ".state",
        std::string("1j52sk9h000_abcdefghijklmnop"), std::string("1J52sk9h000-abcdefghijklmnop"),
        std::string("1j52sk9h000-abcdefghijklmno/"), std::string("1j52sk9h000-abcdefghijklmno1"),
        std::string(28, '\0')}) {
    EXPECT_FALSE(is_id(name)) << name;
  }
}

TEST(Entry, ReadsBack) {
  for (const std::string sender : {"", "alice@example.com", "\"a@b \\\\ \\\"\"@example.com", "grete@[IPv6:::1]", "root",
                                   "m\xc3\xbcller@example.com"}) {
    Entry entry = entry_to({"bob@example.net", sender.empty() ? "x" : sender}, sender);
    entry.id = an_id;
    entry.bounce_of = "1j52sk9h000-abcdefghijklmnoq";
    entry.owner = Owner::none;
    entry.account = "";
    const std::string head = encode(entry, 42);
    EXPECT_EQ(*head_size(head.substr(0, 64)), head.size());
    const auto read = decode(head);
    ASSERT_TRUE(succeeds(read));
    EXPECT_EQ(read->content_size, 42U);
    EXPECT_EQ(read->entry.bounce_of, entry.bounce_of);
    EXPECT_EQ(read->entry.envelope.sender().path(), entry.envelope.sender().path());
    EXPECT_EQ(encode(read->entry, 42), head);
  }
}

TEST(Entry, WhatIsAskedOfARecipientReadsBack) {
  Entry entry = entry_to({"bob@example.net", "carol@example.org"});
  entry.id = an_id;
  const std::string before = encode(entry, 42);
  entry.dsn.of = {{"carol@example.org", {"NEVER", "rfc822;list+2Bc@x.test"}}, {"gone@x.test", {"DELAY", ""}}};
  const std::string head = encode(entry, 42);
  EXPECT_GT(head.size(), before.size());
  const auto read = decode(head);
  ASSERT_TRUE(succeeds(read));
  EXPECT_EQ(read->entry.dsn.of.size(), 1U);
  const auto [notify, original] = read->entry.dsn.about(entry.envelope.recipients()[1]);
  EXPECT_EQ(notify, "NEVER");
  EXPECT_EQ(original, "rfc822;list+2Bc@x.test");
  EXPECT_TRUE(read->entry.dsn.about(entry.envelope.recipients()[0]).empty());
  entry.dsn.of.erase("carol@example.org");
  EXPECT_EQ(encode(entry, 42), before) << "of its own recipients nothing is asked";
}

TEST(Entry, EveryValueIsValidated) {
  ASSERT_TRUE(succeeds(decode(changed("4:work,", "4:Work,"))));
  const std::vector<std::pair<std::string, std::string>> changes = {
      {"28:" + an_id, "3:new"},
      {"19:1800000000000000000,", "20:18000000000000000000,"},
      {"19:1800000000000000000,", "2:-1,"},
      {"19:1800000000000000000,", "2:01,"},
      {"19:1800000000000000000,", "0:,"},
      {"6:system,", "4:root,"},
      {"6:system,", "4:none,"},
      {"4:work,", "0:,"},
      {"4:work,", "4:a\nbc,"},
      {"4:work,0:,", "4:work,3:yes,"},
      {"4:work,0:,0:,", "4:work,0:,6:bounce,"},
      {"15:<1@example.com>,", "3:a\nb,"},
      {"15:<1@example.com>,0:,", "15:<1@example.com>,6:ALWAYS,"},
      {"15:<1@example.com>,0:,", "15:<1@example.com>,13:NEVER,FAILURE,"},
      {"15:<1@example.com>,0:,", "15:<1@example.com>,15:FAILURE,FAILURE,"},
      {"15:<1@example.com>,0:,0:,", "15:<1@example.com>,0:,4:HALF,"},
      {"15:<1@example.com>,0:,0:,0:,", "15:<1@example.com>,0:,0:,3:a\rb,"},
      {"17:alice@example.com,", "3:a b,"},
      {"17:alice@example.com,", "2:<>,"},
      {"17:alice@example.com,", "19:<alice@example.com>,"},
      {"15:bob@example.net,", "15:bob@example.net,0:,"},
      {"15:bob@example.net,", "15:bob@example.net,6:ALWAYS,0:,"},
      {"15:bob@example.net,", "15:bob@example.net,0:,0:,"},
      {"15:bob@example.net,", "15:bob@example.net,0:,1:x,"},
      {"15:bob@example.net,", "15:bob@example.net,0:,9:rfc822;\r\n,"},
      {"15:bob@example.net,", "15:bob@example.net,0:,0:,0:,"},
      {"15:bob@example.net,", "0:,"},
      {"15:bob@example.net,", "17:bob@example.net\r\n,"},
      {"15:bob@example.net,", "19:bob@example.net (x),"},
      {"15:bob@example.net,", "16: bob@example.net,"},
      {"15:bob@example.net,", "19:-bob@example.net ,"},
      {"1:1,15:bob@example.net,", "1:0,"},
      {"1:1,15:bob@example.net,", "1:0,15:bob@example.net,"},
      {"1:1,15:bob@example.net,", "1:2,15:bob@example.net,"},
      {"1:1,15:bob@example.net,", "1:2,15:bob@example.net,15:bob@EXAMPLE.net,"},
      {"1:1,15:bob@example.net,", "20:18446744073709551615,15:bob@example.net,"},
      {"15:bob@example.net,", "15:bob@example.net;"},
      {"15:bob@example.net,", "015:bob@example.net,"},
      {"15:bob@example.net,", "99999999999999999999999:bob@example.net,"},
      {"15:bob@example.net,", "18446744073709551615:bob@example.net,"},
  };
  for (const auto& [from, to] : changes) EXPECT_TRUE(fails_as(decode(changed(from, to)), Error::Kind::data)) << to;
}

TEST(Entry, TheUidIsOne) {
  const std::string uid = std::to_string(::getuid());
  const std::string field = std::to_string(uid.size()) + ':' + uid + ',';
  for (const char* other : {"10:4294967295,", "10:4294967296,", "1:x,"}) {
    EXPECT_TRUE(fails_as(decode(changed("000000," + field, std::string("000000,") + other)), Error::Kind::data));
  }
}

TEST(Entry, AHeadHasALengthThatIsBounded) {
  for (const char* start :
       {"", "x", "pillarbox-queue 1\n", "pillarbox-queue 1\n:", "pillarbox-queue 1\n12",
        "pillarbox-queue 1\n012:", "pillarbox-queue 1\n99999999999:", "pillarbox-queue 2\n5:hello,"}) {
    EXPECT_TRUE(fails_as(head_size(start), Error::Kind::data)) << start;
    EXPECT_TRUE(fails_as(decode(start), Error::Kind::data)) << start;
  }
}

TEST(Entry, TellsALaterVersionFromDamage) {
  EXPECT_TRUE(is_later_entry("pillarbox-queue 2\nwhatever"));
  EXPECT_TRUE(is_later_entry("pillarbox-queue 10\n"));
  for (const char* text : {"", "pillarbox-queue 1\n", "pillarbox-queue 0\n", "pillarbox-queue x\n",
                           "pillarbox-queue 02\n", "Pillarbox-queue 2\n", "pillarbox-queue 99999999999999999999\n"}) {
    EXPECT_FALSE(is_later_entry(text)) << text;
  }
}

// What the manual says of the checksum: of the empty text, and that pieces make no difference.
TEST(Checksum, IsXxh128) {
  EXPECT_EQ(trailer(""), "99aa06d3014798d86001c324468d497f\n");
  Checksum checksum;
  for (const char c : std::string(1000, 'x')) checksum.add({&c, 1});
  EXPECT_EQ(trailer(checksum), trailer(std::string(1000, 'x')));
}

}  // namespace
}  // namespace pillarbox::queue
