#include "base/disk.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace pillarbox::base {
namespace {

TEST(ADiskError, SaysWhetherItPasses) {
  EXPECT_EQ(disk_error("/x: can't be made", ENOSPC).text, "/x: can't be made: No space left on device");
  for (const int number : {ENOSPC, EDQUOT, EFBIG, EINTR, EMFILE, ENFILE, ENOMEM, ENOLCK}) {
    EXPECT_EQ(disk_error("", number).kind, Error::Kind::temporary) << number;
  }
  EXPECT_EQ(disk_error("", EIO).kind, Error::Kind::io);
  for (const int number : {EACCES, EEXIST, ENOENT, EROFS}) {
    EXPECT_EQ(disk_error("", number).kind, Error::Kind::cannot_create) << number;
  }
}

TEST(AFolder, IsWhatStandsBeforeTheLastName) {
  EXPECT_EQ(folder_of("/a/b/c"), "/a/b");
  EXPECT_EQ(folder_of("a/b"), "a");
  EXPECT_EQ(folder_of("/a"), "/");
  EXPECT_EQ(folder_of("a"), ".");
}

TEST(WriteAll, TellsWhatFailed) {
  EXPECT_TRUE(write_all(-1, ""));
  EXPECT_FALSE(write_all(-1, "x"));
  EXPECT_EQ(errno, EBADF);
}

}  // namespace
}  // namespace pillarbox::base
