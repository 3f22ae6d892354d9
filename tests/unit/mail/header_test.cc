#include "mail/header.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "support.h"

namespace pillarbox::mail {
namespace {

using namespace std::string_view_literals;
using test::everything;
using test::fails_as;
using test::memory;
using test::pieces;
using test::PiecesSource;
using test::succeeds;

using Nul = Normaliser::Nul;

struct Parts {
  std::string fields;  // as they are kept, one after the other
  std::string envelope_line;
  std::string body;
};

bool operator==(const Parts& a, const Parts& b) {
  return a.fields == b.fields && a.envelope_line == b.envelope_line && a.body == b.body;
}

void PrintTo(const Parts& parts, std::ostream* out) {
  *out << "fields " << base::quote(parts.fields) << ", envelope line " << base::quote(parts.envelope_line) << ", body "
       << base::quote(parts.body.substr(0, 200));
}

Parts parts_of(std::unique_ptr<base::Source> source, Nul nul = Nul::drop) {
  auto read = read_header(std::move(source), nul);
  if (!read) return {"error: " + read.error().text, "", ""};
  Parts parts;
  for (const Field& field : read->header.fields) parts.fields += field.raw;
  parts.envelope_line = read->envelope_line;
  auto body = everything(*read->body);
  parts.body = body ? *body : "error: " + body.error().text;
  return parts;
}

// What pieces the source gives must make no difference.
void expect_parts(std::string_view message, const Parts& expected) {
  for (const std::size_t piece : {1U, 2U, 3U, 7U, 100000U}) {
    EXPECT_EQ(parts_of(pieces(message, piece)), expected) << base::escape(message) << " in pieces of " << piece;
  }
}

TEST(Header, EndsAtTheFirstEmptyLine) {
  expect_parts("A: 1\r\nB: 2\r\n\r\nbody\r\n\r\nC: 3\r\n", {"A: 1\r\nB: 2\r\n", "", "body\r\n\r\nC: 3\r\n"});
  expect_parts("A: 1\nB: 2\n\nbody\n", {"A: 1\r\nB: 2\r\n", "", "body\n"});
  expect_parts("A: 1\r\r\n\r\r\nbody", {"A: 1\r\n", "", "body"});
  expect_parts("A: 1\n\n\nbody", {"A: 1\r\n", "", "\nbody"});
}

TEST(Header, KeepsFoldingWithItsField) {
  expect_parts("A: 1\n  2\n\t3\nB: 4\n\nbody", {"A: 1\r\n  2\r\n\t3\r\nB: 4\r\n", "", "body"});
  auto read = read_header(memory("A: 1\n  2\n\t3\nB: 4\n\nbody"), Nul::drop);
  ASSERT_TRUE(succeeds(read));
  ASSERT_EQ(read->header.fields.size(), 2U);
  EXPECT_EQ(read->header.fields[0].value(), " 1\r\n  2\r\n\t3");
  EXPECT_EQ(unfolded(read->header.fields[0].value()), "1  2\t3");
}

TEST(Header, TakesALineOfBlanksForFoldingAndNotForItsEnd) {
  expect_parts("A: 1\n \nB: 2\n\nbody", {"A: 1\r\n \r\nB: 2\r\n", "", "body"});
}

TEST(Header, MayBeMissing) {
  expect_parts("", {"", "", ""});
  expect_parts("just text\nmore\n", {"", "", "just text\nmore\n"});
  expect_parts("text", {"", "", "text"});
  expect_parts(" folded: nothing\n", {"", "", " folded: nothing\n"});
  expect_parts(": no name\n", {"", "", ": no name\n"});
  expect_parts("two words: x\n", {"", "", "two words: x\n"});
  expect_parts("\xc3\xa9: x\n", {"", "", "\xc3\xa9: x\n"});
  expect_parts("http\n", {"", "", "http\n"});
}

TEST(Header, IsEmptyWhereTheInputOpensWithAnEmptyLine) {
  expect_parts("\nA: 1\n", {"", "", "A: 1\n"});
  expect_parts("\r\nA: 1\n", {"", "", "A: 1\n"});
  expect_parts("\r\r\nA: 1\n", {"", "", "A: 1\n"});
  expect_parts("\n", {"", "", ""});
}

TEST(Header, EndsAtTheFirstLineThatIsNoField) {
  expect_parts("A: 1\ntext follows\nB: 2\n", {"A: 1\r\n", "", "text follows\nB: 2\n"});
  expect_parts("A: 1\n.\n", {"A: 1\r\n", "", ".\n"});
  expect_parts("A: 1\n2 words: x\n", {"A: 1\r\n", "", "2 words: x\n"});
  expect_parts("A: 1\nFrom x Mon\n\nb", {"A: 1\r\n", "", "From x Mon\n\nb"});
}

TEST(Header, MayBeAllThereIs) {
  expect_parts("A: 1", {"A: 1\r\n", "", ""});
  expect_parts("A: 1\n", {"A: 1\r\n", "", ""});
  expect_parts("A: 1\r\n", {"A: 1\r\n", "", ""});
  expect_parts("A: 1\r", {"A: 1\r\n", "", ""});
  expect_parts("A: 1\n\n", {"A: 1\r\n", "", ""});
  expect_parts("A: 1\n 2", {"A: 1\r\n 2\r\n", "", ""});
  expect_parts("A:", {"A:\r\n", "", ""});
}

TEST(Header, KnowsNamesWithBlanksBeforeTheColon) {
  auto read = read_header(memory("Bcc : x\nbCC\t: y\nBcc  \t :z\nSubject: s\n\n"), Nul::drop);
  ASSERT_TRUE(succeeds(read));
  ASSERT_EQ(read->header.fields.size(), 4U);
  EXPECT_EQ(read->header.fields[0].name(), "Bcc");
  EXPECT_TRUE(read->header.has("BCC"));
  read->header.remove("bcc");
  EXPECT_EQ(read->header.text(), "Subject: s\r\n\r\n");
}

TEST(Header, RemovesAFieldWithAllItsFolding) {
  auto read = read_header(memory("Bcc: a,\n b,\n\tc\nTo: d\nBcc: e\n f\n\n"), Nul::drop);
  ASSERT_TRUE(succeeds(read));
  read->header.remove("Bcc");
  EXPECT_EQ(read->header.text(), "To: d\r\n\r\n");
}

TEST(Header, KeepsAnEnvelopeLineApart) {
  expect_parts("From a@b Mon Jan  1 00:00:00 2024\nA: 1\n\nbody",
               {"A: 1\r\n", "From a@b Mon Jan  1 00:00:00 2024\r\n", "body"});
  expect_parts(">From a@b Mon Jan  1 00:00:00 2024\r\nA: 1\r\n\r\nbody",
               {"A: 1\r\n", ">From a@b Mon Jan  1 00:00:00 2024\r\n", "body"});
  expect_parts("From : a@b\n\nbody", {"From : a@b\r\n", "", "body"});
  expect_parts("From: a@b\n\nFrom me\n", {"From: a@b\r\n", "", "From me\n"});
}

TEST(Header, TakesALoneCrForASpace) {
  expect_parts("A: 1\r2\nB: 3\n\nbody\r", {"A: 1 2\r\nB: 3\r\n", "", "body\r"});
  expect_parts("A: 1\rBcc: x\n\nbody", {"A: 1 Bcc: x\r\n", "", "body"});
}

// The rule "a CR that no LF follows is a space in the header" makes such a line folding.
TEST(Header, TakesALineThatBeginsWithALoneCrForFolding) {
  expect_parts("A: 1\n\r2\nB: 3\n\nbody", {"A: 1\r\n 2\r\nB: 3\r\n", "", "body"});
}

TEST(Header, TakesALoneCrBeforeTheColonForABlank) {
  expect_parts("A: 1\nBcc\r: x\n\nbody", {"A: 1\r\nBcc : x\r\n", "", "body"});
}

TEST(Header, DropsNulWhereItIsToldTo) {
  auto read = read_header(memory("A: 1\0\0 2\nB: 3\n\nbo\0dy"sv), Nul::drop);
  ASSERT_TRUE(succeeds(read));
  EXPECT_EQ(read->header.text(), "A: 1 2\r\nB: 3\r\n\r\n");
  EXPECT_EQ(read->nuls_dropped, 2U);
  EXPECT_EQ(*everything(*read->body), "bo\0dy"sv) << "the body is the message's to clean";
}

TEST(Header, RefusesNulWhereItIsToldTo) {
  EXPECT_TRUE(fails_as(read_header(memory("A: 1\0\n\n"sv), Nul::refuse), Error::Kind::data));
}

TEST(Header, HidesNoFieldBehindANul) {
  auto read = read_header(memory("A: 1\nBc\0c: x\nC: 2\n\nbody"sv), Nul::drop);
  ASSERT_TRUE(succeeds(read));
  EXPECT_TRUE(read->header.has("Bcc"));
  EXPECT_TRUE(read->header.has("C"));
}

TEST(Header, CostsNoMoreThanItsSizeWhereItIsLong) {
  const std::size_t size = (test::sanitized ? 1U : 4U) << 20U;
  const std::string nuls(size, '\0');
  const std::string blanks(size, ' ');
  for (const std::string& line : {"A: " + nuls, "A" + nuls + ":", "A:" + blanks, "A" + blanks + ":"}) {
    EXPECT_LT(test::seconds_of([&] { (void)read_header(pieces(line + "\n\nbody", 100), Nul::drop); }), 10);
  }
}

// However few of its bytes came at a time.
TEST(Header, HasNoLineThatShowsNothingIn64Kibibytes) {
  const std::string blanks(65534, ' ');
  const std::string crs(65536, '\r');
  for (const std::size_t piece : {1000U, 1000000U}) {
    EXPECT_EQ(parts_of(pieces("A" + blanks + ":\n\nbody", piece)).body, "body");
    EXPECT_EQ(parts_of(pieces("A" + blanks + " :\n\nbody", piece)).fields, "");
    EXPECT_EQ(parts_of(pieces("A:\n" + crs + "\nbody", piece)).body, "body");
    EXPECT_EQ(parts_of(pieces("A:\n\r" + crs + "\nbody", piece)).body, "\r" + crs + "\nbody");
  }
}

TEST(Header, LeavesAnEndlessLineToTheBody) {
  const std::string line(3U << 20U, 'x');
  auto source = std::make_unique<PiecesSource>(line, 4096);
  const PiecesSource& watched = *source;
  auto read = read_header(std::move(source), Nul::drop);
  ASSERT_TRUE(succeeds(read));
  EXPECT_LT(watched.delivered(), 65536U) << "it must not be buffered to find out";
  EXPECT_EQ(*everything(*read->body), line);
}

TEST(Header, LeavesAnEndlessLineOfWordsToTheBody) {
  std::string line;
  while (line.size() < (3U << 20U)) line += "word ";
  auto source = std::make_unique<PiecesSource>("A: 1\n" + line, 4096);
  const PiecesSource& watched = *source;
  auto read = read_header(std::move(source), Nul::drop);
  ASSERT_TRUE(succeeds(read));
  EXPECT_LT(watched.delivered(), 65536U);
  EXPECT_EQ(*everything(*read->body), line);
}

TEST(Header, KeepsALongField) {
  const std::string value(1U << 20U, 'x');
  const Parts parts = parts_of(pieces("A: " + value + "\nB: 2\n\nbody", 10000));
  EXPECT_EQ(parts.fields.size(), value.size() + 5 + 6);
  EXPECT_EQ(parts.body, "body");
}

TEST(Header, IsRefusedBeyond16Mebibytes) {
  const std::string one_line = "A: " + std::string(17U << 20U, 'x');
  EXPECT_TRUE(fails_as(read_header(memory(one_line), Nul::drop), Error::Kind::data));
  std::string many;
  while (many.size() < (17U << 20U)) many += "Field: " + std::string(900, 'x') + "\n";
  EXPECT_TRUE(fails_as(read_header(memory(many + "\nbody"), Nul::drop), Error::Kind::data));
}

TEST(Header, MayBeFollowedByABodyOfAnySize) {
  const std::string body(20U << 20U, 'x');
  EXPECT_EQ(parts_of(memory("A: 1\n\n" + body)).body.size(), body.size());
}

TEST(Header, PassesOnAFailureOfItsSource) {
  EXPECT_TRUE(fails_as(read_header(std::make_unique<PiecesSource>("A: 1\n", 3, true), Nul::drop), Error::Kind::io));
  auto read = read_header(std::make_unique<PiecesSource>("A: 1\n\nbody", 100, true), Nul::drop);
  ASSERT_TRUE(succeeds(read));
  EXPECT_TRUE(fails_as(everything(*read->body), Error::Kind::io));
}

TEST(Header, GivesHeaderAndBodyBackByteForByte) {
  const std::string message = "A: 1\r\n\tx\r\nB : 2\r\nC:\r\n\r\n.\r\n\r\nbody\r\n";
  for (std::size_t piece = 1; piece <= message.size(); ++piece) {
    auto read = read_header(pieces(message, piece), Nul::refuse);
    ASSERT_TRUE(succeeds(read));
    EXPECT_EQ(read->header.text() + *everything(*read->body), message);
  }
}

TEST(Header, FindsTheFirstOfAName) {
  Header header;
  header.append("To", "a");
  header.append("TO", "b");
  ASSERT_NE(header.find("to"), nullptr);
  EXPECT_EQ(header.find("to")->value(), " a");
  EXPECT_EQ(header.find("T"), nullptr);
  EXPECT_EQ(header.text(), "To: a\r\nTO: b\r\n\r\n");
}

}  // namespace
}  // namespace pillarbox::mail
