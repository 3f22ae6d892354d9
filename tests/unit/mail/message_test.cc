#include "mail/message.h"

#include <gtest/gtest.h>

#include "support.h"

namespace pillarbox::mail {
namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;
using test::everything;
using test::fails_as;
using test::memory;
using test::pieces;
using test::PiecesSource;
using test::succeeds;

Message normalised(std::string head, std::unique_ptr<base::Source> body,
                   Normaliser::Nul nul = Normaliser::Nul::refuse) {
  return {std::move(head), std::move(body), Normaliser(Normaliser::Part::body, nul)};
}

TEST(Message, IsHeadAndBodyWhateverTheirPieces) {
  const std::string body = "one\ntwo\r\nthree\rfour\r\r\n\n.\nend";
  const std::string expected = "A: 1\r\n\r\none\r\ntwo\r\nthree\r\nfour\r\n\r\n.\r\nend\r\n";
  for (std::size_t in = 1; in <= body.size(); ++in) {
    for (const std::size_t out : {1U, 2U, 5U, 64U}) {
      for (const bool primed : {false, true}) {
        Message message = normalised("A: 1\r\n\r\n", pieces(body, in));
        if (primed) {
          ASSERT_TRUE(succeeds(message.prime()));
        }
        EXPECT_TRUE(message.untouched());
        EXPECT_EQ(*everything(message, out), expected);
        EXPECT_EQ(message.size(), expected.size());
        EXPECT_FALSE(message.untouched());
      }
    }
  }
}

TEST(Message, OfLargeContentIsWhole) {
  std::string body;
  for (int i = 0; i < 50000; ++i) body += "line " + std::to_string(i) + "\n";
  std::string expected;
  for (const char c : body) expected += c == '\n' ? "\r\n" : std::string(1, c);
  Message message = normalised("", memory(body));
  ASSERT_TRUE(succeeds(message.prime()));
  EXPECT_EQ(*everything(message, 8191), expected);
}

TEST(Message, OfNothingIsNothing) {
  Message message = normalised("", memory(""));
  EXPECT_EQ(*everything(message), "");
  EXPECT_EQ(message.size(), 0U);
}

TEST(Message, KnowsItsSizeWhenAllOfItIsInMemory) {
  Message message = normalised("A: 1\r\n\r\n", memory("body\n"));
  EXPECT_EQ(message.known_size(), std::nullopt);
  ASSERT_TRUE(succeeds(message.prime()));
  EXPECT_EQ(message.known_size(), std::optional<std::uint64_t>(14));
}

TEST(Message, DoesNotClaimASizeItCanNotKnow) {
  Message message = normalised("", std::make_unique<PiecesSource>(std::string(1U << 20U, 'x'), 65536));
  ASSERT_TRUE(succeeds(message.prime()));
  EXPECT_EQ(message.known_size(), std::nullopt);
}

TEST(Message, KnowsTheLeastThatItCanHave) {
  const std::string body(1U << 20U, 'x');
  Message message = normalised("A: 1\r\n\r\n", memory(body));
  EXPECT_EQ(message.least_size(), 8 + body.size());
  ASSERT_TRUE(succeeds(message.prime()));
  EXPECT_EQ(message.least_size(), 8 + body.size());
  EXPECT_EQ(everything(message)->size(), 8 + body.size() + 2);
  std::string shrinking;
  for (int i = 0; i < 100'000; ++i) shrinking += "x\r\r\n";
  Message lines = normalised("", memory(shrinking));
  ASSERT_TRUE(succeeds(lines.prime()));
  EXPECT_LE(lines.least_size(), 300'000U);
  Message piped = normalised("", std::make_unique<PiecesSource>(body, 65536));
  EXPECT_EQ(piped.least_size(), 0U);
  ASSERT_TRUE(succeeds(piped.prime()));
  EXPECT_EQ(piped.least_size(), 65536U);
}

TEST(Message, KeepsItsKnownSizeWhileItIsRead) {
  Message message = normalised("", memory("abc"));
  EXPECT_EQ(*everything(message, 2), "abc\r\n");
  EXPECT_EQ(message.known_size(), std::optional<std::uint64_t>(5));
}

TEST(Message, TellsOfANulBeforeAnythingIsRead) {
  Message message = normalised("A: 1\r\n\r\n", memory("a\0b"sv));
  EXPECT_TRUE(fails_as(message.prime(), Error::Kind::data));
}

TEST(Message, TellsOfALateNulInsteadOfEnding) {
  const std::string body = std::string(200000, 'x') + "\0y"s;
  Message message = normalised("", memory(body));
  ASSERT_TRUE(succeeds(message.prime()));
  EXPECT_TRUE(fails_as(everything(message), Error::Kind::data));
}

TEST(Message, DropsNulWhereItIsToldTo) {
  Message message = normalised("", memory("a\0b\0\n"sv), Normaliser::Nul::drop);
  EXPECT_EQ(*everything(message), "ab\r\n");
  EXPECT_EQ(message.nuls_dropped(), 2U);
}

TEST(Message, TellsOfASourceThatFails) {
  Message first = normalised("A: 1\r\n\r\n", std::make_unique<PiecesSource>("", 1, true));
  EXPECT_TRUE(fails_as(first.prime(), Error::Kind::io));
  Message later = normalised("", std::make_unique<PiecesSource>(std::string(200000, 'x'), 65536, true));
  ASSERT_TRUE(succeeds(later.prime()));
  EXPECT_TRUE(fails_as(everything(later), Error::Kind::io));
}

TEST(RawMessage, GoesOutAsItIsWithAFinalLineEnd) {
  struct Case {
    std::string body;
    std::string expected;
  };
  const std::vector<Case> cases = {{"", ""},
                                   {"a", "a\r\n"},
                                   {"a\r\n", "a\r\n"},
                                   {"a\n", "a\n\r\n"},
                                   {"a\r", "a\r\r\n"},
                                   {"\n", "\n\r\n"},
                                   {"\r\n", "\r\n"},
                                   {"a\n.\nb\rc\r\n", "a\n.\nb\rc\r\n"},
                                   {"a\0b"s, "a\0b\r\n"s}};
  for (const Case& c : cases) {
    for (std::size_t piece = 1; piece <= c.body.size() + 1; ++piece) {
      for (const bool primed : {false, true}) {
        Message message = Message::raw("", pieces(c.body, piece));
        if (primed) {
          ASSERT_TRUE(succeeds(message.prime()));
        }
        EXPECT_EQ(*everything(message, 2), c.expected) << "in pieces of " << piece;
      }
    }
  }
}

TEST(Message, StartsOver) {
  for (const std::size_t size : {0U, 5U, 100000U, 3000000U}) {
    for (const int way : {0, 1, 2, 3}) {
      const bool raw = way % 2 != 0;
      const bool primed = way > 1;  // when it is to be kept
      const std::string body = "\r" + std::string(size, 'x');
      Message message = raw ? Message::raw("A: 1\r\n\r\n", memory(body)) : normalised("A: 1\r\n\r\n", memory(body));
      if (!primed) message.keep();
      ASSERT_TRUE(succeeds(message.prime()));
      if (primed) message.keep();
      const std::string first = *everything(message);
      message.release();
      ASSERT_TRUE(message.rewind());
      ASSERT_TRUE(succeeds(message.prime()));
      EXPECT_EQ(message.known_size().has_value(), size < 65536);
      EXPECT_TRUE(message.untouched());
      EXPECT_EQ(message.expected_size(), body.size());
      EXPECT_TRUE(*everything(message) == first);
      EXPECT_EQ(message.size(), first.size());
    }
  }
}

TEST(Message, IsNotKeptUnlessAskedTo) {
  Message message = normalised("", memory("x"));
  EXPECT_EQ(*everything(message), "x\r\n");
  EXPECT_FALSE(message.rewind());
}

TEST(RawMessage, HasItsHeadInFront) {
  Message message = Message::raw("Received: x\r\n", pieces("A: 1\n\nb", 1));
  EXPECT_EQ(*everything(message), "Received: x\r\nA: 1\n\nb\r\n");
  Message empty = Message::raw("Received: x\r\n", memory(""));
  EXPECT_EQ(*everything(empty), "Received: x\r\n");
}

}  // namespace
}  // namespace pillarbox::mail
