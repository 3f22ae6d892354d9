#include "app/trials.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "app/words.h"
#include "base/unique_fd.h"

namespace pillarbox::app {
namespace {

const std::string account = "host";

// One who asks, and what it is told.
class Asker {
 public:
  Asker() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()), 0);
    ours_ = base::UniqueFd(ends[0]);
    its_ = base::UniqueFd(ends[1]);
  }
  [[nodiscard]] int socket() const { return ours_.get(); }
  // "" if it has been told nothing.
  [[nodiscard]] std::string told() const {
    std::array<char, 64> text{};
    const ssize_t size = ::recv(its_.get(), text.data(), text.size(), MSG_DONTWAIT);
    return {text.data(), size > 0 ? static_cast<std::size_t>(size) : 0};
  }

 private:
  base::UniqueFd ours_;
  base::UniqueFd its_;
};

constexpr const char* order_to_try = "2:no,";
constexpr const char* it_rests = "3:yes,";

TEST(Trials, OneTriesAndTheOthersHearWhatItFound) {
  const Asker first, second;
  Trials trials;
  EXPECT_TRUE(trials.hear("rests", account, first.socket()));
  EXPECT_TRUE(trials.hear("rests", account, second.socket()));
  trials.go_on();
  EXPECT_EQ(first.told(), order_to_try);
  EXPECT_EQ(second.told(), "");
  EXPECT_TRUE(trials.hear("trouble", account, first.socket()));
  EXPECT_EQ(second.told(), it_rests);
  EXPECT_FALSE(trials.hear("login", account, first.socket()));
}

TEST(Trials, WhoEndsIsWaitedForNoMore) {
  const Asker first, second;
  Trials trials;
  trials.hear("rests", account, first.socket());
  trials.hear("rests", account, second.socket());
  trials.left(first.socket());
  EXPECT_EQ(second.told(), order_to_try);
}

TEST(Trials, WhoIsSlowIsWaitedForAMinuteAndNoLonger) {
  const Asker first, second, third;
  Trials trials(std::chrono::milliseconds(0));
  trials.hear("rests", account, first.socket());
  trials.hear("rests", account, second.socket());
  EXPECT_EQ(first.told(), order_to_try);
  EXPECT_EQ(second.told(), order_to_try);
  trials.hear("ready", account, first.socket());  // it was only slow
  trials.hear("rests", account, third.socket());
  EXPECT_EQ(third.told(), order_to_try);
}

}  // namespace
}  // namespace pillarbox::app
