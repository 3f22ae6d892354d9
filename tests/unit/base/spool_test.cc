#include "base/spool.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <cstdarg>
#include <utility>

#include "support.h"

namespace {

int refuse_nameless_files = 0;  // with this error, the next time

}  // namespace

// The linker puts these in place of the kernel's (tests/unit/CMakeLists.txt).
extern "C" {

int __real_open(const char* path, int flags, ...);

int __wrap_open(const char* path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(more, mode_t) : 0;
  va_end(more);
  if ((flags & O_TMPFILE) == O_TMPFILE && refuse_nameless_files != 0) {
    errno = std::exchange(refuse_nameless_files, 0);
    return -1;
  }
  return __real_open(path, flags, mode);
}
}

namespace pillarbox::base {
namespace {

constexpr auto all = std::numeric_limits<std::uint64_t>::max();

using test::everything;
using test::fails_as;
using test::Folder;
using test::PiecesSource;
using test::succeeds;

// A folder that is made when it is asked for.
SpoolFolder in(const Folder& folder, const std::string& name) {
  return [path = folder.path(name)]() -> Result<std::string> {
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return Error{Error::Kind::cannot_create, path};
    return path;
  };
}

TEST(Spool, KeepsSmallContentInMemory) {
  const Folder folder;
  for (const std::size_t size : {0U, 1U, 1000U}) {
    PiecesSource source(std::string(size, 'x'), 7);
    auto spooled = spool(source, in(folder, "queue"), all, 1000);
    ASSERT_TRUE(succeeds(spooled));
    EXPECT_EQ(everything(**spooled)->size(), size);
    EXPECT_FALSE(std::filesystem::exists(folder.path("queue"))) << "there is nothing to put in it";
  }
}

TEST(Spool, PutsLargeContentInAFileWithoutAName) {
  const Folder folder;
  std::string content;
  for (int i = 0; i < 50000; ++i) content += std::to_string(i) + ' ';
  PiecesSource source(content, 999);
  auto spooled = spool(source, in(folder, "queue"), all, 1000);
  ASSERT_TRUE(succeeds(spooled));
  EXPECT_TRUE(std::filesystem::is_empty(folder.path("queue")));
  EXPECT_EQ(*everything(**spooled), content);
}

TEST(Spool, HasNoNameWhereNamelessFilesAreNotKnown) {
  for (const int error : {EOPNOTSUPP, EISDIR, EINVAL}) {
    const Folder folder;
    std::string content;
    for (int i = 0; i < 50000; ++i) content += std::to_string(i) + ' ';
    PiecesSource source(content, 999);
    refuse_nameless_files = error;
    auto spooled = spool(source, in(folder, "queue"), all, 1000);
    EXPECT_EQ(std::exchange(refuse_nameless_files, 0), 0) << "it was never asked for";
    ASSERT_TRUE(succeeds(spooled));
    EXPECT_TRUE(std::filesystem::is_empty(folder.path("queue")));
    EXPECT_EQ(*everything(**spooled), content);
  }
}

TEST(Spool, SwitchesAtItsLimitWithoutLosingAByte) {
  const Folder folder;
  for (std::size_t size = 995; size <= 1005; ++size) {
    std::string content;
    for (std::size_t i = 0; i < size; ++i) content += static_cast<char>('a' + i % 26);
    for (const std::size_t piece : {1U, 3U, 1000U}) {
      PiecesSource source(content, piece);
      auto spooled = spool(source, in(folder, "queue"), all, 1000);
      ASSERT_TRUE(succeeds(spooled));
      EXPECT_EQ(*everything(**spooled), content);
    }
  }
}

TEST(Spool, FailsWhereItsFolderCanNotBeMade) {
  const Folder folder;
  folder.write("file", "");
  for (const char* place : {"file/queue", "file"}) {
    PiecesSource source(std::string(2000, 'x'), 999);
    EXPECT_TRUE(fails_as(spool(source, in(folder, place), all, 1000), Error::Kind::cannot_create));
  }
}

TEST(Spool, PassesOnAFailureOfItsSource) {
  const Folder folder;
  PiecesSource small("x", 1, true);
  EXPECT_TRUE(fails_as(spool(small, in(folder, "queue"), all, 1000), Error::Kind::io));
  PiecesSource large(std::string(5000, 'x'), 999, true);
  EXPECT_TRUE(fails_as(spool(large, in(folder, "queue"), all, 1000), Error::Kind::io));
  EXPECT_TRUE(std::filesystem::is_empty(folder.path("queue")));
}

TEST(Spool, HasALimit) {
  const Folder folder;
  for (const std::size_t in_memory : {10U, 100000U}) {
    PiecesSource fits(std::string(1000, 'x'), 7);
    auto spooled = spool(fits, in(folder, "queue"), 1000, in_memory);
    ASSERT_TRUE(succeeds(spooled));
    EXPECT_EQ(everything(**spooled)->size(), 1000U);
    PiecesSource large(std::string(1001, 'x'), 7);
    EXPECT_TRUE(fails_as(spool(large, in(folder, "queue"), 1000, in_memory), Error::Kind::data));
  }
}

}  // namespace
}  // namespace pillarbox::base
