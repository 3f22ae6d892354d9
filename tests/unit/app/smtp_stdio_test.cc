#include "app/smtp_stdio.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/text.h"
#include "support.h"

namespace pillarbox::app {
namespace {

using test::everything;
using test::PiecesSource;

// A session over a script: "250 250 354 ..." and "[text]" for each message that was sent.
struct Session {
  int code = 0;
  std::string seen;
  std::vector<SmtpMail> mails;
};

Session play(base::Source& input, const smtp::Reply& outcome = {250, {"2.0.0 accepted"}}, bool reads = true) {
  Session session;
  const auto write = [&](std::string_view text) {
    session.seen += std::string(text.substr(0, 3)) + " ";
    return true;
  };
  const auto submit = [&](const SmtpMail& mail, std::unique_ptr<base::Source> content) {
    if (!reads) return outcome;
    const auto text = everything(*content, 3);
    if (!text) return reply_to(text.error());
    session.mails.push_back(mail);
    session.seen += "[" + *text + "] ";
    return outcome;
  };
  session.code = serve_smtp(input, SmtpServer("host", 1000), write, submit);
  return session;
}

// Whatever the pieces; the first difference is reported.
std::string seen(const std::string& script, bool reads = true) {
  std::string first;
  for (std::size_t piece = 1; piece <= script.size() + 1; ++piece) {
    PiecesSource input(script, piece);
    const Session session = play(input, {250, {"ok"}}, reads);
    const std::string now = session.seen + std::to_string(session.code);
    if (piece == 1) first = now;
    if (now != first) return "pieces of " + std::to_string(piece) + " make a difference: " + base::escape(now);
  }
  return first;
}

const std::string envelope = "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@x.test>\r\n";

TEST(SmtpStdio, TakesSeveralMessages) {
  EXPECT_EQ(
      seen("EHLO x\r\n" + envelope + "DATA\r\nA: 1\r\n\r\n..b\r\n.\r\n" + envelope + "DATA\r\n.\r\nQUIT\r\nNOOP\r\n"),
      "220 250 250 250 354 [A: 1\r\n\r\n.b\r\n] 250 250 250 354 [] 250 221 0");
}

TEST(SmtpStdio, TakesBareLineFeeds) {
  EXPECT_EQ(seen("HELO x\nMAIL FROM:<>\nRCPT TO:<b@x.test>\nDATA\na\n..\r\n.b\n.\nQUIT\n"),
            "220 250 250 250 354 [a\n.\r\nb\n] 250 221 0");
}

TEST(SmtpStdio, EndsTheTextAsTheCommandsEnd) {
  EXPECT_EQ(seen(envelope + "DATA\r\na\n.\nb\r\n.\nc\r.\r\n\r\n.\r\nQUIT\r\n"),
            "220 250 250 354 [a\n.\nb\r\n\nc\r.\r\n\r\n] 250 221 0")
      << "a bare LF ends no line of a client that says CRLF";
}

TEST(SmtpStdio, DropsWhatHasNoEnd) {
  EXPECT_EQ(seen(envelope + "DATA\r\nhalf"), "220 250 250 354 0");
  EXPECT_EQ(seen(envelope + "DATA\r\nhalf\r\n."), "220 250 250 354 0");
  EXPECT_EQ(seen(envelope + "DATA\r\nhalf\r\n.\r"), "220 250 250 354 0");
  EXPECT_EQ(seen(envelope + "DATA\r\nhalf\r\n.\n"), "220 250 250 354 0");
  EXPECT_EQ(seen(envelope + "QUIT"), "220 250 250 0");
  EXPECT_EQ(seen(""), "220 0");
}

TEST(SmtpStdio, ReadsPastTheTextOfAMessageThatWasRefused) {
  EXPECT_EQ(seen(envelope + "DATA\r\nQUIT\r\n.\r\nNOOP\r\n", false), "220 250 250 354 250 250 0");
}

TEST(SmtpStdio, AnswersALineThatIsTooLongOnce) {
  EXPECT_EQ(seen("NOOP " + std::string(505, 'x') + "\r\nNOOP\r\n"), "220 250 250 0");
  EXPECT_EQ(seen("NOOP " + std::string(506, 'x') + "\r\nNOOP\r\n"), "220 500 250 0");
  PiecesSource input(std::string(1U << 20U, 'x') + "\r\nNOOP\r\n", 4096);
  EXPECT_EQ(play(input).seen, "220 500 250 ");
}

TEST(SmtpStdio, SaysWhatBecameOfAMessage) {
  for (const int code : {250, 451, 554}) {
    PiecesSource input(envelope + "DATA\r\na\r\n.\r\nQUIT\r\n", 1000);
    EXPECT_EQ(play(input, {code, {"x"}}).seen, "220 250 250 354 [a\r\n] " + std::to_string(code) + " 221 ");
  }
}

TEST(SmtpStdio, EndsWithAFailure) {
  PiecesSource input("NOOP\r\n", 1, true);
  const Session session = play(input);
  EXPECT_EQ(session.seen, "220 250 421 ");
  EXPECT_EQ(session.code, 74);
  PiecesSource half(envelope + "DATA\r\nhalf", 1, true);
  EXPECT_EQ(play(half).seen, "220 250 250 354 421 ");
  test::PiecesSource more("NOOP\r\nNOOP\r\n", 1);
  const auto deaf = [](std::string_view) { return false; };
  EXPECT_EQ(serve_smtp(more, SmtpServer("host", 1000), deaf, {}), 74);
}

TEST(SmtpStdio, EndsASilence) {
  for (const std::string& before : {std::string("NOOP\r\n"), std::string("NO"), envelope + "DATA\r\nhalf"}) {
    std::array<int, 2> pipe{};
    ASSERT_EQ(::pipe(pipe.data()), 0);
    const base::UniqueFd reading(pipe[0]), writing(pipe[1]);
    ASSERT_EQ(::write(writing.get(), before.data(), before.size()), static_cast<ssize_t>(before.size()));
    PatientSource input(reading.get(), std::chrono::milliseconds(1));
    const Session session = play(input);
    EXPECT_TRUE(session.seen.ends_with("421 ")) << session.seen;
    EXPECT_EQ(session.code, 0);
    EXPECT_TRUE(session.mails.empty());
  }
}

}  // namespace
}  // namespace pillarbox::app
