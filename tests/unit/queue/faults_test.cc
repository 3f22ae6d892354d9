// What happens when the disk fails, and what a crash may leave: faults A1, A2 and A5 of the queue's contract, with
// every call of every kind failing in every way, and every crash that the model of disk.h knows.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>
#include <functional>
#include <map>

#include "disk.h"
#include "queue.h"

namespace pillarbox::queue {
namespace {

using namespace test;  // NOLINT(google-build-using-namespace)

const std::string id = "1j52sk9h000-abcdefghijklmnop";
const std::string text(150000, 'x');  // several writes

Entry entry_with_id() {
  Entry entry = entry_to({"bob@example.net", "carol@example.org"});
  entry.id = id;
  return entry;
}

// One of two has the message already.
State half_done() {
  State state = tried(2);
  state.recipients[0] = {Progress::accepted, "250 2.0.0 Ok", "2.0.0"};
  return state;
}

State all_done() {
  State state = half_done();
  state.recipients[1] = {Progress::accepted, "250 2.0.0 Ok", "2.0.0"};
  return state;
}

// As it is when it is to be tried once more.
State begun_again() {
  State state = half_done();
  state.tries = 0;
  state.next = {};
  state.last = {};
  return state;
}

// What somebody finds who comes later.
struct Found {
  bool there = false;
  bool whole = false;
  State state = {};
};

Found look_into(const std::string& place) {
  Found found;
  auto spool = Spool::open(place, ::getuid(), Access::work);
  if (!spool || !*spool) return found;
  const auto ids = (*spool)->ids();
  found.there = ids && !ids->empty();
  if (!found.there) return found;
  const auto locked = take(**spool, ids->front());
  found.whole = ids->front() == id && locked && *locked && *everything(*(*locked)->content()) == text;
  if (found.whole) found.state = (*locked)->state();
  return found;
}

bool same(const State& a, const State& b) {
  return encode(a) == encode(b);
}

// What the queue does, from an empty place on; phases tell how far it came.
enum Phase { begun, committed, saved, removed, set_aside, put_back };

Result<void> commit_only(Disk& disk, const std::string& place, const State& state) {
  auto spool = Spool::open(place, ::getuid(), Access::make);
  if (!spool) return spool.error();
  const auto done = put(**spool, entry_with_id(), text, state);
  if (!done) return done.error();
  disk.mark(committed);
  return {};
}

Result<void> whole_life(Disk& disk, const std::string& place, bool aside) {
  if (const auto done = commit_only(disk, place, half_done()); !done) return done.error();
  auto spool = Spool::open(place, ::getuid(), Access::work);
  if (!spool) return spool.error();
  auto locked = take(**spool, id);
  if (!locked) return locked.error();
  if (!*locked) return Error{Error::Kind::internal, "it has gone"};
  if (const auto done = (*locked)->reserve(1); !done) return done.error();
  if (const auto done = (*locked)->save(all_done()); !done) return done.error();
  disk.mark(saved);
  if (const auto done = aside ? (*locked)->set_aside() : (*locked)->remove(); !done) return done.error();
  disk.mark(aside ? set_aside : removed);
  return {};
}

Result<std::optional<Locked>> take_failed(const std::string& place) {
  auto spool = Spool::open(place, ::getuid(), Access::work);
  if (!spool) return spool.error();
  auto failed = (*spool)->failed();
  if (!failed) return failed.error();
  return take(**failed, id);
}

Result<void> second_life(Disk& disk, const std::string& place) {
  if (const auto done = whole_life(disk, place, true); !done) return done.error();
  auto locked = take_failed(place);
  if (!locked) return locked.error();
  if (const auto done = (*locked)->put_back(begun_again()); !done) return done.error();
  disk.mark(put_back);
  return {};
}

// --- Calls that fail

struct Case {
  const char* call;
  std::vector<int> errors;
};

const std::vector<Case> cases = {{"openat", {ENOSPC, EIO, EMFILE, EROFS}},
                                 {"write", {ENOSPC, EIO, EINTR, EFBIG, EDQUOT, 0}},
                                 {"fsync", {ENOSPC, EIO, EINTR}},
                                 {"close", {ENOSPC, EIO, EINTR}},
                                 {"linkat", {ENOSPC, EIO, EINTR, EPERM}},
                                 {"renameat", {ENOSPC, EIO, EINTR}},
                                 {"unlinkat", {ENOSPC, EIO, EINTR}},
                                 {"mkdirat", {ENOSPC, EIO, EROFS}},
                                 {"fchmod", {EIO, EPERM}},
                                 {"flock", {ENOLCK, EWOULDBLOCK}},
                                 {"posix_fallocate", {ENOSPC, EIO, EINTR, EPERM}}};

Error::Kind kind_for(int error) {
  switch (error) {
    case EIO:
      return Error::Kind::io;
    case EROFS:
    case EPERM:
      return Error::Kind::cannot_create;
    default:
      return Error::Kind::temporary;
  }
}

// Runs something with each call failing in turn, in each way; how many did.
std::map<std::string, int> with_each_fault(const std::function<void(Disk&, const Fault&, const std::string&)>& run) {
  std::map<std::string, int> failed;
  for (const Case& each : cases) {
    for (const int error : each.errors) {
      for (unsigned number = 1;; ++number) {
        const Folder folder;
        Disk disk;
        const Fault fault{each.call, number, error};
        disk.fail(fault);
        const ::testing::ScopedTrace trace(
            __FILE__, __LINE__, fault.call + " " + std::to_string(number) + " error " + std::to_string(error));
        run(disk, fault, folder.path("place"));
        if (!disk.has_failed()) break;
        ++failed[each.call];
      }
    }
  }
  return failed;
}

// Puts what a crash has left into a folder, as a user's queue.
void restore(const Disk::Crash& crash, const Folder& folder, ino_t queue) {
  const std::string at = "place/" + std::to_string(::getuid()) + "/";
  std::filesystem::create_directories(folder.path(at));
  for (const auto& [name, bytes] : crash.files)
    folder.write(at + (name.first == queue ? "" : "aside/") + name.second, bytes);
}

ino_t inode_of(const std::string& place) {
  struct stat status {};
  return ::stat((place + "/" + std::to_string(::getuid())).c_str(), &status) == 0 ? status.st_ino : 0;
}

void commit_with(Disk& disk, const Fault& fault, const std::string& place, const State& state) {
  const auto done = commit_only(disk, place, state);
  disk.fail({});
  EXPECT_FALSE(done && disk.content_is_doubtful());
  if (done) {
    const Folder after;
    restore(disk.last(), after, inode_of(place));
    const Found found = look_into(after.path("place"));
    EXPECT_TRUE(found.whole) << "a success that a crash takes back";
    EXPECT_TRUE(same(found.state, state));
    return;
  }
  EXPECT_TRUE(!std::filesystem::exists(place) || names_in(place).empty()) << "something is left";
  EXPECT_EQ(done.error().kind, kind_for(fault.error)) << done.error().text;
  EXPECT_TRUE(contains(done.error().text, place)) << done.error().text;
}

TEST(Faults, WhatCanNotBeOpenedForTheMomentIsNotDamaged) {
  const Folder folder;
  auto spool = spool_in(folder);
  const auto message = put(spool, entry_to(), content, tried());
  ASSERT_TRUE(succeeds(message));
  for (const auto& [error, kind] : {std::pair{EMFILE, Error::Kind::temporary},
                                    {ENFILE, Error::Kind::temporary},
                                    {ENOMEM, Error::Kind::temporary},
                                    {EACCES, Error::Kind::io},
                                    {EIO, Error::Kind::io}}) {
    Disk disk;
    disk.fail({"openat", 1, error});
    const auto looked = spool.look(*message);
    EXPECT_TRUE(fails_as(looked, kind));
    EXPECT_EQ(looked.error().text.rfind(spool.path()), 0U) << looked.error().text;
    disk.fail({"openat", 3, error});  // of the state, behind that of the message
    std::vector<std::string> warnings;
    EXPECT_TRUE(fails_as(spool.lock(*message, warnings), kind));
  }
}

TEST(Faults, ACommitThatFailsLeavesNothing) {
  const auto failed = with_each_fault([](Disk& disk, const Fault& fault, const std::string& place) {
    commit_with(disk, fault, place, State::fresh(2));
  });
  for (const char* call : {"openat", "write", "fsync", "close", "linkat", "unlinkat", "mkdirat", "fchmod", "flock"}) {
    EXPECT_GT(failed.contains(call) ? failed.at(call) : 0, 0) << call;
  }
}

TEST(Faults, ACommitWithAStateThatFailsLeavesNothing) {
  const auto failed = with_each_fault(
      [](Disk& disk, const Fault& fault, const std::string& place) { commit_with(disk, fault, place, half_done()); });
  for (const auto& [call, errors] : cases)
    EXPECT_EQ(failed.contains(call), call != std::string("posix_fallocate")) << call;
}

TEST(Faults, AStateThatCanNotBeSavedIsTheOldOneOrTheNew) {
  with_each_fault([](Disk& disk, const Fault& fault, const std::string& place) {
    disk.fail({});
    ASSERT_TRUE(succeeds(commit_only(disk, place, half_done())));
    const auto names = names_in(place);
    auto spool = spool_at(place);
    auto locked = take(spool, id);
    Disk counted;  // from here on
    counted.fail(fault);
    const auto done = (*locked)->save(all_done());
    counted.fail({});
    EXPECT_EQ(names_in(place), names) << "something is left";
    locked->reset();
    const Found found = look_into(place);
    EXPECT_TRUE(found.whole);
    EXPECT_TRUE(same(found.state, all_done()) || (!done && same(found.state, half_done())));
    EXPECT_TRUE(done || done.error().kind == kind_for(fault.error));
    if (counted.has_failed()) disk.note_failure();
  });
}

TEST(Faults, WhatIsReservedIsEnoughForTheStateWhateverFailsThen) {
  const auto failed = with_each_fault([](Disk& disk, const Fault& fault, const std::string& place) {
    disk.fail({});
    ASSERT_TRUE(succeeds(commit_only(disk, place, half_done())));
    const auto names = names_in(place);
    auto spool = spool_at(place);
    auto locked = take(spool, id);
    Disk counted;
    counted.fail(fault);
    const auto reserved = (*locked)->reserve(1);
    const bool hit = counted.has_failed();
    EXPECT_TRUE(hit || reserved);
    EXPECT_TRUE(reserved || reserved.error().kind == kind_for(fault.error));
    EXPECT_EQ(names_in(place).size(), names.size() + (reserved ? 1 : 0));
    counted.fail({"openat", 2, ENOSPC});  // and there is no other file to be had
    EXPECT_TRUE(!reserved || (*locked)->save(all_done()));
    counted.fail({});
    locked->reset();
    spool = spool_at(place);
    EXPECT_EQ(names_in(place), names) << "something is left";
    EXPECT_TRUE(same(look_into(place).state, reserved ? all_done() : half_done()));
    if (hit) disk.note_failure();
  });
  for (const char* call : {"openat", "posix_fallocate"})
    EXPECT_GT(failed.contains(call) ? failed.at(call) : 0, 0) << call;
}

TEST(Faults, ARemovalThatFailsKeepsTheStateWithTheMessage) {
  with_each_fault([](Disk& disk, const Fault& fault, const std::string& place) {
    disk.fail({});
    ASSERT_TRUE(succeeds(commit_only(disk, place, all_done())));
    auto spool = spool_at(place);
    auto locked = take(spool, id);
    Disk counted;
    counted.fail(fault);
    (void)(*locked)->remove();
    counted.fail({});
    locked->reset();
    const Found found = look_into(place);
    EXPECT_TRUE(!found.there || same(found.state, all_done()));
    if (counted.has_failed()) disk.note_failure();
  });
}

TEST(Faults, WhatCanNotBePutBackIsInOnePlaceWithItsState) {
  const auto failed = with_each_fault([](Disk& disk, const Fault& fault, const std::string& place) {
    disk.fail({});
    ASSERT_TRUE(succeeds(whole_life(disk, place, true)));
    const auto names = names_in(place);
    auto locked = take_failed(place);
    Disk counted;
    counted.fail(fault);
    const auto done = (*locked)->put_back(begun_again());
    counted.fail({});
    locked->reset();
    const Found found = look_into(place);
    EXPECT_TRUE(!done || found.whole);
    EXPECT_TRUE(found.there || names_in(place) == names) << "something is left";
    EXPECT_TRUE(!found.there || same(found.state, begun_again()));
    const auto left = take_failed(place);
    EXPECT_NE(left && *left, found.there);
    EXPECT_TRUE(found.there || same((*left)->state(), all_done()));
    EXPECT_TRUE(done || done.error().kind == kind_for(fault.error)) << done.error().text;
    if (counted.has_failed()) disk.note_failure();
  });
  for (const char* call : {"openat", "write", "fsync", "close", "renameat"}) {
    EXPECT_GT(failed.contains(call) ? failed.at(call) : 0, 0) << call;
  }
}

// --- Somebody else, at the worst moment

TEST(Races, WhatGoesBeforeItIsLockedIsNotTaken) {
  for (const bool replaced : {false, true}) {
    const Folder folder;
    Disk disk;
    ASSERT_TRUE(succeeds(commit_only(disk, folder.path("place"), State::fresh(2))));
    auto spool = spool_in(folder);
    const std::string path = spool.path() + "/" + id;
    disk.watch([&](const std::string& call, int, const std::string&) {
      if (call != "flock") return;
      if (replaced) std::filesystem::copy_file(path, path + "x");
      if (replaced) std::filesystem::rename(path + "x", path);
      if (!replaced) std::filesystem::remove(path);
    });
    const auto locked = take(spool, id);
    ASSERT_TRUE(succeeds(locked));
    EXPECT_FALSE(*locked) << "another runner has sent it";
  }
}

// Another process has come to it between its making and the sync: what that one says is safe must be found later.
TEST(Races, AFolderThatIsNotDurableYetIsMadeSoByWhoeverEntersIt) {
  const Folder folder;
  const std::string place = folder.path("place");
  std::filesystem::create_directories(place);
  std::filesystem::permissions(place, std::filesystem::perms::owner_all);
  int others = 0;
  Disk disk;
  disk.watch([&](const std::string& call, int, const std::string&) {
    if (call != "fsync" || others++ > 0) return;
    Disk other;
    other.fail({"fsync", 1, EIO});
    EXPECT_TRUE(fails_as(Spool::open(place, ::getuid(), Access::make), Error::Kind::io));
    other.fail({});
    EXPECT_TRUE(succeeds(Spool::open(place, ::getuid(), Access::make)));
  });
  ASSERT_TRUE(succeeds(Spool::open(place, ::getuid(), Access::make)));
  EXPECT_EQ(others, 1);
  disk.fail({"fsync", 2, EIO});
  EXPECT_TRUE(succeeds(Spool::open(place, ::getuid(), Access::make))) << "it is durable now";
}

TEST(Races, ASignalBeforeAMessageHasItsNameLeavesNothing) {
  const Folder folder;
  auto spool = spool_in(folder);
  auto begun = spool.begin(entry_with_id(), text.size());
  ASSERT_TRUE(succeeds(begun));
  base::MemorySource source(text);
  ASSERT_TRUE(succeeds(begun->write(source)));
  Disk disk;
  bool come = false;
  disk.watch([&](const std::string& call, int, const std::string&) { come = come || call == "fsync"; });
  EXPECT_TRUE(fails_as(begun->commit(half_done(), [&] { return come; }), Error::Kind::temporary));
  { const NewEntry gone = *std::move(begun); }
  EXPECT_EQ(names_in(folder.path("place")), std::set<std::string>());
}

TEST(Races, ATemporaryNameThatIsTakenIsNotWrittenTo) {
  const Folder folder;
  auto spool = spool_in(folder);
  std::string name;
  Disk disk;
  disk.watch([&](const std::string& call, int, const std::string& path) {
    if (call != "openat" || !path.starts_with("tmp.")) return;
    name = path;
    write_file(spool.path() + "/" + path, "somebody else's");
  });
  EXPECT_TRUE(fails_as(put(spool), Error::Kind::cannot_create));
  EXPECT_EQ(read_file(spool.path() + "/" + name), "somebody else's");
}

TEST(Races, AnIdThatIsTakenAtTheLastMomentIsNotOverwritten) {
  const Folder folder;
  auto spool = spool_in(folder);
  Disk disk;
  disk.watch([&](const std::string& call, int, const std::string& name) {
    if ((call != "linkat" && call != "renameat") || name != id) return;
    EXPECT_TRUE(succeeds(put(spool, entry_with_id(), "first", half_done())));
  });
  EXPECT_TRUE(succeeds(put(spool, entry_with_id(), text)));
  const auto found = spool.look(id);
  ASSERT_TRUE(found && *found);
  EXPECT_EQ((*found)->size, 5U);
  EXPECT_TRUE(same((*found)->state, half_done()));
}

TEST(Races, NoRunnerHasAMessageThatMayYetBeTakenBack) {
  const Folder folder;
  const std::string place = folder.path("place");
  Disk disk;
  int looks = 0;
  disk.watch([&](const std::string& call, int, const std::string&) {
    const auto other = Spool::open(place, ::getuid(), Access::work);
    if ((call != "unlinkat" && call != "fsync") || !other || !*other || !*(*other)->look(id)) return;
    ++looks;
    const auto names = names_in(place);
    EXPECT_FALSE(look_into(place).whole);
    EXPECT_EQ(names_in(place), names) << "its temporary name is taken away by its writer alone";
  });
  ASSERT_TRUE(succeeds(commit_only(disk, place, State::fresh(2))));
  EXPECT_EQ(looks, 2) << "it had its name before it was durable";
  disk.watch({});
  EXPECT_TRUE(look_into(place).whole);
}

TEST(Races, AWriterThatIsKilledBetweenTheNamesOfItsMessageHoldsNobodyUp) {
  const Folder folder;
  const std::string place = folder.path("place");
  const pid_t writer = ::fork();
  if (writer == 0) {
    Disk disk;
    disk.watch([](const std::string& call, int, const std::string& name) {
      if (call == "unlinkat" && name.starts_with("tmp.")) (void)::raise(SIGKILL);
    });
    (void)commit_only(disk, place, State::fresh(2));
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(writer, &status, 0), writer);
  ASSERT_TRUE(WIFSIGNALED(status));
  ASSERT_EQ(names_in(place).size(), 2U);
  EXPECT_TRUE(look_into(place).whole);
  EXPECT_EQ(names_in(place), std::set{std::to_string(::getuid()) + "/" + id});
}

// --- Crashes

void after_each_crash(const std::function<Result<void>(Disk&, const std::string&)>& run,
                      const std::function<void(Phase, const Found&, const std::string&)>& check) {
  const Folder folder;
  Disk disk;
  ASSERT_TRUE(succeeds(run(disk, folder.path("place"))));
  const ino_t queue = inode_of(folder.path("place"));
  const auto crashes = disk.crashes();
  EXPECT_GT(crashes.size(), 10U);
  for (const Disk::Crash& crash : crashes) {
    const Folder after;
    restore(crash, after, queue);
    std::string shown;
    for (const auto& [name, bytes] : crash.files) shown += " " + name.second + ":" + std::to_string(bytes.size());
    const ::testing::ScopedTrace trace(__FILE__, __LINE__, "phase " + std::to_string(crash.phase) + ":" + shown);
    const Found found = look_into(after.path("place"));
    check(static_cast<Phase>(crash.phase), found, after.path("place"));
    if (found.whole || !found.there) continue;
    ADD_FAILURE() << "part of a message";
  }
}

TEST(Crashes, NothingOrAllOfAMessage) {
  after_each_crash([](Disk& disk, const std::string& place) { return commit_only(disk, place, State::fresh(2)); },
                   [](Phase phase, const Found& found, const std::string&) {
                     EXPECT_TRUE(phase < committed || found.whole);
                     EXPECT_TRUE(!found.whole || same(found.state, State::fresh(2)));
                   });
}

TEST(Crashes, NoMessageWithoutTheStateThatItCameWith) {
  after_each_crash([](Disk& disk, const std::string& place) { return commit_only(disk, place, half_done()); },
                   [](Phase phase, const Found& found, const std::string&) {
                     EXPECT_TRUE(phase < committed || found.whole);
                     EXPECT_TRUE(!found.whole || same(found.state, half_done()));
                   });
}

TEST(Crashes, WhatIsDoneStaysDone) {
  after_each_crash([](Disk& disk, const std::string& place) { return whole_life(disk, place, false); },
                   [](Phase phase, const Found& found, const std::string&) {
                     EXPECT_FALSE(phase == removed && found.there);
                     EXPECT_TRUE(!found.whole || phase < saved || same(found.state, all_done()));
                     EXPECT_TRUE(!found.whole || same(found.state, all_done()) || same(found.state, half_done()));
                   });
}

TEST(Crashes, WhatIsSetAsideIsSomewhere) {
  after_each_crash([](Disk& disk, const std::string& place) { return whole_life(disk, place, true); },
                   [](Phase phase, const Found& found, const std::string& place) {
                     const std::string aside = place + "/" + std::to_string(::getuid()) + "/aside/" + id;
                     EXPECT_FALSE(phase == set_aside && found.there);
                     EXPECT_TRUE(phase < committed || found.whole || std::filesystem::exists(aside));
                     EXPECT_TRUE(!found.whole || phase < saved || same(found.state, all_done()));
                   });
}

TEST(Crashes, WhatIsPutBackIsSomewhereAndNeverWithoutItsState) {
  after_each_crash(second_life, [](Phase phase, const Found& found, const std::string& place) {
    const std::string aside = place + "/" + std::to_string(::getuid()) + "/aside/" + id;
    EXPECT_TRUE(phase < committed || found.whole || std::filesystem::exists(aside));
    EXPECT_TRUE(phase < put_back || found.whole);
    EXPECT_TRUE(!found.whole || phase < set_aside || same(found.state, begun_again()));
  });
}

TEST(Crashes, TheModelKnowsWhatIsNotSynced) {
  const Folder folder;
  Disk disk;
  ASSERT_TRUE(succeeds(commit_only(disk, folder.path("place"), State::fresh(2))));
  bool half = false;
  bool none = false;
  for (const Disk::Crash& crash : disk.crashes()) {
    none = none || crash.files.empty();
    for (const auto& [name, bytes] : crash.files) half = half || (!bytes.empty() && bytes.size() < text.size());
  }
  EXPECT_TRUE(half && none);
}

}  // namespace
}  // namespace pillarbox::queue
