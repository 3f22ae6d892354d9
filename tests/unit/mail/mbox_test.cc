#include "mail/mbox.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "support.h"

namespace pillarbox::mail {
namespace {

using test::fails_as;
using test::succeeds;
using Texts = std::vector<std::string>;

// Gives its text a few bytes at a time.
class Dribble final : public base::Source {
 public:
  Dribble(std::string text, std::size_t step) : text_(std::move(text)), step_(step) {}
  Result<std::size_t> read(std::span<char> out) override {
    const std::size_t count = std::min({step_, out.size(), text_.size() - at_});
    text_.copy(out.data(), count, at_);
    at_ += count;
    return count;
  }

 private:
  std::string text_;
  std::size_t step_;
  std::size_t at_ = 0;
};

// All messages; they must not depend on how the file comes or how much is asked for at a time.
Texts messages(const std::string& text, std::size_t step = 65536, std::size_t room = 4096) {
  Mbox mbox(std::make_unique<Dribble>(text, step));
  Texts all;
  for (;;) {
    auto message = mbox.next();
    if (!message) return {"!" + message.error().text};
    if (!*message) return all;
    std::string content;
    std::vector<char> out(room);
    for (;;) {
      const auto count = (*message)->read(out);
      if (!count) return {"!" + count.error().text};
      if (*count == 0) break;
      content.append(out.data(), *count);
    }
    all.push_back(content);
  }
}

TEST(Mbox, GivesEachMessageWithoutItsSeparators) {
  EXPECT_EQ(messages("From a\nS: 1\n\none\n\nFrom b\nS: 2\n\ntwo\n"), (Texts{"S: 1\n\none\n", "S: 2\n\ntwo\n"}));
  EXPECT_EQ(messages("From a\r\nS: 1\r\n\r\none\r\n\r\nFrom b\r\nS: 2\r\n"),
            (Texts{"S: 1\r\n\r\none\r\n", "S: 2\r\n"}));
}

TEST(Mbox, GivesManyLinesAtATime) {
  std::string text = "From a\n";
  for (int i = 0; i < 1000; ++i) text += i % 10 == 0 ? "\n" : ">From x\n";
  text += "From b\n\nFrom c\n";
  Mbox mbox(std::make_unique<Dribble>(text, text.size()));
  auto message = mbox.next();
  ASSERT_TRUE(succeeds(message));
  std::array<char, 65536> out;
  const auto count = (*message)->read(out);
  ASSERT_TRUE(succeeds(count));
  EXPECT_EQ(*count, 100 + 900 * 7 + 7U);
  EXPECT_EQ(*(*message)->read(out), 0U);
}

TEST(Mbox, LosesTheLastMessagesEmptyLineToo) {
  EXPECT_EQ(messages("From a\nS: 1\n\none\n\n"), (Texts{"S: 1\n\none\n"}));
}

TEST(Mbox, KeepsEmptyLinesThatAreContent) {
  EXPECT_EQ(messages("From a\nS: 1\n\n\n\none\n\n\n\nFrom b\n"), (Texts{"S: 1\n\n\n\none\n\n\n", ""}));
}

TEST(Mbox, TakesOneMarkOffAQuotedLineWhereverItStands) {
  EXPECT_EQ(messages("From a\n\n>From x\n>>From y\n>From\n> From z\n>Fro"),
            (Texts{"\nFrom x\n>From y\n>From\n> From z\n>Fro"}));
}

TEST(Mbox, TakesFromInTheMiddleOfAParagraphForContent) {
  EXPECT_EQ(messages("From a\nS: 1\n\nhe came\nFrom far away\n"), (Texts{"S: 1\n\nhe came\nFrom far away\n"}));
  EXPECT_EQ(messages("From a\nS: 1\n\nx\n\nFromage\n"), (Texts{"S: 1\n\nx\n\nFromage\n"}));
}

TEST(Mbox, MayBeEmptyOrHoldEmptyMessages) {
  EXPECT_EQ(messages(""), Texts{});
  EXPECT_EQ(messages("\n\n"), Texts{});
  EXPECT_EQ(messages("\n\r\nFrom a\nx\n"), Texts{"x\n"});
  EXPECT_EQ(messages("From a"), Texts{""});
  EXPECT_EQ(messages("From a\n\nFrom b\n\n\nFrom c\n"), (Texts{"", "\n", ""}));
}

TEST(Mbox, IsRefusedIfItIsNone) {
  for (const char* text : {"Subject: x\n\nhi\n", ">From a\n", "from a\n", "From", "From\n", "\rFrom a\n"}) {
    Mbox mbox(std::make_unique<base::MemorySource>(text));
    EXPECT_TRUE(fails_as(mbox.next(), Error::Kind::data)) << text;
  }
}

TEST(Mbox, DoesNotDependOnPieces) {
  const std::string text =
      "From a\nS: 1\n\n>From x\n\nFroma\n\n\n>>>From y\nno end\r\n\r\nFrom b\r\n\r\nFrom c\nlast\n\n>From z";
  const Texts whole = messages(text);
  EXPECT_EQ(whole.size(), 3U);
  for (std::size_t step = 1; step < 20; ++step) {
    for (const std::size_t room : {1U, 2U, 7U}) EXPECT_EQ(messages(text, step, room), whole) << step << " " << room;
  }
}

TEST(Mbox, SkipsWhatWasNotRead) {
  Mbox mbox(std::make_unique<base::MemorySource>("From a\nfirst\n\nFrom b\nsecond\n"));
  ASSERT_TRUE(succeeds(mbox.next()));
  auto second = mbox.next();
  ASSERT_TRUE(succeeds(second) && *second);
  std::array<char, 100> out;
  const auto count = (*second)->read(out);
  ASSERT_TRUE(succeeds(count));
  EXPECT_EQ(std::string(out.data(), *count), "second\n");
}

TEST(Mbox, EndsWithItsFilesTrouble) {
  class Broken final : public base::Source {
   public:
    Result<std::size_t> read(std::span<char> out) override {
      const std::string_view text = "From a\nfirst";
      if (std::exchange(again_, true)) return Error{Error::Kind::io, "broken"};
      text.copy(out.data(), text.size());
      return text.size();
    }

   private:
    bool again_ = false;
  };
  Mbox mbox(std::make_unique<Broken>());
  auto first = mbox.next();
  ASSERT_TRUE(succeeds(first) && *first);
  std::array<char, 100> out;
  EXPECT_TRUE(succeeds((*first)->read(out)));
  EXPECT_TRUE(fails_as((*first)->read(out), Error::Kind::io));
}

}  // namespace
}  // namespace pillarbox::mail
