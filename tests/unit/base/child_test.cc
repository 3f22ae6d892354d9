#include "base/child.h"

#include <gtest/gtest.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): kill is not in <csignal>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdarg>
#include <fstream>

#include "base/clock.h"
#include "support.h"

namespace {

bool without_pidfd = false;

}  // namespace

// The linker puts it in place of the C library's (tests/unit/CMakeLists.txt).
extern "C" {

long __real_syscall(long number, ...);

long __wrap_syscall(long number, ...) {
  if (number == SYS_pidfd_open && without_pidfd) {
    errno = ENOSYS;
    return -1;
  }
  va_list more;
  va_start(more, number);
  std::array<long, 6> given{};
  for (long& each : given) each = va_arg(more, long);
  va_end(more);
  return __real_syscall(number, given[0], given[1], given[2], given[3], given[4], given[5]);
}
}

namespace pillarbox::base {
namespace {

using test::contains;
using test::fails_as;
using test::succeeds;

constexpr auto long_enough = std::chrono::seconds(30);

std::string line_of(const std::string& command) {
  const auto line = line_of_command(command, long_enough);
  return line ? line->reveal() : "!" + line.error().text;
}

TEST(ACommand, GivesItsFirstLine) {
  EXPECT_EQ(line_of("echo hunter2"), "hunter2");
  EXPECT_EQ(line_of("printf 'a b\\r\\nsecond\\n'"), "a b");
  EXPECT_EQ(line_of("printf 'no line end'"), "no line end");
  EXPECT_EQ(line_of("printf '\\nsecond\\n'"), "");
  EXPECT_EQ(line_of("true"), "");
}

TEST(ACommand, MayWriteMoreThanAnybodyReads) {
  EXPECT_EQ(line_of("echo first; head -c 1000000 /dev/zero; head -c 1000000 /dev/zero >&2"), "first");
}

TEST(ACommand, HasItsLimitHoweverMuchItWrites) {
  EXPECT_TRUE(fails_as(line_of_command("exec yes", std::chrono::milliseconds(300)), Error::Kind::temporary));
  EXPECT_TRUE(fails_as(line_of_command("exec yes >&2", std::chrono::milliseconds(300)), Error::Kind::temporary));
}

TEST(ACommand, ThatFailsIsToldWithItsOwnWords) {
  const auto failed = line_of_command("echo hunter2; echo 'no such entry' >&2; exit 3", long_enough);
  ASSERT_TRUE(fails_as(failed, Error::Kind::io));
  EXPECT_TRUE(contains(failed.error().text, "status 3: no such entry"));
  EXPECT_FALSE(contains(failed.error().text, "hunter2"));
  EXPECT_TRUE(contains(line_of("kill -9 $$"), "signal 9"));
  EXPECT_TRUE(contains(line_of("/no/such/program"), "status 127"));
}

// The kernel throws the status away there.
TEST(ACommand, WhoseEndCannotBeToldHasFailed) {
  auto* const before = ::signal(SIGCHLD, SIG_IGN);
  EXPECT_TRUE(fails_as(line_of_command("echo hunter2; exit 3", long_enough), Error::Kind::system));
  ::signal(SIGCHLD, before);
}

TEST(ACommand, ThatTakesTooLongIsKilledWithItsChildren) {
  const std::string file = ::testing::TempDir() + "child-" + std::to_string(::getpid());
  const auto late = line_of_command("sleep 1000 & echo $! > " + file + "; wait", std::chrono::seconds(3));
  EXPECT_TRUE(fails_as(late, Error::Kind::temporary));
  int sleeper = 0;
  std::ifstream(file) >> sleeper;
  ASSERT_GT(sleeper, 0);
  // A killed process may stay a zombie until its new parent looks.
  std::string state;
  for (int i = 0; i < 500 && ::kill(sleeper, 0) == 0 && state != "Z"; ++i) {
    std::ifstream status("/proc/" + std::to_string(sleeper) + "/stat");
    std::string word;
    status >> word >> word >> state;
    ::usleep(10000);
  }
  EXPECT_TRUE(::kill(sleeper, 0) != 0 || state == "Z");
  ::unlink(file.c_str());
}

TEST(ACommand, IsNotWaitedForBeyondItsEnd) {
  const auto began = Instant::clock::now();
  EXPECT_EQ(line_of("sleep 1000 & echo hunter2"), "hunter2") << "what it leaves running holds the pipe";
  EXPECT_LT(Instant::clock::now() - began, long_enough);
}

TEST(ACommand, HasNoMoreTimeWhereTheKernelDoesNotTellOfItsEnd) {
  without_pidfd = true;
  EXPECT_EQ(line_of("echo hunter2"), "hunter2");
  EXPECT_TRUE(contains(line_of("exec >&- 2>&-; exit 3"), "status 3"));
  const auto silent = line_of_command("echo hunter2; exec >&- 2>&-; sleep 1000", std::chrono::milliseconds(300));
  EXPECT_TRUE(fails_as(silent, Error::Kind::temporary));
  without_pidfd = false;
}

TEST(ACommand, HasNoInputAndNoTerminal) {
  EXPECT_EQ(line_of("cat; echo end"), "end");
  EXPECT_EQ(line_of("(: < /dev/tty) 2>/dev/null && echo a terminal || echo none"), "none");
}

}  // namespace
}  // namespace pillarbox::base
