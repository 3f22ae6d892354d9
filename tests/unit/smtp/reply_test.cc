#include "smtp/reply.h"

#include <gtest/gtest.h>

namespace pillarbox::smtp {
namespace {

using namespace std::string_view_literals;
using State = ReplyReader::State;

TEST(ReplyReader, PutsLinesTogether) {
  ReplyReader reader;
  EXPECT_EQ(reader.add("250-mx.example"), State::incomplete);
  EXPECT_EQ(reader.add("250-SIZE 1000"), State::incomplete);
  EXPECT_EQ(reader.add("250 HELP"), State::complete);
  const Reply reply = reader.take();
  EXPECT_EQ(reply.code, 250);
  EXPECT_EQ(reply.lines, (std::vector<std::string>{"mx.example", "SIZE 1000", "HELP"}));
  EXPECT_EQ(reply.text(), "mx.example SIZE 1000 HELP");
}

TEST(Reply, MayHaveAnEnhancedStatus) {
  const auto status = [](int code, const std::string& line) {
    return Reply{.code = code, .lines = {line, "5.1.1 of another line"}}.enhanced_status();
  };
  EXPECT_EQ(status(550, "5.1.1 no such user"), "5.1.1");
  EXPECT_EQ(status(250, "2.0.0"), "2.0.0");
  EXPECT_EQ(status(452, "4.123.999 x"), "4.123.999");
  for (const std::string line :
       {"5.1.1 of another class", "4.1", "4.1.1.1 x", "4..1 x", "4.1.1234 x", "4.1.1x", "", " 4.1.1"}) {
    EXPECT_EQ(status(450, line), "") << line;
  }
  EXPECT_EQ(Reply{.code = 450}.enhanced_status(), "");
}

TEST(Reply, IsShortenedToSoManyBytesAsSent) {
  Reply reply{.code = 550, .lines = std::vector<std::string>(1000, std::string(58, 'x'))};  // 64 octets each
  reply.shorten(8192);
  EXPECT_EQ(reply.lines.size(), 128U);
  reply.shorten(8192);
  EXPECT_EQ(reply.lines.size(), 128U);
  Reply empty{.code = 550, .lines = std::vector<std::string>(10000)};
  empty.shorten(8192);
  EXPECT_LT(empty.lines.size(), 1400U) << "an empty line takes memory, too";
}

TEST(ReplyReader, BeginsAnewAfterEachReply) {
  ReplyReader reader;
  EXPECT_EQ(reader.add("250 one"), State::complete);
  (void)reader.take();
  EXPECT_EQ(reader.add("550 two"), State::complete);
  EXPECT_EQ(reader.take().text(), "two");
  EXPECT_EQ(reader.add("354-half"), State::incomplete);
  (void)reader.take();
  EXPECT_EQ(reader.add("250 whole"), State::complete);
  EXPECT_EQ(reader.take().lines.size(), 1U);
}

TEST(ReplyReader, TakesACodeWithoutText) {
  for (const std::string_view line : {"250"sv, "250 "sv}) {
    ReplyReader reader;
    EXPECT_EQ(reader.add(line), State::complete);
    const Reply reply = reader.take();
    EXPECT_EQ(reply.code, 250);
    EXPECT_EQ(reply.text(), "");
  }
  ReplyReader reader;
  EXPECT_EQ(reader.add("250-"), State::incomplete);
  EXPECT_EQ(reader.add("250 "), State::complete);
}

TEST(ReplyReader, TakesNothingElseForAReply) {
  for (const std::string_view line : {""sv,
                                      " "sv,
                                      "2"sv,
                                      "25"sv,
                                      "2500"sv,
                                      "250x"sv,
                                      "250\tx"sv,
                                      "250_x"sv,
                                      "25x x"sv,
                                      " 250 x"sv,
                                      "x250 x"sv,
                                      "000 x"sv,
                                      "050 x"sv,
                                      "650 x"sv,
                                      "999 x"sv,
                                      "-50 x"sv,
                                      "+50 x"sv,
                                      "SSH-2.0-OpenSSH_9.2"sv,
                                      "HTTP/1.1 400 Bad Request"sv,
                                      "\0"sv,
                                      "25\0 x"sv,
                                      "250\0x"sv,
                                      "\xb2\xb5\xb0 x"sv,
                                      "* OK IMAP4rev1"sv,
                                      "+OK POP3"sv}) {
    ReplyReader reader;
    EXPECT_EQ(reader.add(line), State::malformed) << line;
  }
}

TEST(ReplyReader, TakesEveryCodeFrom100To599) {
  for (int code = 100; code < 600; ++code) {
    ReplyReader reader;
    ASSERT_EQ(reader.add(std::to_string(code) + " x"), State::complete);
    const Reply reply = reader.take();
    ASSERT_EQ(reply.code, code);
    ASSERT_EQ(reply.positive(), code / 100 == 2);
    ASSERT_EQ(reply.intermediate(), code / 100 == 3);
    ASSERT_EQ(reply.transient(), code / 100 == 4);
    ASSERT_EQ(reply.permanent(), code / 100 == 5);
  }
}

TEST(ReplyReader, RefusesCodesThatDiffer) {
  for (const std::string_view second : {"250 fine"sv, "250-fine"sv, "551 x"sv, "550x"sv, ""sv}) {
    ReplyReader reader;
    EXPECT_EQ(reader.add("550-no"), State::incomplete);
    const State state = reader.add(second);
    EXPECT_TRUE(state == State::mixed || state == State::malformed) << second;
  }
}

TEST(ReplyReader, StopsAt64Kibibytes) {
  ReplyReader reader;
  const std::string line = "250-" + std::string(96, 'x');
  std::size_t taken = 0;
  while (reader.add(line) == State::incomplete && taken < (1U << 20U)) taken += line.size();
  EXPECT_LE(taken, 65536U);
  EXPECT_GT(taken, 60000U);
}

TEST(ReplyReader, StopsWithFiveThousandLines) {
  ReplyReader reader;
  State state = State::incomplete;
  for (int i = 0; i < 5000 && state == State::incomplete; ++i) state = reader.add("250-a line of text");
  EXPECT_EQ(state, State::oversized);
}

TEST(ReplyReader, StopsWithEmptyLinesWithoutEnd) {
  ReplyReader reader;
  State state = State::incomplete;
  int lines = 0;
  for (; lines < 1000000 && state == State::incomplete; ++lines) state = reader.add("250-");
  EXPECT_EQ(state, State::oversized);
  EXPECT_LE(lines, 65536);
}

TEST(ReplyReader, StopsAtOneEndlessLine) {
  ReplyReader reader;
  EXPECT_EQ(reader.add("250 " + std::string(70000, 'x')), State::oversized);
}

TEST(ReplyReader, KeepsHalfAKilobyteOfALine) {
  ReplyReader reader;
  ASSERT_EQ(reader.add("250 " + std::string(10000, 'x')), State::complete);
  EXPECT_EQ(reader.take().text().size(), 512U);
}

TEST(ReplyReader, TakesTheNextReplyAfterOneThatWasNone) {
  ReplyReader reader;
  EXPECT_EQ(reader.add("250-" + std::string(70000, 'x')), State::oversized);
  (void)reader.take();
  EXPECT_EQ(reader.add("250 fine"), State::complete);
}

}  // namespace
}  // namespace pillarbox::smtp
