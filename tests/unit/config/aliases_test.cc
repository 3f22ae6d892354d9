#include "config/aliases.h"

#include <gtest/gtest.h>

#include "support.h"

namespace pillarbox::config {
namespace {

using test::contains;
using test::fails_as;
using test::Folder;
using test::succeeds;

const std::vector<std::string> local_domains = {"localhost", "host", "host.example.com", "example.com"};

// What a name becomes: addresses joined by blanks, and "!" for each warning.
std::string expanded(std::string_view file, std::string_view name) {
  const auto aliases = Aliases::parse(file, "aliases");
  const auto list = mail::parse_list(name);
  const auto expansion = aliases.expand(list->front(), local_domains);
  std::string out;
  for (const mail::Address& address : expansion.addresses) out += (out.empty() ? "" : " ") + address.text();
  for (std::size_t i = 0; i < expansion.warnings.size(); ++i) out += "!";
  return out;
}

TEST(Aliases, ReplaceANameByAddresses) {
  EXPECT_EQ(expanded("root: a@b.c, d@e.f", "root"), "a@b.c d@e.f");
  EXPECT_EQ(expanded("root:a@b.c", "root"), "a@b.c");
  EXPECT_EQ(expanded("root\t:\ta@b.c ,\td@e.f", "root"), "a@b.c d@e.f");
  EXPECT_EQ(expanded("root: A <a@b.c>", "root"), "a@b.c");
  EXPECT_EQ(expanded("root: a@b.c\r\nwww: d@e.f\r\n", "www"), "d@e.f");
  EXPECT_EQ(expanded("root: a@b.c", "other"), "other");
  EXPECT_EQ(expanded("", "root"), "root");
}

TEST(Aliases, AreLookedUpWithoutRegardToCase) {
  EXPECT_EQ(expanded("Root: a@b.c", "rOOT"), "a@b.c");
  EXPECT_EQ(expanded("MAILER-DAEMON: Postmaster\npostmaster: a@b.c", "mailer-daemon"), "a@b.c");
}

TEST(Aliases, KnowTheNamesOfThisHost) {
  for (const char* name :
       {"root", "root@localhost", "root@HOST", "root@host.example.com", "root@Example.COM", "<root>"}) {
    EXPECT_EQ(expanded("root: a@b.c", name), "a@b.c") << name;
  }
  EXPECT_EQ(expanded("root: a@b.c", "root@elsewhere.example"), "root@elsewhere.example");
  EXPECT_EQ(expanded("root: a@b.c", "root@sub.example.com"), "root@sub.example.com");
}

TEST(Aliases, LeaveAnEscapedNameAlone) {
  EXPECT_EQ(expanded("root: a@b.c", "\\root"), "root");
  EXPECT_EQ(expanded("root: \\root, a@b.c", "root"), "root a@b.c");
}

TEST(Aliases, AreFollowedFromNameToName) {
  EXPECT_EQ(expanded("a: b, c\nb: d\nd: x@y.z\nc: p@q.r, e", "a"), "x@y.z p@q.r e");
  EXPECT_EQ(expanded("a: root@localhost\nroot: x@y.z", "a"), "x@y.z");
  EXPECT_EQ(expanded("a: b, a, c\nb: p@q.r, a\nc: x@y.z", "a"), "p@q.r a x@y.z");
}

TEST(Aliases, EndALoopWhereItComesRound) {
  EXPECT_EQ(expanded("a: b, x@y.z\nb: a, p@q.r", "a"), "p@q.r x@y.z");
  EXPECT_EQ(expanded("a: b, c\nb: d\nc: d\nd: x@y.z", "a"), "x@y.z") << "twice the same way is no loop, and goes once";
}

// An expansion that is empty and says nothing would lose the mail in silence.
TEST(Aliases, SayWhereALoopLeavesNobody) {
  EXPECT_TRUE(contains(expanded("a: b\nb: a", "a"), "!"));
  EXPECT_TRUE(contains(expanded("a:", "a"), "!")) << "an alias for nobody";
}

// As sendmail and Postfix have it: "joe: joe, archive" is joe himself as well.
TEST(Aliases, TakeANameWithinItsOwnAliasForItself) {
  EXPECT_EQ(expanded("joe: joe, x@y.z", "joe"), "joe x@y.z");
}

TEST(Aliases, FollowALongChain) {
  std::string file;
  for (int i = 0; i < 40'000; ++i) file += "a" + std::to_string(i) + ": a" + std::to_string(i + 1) + "\n";
  EXPECT_EQ(expanded(file, "a0"), "a40000");
}

TEST(Aliases, GoOnInLinesThatBeginWithABlank) {
  EXPECT_EQ(expanded("root: a@b.c,\n  d@e.f,\n\tg@h.i\nwww: x@y.z", "root"), "a@b.c d@e.f g@h.i");
  EXPECT_EQ(expanded("root:\n a@b.c", "root"), "a@b.c");
  EXPECT_EQ(expanded("root: a@b.c,\n# between\n\n d@e.f", "root"), "a@b.c d@e.f");
}

TEST(Aliases, HaveComments) {
  EXPECT_EQ(expanded("# root: no@no\n\n   # nor this\nroot: a@b.c", "root"), "a@b.c");
  EXPECT_EQ(expanded("root: a@b.c (the boss)", "root"), "a@b.c");
}

TEST(Aliases, MayBeQuoted) {
  EXPECT_EQ(expanded("\"root\": a@b.c", "root"), "a@b.c");
  EXPECT_EQ(expanded("root: \"a b\"@c.d, \"x,y\"@z.z", "root"), "\"a b\"@c.d \"x,y\"@z.z");
}

TEST(Aliases, MayHaveABlankOrAColonInAQuotedName) {
  EXPECT_EQ(expanded("\"joe user\": a@b.c", "\"joe user\""), "a@b.c");
  EXPECT_EQ(expanded("\"joe:user\": a@b.c", "\"joe:user\""), "a@b.c");
}

TEST(Aliases, RunNoCommandsAndWriteNoFiles) {
  for (const char* target :
       {"|/usr/bin/vacation", "\"|/usr/bin/vacation joe\"", "|\"/usr/bin/vacation joe, jane\"", "/var/mail/x",
        "\"/var/mail/x y\"", ":include:/etc/list", ":INCLUDE:/etc/list", "\":include:/etc/a list\""}) {
    EXPECT_EQ(expanded("a: " + std::string(target), "a"), "!") << target;
    EXPECT_EQ(expanded("a: x@y.z, " + std::string(target) + ", p@q.r", "a"), "x@y.z p@q.r!") << target;
  }
}

TEST(Aliases, NameWhatTheySkip) {
  const auto aliases = Aliases::parse("a: \"|/bin/rm -rf x\"", "aliases");
  const auto expansion = aliases.expand(mail::parse_list("a")->front(), local_domains);
  ASSERT_EQ(expansion.warnings.size(), 1U);
  EXPECT_TRUE(contains(expansion.warnings[0], "|/bin/rm -rf x")) << expansion.warnings[0];
}

TEST(Aliases, TellEachLineThatIsNone) {
  const auto aliases = Aliases::parse("root: a@b.c\nno colon here\n: nobody\nwww: a b\n", "/etc/aliases");
  ASSERT_EQ(aliases.faults().size(), 3U);
  EXPECT_TRUE(aliases.faults()[0].starts_with("/etc/aliases:2: ")) << aliases.faults()[0];
  EXPECT_TRUE(aliases.faults()[1].starts_with("/etc/aliases:3: ")) << aliases.faults()[1];
  EXPECT_TRUE(aliases.faults()[2].starts_with("/etc/aliases:4: ")) << aliases.faults()[2];
  EXPECT_TRUE(Aliases::parse("root: a@b.c\n", "/etc/aliases").faults().empty());
}

TEST(Aliases, LeaveOutWhatIsFaulty) {
  EXPECT_EQ(expanded("no colon here\nroot: a@b.c\n", "root"), "a@b.c");
  EXPECT_EQ(expanded("root: bad@@x, a@b.c", "root"), "a@b.c");
  EXPECT_EQ(expanded("root: bad@@x", "root"), "!") << "the name itself is not whom it names";
  EXPECT_EQ(expanded("www: root\nroot: bad@@x", "www"), "!");
  EXPECT_EQ(expanded("root: a@b.c\nroot: bad@@x", "root"), "a@b.c");
}

TEST(Aliases, AreNoneWhereThereIsNoFile) {
  const Folder folder;
  EXPECT_TRUE(succeeds(Aliases::load(folder.path("missing"))));
  folder.write("file", "");
  EXPECT_TRUE(succeeds(Aliases::load(folder.path("file/beneath"))));
}

TEST(Aliases, AreReadFromAFile) {
  const Folder folder;
  const auto aliases = Aliases::load(folder.write("aliases", "root: a@b.c\n"));
  ASSERT_TRUE(succeeds(aliases));
  EXPECT_EQ(aliases->expand(mail::parse_list("root")->front(), {}).addresses.front().text(), "a@b.c");
  EXPECT_TRUE(fails_as(Aliases::load(folder.path()), Error::Kind::config)) << "a folder";
}

}  // namespace
}  // namespace pillarbox::config
