#include "smtp/batches.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "support.h"

namespace pillarbox::smtp {
namespace {

const std::string content = "Subject: s\r\n\r\nhi\r\n";

std::string name(std::size_t i) {
  return "r" + std::to_string(i) + "@x.test";
}

Transaction transaction(std::size_t recipients, std::unique_ptr<base::Source> source = test::memory(content)) {
  std::vector<mail::Address> addresses;
  for (std::size_t i = 0; i < recipients; ++i) addresses.push_back(mail::Address::parse(name(i)).value());
  mail::Message message("", std::move(source),
                        mail::Normaliser(mail::Normaliser::Part::header, mail::Normaliser::Nul::refuse));
  message.keep();
  EXPECT_TRUE(test::succeeds(message.prime()));
  return {.name = "m" + std::to_string(recipients),
          .envelope = mail::Envelope::make(mail::ReversePath(), addresses).value(),
          .message = std::move(message)};
}

// The caller's side: what there is, and what it was told. unsure: it takes for possible that there is more, until it
// has looked, as with files that can't be read and an mbox's last message.
class List final : public Work {
 public:
  explicit List(std::vector<Transaction> all, bool unsure = false)
      : all_(std::make_move_iterator(all.begin()), std::make_move_iterator(all.end())), unsure_(unsure) {}

  std::optional<Transaction> next() override {
    if (all_.empty()) {
      unsure_ = false;
      return std::nullopt;
    }
    Transaction first = std::move(all_.front());
    all_.pop_front();
    return first;
  }
  [[nodiscard]] bool last() const override { return all_.empty() && !unsure_; }
  [[nodiscard]] bool ready() const override { return true; }
  void done(Transaction& transaction, const Outcome& outcome) override {
    names.push_back(transaction.name);
    EXPECT_EQ(transaction.envelope.recipients().size(), outcome.recipients.size());
    for (std::size_t i = 0; i < outcome.recipients.size(); ++i)
      EXPECT_EQ(transaction.envelope.recipients()[i].text(), name(i));
    outcomes.push_back(outcome);
  }
  [[nodiscard]] std::optional<Verdict> given_up() const override { return std::nullopt; }

  std::vector<std::string> names;
  std::vector<Outcome> outcomes;

 private:
  std::deque<Transaction> all_;
  bool unsure_;
};

Verdict said(int code, const std::string& words) {
  const Fate fate = code / 100 == 2 ? Fate::accepted : code / 100 == 4 ? Fate::deferred : Fate::rejected;
  return {.fate = fate, .text = words, .reply = Reply{.code = code, .lines = {words}}};
}

std::string read_all_of(mail::Message& message) {
  std::string all(1000, '\0');
  std::size_t size = 0;
  while (const std::size_t count = message.read(std::span(all).subspan(size)).value()) size += count;
  return all.substr(0, size);
}

// A server that takes so many recipients of a transaction, and the message then; generous: even for nobody.
Outcome serve(Transaction& transaction, std::size_t room, const Verdict& crowd = said(452, "4.5.3 too many"),
              bool generous = false) {
  Outcome outcome;
  for (std::size_t i = 0; i < transaction.envelope.recipients().size(); ++i) {
    outcome.recipients.push_back(i < room ? said(250, "ok") : crowd);
  }
  if (room > 0 || generous) outcome.accepted = Reply{.code = 250, .lines = {"taken"}};
  EXPECT_EQ(read_all_of(transaction.message), content);
  outcome.size = content.size();
  transaction.message.release();
  return outcome;
}

List list(std::size_t recipients) {
  std::vector<Transaction> all;
  all.push_back(transaction(recipients));
  return List(std::move(all));
}

TEST(Batches, AFewRecipientsAreOneTransaction) {
  List work = list(3);
  Batches batches(work, 3);
  auto all = batches.next();
  ASSERT_TRUE(all);
  EXPECT_EQ(all->envelope.recipients().size(), 3U);
  EXPECT_TRUE(batches.last());
  batches.done(*all, serve(*all, 3));
  ASSERT_EQ(work.outcomes.size(), 1U);
  EXPECT_EQ(work.outcomes[0].accepted_count(), 3U);
  EXPECT_FALSE(batches.next());
}

TEST(Batches, TheCallersLimitDivides) {
  List work = list(7);
  Batches batches(work, 3);
  std::vector<std::size_t> sizes;
  while (auto part = batches.next()) {
    sizes.push_back(part->envelope.recipients().size());
    EXPECT_EQ(batches.last(), sizes.size() == 3);
    EXPECT_EQ(batches.ready(), sizes.size() == 3) << "the rest waits for what becomes of this";
    batches.done(*part, serve(*part, 3));
  }
  EXPECT_EQ(sizes, (std::vector<std::size_t>{3, 3, 1}));
  ASSERT_EQ(work.outcomes.size(), 1U);
  EXPECT_EQ(work.outcomes[0].accepted_count(), 7U);
}

TEST(Batches, TheServersLimitIsLearnt) {
  std::vector<Transaction> all;
  all.push_back(transaction(10));
  all.push_back(transaction(9));
  List work(std::move(all));
  Batches batches(work, 100);
  std::vector<std::size_t> sizes;
  while (auto part = batches.next()) {
    sizes.push_back(part->envelope.recipients().size());
    batches.done(*part, serve(*part, 4));
  }
  EXPECT_EQ(sizes, (std::vector<std::size_t>{10, 4, 2, 4, 4, 1}));
  ASSERT_EQ(work.outcomes.size(), 2U);
  EXPECT_EQ(work.outcomes[0].accepted_count(), 10U);
  EXPECT_EQ(work.outcomes[1].accepted_count(), 9U);
}

TEST(Batches, NoRoomForAnybodyIsFinal) {
  List work = list(2);
  Batches batches(work, 100);
  auto part = batches.next();
  batches.done(*part, serve(*part, 0));
  EXPECT_FALSE(batches.next());
  EXPECT_EQ(work.outcomes.at(0).recipients[1].reply->code, 452);
}

TEST(Batches, NoRoomForAnybodyIsFinalThoughNothingIsAcceptedForNobody) {
  List work = list(2);
  Batches batches(work, 100);
  auto part = batches.next();
  batches.done(*part, serve(*part, 0, said(452, "4.5.3 too many"), true));
  EXPECT_FALSE(batches.next());
  ASSERT_EQ(work.outcomes.size(), 1U);
  EXPECT_EQ(work.outcomes[0].recipients[1].reply->code, 452);
}

TEST(Batches, WhatIsOwedComesThoughThereSeemedToBeNothing) {
  std::vector<Transaction> all;
  all.push_back(transaction(3));
  List work(std::move(all), true);
  Batches batches(work, 100);
  auto part = batches.next();
  EXPECT_FALSE(batches.last());
  EXPECT_FALSE(batches.next());
  EXPECT_TRUE(batches.last()) << "as far as is known";
  batches.done(*part, serve(*part, 2));
  EXPECT_FALSE(batches.last());
  part = batches.next();
  ASSERT_TRUE(part);
  batches.done(*part, serve(*part, 2));
  ASSERT_EQ(work.outcomes.size(), 1U);
  EXPECT_EQ(work.outcomes[0].accepted_count(), 3U);
}

TEST(Batches, AnEnhancedStatusDecides) {
  const std::vector<std::pair<Verdict, bool>> replies = {
      {said(452, "4.2.2 full"), true},        {said(452, "no words"), true},       {said(552, "too many"), true},
      {said(552, "5.2.2 full"), false},       {said(550, "5.5.3 too many"), true}, {said(451, "4.5.3 too many"), true},
      {said(451, "4.7.1 greylisted"), false}, {said(550, "no such user"), false}};
  for (const auto& [reply, again] : replies) {
    List work = list(2);
    Batches batches(work, 100);
    auto part = batches.next();
    batches.done(*part, serve(*part, 1, reply));
    auto next = batches.next();
    EXPECT_EQ(next.has_value(), again) << reply.text;
    if (next) batches.done(*next, serve(*next, 1));
    EXPECT_EQ(work.outcomes.size(), 1U);
  }
}

TEST(Batches, AllOrNothingIsNotDivided) {
  for (const bool abort : {true, false}) {
    std::vector<Transaction> all;
    all.push_back(transaction(5));
    (abort ? all[0].abort_on_reject : all[0].continue_on_reject) = true;
    List work(std::move(all));
    Batches batches(work, 2);
    auto part = batches.next();
    EXPECT_EQ(part->envelope.recipients().size(), 5U);
    batches.done(*part, serve(*part, 3));
    EXPECT_FALSE(batches.next());
    EXPECT_EQ(work.outcomes.size(), 1U);
  }
}

TEST(Batches, WhatTheMessageMeetsAllItsRecipientsHave) {
  List work = list(6);
  Batches batches(work, 2);
  auto first = batches.next();
  batches.done(*first, serve(*first, 2));
  auto second = batches.next();
  batches.done(*second, untried(2, said(554, "no spam")));
  EXPECT_FALSE(batches.next());
  const Outcome& outcome = work.outcomes.at(0);
  EXPECT_EQ(outcome.accepted_count(), 2U);
  EXPECT_FALSE(outcome.failure) << "some have the message";
  for (std::size_t i = 2; i < 6; ++i) {
    EXPECT_EQ(outcome.recipients[i].reply->code, 554);
    EXPECT_TRUE(outcome.refused_alone(i));
  }
}

TEST(Batches, RefusalsOfRecipientsStopNobodyElse) {
  List work = list(4);
  Batches batches(work, 2);
  auto first = batches.next();
  batches.done(*first, serve(*first, 0, said(550, "5.1.1 nobody")));
  auto second = batches.next();
  ASSERT_TRUE(second);
  batches.done(*second, serve(*second, 2));
  EXPECT_EQ(work.outcomes.at(0).accepted_count(), 2U);
}

TEST(Batches, WhatCantBeReadAgainIsDeferred) {
  std::vector<Transaction> all;
  // More than is kept of a pipe.
  all.push_back(transaction(3, std::make_unique<test::PiecesSource>(std::string(2U << 20U, 'x'), 65536)));
  List work(std::move(all));
  Batches batches(work, 2);
  auto part = batches.next();
  std::string all_of(4U << 20U, '\0');
  while (part->message.read(all_of).value() > 0) {
  }
  Outcome taken;
  taken.recipients = {said(250, "ok"), said(250, "ok")};
  taken.accepted = Reply{.code = 250};
  batches.done(*part, taken);
  EXPECT_FALSE(batches.next());
  const Outcome& outcome = work.outcomes.at(0);
  EXPECT_EQ(outcome.accepted_count(), 2U);
  EXPECT_EQ(outcome.recipients[2].fate, Fate::deferred);
  EXPECT_TRUE(outcome.refused_alone(2));
}

// Several messages under way at once, limits, refusals and failures at random: everyone is told of once, in order, and
// nobody gets a message twice.
TEST(Batches, EveryRecipientOnce) {
  std::mt19937 random(7);
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  for (int round = 0; round < 300; ++round) {
    std::vector<Transaction> all;
    std::vector<std::string> expected;
    for (std::size_t i = 0, count = 1 + below(6); i < count; ++i) {
      all.push_back(transaction(1 + below(12)));
      all.back().name = std::to_string(i);
      expected.push_back(all.back().name);
    }
    List work(std::move(all), below(2) == 0);
    Batches batches(work, 1 + below(8));
    std::map<std::string, std::multiset<std::string>> got;
    std::deque<Transaction> flight;
    const std::size_t window = 1 + below(4);
    for (;;) {
      auto next = flight.size() < window ? batches.next() : std::nullopt;
      if (next) {
        flight.push_back(*std::move(next));
        continue;
      }
      if (flight.empty()) break;
      Transaction& oldest = flight.front();
      const Verdict crowd = below(2) == 0 ? said(452, "4.5.3 many") : said(550, "5.1.1 nobody");
      Outcome outcome = below(8) == 0 ? untried(oldest.envelope.recipients().size(), said(451, "later"))
                                      : serve(oldest, below(6), crowd, below(2) == 0);
      for (std::size_t i = 0; i < outcome.recipients.size(); ++i) {
        if (outcome.recipients[i].fate == Fate::accepted)
          got[oldest.name].insert(oldest.envelope.recipients()[i].text());
      }
      batches.done(oldest, outcome);
      flight.pop_front();
    }
    EXPECT_EQ(work.names, expected);
    for (std::size_t m = 0; m < expected.size(); ++m) {
      const auto& who = got[expected[m]];
      EXPECT_EQ(who.size(), work.outcomes[m].accepted_count());
      EXPECT_EQ(std::set<std::string>(who.begin(), who.end()).size(), who.size()) << "somebody has it twice";
      for (std::size_t i = 0; i < work.outcomes[m].recipients.size(); ++i) {
        EXPECT_EQ(work.outcomes[m].recipients[i].fate == Fate::accepted, who.contains(name(i)));
      }
    }
  }
}

}  // namespace
}  // namespace pillarbox::smtp
