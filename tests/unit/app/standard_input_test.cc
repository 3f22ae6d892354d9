#include "app/standard_input.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "support.h"

namespace pillarbox::app {
namespace {

using test::everything;
using test::fails_as;
using test::PiecesSource;

// What is read, whatever the pieces in and out; the first difference is reported.
std::string read(const std::string& text, LoneDot dot) {
  std::string first;
  for (std::size_t in = 1; in <= text.size() + 1; ++in) {
    for (const std::size_t out : {1U, 2U, 3U, 100U}) {
      DotSource source(std::make_unique<PiecesSource>(text, in), dot);
      const std::string read = *everything(source, out);
      if (in == 1 && out == 1) first = read;
      if (read != first) return "pieces of " + std::to_string(in) + " make a difference: " + base::escape(read);
    }
  }
  return first;
}

const std::vector<std::string> harmless = {"",        "\n",         "a",       "a\n",   "..",     "..\n",  "a\n..\n",
                                           ". \n",    ".\t\n",      "a\n. \n", ".a\n",  "a.\n",   "a\n.b", " .\n",
                                           "a\n .\n", "\r\n..\r\n", "a\n..",   "...\n", "a\r..\r"};

TEST(ALoneDot, IsNoneWithMoreOnItsLine) {
  for (const std::string& text : harmless) {
    for (const LoneDot dot : {LoneDot::content, LoneDot::ends_terminal, LoneDot::ends_pipe}) {
      EXPECT_EQ(read(text, dot), text) << base::escape(text);
    }
  }
}

TEST(ALoneDot, IsContentWithI) {
  for (const std::string text : {".", ".\n", ".\r\n", "a\n.\n", "a\n.\nb\n", "a\r\n.\r\n"}) {
    EXPECT_EQ(read(text, LoneDot::content), text) << base::escape(text);
  }
}

TEST(ALoneDot, EndsWhatIsTyped) {
  EXPECT_EQ(read("a\n.\nb\n", LoneDot::ends_terminal), "a\n");
  EXPECT_EQ(read("a\r\n.\r\nb\r\n", LoneDot::ends_terminal), "a\r\n");
  EXPECT_EQ(read(".\nb\n", LoneDot::ends_terminal), "");
  EXPECT_EQ(read("a\n..\n.\nb\n", LoneDot::ends_terminal), "a\n..\n");
  EXPECT_EQ(read("a\n.", LoneDot::ends_terminal), "a\n");
  EXPECT_EQ(read("a\n.\r\r\nb\n", LoneDot::ends_terminal), "a\n");
  EXPECT_EQ(read("a\r.\rb\r", LoneDot::ends_terminal), "a\r");
}

TEST(ALoneDot, EndsWhatIsTypedAtOnce) {
  auto typed = std::make_unique<PiecesSource>("a\n.\n", 4, true);  // a terminal that would wait for more
  DotSource source(std::move(typed), LoneDot::ends_terminal);
  const auto read = everything(source);
  ASSERT_TRUE(test::succeeds(read)) << "nothing is read behind the dot";
  EXPECT_EQ(*read, "a\n");
}

TEST(ALoneDot, OnThePipesLastLineIsDropped) {
  EXPECT_EQ(read(".", LoneDot::ends_pipe), "");
  EXPECT_EQ(read(".\n", LoneDot::ends_pipe), "");
  EXPECT_EQ(read(".\r\n", LoneDot::ends_pipe), "");
  EXPECT_EQ(read("a\n.", LoneDot::ends_pipe), "a\n");
  EXPECT_EQ(read("a\n.\n", LoneDot::ends_pipe), "a\n");
  EXPECT_EQ(read("a\r\n.\r\n", LoneDot::ends_pipe), "a\r\n");
  EXPECT_EQ(read("a\n.\r\r\n", LoneDot::ends_pipe), "a\n");
  for (const char* end : {".", ".\r", ".\n", ".\r\r\n"}) {
    EXPECT_EQ(read("a\r" + std::string(end), LoneDot::ends_pipe), "a\r") << base::escape(end);
  }
}

TEST(ALoneDot, WithMoreBehindItInAPipeIsContent) {
  for (const std::string text : {".\n\n", ".\na", "a\n.\nb\n", "a\r\n.\r\nb\r\n", "a\n.\n\n", ".\r\n\r\n", "a\n.\r\nb",
                                 ".\ra\n", "a\r\n.\rb", "a\r.\r\r", "a\r.\n\r"}) {
    EXPECT_EQ(read(text, LoneDot::ends_pipe), text) << base::escape(text);
  }
  EXPECT_EQ(read("a\n.\n.\n", LoneDot::ends_pipe), "a\n.\n") << "the very last line alone";
  EXPECT_EQ(read(".\n.\n.", LoneDot::ends_pipe), ".\n.\n");
  EXPECT_EQ(read("a\n.\r.\n", LoneDot::ends_pipe), "a\n.\r");
}

TEST(ALoneDot, IsFoundAtTheEdgeOfEveryChunk) {
  for (std::size_t size = 16380; size <= 16390; ++size) {
    const std::string text = std::string(size, 'x') + "\n";
    for (const char* end : {".", ".\n", ".\r\n"}) {
      DotSource pipe(std::make_unique<base::MemorySource>(text + end), LoneDot::ends_pipe);
      EXPECT_EQ(everything(pipe)->size(), text.size());
      DotSource terminal(std::make_unique<base::MemorySource>(text + end + "more\n"), LoneDot::ends_terminal);
      EXPECT_EQ(everything(terminal)->size(), text.size() + (std::string_view(end) == "." ? 6 : 0));
      DotSource middle(std::make_unique<base::MemorySource>(text + end + "more\n"), LoneDot::ends_pipe);
      EXPECT_EQ(*everything(middle), text + end + "more\n");
    }
  }
}

TEST(ALoneDot, DoesNotHideAFailure) {
  for (const LoneDot dot : {LoneDot::content, LoneDot::ends_terminal, LoneDot::ends_pipe}) {
    DotSource source(std::make_unique<PiecesSource>("a\n.", 2, true), dot);
    EXPECT_TRUE(fails_as(everything(source), Error::Kind::io));
  }
}

}  // namespace
}  // namespace pillarbox::app
