#include "smtp/dialogue.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "support.h"

namespace pillarbox::smtp {

void PrintTo(Phase phase, std::ostream* out) {
  *out << "phase " << static_cast<int>(phase);
}
void PrintTo(Failure::Cause cause, std::ostream* out) {
  *out << "cause " << static_cast<int>(cause);
}

namespace {

using test::contains;
using Cause = Failure::Cause;
using Next = Dialogue::Next;
using Steps = std::vector<std::string>;

// All that a watcher hears, one line each.
class Recorder final : public View {
 public:
  void command(std::string_view line) override { lines.push_back("C: " + std::string(line)); }
  void reply_line(std::string_view line) override { lines.push_back("S: " + std::string(line)); }
  void body(std::string_view piece) override { body_text += piece; }
  void body_ended() override { lines.emplace_back("."); }
  void connected(const Connection& connection) override { lines.push_back("*  " + connection.address); }
  void secured(const Connection& connection) override { lines.push_back("*  " + connection.tls->version); }
  void ready(const Connection& connection) override {
    ++times_ready;
    last = connection;
  }

  [[nodiscard]] std::string all() const {
    std::string out = body_text;
    for (const std::string& line : lines) out += "\n" + line;
    return out;
  }

  std::vector<std::string> lines;
  std::string body_text;
  int times_ready = 0;
  Connection last;
};

// A dialogue from a connection on. "C: x" is a command, "S: x" a line of a reply, "TLS" the handshake's end, "BODY x" a
// piece of the body, "DOT" its end. After a reply that stops nothing may follow.
class Play {
 public:
  explicit Play(Terms terms = {}, bool loopback = false, std::size_t recipients = 1,
                std::optional<std::uint64_t> size = std::nullopt)
      : dialogue(std::move(terms), view) {
    dialogue.begin_transaction(recipients, size);
    dialogue.connecting("mx.example");
    dialogue.connected("192.0.2.1", 25, loopback);
  }

  Play& go(const Steps& steps) {
    for (const std::string& step : steps) {
      if (next == Next::stop) ADD_FAILURE() << "stopped before: " << step;
      if (step.starts_with("C: ")) dialogue.command(step.substr(3));
      if (step.starts_with("S: ")) next = dialogue.reply_line(step.substr(3) + "\r\n");
      if (step.starts_with("BODY ")) dialogue.body(step.substr(5));
      if (step == "DOT") dialogue.body_ended();
      if (step == "TLS") dialogue.secured({"TLSv1.3", "AES", true});
    }
    return *this;
  }

  [[nodiscard]] bool stopped() const { return next == Next::stop; }
  [[nodiscard]] const std::optional<Failure>& failure() const { return dialogue.failure(); }

  Recorder view;
  Dialogue dialogue;
  Next next = Next::go_on;
};

::testing::AssertionResult failed(const Play& play, Cause cause, Phase phase, int code = 0) {
  const auto& failure = play.failure();
  if (!failure) return ::testing::AssertionFailure() << "there is no failure";
  const int got = failure->reply ? failure->reply->code : 0;
  if (failure->cause == cause && failure->phase == phase && got == code) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "cause " << static_cast<int>(failure->cause) << ", phase "
                                       << static_cast<int>(failure->phase) << ", code " << got << ": " << failure->text;
}

Terms plain_terms() {
  return {};
}
Terms tls_terms(bool required) {
  return {.tls_wanted = true, .tls_required = required};
}
Terms login_terms() {
  return {.tls_wanted = true, .tls_required = true, .login = true, .mechanisms = {"PLAIN", "LOGIN"}};
}
Terms clear_login_terms() {
  return {.login = true, .cleartext_login = true, .mechanisms = {"PLAIN", "LOGIN"}};
}

const Steps greeted = {"S: 220 mx ESMTP", "C: EHLO me", "S: 250 mx"};
const Steps logging_in = {"S: 220 mx ESMTP", "C: EHLO me", "S: 250-mx", "S: 250 AUTH PLAIN LOGIN"};

// --- greeting

TEST(Greeting, GoesOnOnlyWithA2xx) {
  EXPECT_FALSE(Play().go({"S: 220 mx"}).stopped());
  EXPECT_FALSE(Play().go({"S: 220-mx", "S: 220-more", "S: 220 all"}).stopped());
  for (const int code : {421, 450, 521, 554}) {
    Play play;
    play.go({"S: " + std::to_string(code) + " no"});
    EXPECT_TRUE(play.stopped()) << code;
    EXPECT_TRUE(failed(play, Cause::refused, Phase::greeting, code));
  }
}

TEST(Greeting, OfAnotherProtocolIsGivenUpAtItsFirstLine) {
  for (const char* line : {"SSH-2.0-OpenSSH_9.2", "HTTP/1.1 400 Bad Request", "+OK POP3", "* OK IMAP", ""}) {
    Play play;
    play.go({"S: " + std::string(line)});
    EXPECT_TRUE(play.stopped()) << line;
    EXPECT_TRUE(failed(play, Cause::protocol, Phase::greeting));
  }
}

// --- EHLO and HELO

TEST(Hello, IsTriedAsHeloAfter500And502WhereNothingNeedsEhlo) {
  for (const int code : {500, 502}) {
    for (const Terms& terms : {plain_terms(), tls_terms(false)}) {
      Play play(terms);
      play.go({"S: 220 mx", "C: EHLO me", "S: " + std::to_string(code) + " what", "C: HELO me", "S: 250 mx"});
      EXPECT_FALSE(play.stopped()) << code;
      EXPECT_FALSE(play.failure());
    }
  }
}

TEST(Hello, IsNotTriedAsHeloWhereTlsOrLoginIsNeeded) {
  for (const int code : {500, 502}) {
    for (const Terms& terms : {tls_terms(true), login_terms(), clear_login_terms()}) {
      Play play(terms);
      play.go({"S: 220 mx", "C: EHLO me", "S: " + std::to_string(code) + " what"});
      EXPECT_TRUE(play.stopped());
      EXPECT_TRUE(failed(play, Cause::refused, Phase::ehlo, code));
    }
  }
}

TEST(Hello, IsNotTriedAsHeloAfterAnythingElse) {
  for (const int code : {421, 450, 451, 501, 503, 504, 521, 530, 550, 554}) {
    Play play;
    play.go({"S: 220 mx", "C: EHLO me", "S: " + std::to_string(code) + " no"});
    EXPECT_TRUE(play.stopped()) << code;
    EXPECT_TRUE(failed(play, Cause::refused, Phase::ehlo, code));
  }
}

TEST(Hello, RefusedTwiceIsRefused) {
  Play play;
  play.go({"S: 220 mx", "C: EHLO me", "S: 502 what", "C: HELO me", "S: 550 go away"});
  EXPECT_TRUE(play.stopped());
  EXPECT_TRUE(failed(play, Cause::refused, Phase::helo, 550));
  Play again;
  again.go({"S: 220 mx", "C: EHLO me", "S: 502 what", "C: HELO me", "S: 502 what"});
  EXPECT_TRUE(again.stopped());
  EXPECT_TRUE(failed(again, Cause::refused, Phase::helo, 502));
}

TEST(Hello, AfterStarttlsIsNeverHelo) {
  for (const int code : {421, 450, 500, 502, 550, 554}) {
    for (const bool required : {false, true}) {
      Play play(tls_terms(required));
      play.go({"S: 220 mx", "C: EHLO me", "S: 250-mx", "S: 250 STARTTLS", "C: STARTTLS", "S: 220 go", "TLS",
               "C: EHLO me", "S: " + std::to_string(code) + " no"});
      EXPECT_TRUE(play.stopped()) << code;
      EXPECT_TRUE(failed(play, Cause::refused, Phase::ehlo, code));
    }
  }
}

TEST(Hello, TellsWhatIsOffered) {
  Play play;
  play.go({"S: 220 mx", "C: EHLO me", "S: 250-mx greets you", "S: 250-size 1000", "S: 250-AUTH=PLAIN LOGIN",
           "S: 250-8BITMIME", "S: 250 PIPELINING"});
  const Connection& connection = play.dialogue.connection();
  EXPECT_EQ(connection.offers("SIZE"), "1000");
  EXPECT_EQ(connection.offers("8bitmime"), "");
  EXPECT_EQ(connection.offers("AUTH"), "PLAIN LOGIN");
  EXPECT_EQ(connection.offers("PIPE"), std::nullopt);
  EXPECT_EQ(connection.offers("mx"), std::nullopt) << "the first line is a greeting";
  EXPECT_EQ(connection.offers("STARTTLS"), std::nullopt);
}

// --- STARTTLS

TEST(Starttls, MissingStopsWhereItIsRequiredAndOnlyThere) {
  Play required(tls_terms(true));
  required.go(greeted);
  EXPECT_TRUE(required.stopped());
  EXPECT_TRUE(failed(required, Cause::tls_not_offered, Phase::starttls));
  Play opportunistic(tls_terms(false));
  opportunistic.go(greeted);
  EXPECT_FALSE(opportunistic.stopped());
  EXPECT_FALSE(opportunistic.failure());
}

TEST(Starttls, RefusedStopsWhereItIsRequiredAndOnlyThere) {
  for (const int code : {454, 501, 502, 554, 250}) {
    const Steps steps = {"S: 220 mx",       "C: EHLO me",  "S: 250-mx",
                         "S: 250 STARTTLS", "C: STARTTLS", "S: " + std::to_string(code) + " no"};
    Play required(tls_terms(true));
    required.go(steps);
    EXPECT_TRUE(required.stopped()) << code;
    EXPECT_TRUE(failed(required, Cause::refused, Phase::starttls, code));
    Play opportunistic(tls_terms(false));
    opportunistic.go(steps);
    EXPECT_FALSE(opportunistic.stopped()) << code;
  }
}

TEST(Starttls, RefusedWith421EndsEvenATrial) {
  Play play(tls_terms(false));
  play.go({"S: 220 mx", "C: EHLO me", "S: 250-mx", "S: 250 STARTTLS", "C: STARTTLS", "S: 421 busy"});
  EXPECT_TRUE(play.stopped());
  EXPECT_TRUE(failed(play, Cause::refused, Phase::starttls, 421));
}

TEST(Starttls, RefusedSendsNoPasswordInTheClear) {
  Terms terms = login_terms();
  terms.tls_required = false;
  Play play(terms);
  play.go({"S: 220 mx", "C: EHLO me", "S: 250-mx", "S: 250-AUTH PLAIN", "S: 250 STARTTLS", "C: STARTTLS", "S: 454 no"});
  EXPECT_TRUE(play.stopped());
  EXPECT_TRUE(failed(play, Cause::cleartext, Phase::auth));
}

TEST(Starttls, ForgetsWhatWasOfferedInTheClear) {
  Play play(login_terms());
  play.go({"S: 220 mx", "C: EHLO me", "S: 250-mx", "S: 250-AUTH PLAIN", "S: 250 STARTTLS", "C: STARTTLS", "S: 220 go",
           "TLS"});
  EXPECT_EQ(play.dialogue.connection().offers("AUTH"), std::nullopt);
  play.go({"C: EHLO me", "S: 250 mx"});
  EXPECT_TRUE(play.stopped());
  EXPECT_TRUE(failed(play, Cause::auth_not_offered, Phase::auth));
}

TEST(Starttls, IsFollowedByNoReplyInTheClear) {
  Play play(tls_terms(true));
  play.go({"S: 220 mx", "C: EHLO me", "S: 250-mx", "S: 250 STARTTLS", "C: STARTTLS", "S: 220 go", "S: 250 injected"});
  EXPECT_TRUE(play.stopped());
  EXPECT_EQ(play.failure()->cause, Cause::protocol);
}

// --- AUTH

TEST(Login, NotOfferedStopsBeforeMail) {
  for (const char* offer : {"S: 250 SIZE", "S: 250 AUTH", "S: 250 AUTH GSSAPI NTLM", "S: 250 AUTH PLAINER"}) {
    Play play(clear_login_terms());
    play.go({"S: 220 mx", "C: EHLO me", "S: 250-mx", offer});
    EXPECT_TRUE(play.stopped()) << offer;
    EXPECT_TRUE(failed(play, Cause::auth_not_offered, Phase::auth));
  }
}

// libcurl skips the login where it does not see AUTH, and then mail would leave without it.
TEST(Login, IsOfferedOnlyInTheFormThatLibcurlReads) {
  for (const char* offer :
       {"S: 250 auth plain", "S: 250 AUTH=LOGIN", "S: 250  AUTH PLAIN", "S: 250 AUTH GSSAPI Login"}) {
    Play play(clear_login_terms());
    play.go({"S: 220 mx", "C: EHLO me", "S: 250-mx", offer});
    EXPECT_TRUE(play.stopped()) << offer;
    EXPECT_TRUE(failed(play, Cause::auth_not_offered, Phase::auth));
  }
}

TEST(Login, MayBeOfferedInSeveralLines) {
  Play play(clear_login_terms());
  play.go({"S: 220 mx", "C: EHLO me", "S: 250-mx", "S: 250-AUTH GSSAPI", "S: 250 AUTH LOGIN"});
  EXPECT_FALSE(play.stopped());
}

TEST(Login, LeftOutByLibcurlSendsNoMail) {
  Play play(clear_login_terms());
  play.go(logging_in).go({"C: MAIL FROM:<a@b.c>", "S: 250 ok"});
  EXPECT_TRUE(play.stopped());
  EXPECT_TRUE(failed(play, Cause::auth_not_offered, Phase::auth));
}

// libcurl would go on in the clear where it does not see STARTTLS.
TEST(Starttls, OfferedInAnotherFormIsNoReasonToSendThePassword) {
  for (const char* offer : {"S: 250-starttls", "S: 250- STARTTLS"}) {
    Terms terms = login_terms();
    terms.tls_required = false;
    Play play(terms);
    play.go({"S: 220 mx", "C: EHLO me", "S: 250-mx", offer, "S: 250 AUTH PLAIN"});
    EXPECT_TRUE(play.stopped());
    EXPECT_TRUE(failed(play, Cause::cleartext, Phase::auth));
  }
}

// QUIT's 221 came next, and was taken for the answer to the dot.
TEST(Transaction, TakesNothingForAnAnswerAfterItWasGivenUp) {
  Play play;
  play.go({"S: 220 mx", "C: EHLO me", "S: 250 mx", "C: MAIL FROM:<a@b.c>", "S: 250 ok", "C: RCPT TO:<d@e.f>",
           "S: 250 ok", "C: DATA", "S: 354 go"});
  play.dialogue.body("x\r\n");
  play.dialogue.body_ended();
  play.go({"S: ok"});
  play.dialogue.command("QUIT");
  EXPECT_EQ(play.dialogue.reply_line("221 bye"), Dialogue::Next::stop);
  EXPECT_FALSE(play.dialogue.accepted());
  EXPECT_EQ(play.failure()->cause, Cause::protocol);
}

TEST(Login, CrossesNoOpenConnection) {
  Terms terms = clear_login_terms();
  terms.cleartext_login = false;
  Play open(terms);
  open.go(logging_in);
  EXPECT_TRUE(open.stopped());
  EXPECT_TRUE(failed(open, Cause::cleartext, Phase::auth));
  EXPECT_FALSE(Play(terms, true).go(logging_in).stopped()) << "the loopback";
  EXPECT_FALSE(Play(clear_login_terms()).go(logging_in).stopped()) << "allowed";
}

TEST(Login, SucceedsWith235Alone) {
  Play play(clear_login_terms());
  play.go(logging_in).go({"C: AUTH PLAIN AGEAYg==", "S: 235 welcome"});
  EXPECT_FALSE(play.stopped());
  EXPECT_EQ(play.dialogue.connection().auth, "PLAIN");
  for (const int code : {200, 220, 250, 251, 354, 421, 454, 500, 503, 530, 535, 538}) {
    Play refused(clear_login_terms());
    refused.go(logging_in).go({"C: AUTH PLAIN AGEAYg==", "S: " + std::to_string(code) + " x"});
    EXPECT_TRUE(refused.stopped()) << code;
    EXPECT_TRUE(failed(refused, Cause::refused, Phase::auth, code));
    EXPECT_EQ(refused.dialogue.connection().auth, "");
  }
}

TEST(Login, AnswersChallenges) {
  Play play(clear_login_terms());
  play.go(logging_in)
      .go({"C: AUTH LOGIN", "S: 334 VXNlcm5hbWU6", "C: YWxpY2U=", "S: 334 UGFzc3dvcmQ6", "C: c2VjcmV0", "S: 235 ok"});
  EXPECT_FALSE(play.stopped());
  EXPECT_EQ(play.dialogue.connection().auth, "LOGIN");
}

// "e30=" is "{}".
TEST(Login, ToldWhyATokenIsRefusedTellsIt) {
  const auto why = [](const std::string& mechanism, const std::string& challenge) {
    Play play({.login = true, .mechanisms = {mechanism}}, true);
    play.dialogue.conceal("status");
    play.go({"S: 220 hi", "C: EHLO me", "S: 250-mx", "S: 250 AUTH " + mechanism, "C: AUTH " + mechanism + " dG9r",
             "S: 334 " + challenge, "C: AQ==", "S: 535 no"});
    return play.failure()->text;
  };
  EXPECT_EQ(why("XOAUTH2", "e30="), "{}");
  EXPECT_EQ(why("OAUTHBEARER", "eyJzdGF0dXMiOiI0MDEifQ=="), "{\"***\":\"401\"}");
  EXPECT_EQ(why("XOAUTH2", "YQFi"), "a b");
  EXPECT_EQ(why("XOAUTH2", "e30"), "");
  EXPECT_EQ(why("XOAUTH2", ""), "");
  EXPECT_EQ(why("LOGIN", "e30="), "") << "that asks for the user's name";
}

TEST(Login, EndsEndlessChallenges) {
  Play play(clear_login_terms());
  play.go(logging_in).go({"C: AUTH LOGIN"});
  int challenges = 0;
  for (; challenges < 1000 && !play.stopped(); ++challenges)
    play.go({"S: 334 UGFzc3dvcmQ6"}), play.dialogue.command("eA==");
  EXPECT_TRUE(play.stopped());
  EXPECT_LT(challenges, 100);
  EXPECT_EQ(play.failure()->phase, Phase::auth);
}

// --- what nobody may see

TEST(Redaction, CoversInitialResponses) {
  Play play(clear_login_terms());
  play.go(logging_in).go({"C: AUTH PLAIN AGFsaWNlAGh1bnRlcjI="});
  EXPECT_EQ(play.view.lines.back(), "C: AUTH PLAIN ***");
  play.go({"S: 235 AGFsaWNlAGh1bnRlcjI= welcome"});
  EXPECT_FALSE(contains(play.view.all(), "AGFsaWNlAGh1bnRlcjI=")) << play.view.all();
}

TEST(Redaction, CoversEveryLineOfAnExchange) {
  Play play(clear_login_terms());
  play.go(logging_in)
      .go({"C: AUTH LOGIN", "S: 334 VXNlcm5hbWU6", "C: YWxpY2VzZWNyZXQ=", "S: 334 UGFzc3dvcmQ6",
           "C: aHVudGVyMg==", "S: 535 no"});
  EXPECT_TRUE(contains(play.view.all(), "C: AUTH LOGIN\n"));
  EXPECT_FALSE(contains(play.view.all(), "YWxpY2VzZWNyZXQ="));
  EXPECT_FALSE(contains(play.view.all(), "aHVudGVyMg=="));
  Play plain(clear_login_terms());
  plain.go(logging_in).go({"C: AUTH PLAIN", "S: 334 ", "C: AGEAaHVudGVyMg==", "S: 235 ok"});
  EXPECT_FALSE(contains(plain.view.all(), "AGEAaHVudGVyMg=="));
}

TEST(Redaction, CoversEchoesInTraceAndReply) {
  Play play(clear_login_terms());
  play.dialogue.conceal("hunter2");
  play.go(logging_in)
      .go({"C: AUTH PLAIN AGFsaWNlAGh1bnRlcjI=", "S: 535-5.7.8 bad: AGFsaWNlAGh1bnRlcjI= AGFsaWNlAGh1bnRlcjI=",
           "S: 535 5.7.8 that is hunter2"});
  ASSERT_TRUE(play.failure() && play.failure()->reply);
  for (const std::string& text : {play.view.all(), play.failure()->reply->text()}) {
    EXPECT_FALSE(contains(text, "AGFsaWNlAGh1bnRlcjI=")) << text;
    EXPECT_FALSE(contains(text, "hunter2")) << text;
    EXPECT_TRUE(contains(text, "5.7.8 bad: *** ***")) << text;
  }
}

TEST(Redaction, CoversEchoesInWhatIsNoReply) {
  Play play(clear_login_terms());
  play.go(logging_in).go({"C: AUTH PLAIN AGFsaWNlAGh1bnRlcjI=", "S: what is AGFsaWNlAGh1bnRlcjI="});
  ASSERT_TRUE(play.failure());
  EXPECT_FALSE(contains(play.failure()->text, "AGFsaWNlAGh1bnRlcjI=")) << play.failure()->text;
  Play mixed(clear_login_terms());
  mixed.go(logging_in).go({"C: AUTH PLAIN AGFsaWNlAGh1bnRlcjI=", "S: 535-no", "S: 235 AGFsaWNlAGh1bnRlcjI="});
  ASSERT_TRUE(mixed.failure());
  EXPECT_FALSE(contains(mixed.failure()->text, "AGFsaWNlAGh1bnRlcjI=")) << mixed.failure()->text;
}

// A reply keeps 512 bytes of a line; a secret that lies across that edge must not be shown by half.
TEST(Redaction, CoversEchoesThatAreCut) {
  Play play(clear_login_terms());
  play.go(logging_in)
      .go({"C: AUTH PLAIN AGFsaWNlAGh1bnRlcjI=", "S: 535 " + std::string(500, 'x') + "AGFsaWNlAGh1bnRlcjI="});
  ASSERT_TRUE(play.failure() && play.failure()->reply);
  EXPECT_FALSE(contains(play.failure()->reply->text(), "AGFsaWNl")) << play.failure()->reply->text();
}

TEST(Redaction, LastsForTheConnectionsThatFollow) {
  Play play(clear_login_terms());
  play.go(logging_in).go({"C: AUTH PLAIN AGFsaWNlAGh1bnRlcjI=", "S: 235 ok"});
  play.dialogue.connecting("mx.example");
  play.dialogue.connected("192.0.2.1", 25, false);
  play.go({"S: 554 you again, AGFsaWNlAGh1bnRlcjI="});
  EXPECT_FALSE(contains(play.view.all(), "AGFsaWNlAGh1bnRlcjI="));
}

TEST(Redaction, LeavesOtherCommandsAlone) {
  Play play(clear_login_terms());
  play.go(logging_in).go({"C: AUTH PLAIN AGFsaWNlAGh1bnRlcjI=", "S: 235 ok", "C: MAIL FROM:<a@b>", "S: 250 ok"});
  EXPECT_TRUE(contains(play.view.all(), "C: MAIL FROM:<a@b>"));
}

// --- the transaction

TEST(Transaction, IsAcceptedByAny2xxAfterTheDot) {
  for (const int code : {250, 251, 252, 200, 299}) {
    Play play;
    play.go(greeted).go({"C: MAIL FROM:<a@b>", "S: 250 ok", "C: RCPT TO:<c@d>", "S: 250 ok", "C: DATA", "S: 354 go",
                         "BODY hi\r\n", "DOT", "S: " + std::to_string(code) + " 2.0.0 queued"});
    EXPECT_FALSE(play.stopped());
    EXPECT_FALSE(play.failure());
    ASSERT_TRUE(play.dialogue.accepted());
    EXPECT_EQ(play.dialogue.accepted()->code, code);
    EXPECT_TRUE(play.dialogue.settled());
  }
}

TEST(Transaction, OnceAcceptedStaysAccepted) {
  Play play;
  play.go(greeted).go({"C: MAIL FROM:<a@b>", "S: 250 ok", "C: RCPT TO:<c@d>", "S: 250 ok", "C: DATA", "S: 354 go",
                       "BODY hi\r\n", "DOT", "S: 250 queued", "C: QUIT", "S: 500 no"});
  play.dialogue.fail({.cause = Cause::lost, .phase = Phase::quit});
  EXPECT_FALSE(play.failure());
  EXPECT_TRUE(play.dialogue.accepted());
}

TEST(Transaction, RemembersEachRecipientsReplyInOrder) {
  Play play({}, false, 4);
  play.go(greeted).go({"C: MAIL FROM:<a@b>", "S: 250 ok", "C: RCPT TO:<1>", "S: 250 one", "C: RCPT TO:<2>",
                       "S: 550-two", "S: 550 no", "C: RCPT TO:<3>", "S: 450 three", "C: RCPT TO:<4>", "S: 251 four"});
  std::string codes;
  for (const Recipient& recipient : play.dialogue.recipients()) codes += std::to_string(recipient.reply->code) + " ";
  EXPECT_EQ(codes, "250 550 450 251 ");
  EXPECT_FALSE(play.failure()) << "a refused recipient alone is no failure";
  EXPECT_FALSE(play.stopped());
}

// A server could fill the memory with a long word for each of some thousand recipients.
TEST(Transaction, KeepsAKibibyteOfARecipientsReply) {
  Steps lines(600, "S: 550-" + std::string(94, 'x'));
  lines.emplace_back("S: 550 end");
  Play play;
  play.go(greeted).go({"C: MAIL FROM:<a@b>", "S: 250 ok", "C: RCPT TO:<1>"}).go(lines);
  const Reply& reply = *play.dialogue.recipients()[0].reply;
  EXPECT_EQ(reply.code, 550);
  EXPECT_EQ(reply.lines.size(), 10U);
}

TEST(Hello, IsKeptWhole) {
  Steps lines(600, "S: 250-" + std::string(94, 'X'));
  lines.emplace_back("S: 250 SIZE 1000");
  Play play;
  play.go({"S: 220 hi", "C: EHLO me"}).go(lines);
  EXPECT_EQ(play.dialogue.connection().offers("SIZE"), "1000");
}

TEST(Transaction, CountsRecipientsInAPipelinedGroup) {
  Play play({}, false, 3);
  play.go(greeted).go({"C: MAIL FROM:<a@b>", "C: RCPT TO:<1>", "C: RCPT TO:<2>", "C: RCPT TO:<3>", "C: DATA",
                       "S: 250 ok", "S: 250 one", "S: 550 two", "S: 450 three", "S: 354 go"});
  EXPECT_EQ(play.dialogue.recipients()[0].reply->code, 250);
  EXPECT_EQ(play.dialogue.recipients()[1].reply->code, 550);
  EXPECT_EQ(play.dialogue.recipients()[2].reply->code, 450);
  EXPECT_TRUE(play.dialogue.settled());
  EXPECT_FALSE(play.failure());
}

TEST(Transaction, StopsAt421Anywhere) {
  const Steps all = {"C: MAIL FROM:<a@b>", "S: 250 ok", "C: RCPT TO:<c@d>", "S: 250 ok", "C: DATA",
                     "S: 354 go",          "DOT",       "S: 250 ok"};
  for (std::size_t i = 1; i < all.size(); i += 2) {
    Steps steps(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(i));
    steps.emplace_back("S: 421 4.3.2 closing");
    Play play;
    play.go(greeted).go(steps);
    EXPECT_TRUE(play.stopped()) << i;
    ASSERT_TRUE(play.failure());
    EXPECT_EQ(play.failure()->cause, Cause::refused);
    EXPECT_EQ(play.failure()->reply->code, 421);
  }
}

TEST(Transaction, TakesAnUnasked421ForAGoodBye) {
  Play play;
  play.go(greeted).go({"S: 421 4.3.2 shutting down"});
  EXPECT_TRUE(play.stopped());
  EXPECT_EQ(play.failure()->cause, Cause::refused);
  EXPECT_EQ(play.failure()->reply->code, 421);
}

TEST(Transaction, BreaksOffAtAnyOtherReplyThatNothingAskedFor) {
  for (const char* line : {"S: 250 ok", "S: 354 go", "S: 220 again", "S: 550 no"}) {
    Play play;
    play.go(greeted).go({line});
    EXPECT_TRUE(play.stopped()) << line;
    EXPECT_EQ(play.failure()->cause, Cause::protocol) << line;
  }
}

TEST(Transaction, BreaksOffAtMixedCodes) {
  const std::vector<Steps> before = {
      {"C: MAIL FROM:<a@b>"},
      {"C: MAIL FROM:<a@b>", "S: 250 ok", "C: RCPT TO:<c@d>"},
      {"C: MAIL FROM:<a@b>", "S: 250 ok", "C: RCPT TO:<c@d>", "S: 250 ok", "C: DATA"},
      {"C: MAIL FROM:<a@b>", "S: 250 ok", "C: RCPT TO:<c@d>", "S: 250 ok", "C: DATA", "S: 354 go", "DOT"}};
  for (const Steps& steps : before) {
    for (const auto& [first, second] :
         std::vector<std::pair<std::string, std::string>>{{"S: 550-no", "S: 250 yes"}, {"S: 250-yes", "S: 550 no"}}) {
      Play play;
      play.go(greeted).go(steps).go({first, second});
      EXPECT_TRUE(play.stopped());
      ASSERT_TRUE(play.failure());
      EXPECT_EQ(play.failure()->cause, Cause::protocol);
      EXPECT_FALSE(play.dialogue.accepted()) << "the worse code counts";
    }
  }
}

TEST(Transaction, RefusedAtMailDataOrDotGoesOnToGoodBye) {
  struct Case {
    Steps steps;
    Phase phase;
  };
  const std::vector<Case> cases = {
      {{"C: MAIL FROM:<a@b>"}, Phase::mail},
      {{"C: MAIL FROM:<a@b>", "S: 250 ok", "C: RCPT TO:<c@d>", "S: 250 ok", "C: DATA"}, Phase::data},
      {{"C: MAIL FROM:<a@b>", "S: 250 ok", "C: RCPT TO:<c@d>", "S: 250 ok", "C: DATA", "S: 354 go", "DOT"},
       Phase::dot}};
  for (const Case& c : cases) {
    for (const int code : {450, 451, 550, 552, 554}) {
      Play play;
      play.go(greeted).go(c.steps).go({"S: " + std::to_string(code) + " no"});
      EXPECT_FALSE(play.stopped()) << "the connection is fine; QUIT or the next message may follow";
      EXPECT_TRUE(failed(play, Cause::refused, c.phase, code));
      EXPECT_FALSE(play.dialogue.accepted());
    }
  }
}

TEST(Transaction, TakesA2xxToDataForNoGoAhead) {
  for (const int code : {250, 220, 334, 355}) {
    Play play;
    play.go(greeted).go({"C: MAIL FROM:<a@b>", "S: 250 ok", "C: RCPT TO:<c@d>", "S: 250 ok", "C: DATA",
                         "S: " + std::to_string(code) + " hm"});
    EXPECT_TRUE(failed(play, Cause::refused, Phase::data, code));
  }
}

TEST(Transaction, TakesA354ToTheDotForNoAcceptance) {
  Play play;
  play.go(greeted).go(
      {"C: MAIL FROM:<a@b>", "S: 250 ok", "C: RCPT TO:<c@d>", "S: 250 ok", "C: DATA", "S: 354 go", "DOT", "S: 354 go"});
  EXPECT_FALSE(play.dialogue.accepted());
  EXPECT_TRUE(failed(play, Cause::refused, Phase::dot, 354));
}

TEST(Transaction, HearsARefusalWhileTheBodyGoesOut) {
  for (const int code : {421, 451, 552, 554}) {
    Play play;
    play.go(greeted).go({"C: MAIL FROM:<a@b>", "S: 250 ok", "C: RCPT TO:<c@d>", "S: 250 ok", "C: DATA", "S: 354 go",
                         "BODY hi\r\n", "S: " + std::to_string(code) + " too much"});
    EXPECT_TRUE(play.stopped());
    EXPECT_TRUE(failed(play, Cause::refused, Phase::body, code));
  }
}

TEST(Transaction, TakesNo250WhileTheBodyGoesOutForAcceptance) {
  Play play;
  play.go(greeted).go({"C: MAIL FROM:<a@b>", "S: 250 ok", "C: RCPT TO:<c@d>", "S: 250 ok", "C: DATA", "S: 354 go",
                       "BODY hi\r\n", "S: 250 queued"});
  EXPECT_TRUE(play.stopped());
  EXPECT_FALSE(play.dialogue.accepted());
  EXPECT_EQ(play.failure()->cause, Cause::protocol);
}

TEST(Transaction, KeepsItsFirstFailure) {
  Play play;
  play.dialogue.fail({.cause = Cause::timeout, .phase = Phase::data});
  play.dialogue.fail({.cause = Cause::lost, .phase = Phase::body});
  EXPECT_TRUE(failed(play, Cause::timeout, Phase::data));
}

TEST(Transaction, BeginsWithACleanSlate) {
  Play play({}, false, 2);
  play.go(greeted).go({"C: MAIL FROM:<a@b>", "S: 250 ok", "C: RCPT TO:<1>", "S: 550 no", "C: RCPT TO:<2>", "S: 250 ok",
                       "C: DATA", "S: 354 go", "DOT", "S: 250 queued"});
  play.dialogue.begin_transaction(1, std::nullopt);
  EXPECT_FALSE(play.dialogue.accepted());
  EXPECT_FALSE(play.failure());
  ASSERT_EQ(play.dialogue.recipients().size(), 1U);
  EXPECT_FALSE(play.dialogue.recipients()[0].reply);
  EXPECT_FALSE(play.dialogue.record().heard);
  play.go({"C: MAIL FROM:<a@b>", "S: 250 ok", "C: RCPT TO:<3>", "S: 450 later"});
  EXPECT_EQ(play.dialogue.recipients()[0].reply->code, 450);
  EXPECT_TRUE(play.dialogue.record().heard);
}

TEST(Transaction, SaysOnceAConnectionThatItIsReady) {
  Play play(clear_login_terms());
  play.go(logging_in);
  EXPECT_EQ(play.view.times_ready, 0);
  play.go({"C: AUTH PLAIN AGEAYg==", "S: 235 ok", "C: MAIL FROM:<a@b>", "S: 250 ok", "C: RCPT TO:<c>", "S: 250 ok",
           "C: RSET", "S: 250 ok", "C: MAIL FROM:<a@b>", "S: 250 ok"});
  EXPECT_EQ(play.view.times_ready, 1);
  EXPECT_EQ(play.view.last.auth, "PLAIN");
  EXPECT_EQ(play.view.last.address, "192.0.2.1");
  play.dialogue.connecting("mx.example");
  play.dialogue.connected("192.0.2.2", 25, false);
  play.go(logging_in).go({"C: AUTH PLAIN AGEAYg==", "S: 235 ok", "C: MAIL FROM:<a@b>"});
  EXPECT_EQ(play.view.times_ready, 2);
}

TEST(Transaction, BreaksOffAReplyThatDoesNotEnd) {
  Play play;
  play.go(greeted).go({"C: MAIL FROM:<a@b>"});
  int lines = 0;
  for (; lines < 5000 && !play.stopped(); ++lines) play.go({"S: 250-and so on, and so on"});
  EXPECT_TRUE(play.stopped());
  EXPECT_LE(lines, 65536 / 20);
  EXPECT_TRUE(failed(play, Cause::protocol, Phase::mail));
}

TEST(Transaction, EscapesNoLineItselfButKeepsErrorsToOneLine) {
  Play play;
  play.go(greeted).go({"C: MAIL FROM:<a@b>", "S: \x1b]0;pwned\x07\x01"});
  ASSERT_TRUE(play.failure());
  for (const char c : play.failure()->text) EXPECT_FALSE(base::is_control(c)) << base::escape(play.failure()->text);
}

// --- SIZE

TEST(SizeLimit, StopsAMessageThatIsTooLarge) {
  const Steps steps = {"S: 220 mx", "C: EHLO me", "S: 250-mx", "S: 250 SIZE 1000"};
  Play fits({}, false, 1, 1000);
  EXPECT_FALSE(fits.go(steps).stopped());
  Play large({}, false, 1, 1001);
  EXPECT_TRUE(large.go(steps).stopped());
  EXPECT_EQ(large.failure()->cause, Cause::too_large);
  Play unknown({}, false, 1, std::nullopt);
  EXPECT_FALSE(unknown.go(steps).stopped());
}

TEST(SizeLimit, IsNoneWhereTheServerNamesNone) {
  for (const char* offer :
       {"S: 250 SIZE", "S: 250 SIZE 0", "S: 250 SIZE lots", "S: 250 SIZE 99999999999999999999999", "S: 250 SIZES 5"}) {
    Play play({}, false, 1, 1000000);
    play.go({"S: 220 mx", "C: EHLO me", "S: 250-mx", offer});
    EXPECT_FALSE(play.stopped()) << offer;
  }
}

TEST(SizeLimit, IsLookedAtAfterTheLogin) {
  Play play(clear_login_terms(), false, 1, 2000);
  play.go({"S: 220 mx", "C: EHLO me", "S: 250-mx", "S: 250-SIZE 1000", "S: 250 AUTH PLAIN",
           "C: AUTH PLAIN AGEAYg==", "S: 235 ok"});
  EXPECT_TRUE(play.stopped());
  EXPECT_EQ(play.failure()->cause, Cause::too_large);
}

// --- connections

TEST(Connections, StartWithNothingKnown) {
  Play play(clear_login_terms());
  play.go({"S: 220 mx", "C: EHLO me", "S: 250-mx", "S: 250-SIZE 5", "S: 250 AUTH PLAIN",
           "C: AUTH PLAIN AGEAYg==", "S: 235 ok"});
  play.dialogue.connecting("mx.example");
  EXPECT_TRUE(play.dialogue.connection().extensions.empty());
  EXPECT_EQ(play.dialogue.connection().auth, "");
  EXPECT_FALSE(play.dialogue.connection().tls);
}

TEST(Connections, DoNotInheritHalfAReply) {
  Play play;
  play.go({"S: 220 mx", "C: EHLO me", "S: 250-half"});
  play.dialogue.connecting("mx.example");
  play.dialogue.connected("192.0.2.1", 25, false);
  play.go({"S: 220 mx", "C: EHLO me", "S: 250 whole"});
  EXPECT_FALSE(play.failure());
}

}  // namespace
}  // namespace pillarbox::smtp
