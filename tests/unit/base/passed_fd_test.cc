#include "base/passed_fd.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <utility>

namespace pillarbox::base {
namespace {

std::pair<UniqueFd, UniqueFd> sockets() {
  std::array<int, 2> ends{};
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()), 0);
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

UniqueFd file_of(const std::string& text) {
  UniqueFd file(::open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  EXPECT_EQ(::write(file.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  EXPECT_EQ(::lseek(file.get(), 0, SEEK_SET), 0);
  return file;
}

std::string read_again(const UniqueFd& fd) {
  std::ifstream in(path_of(fd));
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(PassedFd, ArrivesAsTheSameFile) {
  const auto [here, there] = sockets();
  const UniqueFd file = file_of("key");
  ASSERT_TRUE(pass(here.get(), file));
  const UniqueFd taken = take_passed(there.get());
  ASSERT_TRUE(taken);
  EXPECT_NE(::fcntl(taken.get(), F_GETFD) & FD_CLOEXEC, 0);
  struct stat sent {};
  struct stat came {};
  ASSERT_EQ(::fstat(file.get(), &sent), 0);
  ASSERT_EQ(::fstat(taken.get(), &came), 0);
  EXPECT_EQ(sent.st_ino, came.st_ino);
}

TEST(PassedFd, NothingIsPassedAsNothing) {
  auto [here, there] = sockets();
  ASSERT_TRUE(pass(here.get(), UniqueFd()));
  EXPECT_FALSE(take_passed(there.get()));
  here = UniqueFd();
  EXPECT_FALSE(take_passed(there.get()));  // the other side has gone
  EXPECT_FALSE(pass(there.get(), UniqueFd()));
}

TEST(PassedFd, ACopyIsReadFromItsBeginningAndByItsOwnerOnly) {
  const std::string text(10'000, 'k');
  const UniqueFd file = file_of(text);
  const auto copy = copy_in_memory(file, text.size());
  ASSERT_TRUE(copy);
  EXPECT_EQ(read_again(*copy), text);
  EXPECT_EQ(read_again(*copy), text);
  struct stat status {};
  ASSERT_EQ(::fstat(copy->get(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, mode_t{0400});
}

TEST(PassedFd, ACopyIsNotHalfOfAFile) {
  const UniqueFd file = file_of(std::string(5'000, 'k'));
  errno = 0;
  EXPECT_FALSE(copy_in_memory(file, 4'999));
  EXPECT_EQ(errno, EFBIG);
}

}  // namespace
}  // namespace pillarbox::base
