#include "app/log.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <ctime>
#include <fstream>
#include <iterator>

#include "base/unique_fd.h"
#include "support.h"

namespace pillarbox::app {
namespace {

// 2024-02-09, early in the morning.
class FixedClock final : public base::Clock {
 public:
  [[nodiscard]] std::chrono::system_clock::time_point now() const override {
    return std::chrono::system_clock::from_time_t(1707449645);
  }
};

// A log daemon's socket in a folder of its own.
class Daemon {
 public:
  explicit Daemon(int type) : fd_(::socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path().c_str(), sizeof address.sun_path - 1);
    EXPECT_EQ(::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    if (type == SOCK_STREAM) ::listen(fd_.get(), 1);
  }

  [[nodiscard]] std::string path() const { return folder_.path("log"); }

  // All datagrams that have come.
  [[nodiscard]] std::vector<std::string> heard() const {
    std::vector<std::string> all;
    std::string piece(300000, '\0');
    for (;;) {
      const ssize_t count = ::recv(fd_.get(), piece.data(), piece.size(), MSG_DONTWAIT);
      if (count < 0) return all;
      all.push_back(piece.substr(0, static_cast<std::size_t>(count)));
    }
  }

  // What the next connection says, to its end.
  [[nodiscard]] std::string heard_by_stream() const {
    const base::UniqueFd peer(::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    std::string all;
    char c = 0;
    while (::read(peer.get(), &c, 1) == 1) all += c;
    return all;
  }

 private:
  test::Folder folder_;
  base::UniqueFd fd_;
};

Event line() {
  Event event("");
  event.text("host", "mx.example.com").list("recipients", {"a@x", "b@x"}).text("smtpmsg", "two\nlines \"x\"");
  return event;
}

constexpr auto text = R"(host=mx.example.com recipients=a@x,b@x smtpmsg="two\nlines \"x\"")";

std::string file(const std::string& path) {
  std::ifstream stream(path);
  return {std::istreambuf_iterator<char>(stream), {}};
}

config::Log to_syslog() {
  return {.syslog = true, .facility = LOG_MAIL, .file = "", .json = false};
}

config::Log to_file(const std::string& path) {
  return {.syslog = false, .facility = LOG_MAIL, .file = path, .json = false};
}

class ALog : public ::testing::Test {
 protected:
  ALog() {
    ::setenv("TZ", "UTC0", 1);
    ::tzset();
  }

  std::optional<std::string> write(const config::Log& log, bool failed = false, const std::string& tag = "pillarbox") {
    return write_log(log, line(), failed, FixedClock(), {.tag = tag, .socket = daemon.path()});
  }

  Daemon daemon{SOCK_DGRAM};
};

TEST_F(ALog, IsADatagramAsSyslogSendsIt) {
  EXPECT_EQ(write(to_syslog()), std::nullopt);
  const std::string pid = "[" + std::to_string(::getpid()) + "]: ";
  EXPECT_EQ(daemon.heard(), std::vector{"<22>Feb  9 03:34:05 pillarbox" + pid + text});
}

TEST_F(ALog, HasFacilityAndSeverity) {
  config::Log log = to_syslog();
  log.facility = LOG_LOCAL3;
  EXPECT_EQ(write(log, true), std::nullopt);
  const auto heard = daemon.heard();
  ASSERT_EQ(heard.size(), 1U);
  EXPECT_TRUE(heard[0].starts_with("<155>")) << heard[0];  // 19 * 8 + 3
}

TEST_F(ALog, HasTheTagThatIsWanted) {
  EXPECT_EQ(write(to_syslog(), false, "my tag]: x\n"), std::nullopt);
  EXPECT_EQ(write(to_syslog(), false, std::string(100, 't')), std::nullopt);
  const auto heard = daemon.heard();
  ASSERT_EQ(heard.size(), 2U);
  EXPECT_TRUE(test::contains(heard[0], " my_tag___x_[")) << heard[0];
  EXPECT_TRUE(test::contains(heard[1], " " + std::string(32, 't') + "[")) << heard[1];
}

TEST_F(ALog, IsJsonIfThatIsWanted) {
  config::Log log = to_syslog();
  log.json = true;
  EXPECT_EQ(write(log), std::nullopt);
  const auto heard = daemon.heard();
  ASSERT_EQ(heard.size(), 1U);
  EXPECT_TRUE(heard[0].ends_with("]: " + line().json())) << heard[0];
}

TEST_F(ALog, IsCutShortRatherThanLost) {
  Event event("");
  event.text("recipients", std::string(1U << 20U, 'r'));
  const FixedClock clock;
  EXPECT_EQ(write_log(to_syslog(), event, false, clock, {.tag = "t", .socket = daemon.path()}), std::nullopt);
  const auto heard = daemon.heard();
  ASSERT_EQ(heard.size(), 1U);
  EXPECT_EQ(heard[0].size(), 8192U);
}

TEST_F(ALog, GoesByAStreamWhereTheDaemonListensForThat) {
  const Daemon stream(SOCK_STREAM);
  EXPECT_EQ(write_log(to_syslog(), line(), false, FixedClock(), {.tag = "t", .socket = stream.path()}), std::nullopt);
  const std::string heard = stream.heard_by_stream();
  EXPECT_TRUE(heard.ends_with(std::string("]: ") + text + '\0')) << heard;
}

TEST_F(ALog, ThatNobodyTakesIsAWarning) {
  const auto warning = write_log(to_syslog(), line(), false, FixedClock(), {.tag = "t", .socket = "/nowhere/log"});
  ASSERT_TRUE(warning);
  EXPECT_EQ(*warning, "the log can't be written: /nowhere/log: No such file or directory");
}

TEST_F(ALog, IsAFileOfOurOwn) {
  const test::Folder folder;
  const std::string path = folder.path("log");
  const mode_t before = ::umask(0);
  EXPECT_EQ(write(to_file(path)), std::nullopt);
  ::umask(before);
  EXPECT_EQ(write(to_file(path)), std::nullopt);
  const std::string each = std::string("2024-02-09T03:34:05Z ") + text + "\n";
  EXPECT_EQ(file(path), each + each);
  struct stat status {};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0600U);
  EXPECT_TRUE(daemon.heard().empty());
}

TEST_F(ALog, GoesToBothAndTellsOfBoth) {
  const test::Folder folder;
  config::Log log = to_file(folder.path("log"));
  log.syslog = true;
  EXPECT_EQ(write(log), std::nullopt);
  EXPECT_EQ(daemon.heard().size(), 1U);
  EXPECT_FALSE(file(folder.path("log")).empty());
  log.file = folder.path();  // a folder
  const auto warning = write_log(log, line(), false, FixedClock(), {.tag = "t", .socket = "/nowhere/log"});
  EXPECT_EQ(warning,
            "the log can't be written: /nowhere/log: No such file or directory; " + log.file + ": Is a directory");
}

TEST_F(ALog, OnAFullDiskIsAWarning) {
  const auto warning = write(to_file("/dev/full"));
  EXPECT_EQ(warning, "the log can't be written: /dev/full: No space left on device");
}

}  // namespace
}  // namespace pillarbox::app
