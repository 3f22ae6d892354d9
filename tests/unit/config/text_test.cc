#include "config/text.h"

#include "configuration.h"

namespace pillarbox::config {
namespace {

TEST_F(Configuration, TellsWhereASyntaxErrorIs) {
  EXPECT_TRUE(faults("log = {\n  syslog = true\n  file = ;\n};\n").starts_with("pillarbox.conf:3: "));
  EXPECT_TRUE(faults("accounts = ( { name = \"a\"; host = \"h\"; },\n);\n").starts_with("pillarbox.conf:2: "));
  const auto loaded = load_text("accounts = ( { name = \"a\"; host = \"h\"; }, );\n");
  ASSERT_TRUE(fails_as(loaded, config_error));
  EXPECT_TRUE(contains(loaded.error().text + loaded.error().hint, "comma")) << loaded.error().text;
}

TEST_F(Configuration, SaysOfACommaThatItIsOneTooMany) {
  for (const char* text :
       {"a = ( 1, );", "a = [ 1, ];", "a = [ 1, // one\n  2, # two\n  /* , */ ];", "a = \",)\"; b = [ 1,\n\n];"}) {
    const std::string fault = faults(text);
    EXPECT_TRUE(contains(fault, "comma")) << text << '\n' << fault;
  }
  // A comma in a string or a comment is none.
  EXPECT_FALSE(contains(faults("a = \",)\"; b = ;"), "comma"));
  EXPECT_FALSE(contains(faults("a = 1; /* ,] */ b = ;"), "comma"));
}

TEST_F(Configuration, SaysOfAWordThatItWantsQuotes) {
  EXPECT_EQ(faults("log = {\n  facility = mail;\n};"), "pillarbox.conf:2: a string stands in double quotes");
  EXPECT_TRUE(contains(faults("queue = { enabled = TRUE; = };"), "syntax error"));
}

TEST_F(Configuration, NamesTheKeyThatComesTwice) {
  const std::string fault = faults("accounts = ( { name = \"a\";\n host = \"x = y\"; # host = 1\n host = \"z\"; } );");
  EXPECT_TRUE(fault.starts_with("pillarbox.conf:3: ")) << fault;
  EXPECT_TRUE(contains(fault, "\"host\"") && contains(fault, "twice")) << fault;
}

TEST_F(Configuration, TellsWhereAKeyComesASecondTime) {
  EXPECT_TRUE(faults("log = { syslog = true; };\nlog = { syslog = false; };\n").starts_with("pillarbox.conf:2: "));
}

// libconfig ends a string there, without a word.
TEST_F(Configuration, HasNoNulInAString) {
  const std::string told = "there is a NUL in it: \\x00";
  EXPECT_EQ(faults("log = { };\nqueue = { bounce_to = \"a@b.test\\x00evil\"; };\n"), "pillarbox.conf:2: " + told);
  EXPECT_EQ(faults("log = { syslog = false; // \\x00\n  file = \"/\\\\\\x00\"; };"), "pillarbox.conf:2: " + told);
  // No escape is one, nor is what stands in a comment.
  EXPECT_TRUE(succeeds(load_text("/* \"\\x00\" */ log = { file = \"/a\\\\x00\"; }; # \"\\x00\"\n")));
}

// --- includes

TEST_F(Configuration, IncludesFilesRelativeToItsFolder) {
  folder.write("parts/accounts.conf", "accounts = ( { name = \"a\"; host = \"included\"; } );\n");
  const auto loaded = load_text("@include \"parts/accounts.conf\"\nlog = { syslog = false; };\n");
  ASSERT_TRUE(succeeds(loaded));
  EXPECT_EQ(loaded->settings.accounts.front().hosts.front().name, "included");
}

TEST_F(Configuration, NamesAnIncludedFileInItsFaults) {
  folder.write("part.conf", "queue = {\n  enabled = 5;\n};\n");
  EXPECT_TRUE(contains(faults("@include \"part.conf\"\nlog = { syslog = 5; };\n"), "part.conf:2: "));
  EXPECT_TRUE(contains(faults("@include \"part.conf\"\nlog = { syslog = 5; };\n"), "pillarbox.conf:2: "));
  folder.write("part.conf", "queue = {\n  enabled = ;\n};\n");
  EXPECT_TRUE(contains(faults("@include \"part.conf\"\n"), "part.conf:2: "));
}

TEST_F(Configuration, TellsOfAnIncludedFileThatIsMissing) {
  const std::string fault = faults("log = { };\n@include \"missing.conf\"\n");
  EXPECT_TRUE(fault.starts_with("pillarbox.conf:2: missing.conf: ")) << fault;
  folder.write("part.conf", "\n\n@include \"missing.conf\"\n");
  EXPECT_TRUE(faults("@include \"part.conf\"\n").starts_with("part.conf:3: missing.conf: "));
}

// libconfig ends the process there.
TEST_F(Configuration, IncludesNoFolder) {
  folder.write("parts/part.conf", "");
  EXPECT_TRUE(faults("@include \"parts\"\n").starts_with("pillarbox.conf:1: parts: "));
  EXPECT_TRUE(faults("@include \"/dev/zero\"\n").starts_with("pillarbox.conf:1: /dev/zero: "));
}

// libconfig puts its folder in front of these, too.
TEST_F(Configuration, IncludesAFileByItsWholePath) {
  const std::string path = folder.write("elsewhere/part.conf", "log = { file = \"/x\"; };");
  const auto loaded = load_text("@include \"" + path + "\"\n");
  ASSERT_TRUE(succeeds(loaded));
  EXPECT_EQ(loaded->settings.log.file, "/x");
}

TEST_F(Configuration, IncludesWithinIncludesAndGroups) {
  folder.write("sub/one.conf", "{ name = \"a\";\n@include \"sub/two.conf\"\n}");
  folder.write("sub/two.conf", "host = \"two\";");
  const auto loaded =
      load_text("accounts = (\n  @include \"sub/one.conf\"  // by the main file's folder\n);\nlog = 5;");
  ASSERT_TRUE(fails_as(loaded, config_error));
  EXPECT_EQ(without_folder(loaded.error().text), "pillarbox.conf:4: log must be a group: { … }");
  EXPECT_TRUE(succeeds(load_text("accounts = (\n\t@include \"sub/one.conf\"\n);\n")));
}

TEST_F(Configuration, DoesNotIncludeItselfForEver) {
  EXPECT_TRUE(contains(faults("@include \"pillarbox.conf\"\n"), "itself"));
}

TEST_F(Configuration, IncludesNothingFromCommentsAndStrings) {
  EXPECT_TRUE(succeeds(load_text("# @include \"x\"\n// @include \"x\"\n/*\n@include \"x\"\n*/\n")));
  EXPECT_TRUE(contains(faults("log = { file = \"\n@include x\n\"; };"), "control characters"));
}

TEST_F(Configuration, HasOneWayToInclude) {
  folder.write("part.conf", "");
  for (const char* line :
       {"@include part.conf", "@include \"part.conf", "@include", "@include \"\"", "@include \"part.conf\" log = { };",
        "@include \"part.conf\" \"part.conf\"", "@includes \"part.conf\""}) {
    const std::string fault = faults("\n" + std::string(line) + "\n");
    EXPECT_TRUE(fault.starts_with("pillarbox.conf:2: ") && contains(fault, "@include \"FILE\"")) << line << '\n'
                                                                                                 << fault;
  }
}

// libconfig takes what follows for a comment, and says nothing.
TEST_F(Configuration, HasNoCommentThatNeverEnds) {
  EXPECT_TRUE(
      faults("log = { file = \"/*\"; };\n/* \" */\n # /*\n\n /* queue = 5;\n\n").starts_with("pillarbox.conf:5: "));
}

TEST_F(Configuration, HoldsNoNul) {
  using namespace std::string_view_literals;
  EXPECT_TRUE(faults("log = { };\n\0queue = 5;"sv).starts_with("pillarbox.conf:2: "));
}

TEST_F(Configuration, TakesNoIncludedFileFromOthersHands) {
  folder.write("part.conf", "accounts = ( { name = \"a\"; host = \"evil\"; } );\n", 0666);
  const auto loaded = load_text("\n@include \"part.conf\"\n");
  ASSERT_TRUE(fails_as(loaded, config_error));
  EXPECT_TRUE(without_folder(loaded.error().text).starts_with("pillarbox.conf:2: part.conf: ")) << loaded.error().text;
  EXPECT_EQ(loaded.error().hint, "chmod go-w " + folder.path("part.conf"));
}

TEST_F(Configuration, WithAPasswordInAnIncludedFileIsForItsOwnerOnly) {
  folder.write("part.conf",
               "accounts = ( { name = \"a\"; host = \"h\"; auth = { user = \"u\"; password = \"hunter2\"; }; } );\n",
               0644);
  const auto loaded = load_text("@include \"part.conf\"\n");
  ASSERT_TRUE(fails_as(loaded, config_error));
  EXPECT_EQ(loaded.error().hint, "chmod 600 " + folder.path("part.conf"));
  // The main file holds none, and may be read.
  folder.write("part.conf",
               "accounts = ( { name = \"a\"; host = \"h\"; auth = { user = \"u\"; password = \"hunter2\"; }; } );\n");
  EXPECT_TRUE(succeeds(load_text("@include \"part.conf\"\n", 0644)));
}

}  // namespace
}  // namespace pillarbox::config
