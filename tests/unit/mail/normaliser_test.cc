#include "mail/normaliser.h"

#include <gtest/gtest.h>

#include <random>

#include "base/text.h"
#include "support.h"

namespace pillarbox::mail {
namespace {

using namespace std::string_view_literals;
using test::contains;
using test::fails_as;
using test::succeeds;

using Part = Normaliser::Part;
using Nul = Normaliser::Nul;

std::string normal(std::string_view in, Part part, std::size_t piece = std::string::npos, Nul nul = Nul::drop) {
  Normaliser normaliser(part, nul);
  std::string out;
  for (std::size_t at = 0; at < in.size(); at += std::min(piece, in.size() - at)) {
    if (!normaliser.feed(in.substr(at, piece), out)) return "refused";
  }
  normaliser.finish(out);
  return out;
}

// The rules of the contract in words, all of the message at once: NULs are not there; CRs before an LF, the last 65,536
// of them, belong to its line end; any other CR is a line end in the body and a space in the header; the header ends at
// its first empty line; at the message's very end CRs end the line, and a last line without an end gets one.
std::string reference(std::string_view in, Part part) {
  std::string text;
  for (const char c : in) {
    if (c != '\0') text += c;
  }
  std::string out;
  std::string line;
  bool header = part == Part::header;
  std::size_t after = 0;  // the CRs at hand
  const auto end_line = [&] {
    out += line + "\r\n";
    if (line.empty()) header = false;
    line.clear();
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n') {
      end_line();
    } else if (text[i] != '\r') {
      line += text[i];
    } else {
      if (after <= i) after = std::min(text.find_first_not_of('\r', i), text.size());
      const bool waits = after - i <= 65536;
      if (waits && after < text.size() && text[after] == '\n') {
        i = after;
        end_line();
      } else if (waits && after == text.size() && header) {
        i = after;
        end_line();
      } else if (header) {
        line += ' ';
      } else {
        end_line();
      }
    }
  }
  if (!line.empty()) end_line();
  return out;
}

// Nothing that any reader could take for a line end but CRLF.
::testing::AssertionResult only_crlf(const std::string& out) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (out[i] == '\n' && (i == 0 || out[i - 1] != '\r')) return ::testing::AssertionFailure() << "bare LF at " << i;
    if (out[i] == '\r' && (i + 1 == out.size() || out[i + 1] != '\n')) {
      return ::testing::AssertionFailure() << "bare CR at " << i;
    }
  }
  if (!out.empty() && !out.ends_with("\r\n")) return ::testing::AssertionFailure() << "no line end at the end";
  return ::testing::AssertionSuccess();
}

// Counts what differs instead of one assertion a comparison: there are millions.
void check(const std::string& in, Part part) {
  const std::string expected = reference(in, part);
  for (std::size_t piece = 1; piece <= in.size() + 1; ++piece) {
    const std::string out = normal(in, part, piece);
    if (out != expected) {
      ADD_FAILURE() << base::escape(in) << " in pieces of " << piece << (part == Part::header ? " (header)" : " (body)")
                    << " became " << base::escape(out) << " instead of " << base::escape(expected);
      return;
    }
  }
  if (!only_crlf(expected)) ADD_FAILURE() << base::escape(in) << " became " << base::escape(expected);
}

TEST(Normaliser, AgreesWithItsReferenceOnEveryShortText) {
  constexpr std::string_view alphabet = "\r\n.a";
  for (std::size_t length = 0; length <= 7; ++length) {
    std::size_t count = 1;
    for (std::size_t i = 0; i < length; ++i) count *= alphabet.size();
    for (std::size_t n = 0; n < count; ++n) {
      std::string in;
      for (std::size_t i = 0, rest = n; i < length; ++i, rest /= alphabet.size())
        in += alphabet[rest % alphabet.size()];
      check(in, Part::body);
      check(in, Part::header);
      if (HasFailure()) return;
    }
  }
}

TEST(Normaliser, AgreesWithItsReferenceOnRandomTexts) {
  constexpr std::string_view alphabet = "\r\n.a \0\xff:"sv;
  std::mt19937 random(20240229);  // the same texts each time
  for (int round = 0; round < 1500; ++round) {
    std::string in;
    const std::size_t length = random() % 60;
    // Some texts are mostly line ends, some mostly words.
    const std::size_t letters = round % 2 ? alphabet.size() : 3;
    for (std::size_t i = 0; i < length; ++i) in += alphabet[random() % letters];
    check(in, Part::body);
    check(in, Part::header);
    if (HasFailure()) return;
  }
}

TEST(Normaliser, TakesPiecesOfDifferentSizes) {
  constexpr std::string_view alphabet = "\r\n.a\0"sv;
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    std::string in;
    for (int i = 0; i < 500; ++i) in += alphabet[random() % alphabet.size()];
    Normaliser normaliser(Part::header, Nul::drop);
    std::string out;
    for (std::size_t at = 0; at < in.size();) {
      const std::size_t piece = random() % 40;  // empty ones as well
      ASSERT_TRUE(succeeds(normaliser.feed(std::string_view(in).substr(at, piece), out)));
      at += std::min(piece, in.size() - at);
    }
    normaliser.finish(out);
    ASSERT_EQ(out, reference(in, Part::header));
  }
}

TEST(Normaliser, MakesEveryLineEndOneCrlf) {
  EXPECT_EQ(normal("a\nb\r\nc\r\r\nd\r\r\r\ne", Part::body), "a\r\nb\r\nc\r\nd\r\ne\r\n");
  EXPECT_EQ(normal("a\rb\r\rc", Part::body), "a\r\nb\r\n\r\nc\r\n");
  EXPECT_EQ(normal("\n\n", Part::body), "\r\n\r\n");
  EXPECT_EQ(normal("", Part::body), "");
  EXPECT_EQ(normal("a", Part::body), "a\r\n");
  EXPECT_EQ(normal("a\r", Part::body), "a\r\n");
  EXPECT_EQ(normal("a\n", Part::body), "a\r\n");
}

TEST(Normaliser, MakesALoneCrASpaceInTheHeaderAlone) {
  EXPECT_EQ(normal("Subject: a\rb\n\nc\rd\n", Part::header), "Subject: a b\r\n\r\nc\r\nd\r\n");
  EXPECT_EQ(normal("A: a\r\rb\n", Part::header), "A: a  b\r\n");
  EXPECT_EQ(normal("A: a\r\r\n\r\r\nb\rc", Part::header), "A: a\r\n\r\nb\r\nc\r\n");
  EXPECT_EQ(normal("\na\rb", Part::header), "\r\na\r\nb\r\n") << "an empty header ends at once";
  EXPECT_EQ(normal("A: a\r", Part::header), "A: a\r\n");
}

// Each of these ended the message early at some server; the dot must stay within a line that CRLF frames, where it is
// stuffed, or be no line of its own.
TEST(Normaliser, LeavesNoMixtureThatSmuggles) {
  for (const char* mixture :
       {"\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r\n.\r", "\r.\r\n", "\n.\r", "\r\r\n.\r\r\n", "\r.\n"}) {
    const std::string out = normal("a" + std::string(mixture) + "MAIL FROM:<x@y.z>\r\n", Part::body);
    EXPECT_EQ(out, "a\r\n.\r\nMAIL FROM:<x@y.z>\r\n") << base::escape(mixture);
  }
  EXPECT_EQ(normal("a\r\n\0.\r\n"sv, Part::body), "a\r\n.\r\n");
  EXPECT_EQ(normal("a\r\0\nb"sv, Part::body), "a\r\nb\r\n");
}

TEST(Normaliser, DropsAndCountsNul) {
  Normaliser normaliser(Part::body, Nul::drop);
  std::string out;
  ASSERT_TRUE(succeeds(normaliser.feed("\0a\0\0b\n\0"sv, out)));
  normaliser.finish(out);
  EXPECT_EQ(out, "ab\r\n");
  EXPECT_EQ(normaliser.nuls_dropped(), 4U);
  EXPECT_EQ(normal("\0"sv, Part::body), "");
}

TEST(Normaliser, RefusesNulAndSaysWhere) {
  for (std::size_t piece : {1U, 2U, 3U, 100U}) {
    Normaliser normaliser(Part::body, Nul::refuse);
    const std::string_view in = "abc\r\nde\0f"sv;
    std::string out;
    Result<void> fed;
    for (std::size_t at = 0; at < in.size() && fed; at += piece) fed = normaliser.feed(in.substr(at, piece), out);
    ASSERT_TRUE(fails_as(fed, Error::Kind::data));
    EXPECT_TRUE(contains(fed.error().text, "7")) << fed.error().text;
  }
}

TEST(Normaliser, LeavesEveryOtherByteAlone) {
  std::string in;
  for (int c = 1; c < 256; ++c) {
    if (c != '\r' && c != '\n') in += static_cast<char>(c);
  }
  EXPECT_EQ(normal(in, Part::body), in + "\r\n");
  EXPECT_EQ(normal(in, Part::header), in + "\r\n");
}

TEST(Normaliser, KeepsALineOfAMegabyteWhole) {
  const std::string line(1 << 20, 'x');
  EXPECT_EQ(normal(line + "\n", Part::body, 65536), line + "\r\n");
}

TEST(Normaliser, TakesSoManyCrsForOneLineEndWhereverTheyAreCut) {
  const auto crs = [](std::size_t count) { return std::string(count, '\r'); };
  EXPECT_EQ(normal(crs(65536) + "\n", Part::body), "\r\n");
  EXPECT_EQ(normal(crs(65537) + "\n", Part::body), "\r\n\r\n");
  for (const Part part : {Part::body, Part::header}) {
    for (const std::string& in : {"a" + crs(65536) + "\nb", "a" + crs(65537) + "\nb", "\n" + crs(100000) + "\r\n",
                                  crs(65536) + "\n" + crs(65537), "a" + crs(100000) + "b"}) {
      const std::string expected = reference(in, part);
      for (const std::size_t piece : {1U, 1000U, 65536U, 65537U}) {
        EXPECT_TRUE(normal(in, part, piece) == expected) << in.size() << " bytes in pieces of " << piece;
      }
    }
  }
}

TEST(Normaliser, NeedsNoMemoryForCrsWithoutEnd) {
  Normaliser normaliser(Part::body, Nul::drop);
  const std::string crs(1 << 20, '\r');
  for (const std::string& in : {crs, crs, crs, std::string("x")}) {
    std::string out;
    ASSERT_TRUE(succeeds(normaliser.feed(in, out)));
    EXPECT_LE(out.size(), 2 * crs.size()) << "what has waited comes out with it";
  }
}

}  // namespace
}  // namespace pillarbox::mail
