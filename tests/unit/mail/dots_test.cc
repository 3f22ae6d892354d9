#include "mail/dots.h"

#include <gtest/gtest.h>

#include <string>

#include "base/text.h"

namespace pillarbox::mail {
namespace {

std::string stuffed(const std::string& text, std::size_t step = 1000) {
  DotStuffer stuffer;
  std::string out;
  for (std::size_t at = 0; at < text.size(); at += step) {
    stuffer.feed(std::string_view(text).substr(at, step), [&](std::string_view piece) {
      out += piece;
      return true;
    });
  }
  return out;
}

TEST(Dots, AreDoubledWhereALineBegins) {
  EXPECT_EQ(stuffed(".\r\n..\r\na.\r\n.b\r\n"), "..\r\n...\r\na.\r\n..b\r\n");
  EXPECT_EQ(stuffed(""), "");
  EXPECT_EQ(stuffed("."), "..");
  EXPECT_EQ(stuffed("\r\n.\r\n"), "\r\n..\r\n");
}

TEST(Dots, BehindABareLineFeedOrReturnBeginNoLine) {
  EXPECT_EQ(stuffed("a\n.\r\n"), "a\n.\r\n");
  EXPECT_EQ(stuffed("\n.\r\n"), "\n.\r\n");
  EXPECT_EQ(stuffed("a\r.\r\n"), "a\r.\r\n");
  EXPECT_EQ(stuffed("a\r\r\n.\n\r."), "a\r\r\n..\n\r.");
}

TEST(Dots, AreFoundWhereverPiecesEnd) {
  const std::string text = ".\r\n..\r\n\r\n.a\r\r\n.\n.\r.\r\n.x\r\n";
  const std::string whole = stuffed(text);
  for (std::size_t step = 1; step < text.size(); ++step) EXPECT_EQ(stuffed(text, step), whole) << step;
}

TEST(Dots, StopWithTheirSink) {
  DotStuffer stuffer;
  int calls = 0;
  EXPECT_FALSE(stuffer.feed("a\r\n.b\r\n.c", [&](std::string_view) { return ++calls < 2; }));
  EXPECT_EQ(calls, 2);
}

// What is left of a text, "|" and what was not taken; whatever the pieces.
std::string unstuffed(const std::string& text, DotUnstuffer::LineEnd line_end) {
  std::string first;
  for (std::size_t piece = 1; piece <= text.size(); ++piece) {
    DotUnstuffer dots(line_end);
    std::string out;
    std::size_t taken = 0;
    while (taken < text.size() && !dots.ended()) taken += dots.feed(std::string_view(text).substr(taken, piece), out);
    out += (dots.ended() ? "|" : "...") + text.substr(taken);
    if (piece == 1) first = out;
    if (out != first) return "pieces of " + std::to_string(piece) + " make a difference: " + base::escape(out);
  }
  return first;
}

TEST(DotUnstuffer, TakesOffADotAndEndsAtOneAlone) {
  for (const auto line_end : {DotUnstuffer::LineEnd::crlf, DotUnstuffer::LineEnd::lf}) {
    EXPECT_EQ(unstuffed("a\r\n..b\r\n.c\r\n.\r\nQUIT\r\n", line_end), "a\r\n.b\r\nc\r\n|QUIT\r\n");
    EXPECT_EQ(unstuffed(".\r\n", line_end), "|");
    EXPECT_EQ(unstuffed("a.\r\n ..\r\n.", line_end), "a.\r\n ..\r\n...");
    EXPECT_EQ(unstuffed("..\r\n.\r\n", line_end), ".\r\n|");
    EXPECT_EQ(unstuffed(".\r.\r\n", line_end), "\r.\r\n...");
    EXPECT_EQ(unstuffed(".\r\r\n.\r\n", line_end), "\r\r\n|");
  }
}

TEST(DotUnstuffer, EndsAtABareLfOnlyWhereThatEndsALine) {
  EXPECT_EQ(unstuffed("a\n..b\n.\nc", DotUnstuffer::LineEnd::lf), "a\n.b\n|c");
  EXPECT_EQ(unstuffed("a\n..b\n.\nc\n.\r\n\r\n.\r\n", DotUnstuffer::LineEnd::crlf), "a\n..b\n.\nc\n.\r\n\r\n|");
  EXPECT_EQ(unstuffed(".\n.\r\n", DotUnstuffer::LineEnd::crlf), "\n.\r\n...");
  EXPECT_EQ(unstuffed("\r\r\n.\r\n", DotUnstuffer::LineEnd::crlf), "\r\r\n|");
}

}  // namespace
}  // namespace pillarbox::mail
