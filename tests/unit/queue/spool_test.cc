#include "queue/spool.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <array>

#include "disk.h"
#include "queue.h"
#include "queue/checksum.h"

namespace pillarbox::queue {
namespace {

using namespace test;  // NOLINT(google-build-using-namespace)
using Names = std::set<std::string>;

class SpoolTest : public ::testing::Test {
 protected:
  [[nodiscard]] std::string path(const std::string& name) const { return spool.path() + "/" + name; }
  [[nodiscard]] Names names() const { return names_in(spool.path()); }

  const Folder folder;
  Spool spool = spool_in(folder);
};

mode_t mode_of(const std::string& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0 ? status.st_mode & 07777U : 0;
}

void age(const std::string& path, std::chrono::seconds by) {
  const auto when = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now() - by);
  const timespec times[2] = {{when, 0}, {when, 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW), 0);
}

TEST_F(SpoolTest, GivesBackWhatWasPutIn) {
  Entry entry = entry_to({"bob@example.net", "\"a b\"@example.net", "root"});
  entry.account_named = true;
  entry.dsn = {.notify = "FAILURE,DELAY", .returned = "FULL", .envelope_id = "q 1"};
  const auto id = put(spool, entry);
  ASSERT_TRUE(succeeds(id));
  EXPECT_EQ(names(), Names{*id});
  EXPECT_EQ(*spool.ids(), std::vector{*id});
  const auto locked = take(spool, *id);
  ASSERT_TRUE(succeeds(locked));
  ASSERT_TRUE(*locked);
  const Entry& read = (*locked)->entry();
  EXPECT_EQ(read.id, *id);
  EXPECT_EQ(read.arrived, noon);
  EXPECT_EQ(read.uid, ::getuid());
  EXPECT_EQ(read.account, "work");
  EXPECT_EQ(read.owner, Owner::system);
  EXPECT_TRUE(read.account_named);
  EXPECT_EQ(read.bounce_of, "");
  EXPECT_EQ(read.dsn.notify, "FAILURE,DELAY");
  EXPECT_EQ(read.dsn.returned, "FULL");
  EXPECT_EQ(read.dsn.envelope_id, "q 1");
  EXPECT_EQ(read.message_id, "<1@example.com>");
  EXPECT_EQ(read.envelope.sender().path(), "<alice@example.com>");
  ASSERT_EQ(read.envelope.recipients().size(), 3U);
  EXPECT_EQ(read.envelope.recipients()[1].path(), "<\"a b\"@example.net>");
  EXPECT_EQ((*locked)->state().tries, 0U);
  EXPECT_EQ((*locked)->content()->left(), content.size());
  EXPECT_EQ(*everything(*(*locked)->content()), content);
}

TEST_F(SpoolTest, AHeadOfAnySizeIsReadBack) {
  for (const std::size_t count :
       {1U, 200U, 210U, 220U, 230U, 10000U}) {  // some below, some beyond what is read at once
    std::vector<std::string> recipients;
    for (std::size_t i = 0; i < count; ++i) recipients.push_back("b" + std::to_string(i) + "@example.net");
    const auto id = put(spool, entry_to(recipients));
    ASSERT_TRUE(succeeds(id));
    ASSERT_TRUE(*spool.look(*id));
    const auto locked = take(spool, *id);
    ASSERT_TRUE(*locked);
    EXPECT_EQ((*locked)->entry().envelope.recipients().back().text(), recipients.back());
    EXPECT_EQ(*everything(*(*locked)->content()), content);
  }
}

TEST_F(SpoolTest, ContentCanBeReadAgainAndByMany) {
  const auto id = put(spool);
  const auto locked = take(spool, *id);
  const auto one = (*locked)->content();
  const auto two = (*locked)->content();
  std::array<char, 5> start{};
  ASSERT_EQ(*one->read(start), 5U);
  EXPECT_EQ(one->left(), content.size() - 5);
  EXPECT_FALSE(one->back()) << "there is no mark";
  ASSERT_TRUE(one->mark());
  EXPECT_EQ(*everything(*one, 3), content.substr(5));
  EXPECT_EQ(*everything(*two), content);
  ASSERT_TRUE(one->back());
  EXPECT_EQ(*everything(*one), content.substr(5));
}

TEST_F(SpoolTest, ContentThatIsCutIsNoEnd) {
  const auto id = put(spool, entry_to(), std::string(100000, 'x'));
  const auto locked = take(spool, *id);
  std::filesystem::resize_file(path(*id), 70000);
  EXPECT_TRUE(fails_as(everything(*(*locked)->content()), Error::Kind::temporary)) << "no word against the message";
}

TEST_F(SpoolTest, StateIsKeptAndReplaced) {
  const auto id = put(spool, entry_to(), content, tried());
  ASSERT_TRUE(succeeds(id));
  EXPECT_EQ(names(), (Names{*id, *id + ".state"}));
  {
    auto locked = take(spool, *id);
    EXPECT_EQ((*locked)->state().tries, 2U);
    State state = (*locked)->state();
    state.recipients[0] = {Progress::refused, "550 5.1.1 No such user", "5.1.1"};
    ASSERT_TRUE(succeeds((*locked)->save(state)));
    EXPECT_EQ((*locked)->state().recipients[0].progress, Progress::refused);
  }
  const auto looked = spool.look(*id);
  ASSERT_TRUE(looked && *looked);
  EXPECT_EQ((*looked)->size, content.size());
  EXPECT_EQ((*looked)->state.recipients[0].reply, "550 5.1.1 No such user");
  EXPECT_EQ(names(), (Names{*id, *id + ".state"}));
}

TEST_F(SpoolTest, WhatIsNotCommittedLeavesNothing) {
  {
    auto begun = spool.begin(entry_to(), 5);
    ASSERT_TRUE(succeeds(begun));
    base::MemorySource source("12345");
    ASSERT_TRUE(succeeds(begun->write(source)));
    EXPECT_EQ(names().size(), 1U);
    EXPECT_TRUE(names().begin()->starts_with("tmp."));
    EXPECT_TRUE(spool.ids()->empty());
  }
  EXPECT_TRUE(names().empty());
}

TEST_F(SpoolTest, ContentOfAnotherSizeThanSaidIsRefused) {
  for (const std::size_t size : {4U, 6U}) {
    auto begun = spool.begin(entry_to(), size);
    base::MemorySource source("12345");
    const auto written = begun->write(source);
    EXPECT_TRUE(!written || !begun->commit(State::fresh(1)));
  }
  EXPECT_TRUE(names().empty());
}

TEST_F(SpoolTest, AFailingSourceIsNoMessage) {
  {
    auto begun = spool.begin(entry_to(), 5);
    PiecesSource source("123", 1, true);
    EXPECT_TRUE(fails_as(begun->write(source), Error::Kind::io));
    EXPECT_FALSE(begun->commit(State::fresh(1)));
  }
  EXPECT_TRUE(names().empty());
}

TEST_F(SpoolTest, WhatCouldNotBeReadBackIsNotTaken) {
  Entry entry = entry_to();
  entry.dsn.notify = "SOMETIMES";
  EXPECT_TRUE(fails_as(put(spool, entry), Error::Kind::data));
  entry = entry_to();
  entry.id = "../x";
  EXPECT_TRUE(fails_as(put(spool, entry), Error::Kind::data));
  entry = entry_to();
  entry.account = "";
  EXPECT_TRUE(fails_as(put(spool, entry), Error::Kind::data));
  EXPECT_TRUE(names().empty());
}

TEST_F(SpoolTest, AnyMessageIdIsTaken) {
  for (const std::string& message_id : {std::string("<a\nb>"), std::string(5000, 'x'), std::string("\0", 1)}) {
    Entry entry = entry_to();
    entry.message_id = message_id;
    EXPECT_TRUE(succeeds(put(spool, entry)));
  }
}

TEST_F(SpoolTest, AnIdThatIsThereIsNotPutInTwice) {
  Entry entry = entry_to();
  entry.id = new_id(noon);
  ASSERT_EQ(*put(spool, entry), entry.id);
  const std::string before = read_file(path(entry.id));
  ASSERT_EQ(*put(spool, entry, "another", tried()), entry.id);
  EXPECT_EQ(names(), Names{entry.id});
  EXPECT_EQ(read_file(path(entry.id)), before);
}

TEST_F(SpoolTest, AnIdThatAppearsMeanwhileIsNotOverwritten) {
  Entry entry = entry_to();
  entry.id = new_id(noon);
  auto begun = spool.begin(entry, content.size());
  base::MemorySource source(content);
  ASSERT_TRUE(succeeds(begun->write(source)));
  ASSERT_TRUE(succeeds(put(spool, entry, "first")));
  EXPECT_TRUE(succeeds(begun->commit(State::fresh(1))));
  EXPECT_EQ((*spool.look(entry.id))->size, 5U);
}

TEST_F(SpoolTest, AStrangerUnderTheIdIsAnError) {
  Entry entry = entry_to();
  entry.id = new_id(noon);
  std::filesystem::create_symlink(folder.write("elsewhere", "x"), path(entry.id));
  EXPECT_TRUE(fails_as(put(spool, entry), Error::Kind::cannot_create));
  EXPECT_EQ(names(), Names{entry.id});
  EXPECT_EQ(read_file(folder.path("elsewhere")), "x");
}

TEST_F(SpoolTest, ModesDoNotDependOnTheUmask) {
  for (const mode_t mask : {0000U, 0022U, 0777U}) {
    const Folder other;
    const mode_t before = ::umask(mask);
    auto opened = Spool::open(other.path("a/b"), ::getuid(), Access::make);
    auto shared = Spool::open(other.path("shared"), ::getuid(), Access::make_shared);
    const auto id = opened ? put(**opened, entry_to(), content, tried()) : opened.error();
    ::umask(before);
    ASSERT_TRUE(succeeds(id));
    EXPECT_EQ(mode_of(other.path("a")), 0700U);
    EXPECT_EQ(mode_of(other.path("a/b")), 0700U);
    EXPECT_EQ(mode_of((*opened)->path()), 0700U);
    EXPECT_EQ(mode_of((*opened)->path() + "/" + *id), 0600U);
    EXPECT_EQ(mode_of((*opened)->path() + "/" + *id + ".state"), 0600U);
    ASSERT_TRUE(succeeds(shared));
    EXPECT_EQ(mode_of(other.path("shared")), 01733U);
    EXPECT_EQ(mode_of((*shared)->path()), 0700U);
  }
}

TEST_F(SpoolTest, NothingIsMadeUnlessAskedFor) {
  const Folder other;
  auto opened = Spool::open(other.path("place"), ::getuid(), Access::work);
  ASSERT_TRUE(succeeds(opened));
  EXPECT_FALSE(*opened);
  std::filesystem::create_directory(other.path("place"));
  opened = Spool::open(other.path("place"), ::getuid(), Access::work);
  ASSERT_TRUE(succeeds(opened));
  EXPECT_FALSE(*opened);
  EXPECT_TRUE(std::filesystem::is_empty(other.path("place")));
}

TEST_F(SpoolTest, APlaceThatCanNotBeMadeIsNamed) {
  const Folder other;
  other.write("file", "");
  for (const char* place : {"file", "file/queue"}) {
    const auto opened = Spool::open(other.path(place), ::getuid(), Access::make);
    EXPECT_TRUE(fails_as(opened, Error::Kind::cannot_create));
    EXPECT_TRUE(contains(opened.error().text, other.path("file")));
  }
}

TEST_F(SpoolTest, AWideDirectoryOfOursIsMadePrivate) {
  ASSERT_EQ(::chmod(spool.path().c_str(), 0777), 0);
  EXPECT_TRUE(succeeds(Spool::open(folder.path("place"), ::getuid(), Access::work)));
  EXPECT_EQ(mode_of(spool.path()), 0700U);
}

TEST_F(SpoolTest, AnotherNameIsFoundWhereOursIsTaken) {
  const Folder other;
  const std::string uid = std::to_string(::getuid());
  std::filesystem::create_directory_symlink(folder.path(), other.path(uid));
  auto opened = Spool::open(other.path(), ::getuid(), Access::make);
  ASSERT_TRUE(succeeds(opened));
  EXPECT_TRUE((*opened)->path().starts_with(other.path(uid) + "-"));
  const auto id = put(**opened);
  ASSERT_TRUE(succeeds(id));
  const auto again = Spool::open(other.path(), ::getuid(), Access::work);
  ASSERT_TRUE(succeeds(again));
  EXPECT_EQ((*again)->path(), (*opened)->path());
  EXPECT_EQ(*(*again)->ids(), std::vector{*id});
  EXPECT_TRUE(names_in(folder.path()).empty()) << "the link was not followed";
}

TEST_F(SpoolTest, ADirectoryOfAnotherOwnerIsNotOurs) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  ASSERT_EQ(::chown(spool.path().c_str(), 65534, 65534), 0);
  auto opened = Spool::open(folder.path("place"), 0, Access::work);
  ASSERT_TRUE(succeeds(opened));
  EXPECT_FALSE(*opened);
  opened = Spool::open(folder.path("place"), 0, Access::make);
  ASSERT_TRUE(succeeds(opened));
  EXPECT_NE((*opened)->path(), spool.path());
}

TEST_F(SpoolTest, ADirectoryThatOthersMayWriteToIsNotTrusted) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  const Folder other;
  std::filesystem::create_directory(other.path("65534"));
  ASSERT_EQ(::chown(other.path("65534").c_str(), 65534, 65534), 0);
  ASSERT_EQ(::chmod(other.path("65534").c_str(), 0722), 0);
  EXPECT_TRUE(fails_as(Spool::open(other.path(), 65534, Access::work), Error::Kind::cannot_create));
  ASSERT_EQ(::chmod(other.path("65534").c_str(), 0755), 0);
  EXPECT_TRUE(succeeds(Spool::open(other.path(), 65534, Access::work)));
  EXPECT_EQ(mode_of(other.path("65534")), 0755U) << "what is not ours is not changed";
}

TEST_F(SpoolTest, IdsAreInTheOrderOfArrival) {
  std::vector<std::string> expected;
  for (const auto after : {5h, 0h, 100h, 99999h}) {
    Entry entry = entry_to();
    entry.arrived = noon + after;
    expected.push_back(*put(spool, entry));
  }
  std::swap(expected[0], expected[1]);
  for (const char* stranger : {"new", "failed", "notes.txt", "tmp.x"})
    folder.write(path(stranger).substr(folder.path().size() + 1), "");
  EXPECT_EQ(*spool.ids(), expected);
}

TEST_F(SpoolTest, OnlyOneHasALock) {
  const auto id = put(spool);
  Spool other = spool_in(folder);
  {
    const auto mine = take(spool, *id);
    ASSERT_TRUE(*mine);
    const auto theirs = take(other, *id);
    ASSERT_TRUE(succeeds(theirs));
    EXPECT_FALSE(*theirs);
  }
  EXPECT_TRUE(*take(other, *id));
}

TEST_F(SpoolTest, WhatHasGoneIsNothing) {
  const auto id = put(spool, entry_to(), content, tried());
  auto locked = take(spool, *id);
  ASSERT_TRUE(succeeds((*locked)->remove()));
  EXPECT_TRUE(names().empty());
  EXPECT_FALSE(*take(spool, *id));
  EXPECT_FALSE(*spool.look(*id));
}

TEST_F(SpoolTest, ManyProcessesSendEachMessageOnce) {
  constexpr int messages = 50;
  constexpr int runners = 6;
  for (int i = 0; i < messages; ++i) ASSERT_TRUE(succeeds(put(spool)));
  std::vector<pid_t> children;
  const std::string ledger = folder.write("ledger", "");
  for (int runner = 0; runner < runners; ++runner) {
    children.push_back(::fork());
    if (children.back() != 0) continue;
    Spool own = spool_in(folder);
    std::ofstream out(ledger, std::ios::app);
    const auto ids = own.ids();
    for (const std::string& id : *ids) {
      auto locked = take(own, id);
      if (!locked || !*locked) continue;
      out << id << '\n' << std::flush;
      if (!(*locked)->remove()) ::_exit(1);
    }
    ::_exit(0);
  }
  for (const pid_t child : children) {
    int status = -1;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
  EXPECT_TRUE(names().empty());
  std::ifstream lines(ledger);
  std::vector<std::string> sent;
  for (std::string line; std::getline(lines, line);) sent.push_back(line);
  EXPECT_EQ(sent.size(), static_cast<std::size_t>(messages));
  EXPECT_EQ(Names(sent.begin(), sent.end()).size(), static_cast<std::size_t>(messages));
}

TEST_F(SpoolTest, DamageGoesToCorruptAndTheRestGoesOn) {
  const auto bad = put(spool, entry_to(), content, tried());
  const auto good = put(spool);
  std::string text = read_file(path(*bad));
  text[text.size() / 2] ^= 1;
  write_file(path(*bad), text);
  const auto locked = take(spool, *bad);
  EXPECT_TRUE(fails_as(locked, Error::Kind::data));
  EXPECT_TRUE(contains(locked.error().text, path(*bad)));
  EXPECT_EQ(names(), (Names{*good, "corrupt/" + *bad, "corrupt/" + *bad + ".state"}));
  EXPECT_EQ(mode_of(path("corrupt")), 0700U);
  EXPECT_TRUE(*take(spool, *good));
}

TEST_F(SpoolTest, CorruptFilesOfTheSameNameAreAllKept) {
  Entry entry = entry_to();
  entry.id = new_id(noon);
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(succeeds(put(spool, entry)));
    std::filesystem::resize_file(path(entry.id), 10);
    EXPECT_TRUE(fails_as(take(spool, entry.id), Error::Kind::data));
  }
  EXPECT_EQ(names().size(), 3U);
}

TEST_F(SpoolTest, ANameThatIsAnothersIsNoMessage) {
  const auto id = put(spool);
  const std::string other = new_id(noon);
  std::filesystem::rename(path(*id), path(other));
  EXPECT_TRUE(fails_as(spool.look(other), Error::Kind::data));
  EXPECT_TRUE(fails_as(take(spool, other), Error::Kind::data));
}

TEST_F(SpoolTest, AUidThatIsAnothersIsNoMessage) {
  Entry entry = entry_to();
  entry.id = new_id(noon);
  ++entry.uid;
  const std::string head = encode(entry, 0);
  Checksum checksum;
  checksum.add(head);
  write_file(path(entry.id), head + trailer(checksum));
  EXPECT_TRUE(fails_as(spool.look(entry.id), Error::Kind::data));
  EXPECT_TRUE(fails_as(take(spool, entry.id), Error::Kind::data));
}

TEST_F(SpoolTest, ALaterVersionIsLeftAlone) {
  const auto id = put(spool);
  std::string text = read_file(path(*id));
  text.replace(0, 18, "pillarbox-queue 2\n");
  write_file(path(*id), text);
  std::vector<std::string> warnings;
  const auto locked = spool.lock(*id, warnings);
  ASSERT_TRUE(succeeds(locked));
  EXPECT_FALSE(*locked);
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_TRUE(contains(warnings[0], path(*id)));
  EXPECT_EQ(names(), Names{*id});
  EXPECT_TRUE(fails_as(spool.look(*id), Error::Kind::unavailable));
  EXPECT_TRUE(fails_as(spool.show(*id), Error::Kind::unavailable));
}

TEST_F(SpoolTest, AStateOfALaterVersionIsNoReasonToStartOver) {
  const auto id = put(spool, entry_to(), content, tried());
  const std::string text = read_file(path(*id + ".state"));
  write_file(path(*id + ".state"), "pillarbox-state 2\n" + std::string(5000, 'x'));
  std::vector<std::string> warnings;
  const auto locked = spool.lock(*id, warnings);
  ASSERT_TRUE(succeeds(locked));
  EXPECT_FALSE(*locked);
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_TRUE(contains(warnings[0], path(*id + ".state") + ": was written by a later version"));
  EXPECT_TRUE(fails_as(spool.look(*id), Error::Kind::unavailable));
  write_file(path(*id + ".state"), text);
  EXPECT_EQ((*take(spool, *id))->state().tries, 2U);
}

TEST_F(SpoolTest, StrangersAreNeitherOpenedNorRemoved) {
  const std::string elsewhere = folder.write("elsewhere", "x");
  const auto real = put(spool);
  std::vector<std::string> strangers;
  for (int i = 0; i < 4; ++i) strangers.push_back(new_id(noon));
  std::filesystem::create_symlink(path(*real), path(strangers[0]));
  ASSERT_EQ(::mkfifo(path(strangers[1]).c_str(), 0600), 0);
  std::filesystem::create_directory(path(strangers[2]));
  std::filesystem::create_symlink(elsewhere, path(strangers[3]));
  for (const std::string& id : strangers) {
    std::vector<std::string> warnings;
    const auto locked = spool.lock(id, warnings);
    ASSERT_TRUE(succeeds(locked));
    EXPECT_FALSE(*locked);
    EXPECT_EQ(warnings.size(), 1U);
    EXPECT_FALSE(*spool.look(id));
  }
  std::filesystem::create_symlink(elsewhere, path("tmp.link"));
  std::filesystem::create_symlink(elsewhere, path("new"));
  age(path("tmp.link"), 2h);
  spool.sweep(std::chrono::system_clock::now());
  spool.heard();
  const auto left = names();
  for (const std::string& id :
       {strangers[0], strangers[1], strangers[3], std::string("tmp.link"), std::string("new")}) {
    EXPECT_TRUE(left.contains(id)) << id;
  }
}

TEST_F(SpoolTest, AnotherOwnersFileIsLeftAlone) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  const auto id = put(spool);
  ASSERT_EQ(::chown(path(*id).c_str(), 65534, 65534), 0);
  std::vector<std::string> warnings;
  EXPECT_FALSE(*spool.lock(*id, warnings));
  EXPECT_EQ(warnings.size(), 1U);
  EXPECT_FALSE(*spool.look(*id));
}

TEST_F(SpoolTest, AMessageWithAnotherNameIsLeftAlone) {
  const auto id = put(spool);
  const std::string other = new_id(noon);
  for (const std::string& name : {other, *id + ".tmp", std::string("notes")}) {
    std::filesystem::create_hard_link(path(*id), path(name));
    std::vector<std::string> warnings;
    EXPECT_FALSE(*spool.lock(*id, warnings));
    EXPECT_EQ(warnings.size(), 1U);
    EXPECT_EQ(names(), (Names{*id, name}));
    std::filesystem::remove(path(name));
  }
  EXPECT_TRUE(*take(spool, *id));
}

TEST_F(SpoolTest, OnlyItsOwnTemporaryNameIsTakenFromAMessage) {
  const auto id = put(spool);
  std::filesystem::create_hard_link(path(*id), path("tmp.second"));
  write_file(path("tmp.another"), read_file(path(*id)));
  std::filesystem::create_symlink(path(*id), path("tmp.link"));
  std::vector<std::string> warnings;
  EXPECT_TRUE(*spool.lock(*id, warnings));
  EXPECT_TRUE(warnings.empty());
  EXPECT_EQ(names(), (Names{*id, "tmp.another", "tmp.link"}));
}

TEST_F(SpoolTest, ADamagedStateStartsOverWithAWarning) {
  const auto id = put(spool, entry_to(), content, tried());
  for (const std::string& text : {std::string(), std::string("nonsense"), std::string(100000, 'x')}) {
    write_file(path(*id + ".state"), text);
    std::vector<std::string> warnings;
    const auto locked = spool.lock(*id, warnings);
    ASSERT_TRUE(*locked);
    EXPECT_EQ((*locked)->state().tries, 0U);
    ASSERT_EQ((*locked)->state().recipients.size(), 1U);
    ASSERT_EQ(warnings.size(), 1U);
    EXPECT_TRUE(contains(warnings[0], path(*id + ".state")));
  }
}

TEST_F(SpoolTest, AMessageWhoseStateCanNotBeWrittenIsLeftAlone) {
  const auto id = put(spool);
  const std::string state = path(*id + ".state");
  for (const auto make : {+[](const std::string& name) { std::filesystem::create_directory(name); },
                          +[](const std::string& name) { std::filesystem::create_symlink("/etc/passwd", name); },
                          +[](const std::string& name) { ::mkfifo(name.c_str(), 0600); }}) {
    make(state);
    std::vector<std::string> warnings;
    const auto locked = spool.lock(*id, warnings);
    ASSERT_TRUE(locked);
    EXPECT_FALSE(*locked);
    ASSERT_EQ(warnings.size(), 1U);
    EXPECT_TRUE(contains(warnings[0], state));
    EXPECT_TRUE(fails_as(spool.look(*id), Error::Kind::unavailable));
    std::filesystem::remove(state);
  }
}

TEST_F(SpoolTest, SetsAsideWithItsState) {
  const auto id = put(spool, entry_to(), content, tried());
  auto locked = take(spool, *id);
  ASSERT_TRUE(succeeds((*locked)->set_aside()));
  EXPECT_EQ(names(), (Names{"failed/" + *id, "failed/" + *id + ".state"}));
  EXPECT_TRUE(spool.ids()->empty());
}

TEST_F(SpoolTest, SweepsNothingThatSomebodyWrites) {
  const auto id = put(spool);
  auto locked = take(spool, *id);
  ASSERT_TRUE(succeeds((*locked)->reserve(1)));
  const auto names = names_in(spool.path());
  ASSERT_EQ(names.size(), 2U);
  spool.sweep(std::chrono::system_clock::now() + std::chrono::hours(2));
  EXPECT_EQ(names_in(spool.path()), names);
  ASSERT_TRUE(succeeds((*locked)->save(tried())));
  EXPECT_TRUE((names_in(spool.path()) == std::set{*id, *id + ".state"}));
  ASSERT_TRUE(succeeds((*locked)->reserve(1)));
  const auto left = names_in(spool.path());
  EXPECT_EQ(left.size(), 3U);
  locked->reset();
  auto again = take(spool, *id);
  ASSERT_TRUE(succeeds((*again)->reserve(1)));
  EXPECT_EQ(names_in(spool.path()), left) << "it is the next one's";
  again->reset();
  spool = spool_in(folder);
  EXPECT_EQ(names_in(spool.path()).size(), 2U);
}

TEST_F(SpoolTest, SweepsWhatIsOldAndNothingElse) {
  const auto id = put(spool, entry_to(), content, tried());
  const std::string lone = new_id(noon) + ".state";
  const std::string young_lone = new_id(noon) + ".state";
  for (const std::string& name : {std::string("tmp.old"), std::string("tmp.young"), lone, young_lone,
                                  std::string("notes.state"), std::string("x")}) {
    write_file(path(name), "");
  }
  for (const std::string& name :
       {std::string("tmp.old"), lone, *id, *id + ".state", std::string("notes.state"), std::string("x")}) {
    age(path(name), 61min);
  }
  age(path("tmp.young"), 59min);
  spool.sweep(std::chrono::system_clock::now());
  EXPECT_EQ(names(), (Names{*id, *id + ".state", "tmp.young", young_lone, "notes.state", "x"}));
}

TEST_F(SpoolTest, AnnouncesAndIsHeard) {
  EXPECT_TRUE(succeeds(spool.announce()));
  EXPECT_TRUE(succeeds(spool.announce()));
  EXPECT_EQ(names(), Names{"new"});
  spool.heard();
  spool.heard();
  EXPECT_TRUE(names().empty());
}

TEST_F(SpoolTest, NoDamageIsTakenForAMessage) {
  const Disk quick;
  const auto id = put(spool);
  const std::string sound = read_file(path(*id));
  const auto is_message = [&](const std::string& text) {
    write_file(path(*id), text);
    const auto locked = take(spool, *id);
    return locked.has_value() && locked->has_value();
  };
  for (std::size_t i = 0; i < sound.size(); ++i) {
    for (const int bit : {0x01, 0x20, 0x80}) {
      std::string text = sound;
      text[i] = static_cast<char>(text[i] ^ bit);
      EXPECT_FALSE(is_message(text)) << "byte " << i;
    }
    EXPECT_FALSE(is_message(sound.substr(0, i))) << "cut at " << i;
  }
  for (const std::string& more : {std::string(1, '\0'), std::string("\n"), std::string("x"), sound}) {
    EXPECT_FALSE(is_message(sound + more));
  }
  EXPECT_TRUE(is_message(sound));
}

}  // namespace
}  // namespace pillarbox::queue
