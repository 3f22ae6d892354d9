#include "base/new_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "support.h"

namespace {

bool folders_fail = false;

}  // namespace

// The linker puts it in place of the kernel's (tests/unit/CMakeLists.txt).
extern "C" {

int __real_fsync(int fd);

int __wrap_fsync(int fd) {
  struct stat status {};
  if (folders_fail && ::fstat(fd, &status) == 0 && S_ISDIR(status.st_mode)) {
    errno = EIO;
    return -1;
  }
  return __real_fsync(fd);
}
}

namespace pillarbox::base {
namespace {

using test::fails_as;
using test::succeeds;

std::string content(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::size_t files_in(const test::Folder& folder) {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder.path()), {}));
}

TEST(ANewFile, IsOursAloneWhateverTheUmask) {
  const test::Folder folder;
  const mode_t before = ::umask(0);
  EXPECT_TRUE(succeeds(write_new_file(folder.path("a"), "text", false)));
  ::umask(before);
  struct stat status {};
  ASSERT_EQ(::stat(folder.path("a").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0600U);
  EXPECT_EQ(content(folder.path("a")), "text");
  EXPECT_EQ(files_in(folder), 1U);
}

TEST(ANewFile, TakesNoOthersPlaceUnlessItMay) {
  const test::Folder folder;
  const std::string path = folder.write("a", "old");
  EXPECT_TRUE(fails_as(write_new_file(path, "new", false), Error::Kind::cannot_create));
  EXPECT_EQ(content(path), "old");
  EXPECT_TRUE(succeeds(write_new_file(path, "new", true)));
  EXPECT_EQ(content(path), "new");
  // Nor a link's that leads nowhere.
  ASSERT_EQ(::symlink("nowhere", folder.path("link").c_str()), 0);
  EXPECT_TRUE(fails_as(write_new_file(folder.path("link"), "new", false), Error::Kind::cannot_create));
  EXPECT_EQ(files_in(folder), 2U);
}

TEST(ANewFile, NeedsItsFolder) {
  const test::Folder folder;
  const auto result = write_new_file(folder.path("no/a"), "text", false);
  ASSERT_TRUE(fails_as(result, Error::Kind::cannot_create));
  EXPECT_TRUE(result.error().text.starts_with(folder.path("no/a") + ": ")) << result.error().text;
}

TEST(ANewFile, ThatMayNotLastIsRemovedUnlessItReplacedAnother) {
  const test::Folder folder;
  folders_fail = true;
  EXPECT_TRUE(fails_as(write_new_file(folder.path("a"), "text", false), Error::Kind::io));
  EXPECT_EQ(files_in(folder), 0U);
  folder.write("a", "old");
  EXPECT_TRUE(fails_as(write_new_file(folder.path("a"), "new", true), Error::Kind::io));
  EXPECT_EQ(content(folder.path("a")), "new");
  EXPECT_EQ(files_in(folder), 1U);
  folders_fail = false;
}

TEST(Folders, AreMadeAsDeepAsNeeded) {
  const test::Folder folder;
  EXPECT_TRUE(succeeds(make_folders(folder.path("a/b/c"))));
  EXPECT_TRUE(succeeds(make_folders(folder.path("a/b/c"))));
  struct stat status {};
  ASSERT_EQ(::stat(folder.path("a/b").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0700U);
  folder.write("file", "");
  EXPECT_TRUE(fails_as(make_folders(folder.path("file/b")), Error::Kind::cannot_create));
}

}  // namespace
}  // namespace pillarbox::base
