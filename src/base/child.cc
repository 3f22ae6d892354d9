#include "base/child.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <system_error>

#include "base/clock.h"
#include "base/text.h"
#include "base/unique_fd.h"

extern char** environ;  // NOLINT(readability-redundant-declaration): POSIX wants it declared by the program

namespace pillarbox::base {
namespace {

constexpr std::size_t longest_line = 65536;
constexpr std::size_t longest_complaint = 4096;
constexpr std::size_t largest_pipe = 1U << 20U;  // pipe(7): that anybody may have without privileges

Error system_error(const std::string& what, int code) {
  return {Error::Kind::system, what + ": " + std::generic_category().message(code)};
}

struct Pipe {
  UniqueFd in, out;

  bool open() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return false;
    in = UniqueFd(ends[0]);
    out = UniqueFd(ends[1]);
    return ::fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0;
  }
};

// posix_spawn's two sets of wishes.
class Wishes {
 public:
  Wishes() {
    ::posix_spawn_file_actions_init(&files_);
    ::posix_spawnattr_init(&attributes_);
  }
  Wishes(const Wishes&) = delete;
  Wishes& operator=(const Wishes&) = delete;
  ~Wishes() {
    ::posix_spawn_file_actions_destroy(&files_);
    ::posix_spawnattr_destroy(&attributes_);
  }

  // A session of its own, default signals, nothing to read, both outputs into pipes.
  int apply(int out, int err) {
    sigset_t defaults;
    sigset_t none;
    ::sigemptyset(&none);
    ::sigemptyset(&defaults);
    for (const int signal : {SIGPIPE, SIGXFSZ}) ::sigaddset(&defaults, signal);
    ::posix_spawnattr_setsigdefault(&attributes_, &defaults);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    ::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    int code = ::posix_spawn_file_actions_addopen(&files_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (code == 0) code = ::posix_spawn_file_actions_adddup2(&files_, out, STDOUT_FILENO);
    if (code == 0) code = ::posix_spawn_file_actions_adddup2(&files_, err, STDERR_FILENO);
    return code;
  }

  Result<pid_t> spawn(const std::string& command) {
    std::string shell = "sh";
    std::string flag = "-c";
    std::string text = command;
    std::array<char*, 4> argv = {shell.data(), flag.data(), text.data(), nullptr};
    pid_t pid = -1;
    const int code = ::posix_spawn(&pid, "/bin/sh", &files_, &attributes_, argv.data(), environ);
    if (code != 0) return system_error("/bin/sh", code);
    return pid;
  }

 private:
  posix_spawn_file_actions_t files_{};
  posix_spawnattr_t attributes_{};
};

class Child {
 public:
  Child(pid_t pid, UniqueFd out, UniqueFd err)
      : pid_(pid),
        gone_(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))),
        out_(std::move(out)),
        err_(std::move(err)) {
    line_.reserve(longest_line);  // so that it leaves no copies behind as it grows
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() { wipe(line_); }

  Result<Secret> listen(std::chrono::milliseconds limit) {
    const auto until = Instant::clock::now() + limit;
    // The end is the command's own, if the kernel tells of it: what it left running may hold the pipes for ever.
    bool running = true;
    while (running) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Instant::clock::now());
      if (left.count() <= 0) return give_up(limit);
      std::array<pollfd, 3> watched = {{{out_.get(), POLLIN, 0}, {err_.get(), POLLIN, 0}, {gone_.get(), POLLIN, 0}}};
      const long step = gone_ || out_ || err_ ? 60000 : 10;  // of what has closed both pipes nothing else may tell
      ::poll(watched.data(), watched.size(), static_cast<int>(std::min<long>(left.count(), step)));
      if (out_ && !take(out_.get(), [this](std::string_view text) { keep_line(text); })) out_ = UniqueFd();
      if (err_ && !take(err_.get(), [this](std::string_view text) { keep_complaint(text); })) err_ = UniqueFd();
      running = gone_ ? watched[2].revents == 0 : out_ || err_ || !ended();
    }
    return finish();
  }

 private:
  // Reads what is there, but of one who never stops writing no more than a pipe holds. False at the end.
  template <class Keep>
  static bool take(int fd, Keep keep) {
    std::array<char, 4096> piece;
    ssize_t count = 0;
    std::size_t all = 0;
    do {
      count = ::read(fd, piece.data(), piece.size());
      if (count <= 0) break;
      keep({piece.data(), static_cast<std::size_t>(count)});
      all += static_cast<std::size_t>(count);
    } while (all < largest_pipe);
    const bool more = count > 0 || (count < 0 && (errno == EAGAIN || errno == EINTR));
    explicit_bzero(piece.data(), piece.size());
    return more;
  }

  void keep_line(std::string_view text) {
    if (whole_) return;
    const std::size_t end = text.find('\n');
    whole_ = end != std::string_view::npos || line_.size() + text.size() > longest_line;
    line_ += text.substr(0, std::min(end, longest_line - line_.size()));
  }

  void keep_complaint(std::string_view text) {
    complaint_ += text.substr(0, longest_complaint - std::min(longest_complaint, complaint_.size()));
  }

  Error give_up(std::chrono::milliseconds limit) {
    ::kill(-pid_, SIGKILL);
    static_cast<void>(wait());
    return {Error::Kind::temporary,
            "it took longer than " + std::to_string(limit.count() / 1000) + " seconds" + said()};
  }

  // Its status is still to be had then.
  [[nodiscard]] bool ended() const {
    siginfo_t found{};
    return ::waitid(P_PID, static_cast<id_t>(pid_), &found, WEXITED | WNOHANG | WNOWAIT) != 0 || found.si_pid != 0;
  }

  [[nodiscard]] Result<int> wait() const {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0) {
      if (errno != EINTR) return system_error("how it ended can't be told", errno);
    }
    return status;
  }

  Result<Secret> finish() {
    const auto status = wait();
    if (!status) return status.error();
    if (WIFSIGNALED(*status)) {
      return Error{Error::Kind::io, "it was ended by signal " + std::to_string(WTERMSIG(*status)) + said()};
    }
    if (WEXITSTATUS(*status) != 0) {
      return Error{Error::Kind::io, "it ended with status " + std::to_string(WEXITSTATUS(*status)) + said()};
    }
    if (!line_.empty() && line_.back() == '\r') line_.pop_back();
    return Secret(std::move(line_));
  }

  [[nodiscard]] std::string said() const {
    const std::string_view text = trim(complaint_);
    return text.empty() ? "" : ": " + std::string(text);
  }

  pid_t pid_;
  UniqueFd gone_;
  UniqueFd out_, err_;
  std::string line_;
  bool whole_ = false;
  std::string complaint_;
};

}  // namespace

Result<Secret> line_of_command(const std::string& command, std::chrono::milliseconds limit) {
  Pipe out;
  Pipe err;
  if (!out.open() || !err.open()) return system_error("a pipe", errno);
  Wishes wishes;
  if (const int code = wishes.apply(out.out.get(), err.out.get()); code != 0) return system_error("/bin/sh", code);
  const auto pid = wishes.spawn(command);
  if (!pid) return pid.error();
  out.out = UniqueFd();
  err.out = UniqueFd();
  return Child(*pid, std::move(out.in), std::move(err.in)).listen(limit);
}

}  // namespace pillarbox::base
