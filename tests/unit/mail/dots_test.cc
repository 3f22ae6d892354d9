#include "mail/dots.h"

#include <gtest/gtest.h>

#include <string>

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

}  // namespace
}  // namespace pillarbox::mail
