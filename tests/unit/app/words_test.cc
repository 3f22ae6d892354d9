#include "app/words.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "base/unique_fd.h"

namespace pillarbox::app {
namespace {

TEST(Words, AreHeardOneByOneToTheEnd) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()), 0);
  base::UniqueFd speaker(ends[0]);
  const base::UniqueFd listener(ends[1]);
  EXPECT_TRUE(say(speaker.get(), "one"));
  EXPECT_TRUE(say(speaker.get(), "two"));
  errno = EINTR;  // somebody else's, from before
  EXPECT_EQ(hear(listener.get()), "one");
  EXPECT_EQ(hear(listener.get()), "two");
  speaker = base::UniqueFd();
  EXPECT_EQ(hear(listener.get()), "");
  EXPECT_FALSE(say(listener.get(), "nobody is there"));
  EXPECT_EQ(hear(-1), "");
}

}  // namespace
}  // namespace pillarbox::app
