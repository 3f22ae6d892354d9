#include "mail/recode.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "support.h"

namespace pillarbox::mail {
namespace {

using test::everything;
using test::pieces;

// What a body becomes, whatever the pieces in and out; the first difference is reported.
std::string recoded(const std::string& body, Recoding recoding) {
  std::string first;
  for (const std::size_t in : {1U, 3U, 1000U}) {
    for (const std::size_t out : {1U, 4096U}) {
      RecodedSource source(pieces(body, in), recoding);
      const std::string text = *everything(source, out);
      if (in == 1 && out == 1) first = text;
      if (text != first) return "pieces of " + std::to_string(in) + " make a difference: " + base::escape(text);
    }
  }
  return first;
}

std::string quoted(const std::string& body) {
  return recoded(body, Recoding::quoted_printable);
}

std::string folded(const std::string& body) {
  return recoded(body, Recoding::fold);
}

std::size_t longest(const std::string& text) {
  std::size_t longest = 0;
  for (const std::string_view line : base::split(text, '\n')) longest = std::max(longest, base::trim(line).size());
  return longest;
}

TEST(QuotedPrintable, EncodesWhatIsNotPrintable) {
  EXPECT_EQ(quoted(""), "");
  EXPECT_EQ(quoted("a\tb c~!\n"), "a\tb c~!\r\n");
  EXPECT_EQ(quoted("1+1=2"), "1+1=3D2\r\n");
  EXPECT_EQ(quoted("gr\xc3\xbcn\n\x01\x7f"), "gr=C3=BCn\r\n=01=7F\r\n");
  EXPECT_EQ(quoted("a\rb\r\r\nc"), "a\r\nb\r\nc\r\n") << "line ends stay line ends";
  EXPECT_EQ(quoted(std::string("a\0b", 3)), "ab\r\n");
}

TEST(QuotedPrintable, EncodesABlankAtALinesEnd) {
  EXPECT_EQ(quoted("a \nb\t\r\n \n  x"), "a=20\r\nb=09\r\n=20\r\n  x\r\n");
  EXPECT_EQ(quoted("a  \n"), "a =20\r\n");
  EXPECT_EQ(quoted("a "), "a=20\r\n");
}

TEST(QuotedPrintable, BreaksLinesThatAreLong) {
  EXPECT_EQ(quoted(std::string(75, 'x') + "\n"), std::string(75, 'x') + "\r\n");
  EXPECT_EQ(quoted(std::string(77, 'x')), std::string(75, 'x') + "=\r\nxx\r\n");
  EXPECT_EQ(quoted(std::string(74, 'x') + "="), std::string(74, 'x') + "=\r\n=3D\r\n");
  EXPECT_EQ(quoted(std::string(75, 'x') + " "), std::string(75, 'x') + "=\r\n=20\r\n");
  for (const char c : {'x', ' ', '=', '\xc3'}) EXPECT_LE(longest(quoted(std::string(3000, c))), 76U) << c;
}

TEST(Folding, PutsALineEndAndABlankAfter998Bytes) {
  EXPECT_EQ(folded("a\nb"), "a\r\nb\r\n");
  EXPECT_EQ(folded(std::string(998, 'x')), std::string(998, 'x') + "\r\n");
  EXPECT_EQ(folded(std::string(999, 'x') + "\ny"), std::string(998, 'x') + "\r\n x\r\ny\r\n");
  EXPECT_EQ(folded(std::string(998 + 997 + 1, 'x')),
            std::string(998, 'x') + "\r\n " + std::string(997, 'x') + "\r\n x\r\n");
}

TEST(Folding, LeavesCharactersWhole) {
  for (const std::string character : {"\xc3\xb6", "\xe2\x82\xac", "\xf0\x9f\x93\xae"}) {
    for (std::size_t shift = 0; shift < 4; ++shift) {
      std::string body(shift, 'x');
      while (body.size() < 3000) body += character;
      const std::string text = folded(body);
      EXPECT_LE(longest(text), 998U);
      std::string joined;
      for (const std::string_view line : base::split(text, '\n')) {
        EXPECT_TRUE(base::is_utf8(line)) << "shift " << shift;
        joined += base::trim(line);
      }
      EXPECT_EQ(joined, body);
    }
  }
  EXPECT_LE(longest(folded(std::string(5000, '\x80'))), 998U);
  EXPECT_LE(longest(folded(std::string(5000, '\xf0'))), 998U);
}

TEST(RecodedSource, GoesBackToItsMark) {
  RecodedSource source(test::memory(std::string(3000, '=') + "\n"), Recoding::quoted_printable);
  ASSERT_TRUE(source.mark());
  const std::string first = *everything(source);
  ASSERT_TRUE(source.back());
  EXPECT_EQ(*everything(source), first);
  RecodedSource pipe(pieces("a", 1), Recoding::fold);
  EXPECT_FALSE(pipe.mark());
}

TEST(RecodedSource, HandsOnAFailure) {
  RecodedSource source(std::make_unique<test::PiecesSource>("a\n", 1, true), Recoding::fold);
  EXPECT_TRUE(test::fails_as(everything(source), Error::Kind::io));
}

}  // namespace
}  // namespace pillarbox::mail
