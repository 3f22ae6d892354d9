#include "queue/bounce.h"

#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/text.h"
#include "queue.h"
#include "queue/mime.h"

namespace pillarbox::queue {
namespace {

using namespace test;  // NOLINT(google-build-using-namespace)

const Reporter reporter{"mx.example.com", "example.com", {}, {}};

Entry original_entry() {
  Entry entry = entry_to({"bob@example.net", "carol@example.org", "dave@example.net"});
  entry.id = "1j52sk9h000-abcdefghijklmnop";
  return entry;
}

State with_refusals() {
  State state = State::fresh(3);
  state.last = noon + 1h;
  state.recipients[0] = {Progress::refused, "550 5.1.1 No such user", "", "mx.example.net"};
  state.recipients[1] = {Progress::accepted, "250 Ok", "2.0.0", "elsewhere.example.net"};
  state.recipients[2] = {Progress::refused, "451 4.3.0 Busy", "4.4.7", "192.0.2.1"};
  return state;
}

Report report(const Entry& entry = original_entry(), const std::string& text = content,
              const State& state = with_refusals(), const Reporter& by = reporter) {
  base::MemorySource source(text);
  auto made = report_on(entry, state, source, by, noon + 24h * 5);
  EXPECT_TRUE(succeeds(made));
  return *std::move(made);
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find("\r\n", at);
    out.push_back(text.substr(at, end - at));
    at = end == std::string::npos ? text.size() : end + 2;
  }
  return out;
}

bool has_line(const std::string& text, const std::string& line) {
  const auto lines = lines_of(text);
  return std::find(lines.begin(), lines.end(), line) != lines.end();
}

TEST(Bounce, IsForWhoAskedForNothingElse) {
  Entry entry = original_entry();
  EXPECT_TRUE(may_report(entry, 0));
  for (const auto& [notify, may] : std::vector<std::pair<std::string, bool>>{
           {"FAILURE", true}, {"SUCCESS,FAILURE", true}, {"NEVER", false}, {"SUCCESS,DELAY", false}}) {
    entry.dsn.notify = notify;
    EXPECT_EQ(may_report(entry, 0), may) << notify;
  }
  entry = original_entry();
  entry.bounce_of = "1j52sk9h000-abcdefghijklmnoq";
  EXPECT_FALSE(may_report(entry, 0));
  EXPECT_FALSE(may_report(entry_to({"bob@example.net"}, ""), 0));
}

TEST(Bounce, ADelayIsToldToWhoDidNotAskForOtherThings) {
  Entry entry = original_entry();
  EXPECT_TRUE(may_report(entry, 0, Notice::delay));
  for (const auto& [notify, may] : std::vector<std::pair<std::string, bool>>{
           {"FAILURE", false}, {"NEVER", false}, {"DELAY", true}, {"SUCCESS,FAILURE,DELAY", true}}) {
    entry.dsn.notify = notify;
    EXPECT_EQ(may_report(entry, 0, Notice::delay), may) << notify;
  }
  EXPECT_FALSE(may_report(entry_to({"bob@example.net"}, ""), 0, Notice::delay));
}

TEST(Bounce, ADelayIsAboutWhoIsStillOwedIt) {
  Entry entry = original_entry();
  entry.dsn.returned = "FULL";
  State state = with_refusals();
  state.recipients[0] = {Progress::owed, "451 4.2.1 Mailbox busy", "", "mx.example.net"};
  state.recipients[1] = {Progress::owed, "", "", ""};
  Reporter by = reporter;
  by.expire = 24h * 5;
  base::MemorySource source(content);
  const auto made = report_on(entry, state, source, by, noon + 4h, Notice::delay);
  ASSERT_TRUE(succeeds(made));
  const std::string& text = made->content;
  for (const char* line :
       {"Subject: Delivery Status Notification (Delay)", "Action: delayed", "Status: 4.2.1", "Status: 4.0.0",
        "Final-Recipient: rfc822; bob@example.net", "Final-Recipient: rfc822; carol@example.org",
        "Content-Type: text/rfc822-headers", "This is a warning only: there is no need to send the message again."}) {
    EXPECT_TRUE(has_line(text, line)) << line << '\n' << text;
  }
  EXPECT_TRUE(has_line(text, "Will-Retry-Until: " + base::rfc5322_date(noon + 24h * 5))) << text;
  EXPECT_EQ(text.find("dave@example.net\r\n    "), std::string::npos);
  EXPECT_EQ(text.find("Action: failed"), std::string::npos);
  EXPECT_EQ(made->entry.bounce_of, entry.id);
  state.recipients[0].progress = state.recipients[1].progress = Progress::refused;
  state.recipients[2].progress = Progress::accepted;
  EXPECT_NE(report(entry, content, state).entry.id, made->entry.id) << "of the same recipients";
}

TEST(Bounce, IsAboutThoseOnlyWhoMayBeReportedOn) {
  Entry entry = original_entry();
  State state = with_refusals();
  state.recipients[0].progress = state.recipients[1].progress = Progress::refused;
  entry.dsn.notify = "NEVER";
  EXPECT_FALSE(may_report(entry, state));
  entry.dsn.of["carol@example.org"] = {"SUCCESS,FAILURE", "rfc822;list+2Bc@x.test"};
  EXPECT_FALSE(may_report(entry, 0));
  EXPECT_TRUE(may_report(entry, 1));
  EXPECT_TRUE(may_report(entry, state));
  EXPECT_FALSE(may_report(entry, state, Notice::delay));
  const std::string text = report(entry, content, state).content;
  EXPECT_NE(
      text.find("\r\n\r\nOriginal-Recipient: rfc822; list+c@x.test\r\nFinal-Recipient: rfc822; carol@example.org\r\n"),
      std::string::npos)
      << text;
  EXPECT_EQ(text.find("Final-Recipient: rfc822; bob@example.net"), std::string::npos);
  EXPECT_EQ(text.find("Original-Recipient"), text.rfind("Original-Recipient"));
}

TEST(Bounce, IsAnEntryOfItsOwn) {
  const Report made = report();
  EXPECT_EQ(made.entry.bounce_of, original_entry().id);
  EXPECT_TRUE(made.entry.envelope.sender().is_null());
  ASSERT_EQ(made.entry.envelope.recipients().size(), 1U);
  EXPECT_EQ(made.entry.envelope.recipients()[0].text(), "alice@example.com");
  EXPECT_TRUE(is_id(made.entry.id));
  EXPECT_EQ(made.entry.account, "work");
  EXPECT_EQ(made.entry.owner, Owner::system);
  EXPECT_EQ(made.entry.arrived, noon + 24h * 5);
  EXPECT_FALSE(may_report(made.entry, 0));
  EXPECT_TRUE(succeeds(decode(encode(made.entry, 0))));
}

TEST(Bounce, GoesElsewhereIfToldTo) {
  Reporter by = reporter;
  by.bounce_to = *mail::Address::parse("postmaster@example.com");
  const Report made = report(original_entry(), content, with_refusals(), by);
  EXPECT_EQ(made.entry.envelope.recipients()[0].text(), "postmaster@example.com");
  EXPECT_TRUE(has_line(made.content, "To: <postmaster@example.com>"));
}

TEST(Bounce, IdFollowsFromWhatItTells) {
  const std::string id = report().entry.id;
  EXPECT_EQ(report().entry.id, id);
  EXPECT_EQ(report(original_entry(), "another text\r\n").entry.id, id);
  State state = with_refusals();
  state.recipients[2].progress = Progress::told;
  EXPECT_NE(report(original_entry(), content, state).entry.id, id);
  Entry entry = original_entry();
  entry.id = "1j52sk9h000-abcdefghijklmnoq";
  EXPECT_NE(report(entry).entry.id, id);
}

TEST(Bounce, TellsProgramsOfEachRecipient) {
  Entry entry = original_entry();
  entry.dsn.envelope_id = "q 1";
  const std::string text = report(entry).content;
  for (const char* line : {"From: Mail Delivery System <MAILER-DAEMON@example.com>",
                           "To: <alice@example.com>",
                           "Auto-Submitted: auto-replied",
                           "MIME-Version: 1.0",
                           "In-Reply-To: <1@example.com>",
                           "Content-Type: multipart/report; report-type=delivery-status;",
                           "Content-Type: message/delivery-status",
                           "Content-Type: text/rfc822-headers",
                           "Reporting-MTA: dns; mx.example.com",
                           "Original-Envelope-Id: q 1",
                           "Final-Recipient: rfc822; bob@example.net",
                           "Status: 5.1.1",
                           "Diagnostic-Code: smtp; 550 5.1.1 No such user",
                           "Remote-MTA: dns; mx.example.net",
                           "Remote-MTA: dns; [192.0.2.1]",
                           "Final-Log-ID: 1j52sk9h000-abcdefghijklmnop",
                           "Final-Recipient: rfc822; dave@example.net",
                           "Status: 4.4.7",
                           "Diagnostic-Code: smtp; 451 4.3.0 Busy",
                           "Action: failed",
                           "Subject: hello"}) {
    EXPECT_TRUE(has_line(text, line)) << line;
  }
  EXPECT_TRUE(has_line(text, "Arrival-Date: " + base::rfc5322_date(noon)));
  EXPECT_TRUE(has_line(text, "Last-Attempt-Date: " + base::rfc5322_date(noon + 1h)));
  EXPECT_FALSE(contains(text, "carol@example.org"));
  EXPECT_FALSE(contains(text, "elsewhere.example.net"));
  EXPECT_FALSE(contains(text, "This is it."));
}

TEST(Bounce, TellsPeopleOfEachRecipient) {
  const std::string text = report().content;
  EXPECT_TRUE(has_line(text, "<bob@example.net>"));
  EXPECT_TRUE(has_line(text, "    550 5.1.1 No such user"));
  EXPECT_TRUE(has_line(text, "    It was tried for 5 days, and is not tried any more."));
}

TEST(Bounce, AStatusIsMadeUpWhereThereIsNone) {
  State state = with_refusals();
  state.recipients[0] = {Progress::refused, "the address can't be used", ""};
  state.recipients[2].progress = Progress::accepted;
  const std::string text = report(original_entry(), content, state).content;
  EXPECT_TRUE(has_line(text, "Status: 5.0.0"));
  EXPECT_TRUE(has_line(text, "Diagnostic-Code: X-Pillarbox; the address can't be used"));
  EXPECT_FALSE(contains(text, "Remote-MTA")) << "no server has said that";
}

TEST(Bounce, HoldsAllOfTheMessageIfAskedForAndItFits) {
  Entry entry = original_entry();
  entry.dsn.returned = "FULL";
  std::string text = report(entry).content;
  EXPECT_TRUE(has_line(text, "Content-Type: message/rfc822"));
  EXPECT_TRUE(contains(text, "\r\n\r\n" + content + "\r\n--"));
  EXPECT_TRUE(base::is_ascii(text));

  text = report(entry, content + "\xe4\r\n").content;
  EXPECT_TRUE(contains(text, "\xe4"));
  EXPECT_TRUE(contains(text.substr(0, text.find("\r\n\r\n")), "Content-Transfer-Encoding: 8bit"));

  const std::string line = std::string(78, 'x') + "\r\n";
  std::string fits = content;
  while (fits.size() + line.size() <= (1U << 20U)) fits += line;
  EXPECT_TRUE(has_line(report(entry, fits).content, "Content-Type: message/rfc822"));
  for (const std::string& odd : {fits + line, content + std::string(999, 'x') + "\r\n", content + "a\rb\r\n",
                                 content + "a\nb\r\n", content + std::string(1, '\0')}) {
    EXPECT_TRUE(has_line(report(entry, odd).content, "Content-Type: text/rfc822-headers"));
  }
}

TEST(Bounce, AnyHeaderIsHeld) {
  for (const std::string& odd : {std::string(), std::string("\r\nonly a body\r\n"), std::string("Subject: no end"),
                                 std::string("Subject: \xe4\r\n\r\n"), "X: " + std::string(200000, 'x') + "\r\n\r\n",
                                 std::string("A: b\nB: c\r\rC: d\r\n\r\nbody\r\n"), std::string(1000, '\0')}) {
    const std::string text = report(original_entry(), odd).content;
    EXPECT_TRUE(is_plain(text)) << base::escape(odd.substr(0, 50));
    EXPECT_TRUE(contains(text, "Content-Type: text/rfc822-headers"));
    EXPECT_FALSE(contains(text, "body"));
    EXPECT_LT(text.size(), 300000U);
  }
}

TEST(Bounce, NothingFromOutsideChangesItsForm) {
  Entry entry = original_entry();
  entry.message_id = "<a\r\nBcc: x@y>";
  State state = with_refusals();
  state.recipients[0].reply = "550 x\r\n\r\n--boundary\r\nBcc: \xc3\xa9\xff\x1b" + std::string(5000, '\x1b');
  Reporter by{"host\r\nX-Evil: yes", "example.com\r\nX-Evil: yes", {}};
  const std::string text = report(entry, "Subject: \x1b\r\n\r\n", state, by).content;
  EXPECT_TRUE(is_plain(text));
  for (const std::string& line : lines_of(text)) {
    EXPECT_FALSE(line.starts_with("X-Evil") || line.starts_with("Bcc") || line.starts_with("--boundary"));
  }
}

TEST(Bounce, ItsBoundaryIsInNoPart) {
  Entry entry = original_entry();
  entry.dsn.returned = "FULL";
  const std::string boundary = report(entry).entry.id + "=_0";
  const std::string text = report(entry, content + "--" + boundary + "\r\n").content;
  EXPECT_TRUE(contains(text, "boundary=\"" + report(entry).entry.id + "=_1\""));
}

TEST(Bounce, WritesAnAddressBeyondAscii) {
  Entry entry = entry_to({"m\xc3\xbcller+x@example.net"});
  entry.id = original_entry().id;
  State state = State::fresh(1);
  state.recipients[0] = {Progress::refused, "553 no", "5.6.7"};
  const std::string text = report(entry, content, state).content;
  EXPECT_TRUE(has_line(text, "Final-Recipient: utf-8; m\\x{FC}ller\\x{2B}x@example.net"));
  EXPECT_TRUE(base::is_ascii(text));
}

TEST(Bounce, ManyRecipientsAreNoTrouble) {
  std::vector<std::string> texts;
  for (int i = 0; i < 2000; ++i) texts.push_back("user" + std::to_string(i) + "@example.net");
  Entry entry = entry_to(texts);
  entry.id = original_entry().id;
  State state = State::fresh(2000);
  for (auto& each : state.recipients) each = {Progress::refused, "550 no", "5.1.1"};
  EXPECT_TRUE(has_line(report(entry, content, state).content, "Final-Recipient: rfc822; user1999@example.net"));
}

TEST(Bounce, AFailingSourceIsNoReport) {
  PiecesSource source(content, 5, true);
  EXPECT_TRUE(fails_as(report_on(original_entry(), with_refusals(), source, reporter, noon), Error::Kind::io));
  base::MemorySource sound(content);
  EXPECT_TRUE(fails_as(report_on(original_entry(), State::fresh(3), sound, reporter, noon), Error::Kind::internal));
}

}  // namespace
}  // namespace pillarbox::queue
