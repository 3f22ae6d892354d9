#include "smtp/outcome.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "support.h"

namespace pillarbox::smtp {

void PrintTo(Fate fate, std::ostream* out) {
  *out << "fate " << static_cast<int>(fate);
}

namespace {

using test::contains;
using Cause = Failure::Cause;
using Kind = Error::Kind;

// What the queue does: a message is kept if it may work later or if the account is what ails.
bool kept(const Verdict& verdict) {
  return verdict.fate == Fate::deferred || (verdict.fate != Fate::accepted && verdict.account);
}

struct Row {
  const char* name;
  Failure failure;
  Kind kind;     // the exit code
  bool keep;     // KEEP or FAIL
  bool account;  // another message would fare the same
};

void PrintTo(const Row& row, std::ostream* out) {
  *out << row.name;
}

Failure refused(Phase phase, int code) {
  return {.cause = Cause::refused, .phase = phase, .reply = Reply{code, {"text"}}};
}
Failure failure(Cause cause, Phase phase) {
  return {.cause = cause, .phase = phase};
}

class FaultMatrix : public ::testing::TestWithParam<Row> {};

TEST_P(FaultMatrix, SaysWhatBecomesOfIt) {
  const Row& row = GetParam();
  const Verdict verdict = judge(row.failure);
  EXPECT_EQ(verdict.kind, row.kind);
  EXPECT_EQ(kept(verdict), row.keep);
  EXPECT_EQ(verdict.account, row.account);
  EXPECT_NE(verdict.fate, Fate::accepted);
  EXPECT_FALSE(verdict.text.empty());
  EXPECT_EQ(verdict.reply.has_value(), row.failure.reply.has_value());
}

INSTANTIATE_TEST_SUITE_P(
    Rows, FaultMatrix,
    ::testing::Values(
        Row{"greeting 421", refused(Phase::greeting, 421), Kind::temporary, true, true},
        Row{"greeting 554", refused(Phase::greeting, 554), Kind::unavailable, true, true},
        Row{"silent server", failure(Cause::timeout, Phase::greeting), Kind::temporary, true, true},
        Row{"closes after connect", failure(Cause::lost, Phase::greeting), Kind::temporary, true, true},
        Row{"closes after EHLO", failure(Cause::lost, Phase::ehlo), Kind::temporary, true, true},
        Row{"banner of another protocol", failure(Cause::protocol, Phase::greeting), Kind::protocol, true, true},
        Row{"EHLO 502 where it is needed", refused(Phase::ehlo, 502), Kind::unavailable, true, true},
        Row{"EHLO 421", refused(Phase::ehlo, 421), Kind::temporary, true, true},
        Row{"EHLO 450", refused(Phase::ehlo, 450), Kind::temporary, true, true},
        Row{"EHLO 550", refused(Phase::ehlo, 550), Kind::unavailable, true, true},
        Row{"HELO 554", refused(Phase::helo, 554), Kind::unavailable, true, true},
        Row{"STARTTLS missing", failure(Cause::tls_not_offered, Phase::starttls), Kind::unavailable, true, true},
        Row{"STARTTLS 454", refused(Phase::starttls, 454), Kind::temporary, true, true},
        Row{"STARTTLS 501", refused(Phase::starttls, 501), Kind::unavailable, true, true},
        Row{"bytes behind the 220 of STARTTLS", failure(Cause::protocol, Phase::starttls), Kind::protocol, true, true},
        Row{"certificate", failure(Cause::certificate, Phase::tls), Kind::unavailable, true, true},
        Row{"handshake", failure(Cause::tls_failed, Phase::tls), Kind::unavailable, true, true},
        Row{"stall in the handshake", failure(Cause::timeout, Phase::tls), Kind::temporary, true, true},
        Row{"CA file missing",
            {.cause = Cause::local, .phase = Phase::connect, .text = "x", .kind = Kind::config},
            Kind::config,
            true,
            true},
        Row{"AUTH not offered", failure(Cause::auth_not_offered, Phase::auth), Kind::no_permission, true, true},
        Row{"AUTH 535", refused(Phase::auth, 535), Kind::no_permission, true, true},
        Row{"AUTH 454", refused(Phase::auth, 454), Kind::temporary, true, true},
        Row{"AUTH 421", refused(Phase::auth, 421), Kind::temporary, true, true},
        Row{"AUTH only in clear", failure(Cause::cleartext, Phase::auth), Kind::no_permission, true, true}),
    [](const auto& test) {
      std::string name;
      for (const char c : std::string_view(test.param.name)) name += base::is_alnum(c) ? c : '_';
      return name;
    });

INSTANTIATE_TEST_SUITE_P(
    RowsOfTheMessage, FaultMatrix,
    ::testing::Values(Row{"MAIL 451", refused(Phase::mail, 451), Kind::temporary, true, false},
                      Row{"MAIL 550", refused(Phase::mail, 550), Kind::unavailable, false, false},
                      Row{"larger than SIZE", failure(Cause::too_large, Phase::mail), Kind::unavailable, false, false},
                      Row{"RCPT 550", refused(Phase::rcpt, 550), Kind::no_user, false, false},
                      Row{"RCPT 450", refused(Phase::rcpt, 450), Kind::temporary, true, false},
                      Row{"RCPT 421", refused(Phase::rcpt, 421), Kind::temporary, true, false},
                      Row{"DATA 451", refused(Phase::data, 451), Kind::temporary, true, false},
                      Row{"DATA 554", refused(Phase::data, 554), Kind::unavailable, false, false},
                      Row{"DATA 250", refused(Phase::data, 250), Kind::protocol, true, false},
                      Row{"lost in the body", failure(Cause::lost, Phase::body), Kind::temporary, true, false},
                      Row{"552 in the body", refused(Phase::body, 552), Kind::unavailable, false, false},
                      Row{"421 in the body", refused(Phase::body, 421), Kind::temporary, true, false},
                      Row{"stall in the body", failure(Cause::timeout, Phase::body), Kind::temporary, true, false},
                      Row{"451 after the dot", refused(Phase::dot, 451), Kind::temporary, true, false},
                      Row{"554 after the dot", refused(Phase::dot, 554), Kind::unavailable, false, false},
                      Row{"lost after the dot", failure(Cause::lost, Phase::dot), Kind::temporary, true, false},
                      Row{"silence after the dot", failure(Cause::timeout, Phase::dot), Kind::temporary, true, false},
                      Row{"mixed codes", failure(Cause::protocol, Phase::rcpt), Kind::protocol, true, false},
                      Row{"oversized reply", failure(Cause::protocol, Phase::dot), Kind::protocol, true, false},
                      Row{"host unknown", failure(Cause::unknown_host, Phase::connect), Kind::no_host, true, true},
                      Row{"DNS trouble", failure(Cause::unresolved, Phase::connect), Kind::temporary, true, true},
                      Row{"refused connection", failure(Cause::unreachable, Phase::connect), Kind::temporary, true,
                          true},
                      Row{"connect timeout", failure(Cause::timeout, Phase::connect), Kind::temporary, true, true},
                      Row{"UTF-8 address",
                          {.cause = Cause::unsupported, .phase = Phase::mail, .text = "x", .kind = Kind::data},
                          Kind::data,
                          false,
                          false},
                      Row{"EIO in the message",
                          {.cause = Cause::source, .phase = Phase::body, .text = "x", .kind = Kind::io},
                          Kind::io,
                          false,
                          false}),
    [](const auto& test) {
      std::string name;
      for (const char c : std::string_view(test.param.name)) name += base::is_alnum(c) ? c : '_';
      return name;
    });

TEST(Judging, KeepsTheServersWords) {
  const Verdict verdict =
      judge({.cause = Cause::refused, .phase = Phase::dot, .reply = Reply{554, {"5.7.1 no", "spam"}}});
  EXPECT_TRUE(contains(verdict.text, "554 5.7.1 no spam")) << verdict.text;
  EXPECT_EQ(verdict.reply->code, 554);
}

// --- whole transactions

// A dialogue in which recipients got these codes (0: none), then DATA and the dot (0: not sent).
Outcome outcome(const std::vector<int>& rcpt, int data, int dot) {
  View view;
  Dialogue dialogue({}, view);
  dialogue.begin_transaction(rcpt.size(), std::nullopt);
  dialogue.connecting("mx");
  dialogue.connected("192.0.2.1", 25, false);
  dialogue.reply_line("220 mx");
  const auto say = [&](const std::string& command, int code) {
    dialogue.command(command);
    return dialogue.reply_line(std::to_string(code) + " text of " + std::to_string(code)) == Dialogue::Next::go_on;
  };
  bool on = say("EHLO me", 250) && say("MAIL FROM:<a@b>", 250);
  for (const int code : rcpt) on = on && code > 0 && say("RCPT TO:<x>", code);
  if (on && data > 0 && say("DATA", data) && dot > 0) {
    dialogue.body("x\r\n");
    dialogue.body_ended();
    dialogue.reply_line(std::to_string(dot) + " text of " + std::to_string(dot));
  }
  return outcome_of(dialogue, 3);
}

// "A" accepted, "R" rejected, "D" deferred, one a recipient.
std::string fates(const Outcome& outcome) {
  std::string out;
  for (const Verdict& verdict : outcome.recipients) out += "ARD"[static_cast<int>(verdict.fate)];
  return out;
}

Kind worst(const Outcome& outcome) {
  return outcome.worst() ? outcome.worst()->kind : Kind::internal;
}

TEST(AnOutcome, IsAcceptanceForAll) {
  const Outcome all = outcome({250, 251}, 354, 250);
  EXPECT_EQ(fates(all), "AA");
  EXPECT_EQ(all.accepted_count(), 2U);
  EXPECT_EQ(all.worst(), nullptr);
  EXPECT_FALSE(all.failure);
  EXPECT_EQ(all.accepted->code, 250);
  EXPECT_EQ(all.size, 3U);
}

TEST(AnOutcome, GivesPartlyRefusedRecipientsTheirOwnFates) {
  const Outcome refused = outcome({250, 550, 250}, 354, 250);
  EXPECT_EQ(fates(refused), "ARA");
  EXPECT_EQ(worst(refused), Kind::no_user);
  const Outcome later = outcome({250, 450}, 354, 250);
  EXPECT_EQ(fates(later), "AD");
  EXPECT_EQ(worst(later), Kind::temporary);
  const Outcome mixed = outcome({450, 250, 550}, 354, 250);
  EXPECT_EQ(fates(mixed), "DAR");
  EXPECT_EQ(worst(mixed), Kind::no_user);
  EXPECT_FALSE(mixed.failure) << "a refused recipient alone is no failure of the message";
}

TEST(AnOutcome, IsEachOnesOwnWhereAllAreRefused) {
  const Outcome all = outcome({550, 551}, 0, 0);
  EXPECT_EQ(fates(all), "RR");
  EXPECT_EQ(worst(all), Kind::no_user);
  const Outcome some = outcome({450, 550}, 0, 0);
  EXPECT_EQ(fates(some), "DR");
  EXPECT_EQ(worst(some), Kind::no_user);
  EXPECT_EQ(fates(outcome({450, 451}, 0, 0)), "DD");
}

TEST(AnOutcome, OfAnEmptyTextForNobodyIsNoAcceptance) {
  const Outcome taken = outcome({550}, 354, 250);
  EXPECT_FALSE(taken.accepted);
  EXPECT_FALSE(taken.failure);
  EXPECT_EQ(taken.worst()->reply->code, 550);
}

TEST(AnOutcome, OfA421ToARecipientIsLaterForAll) {
  const Outcome closed = outcome({250, 550, 421, 250}, 354, 250);
  EXPECT_EQ(fates(closed), "DDDD");
  EXPECT_EQ(worst(closed), Kind::temporary);
  EXPECT_EQ(fates(outcome({421, 250}, 354, 250)), "DD");
}

TEST(AnOutcome, OfARefusedMessageIsEverybodysButForThoseWhoWereRefusedBefore) {
  EXPECT_EQ(fates(outcome({250, 450, 550}, 554, 0)), "RDR");
  EXPECT_EQ(worst(outcome({250, 250}, 554, 0)), Kind::unavailable);
  EXPECT_EQ(fates(outcome({250, 450, 550}, 451, 0)), "DDR");
  EXPECT_EQ(fates(outcome({250, 450, 550}, 354, 554)), "RDR");
  EXPECT_EQ(fates(outcome({250, 450, 550}, 354, 451)), "DDR");
  EXPECT_EQ(fates(outcome({250, 250}, 250, 0)), "DD");
  EXPECT_EQ(worst(outcome({250}, 250, 0)), Kind::protocol);
}

TEST(AnOutcome, TakesNobodyForServedBeforeTheDotWasAccepted) {
  for (const Outcome& open :
       {outcome({250, 250}, 0, 0), outcome({250, 250}, 354, 0), outcome({250, 0}, 0, 0), outcome({0, 0}, 0, 0)}) {
    EXPECT_EQ(open.accepted_count(), 0U);
    EXPECT_EQ(fates(open), "DD");
  }
}

// The dot, or the last chunk, of the first transaction was said; the second's was not.
TEST(AnOutcome, OfALostConnectionSaysWhetherTheMessageMayHaveArrived) {
  View view;
  Dialogue dialogue({}, view);
  dialogue.forget_transaction();  // the connection's own
  for (const std::string chunk : {"BDAT 3 LAST", "BDAT 3"}) {
    dialogue.add_transaction(1, std::nullopt);
    for (const std::string& command : {std::string("MAIL FROM:<a@b>"), std::string("RCPT TO:<c@d>"), chunk}) {
      dialogue.command(command);
    }
  }
  dialogue.fail({.cause = Cause::lost, .phase = Phase::mail});
  EXPECT_TRUE(contains(outcome_of(dialogue, 3).failure->text, "may have arrived"));
  dialogue.forget_transaction();
  EXPECT_FALSE(contains(outcome_of(dialogue, 3).failure->text, "may have arrived"));
}

TEST(AnOutcome, OfAnAbortIsLaterForThoseWhoWouldHaveBeenTaken) {
  const Outcome aborted = outcome({250, 550}, 0, 0);
  EXPECT_EQ(fates(aborted), "DR");
  EXPECT_EQ(worst(aborted), Kind::no_user);
}

TEST(AnOutcome, NamesTheFirstPermanentFailureElseTheFirstTemporaryOne) {
  Outcome some;
  EXPECT_EQ(some.worst(), nullptr);
  some.recipients.push_back({.fate = Fate::accepted});
  some.recipients.push_back({.fate = Fate::deferred, .kind = Kind::temporary, .text = "first"});
  some.recipients.push_back({.fate = Fate::deferred, .kind = Kind::temporary, .text = "second"});
  EXPECT_EQ(some.worst()->text, "first");
  some.recipients.push_back({.fate = Fate::rejected, .kind = Kind::no_user, .text = "third"});
  some.recipients.push_back({.fate = Fate::rejected, .kind = Kind::unavailable, .text = "fourth"});
  EXPECT_EQ(some.worst()->text, "third");
}

TEST(AnOutcome, NamesWhatTheServerSaidBeforeWhatFollowedFromIt) {
  const Outcome aborted = outcome({250, 450, 451}, 0, 0);
  ASSERT_TRUE(aborted.worst()->reply);
  EXPECT_EQ(aborted.worst()->reply->code, 450);
}

TEST(AnOutcome, OfWhatWasNotTriedIsTheSameForAll) {
  const Outcome none = untried(3, judge(failure(Cause::unknown_host, Phase::connect)));
  EXPECT_EQ(none.recipients.size(), 3U);
  EXPECT_EQ(worst(none), Kind::no_host);
  EXPECT_EQ(none.accepted_count(), 0U);
  EXPECT_TRUE(none.failure);
}

TEST(AnOutcome, HasRecipientsWhomNoServerWasAskedAbout) {
  Outcome some = untried(1, judge(failure(Cause::lost, Phase::connect)));
  some.recipients.push_back({.fate = Fate::rejected, .kind = Kind::no_user, .text = "nobody there"});
  EXPECT_FALSE(some.refused_alone(0));
  EXPECT_TRUE(some.refused_alone(1));
}

}  // namespace
}  // namespace pillarbox::smtp
