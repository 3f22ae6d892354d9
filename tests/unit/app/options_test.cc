#include "app/options.h"

#include <gtest/gtest.h>

#include <array>

#include "support.h"

namespace pillarbox::app {
namespace {

using test::contains;
using test::fails_as;
using test::succeeds;
using Words = std::vector<std::string>;

constexpr auto table = std::to_array<Option>({
    {"verbose", 'v', Argument::none, "", "say more"},
    {"ignore-dots", 'i', Argument::none, "", ""},
    {"from", 'f', Argument::required, "ADDRESS", "sender"},
    {"from", 'r', Argument::required, "ADDRESS", ""},
    {"password", 'P', Argument::required, "PASSWORD", "password", true},
    {"server", 's', Argument::server, "SERVER", "server"},
    {"smtp", '\0', Argument::hand_over, "", "the rest is smtp's"},
    {"dry-run", '\0', Argument::none, "", "do nothing"},
    {"-d", 'd', Argument::attached, "", ""},
    {"-q", 'q', Argument::attached, "", ""},
    {"-o", 'o', Argument::setting, "", ""},
});

Result<Options> parse(Words words, Operands operands = Operands::anywhere) {
  return Options::parse(table, std::move(words), operands);
}

// All that was found: "key=value" for each, then the operands behind "|".
std::string read(Words words, Operands operands = Operands::anywhere) {
  const auto options = parse(std::move(words), operands);
  if (!options) return "!" + options.error().text;
  std::string out;
  for (const char* key :
       {"verbose", "ignore-dots", "from", "password", "server", "smtp", "dry-run", "-d", "-q", "-o"}) {
    for (const std::string& value : options->all(key)) out += std::string(key) + "=" + value + " ";
  }
  out += "|";
  for (const std::string& operand : options->operands()) out += " " + operand;
  return out;
}

TEST(Letters, Cluster) {
  EXPECT_EQ(read({"-vi"}), "verbose= ignore-dots= |");
  EXPECT_EQ(read({"-vif", "a@b", "c"}), "verbose= ignore-dots= from=a@b | c");
  EXPECT_EQ(read({"-vifa@b", "c"}), "verbose= ignore-dots= from=a@b | c");
  EXPECT_EQ(read({"-v", "-i", "-v"}), "verbose= verbose= ignore-dots= |");
}

TEST(Letters, TakeTheirArgumentAttachedOrApart) {
  EXPECT_EQ(read({"-fa@b"}), "from=a@b |");
  EXPECT_EQ(read({"-f", "a@b"}), "from=a@b |");
  EXPECT_EQ(read({"-f", ""}), "from= |");
  EXPECT_EQ(read({"-f", "-v"}), "from=-v |") << "as getopt has it: the next word, whatever it is";
  EXPECT_EQ(read({"-f", "--"}), "from=-- |");
  EXPECT_EQ(read({"-f=x"}), "from==x |") << "a short option has no \"=\"";
  EXPECT_EQ(read({"-fv"}), "from=v |");
}

TEST(Letters, OfAttachedArgumentsTakeNoWord) {
  EXPECT_EQ(read({"-d", "a@b"}), "-d= | a@b");
  EXPECT_EQ(read({"-d0.1", "a@b"}), "-d=0.1 | a@b");
  EXPECT_EQ(read({"-q", "a@b"}), "-q= | a@b");
  EXPECT_EQ(read({"-q15m", "a@b"}), "-q=15m | a@b");
  EXPECT_EQ(read({"-vq"}), "verbose= -q= |");
}

TEST(Letters, OfSettingsTakeTheWordThatBelongsToOne) {
  for (const std::string setting : {"A", "T", "Q", "Mr", "Ma", "Ms"}) {
    EXPECT_EQ(read({"-o" + setting, "f", "a@b"}), "-o=" + setting + " | a@b");
    EXPECT_EQ(read({"-o", setting, "f", "a@b"}), "-o=" + setting + " | a@b");
    EXPECT_EQ(read({"-o" + setting, "-v", "a@b"}), "verbose= -o=" + setting + " | a@b");
    EXPECT_EQ(read({"-o" + setting + "f", "a@b"}), "-o=" + setting + "f | a@b");
    EXPECT_EQ(read({"-o" + setting}), "-o=" + setting + " |");
  }
  for (const std::string setting : {"i", "m", "em", "db", "7", "s", "o", "M"}) {
    EXPECT_EQ(read({"-o" + setting, "a@b"}), "-o=" + setting + " | a@b");
  }
}

TEST(LongOptions, TakeTheirArgumentBehindEqualsOrApart) {
  EXPECT_EQ(read({"--from=a@b"}), "from=a@b |");
  EXPECT_EQ(read({"--from", "a@b"}), "from=a@b |");
  EXPECT_EQ(read({"--from="}), "from= |");
  EXPECT_EQ(read({"--from=a=b"}), "from=a=b |");
  EXPECT_EQ(read({"--verbose", "--dry-run"}), "verbose= dry-run= |");
}

TEST(Options, AreListsOfWhichTheLastWins) {
  const auto options = parse({"-f", "one", "-r", "two", "--from=three"});
  ASSERT_TRUE(succeeds(options));
  EXPECT_EQ(options->all("from"), (Words{"one", "two", "three"}));
  EXPECT_EQ(options->last("from"), "three");
  EXPECT_EQ(options->last("server"), std::nullopt);
  EXPECT_FALSE(options->has("verbose"));
}

TEST(Options, MayBeEmpty) {
  EXPECT_EQ(read({}), "|");
  EXPECT_EQ(read({""}), "| ");
  EXPECT_EQ(read({"-"}), "| -");
}

TEST(Options, EndAtTwoDashes) {
  EXPECT_EQ(read({"-v", "--", "-i", "--from=x", "--"}), "verbose= | -i --from=x --");
  EXPECT_EQ(read({"a", "--", "-v"}), "| a -v");
  EXPECT_EQ(read({"--"}), "|");
}

TEST(Options, MayStandAmongTheOperands) {
  EXPECT_EQ(read({"a", "-v", "b", "-f", "x", "c"}), "verbose= from=x | a b c");
}

TEST(Options, MayBeRefusedBehindTheFirstOperand) {
  EXPECT_EQ(read({"-v", "a", "b"}, Operands::last), "verbose= | a b");
  EXPECT_EQ(read({"-v", "--", "-a"}, Operands::last), "verbose= | -a");
  for (const Words& words :
       {Words{"a", "-v"}, Words{"a", "b", "--from=x"}, Words{"a", "-x"}, Words{"-", "-v"}, Words{"", "-v"}}) {
    const auto options = parse(words, Operands::last);
    ASSERT_TRUE(fails_as(options, Error::Kind::usage));
    EXPECT_TRUE(contains(options.error().text, words.back())) << options.error().text;
    EXPECT_TRUE(contains(options.error().text, "precede")) << options.error().text;
  }
}

TEST(Options, AreRefusedWhereTheyAreUnknown) {
  for (const Words& words :
       {Words{"-x"}, Words{"-vx"}, Words{"--unknown"}, Words{"--ver"}, Words{"--v"}, Words{"--Verbose"}, Words{"---v"},
        Words{"--unknown=x"}, Words{"--=x"}, Words{"-\xc3\xb6"}, Words{"---d"}, Words{"--verbose "}}) {
    EXPECT_TRUE(fails_as(parse(words), Error::Kind::usage)) << words[0];
  }
}

TEST(Options, NameTheOneThatIsUnknown) {
  EXPECT_TRUE(contains(parse({"-vx"}).error().text, "-x"));
  EXPECT_TRUE(contains(parse({"--nonsense=secret"}).error().text, "--nonsense"));
  EXPECT_FALSE(contains(parse({"--nonsense=secret"}).error().text, "secret")) << "who knows what was meant";
}

TEST(Options, AreRefusedWithoutTheirArgument) {
  for (const Words& words : {Words{"-f"}, Words{"-vf"}, Words{"--from"}, Words{"-v", "--password"}}) {
    const auto options = parse(words);
    EXPECT_TRUE(fails_as(options, Error::Kind::usage)) << words[0];
  }
  EXPECT_TRUE(contains(parse({"-vf"}).error().text, "-f"));
}

TEST(Options, AreRefusedWithAnArgumentTheyDoNotTake) {
  EXPECT_TRUE(fails_as(parse({"--verbose=1"}), Error::Kind::usage));
  EXPECT_TRUE(fails_as(parse({"--smtp=x"}), Error::Kind::usage));
}

TEST(AServer, EndsTheReading) {
  EXPECT_EQ(read({"-v", "-s", "mx.example", "-f", "x", "--unknown"}, Operands::last), "verbose= server=mx.example |");
  EXPECT_EQ(read({"-smx.example", "-x"}, Operands::last), "server=mx.example |");
  EXPECT_EQ(read({"-vsmx.example:25", "-x"}, Operands::last), "verbose= server=mx.example:25 |");
}

TEST(AServer, IsNoRecipientAndNoOption) {
  EXPECT_EQ(read({"-s", "a@b"}, Operands::last), "server= | a@b");
  EXPECT_EQ(read({"-s", "-v", "a@b"}, Operands::last), "verbose= server= | a@b");
  EXPECT_EQ(read({"-s"}, Operands::last), "server= |");
  EXPECT_EQ(read({"-s", "", "a"}, Operands::last), "server= |  a");
}

TEST(HandingOver, EndsTheReading) {
  EXPECT_EQ(read({"-v", "--smtp", "-x", "--what"}, Operands::last), "verbose= smtp= |");
}

// --- secrets

TEST(ASecret, IsWipedWhereOthersCanSeeIt) {
  for (const Words& words : {Words{"-v", "-P", "hunter2", "x"}, Words{"-v", "-Phunter2", "x"}, Words{"-vPhunter2", "x"},
                             Words{"--password=hunter2", "x"}, Words{"--password", "hunter2", "x"}}) {
    Words memory = words;
    std::vector<char*> argv;
    for (std::string& word : memory) argv.push_back(word.data());
    argv.push_back(nullptr);
    auto options = Options::parse(table, words, Operands::anywhere, argv.data());
    ASSERT_TRUE(succeeds(options));
    EXPECT_TRUE(options->has("password"));
    EXPECT_EQ(options->take_secret("password").reveal(), "hunter2");
    EXPECT_EQ(options->all("password"), Words{""}) << "it is nowhere else";
    for (const std::string& word : memory) EXPECT_FALSE(contains(word, "hunter2")) << word;
    EXPECT_EQ(memory.back(), "x");
    EXPECT_TRUE(memory[0].starts_with("-"));
    EXPECT_EQ(options->operands(), Words{"x"});
  }
}

TEST(ASecret, IsTheLastThatWasGivenAndAllAreWiped) {
  Words memory = {"-P", "first", "-P", "second"};
  std::vector<char*> argv;
  for (std::string& word : memory) argv.push_back(word.data());
  auto options = Options::parse(table, memory, Operands::anywhere, argv.data());
  ASSERT_TRUE(succeeds(options));
  EXPECT_EQ(options->take_secret("password").reveal(), "second");
  for (const std::string& word : memory) EXPECT_FALSE(contains(word, "first") || contains(word, "second"));
}

TEST(ASecret, IsWipedEvenIfTheCommandLineIsRefused) {
  Words memory = {"-P", "hunter2", "--nonsense"};
  std::vector<char*> argv;
  for (std::string& word : memory) argv.push_back(word.data());
  EXPECT_TRUE(fails_as(Options::parse(table, memory, Operands::anywhere, argv.data()), Error::Kind::usage));
  EXPECT_FALSE(contains(memory[1], "hunter2"));
}

TEST(ASecret, NeedsNoArgv) {
  auto options = Options::parse(table, {"-P", ""}, Operands::anywhere);
  ASSERT_TRUE(succeeds(options));
  EXPECT_TRUE(options->has("password"));
  EXPECT_TRUE(options->take_secret("password").empty());
}

// --- for people

TEST(TheListOfOptions, ShowsWhatHasAHelpText) {
  const std::string all = describe(table);
  EXPECT_TRUE(contains(all, "  -f, --from=ADDRESS"));
  EXPECT_TRUE(contains(all, "--dry-run"));
  EXPECT_FALSE(contains(all, "ignore-dots"));
  EXPECT_FALSE(contains(all, "-q"));
}

TEST(TheListOfOptions, HasShortLinesWithoutBlanksAtTheirEnds) {
  constexpr auto wordy = std::to_array<Option>({{"long", 'l', Argument::none, "",
                                                 "word word word word word word word word word word word word word "
                                                 "word word word word word word word word word word"}});
  const std::string all = describe(wordy);
  EXPECT_TRUE(all.ends_with("word\n"));
  EXPECT_FALSE(contains(all, " \n"));
  for (std::size_t at = 0; at < all.size(); at = all.find('\n', at) + 1) EXPECT_LE(all.find('\n', at) - at, 88U);
}

}  // namespace
}  // namespace pillarbox::app
