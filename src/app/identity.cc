#include "app/identity.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <exception>
#include <system_error>
#include <utility>

#include "app/report.h"
#include "base/clock.h"
#include "base/system.h"
#include "base/unique_fd.h"

namespace pillarbox::app {
namespace {

constexpr int longest_wait = 300;  // seconds
constexpr std::chrono::seconds longest_burial{5};

std::nullopt_t failed(const std::string& program, const char* what) {
  complain(program, std::string(what) + ": " + std::generic_category().message(errno));
  return std::nullopt;
}

[[noreturn]] void work(const queue::Resident& user, const std::string& program,
                       const std::function<std::uint64_t()>& action, int out) {
  std::optional<std::uint64_t> result;
  try {
    if (become(user)) {
      base::forbid_core_dumps();
      result = action();
    } else {
      failed(program, "the identity of a user can't be taken on");
    }
  } catch (const std::exception& error) {
    complain(program, error.what());
  }
  const bool flushed = std::fflush(stdout) == 0;
  const bool told = flushed && result && ::write(out, &*result, sizeof *result) == sizeof *result;
  ::_exit(told ? 0 : 1);
}

// A pager waits for a person, and what writes to it for the pager.
bool output_is_full() {
  pollfd output{STDOUT_FILENO, POLLOUT, 0};
  return ::poll(&output, 1, 0) == 0;
}

}  // namespace

bool become(const queue::Resident& user) {
  const passwd* const known = ::getpwuid(user.uid);  // NOLINT(concurrency-mt-unsafe): one thread
  const gid_t group = known ? known->pw_gid : user.gid;
  const bool groups = known ? ::initgroups(known->pw_name, group) == 0 : ::setgroups(0, nullptr) == 0;
  if (!groups || ::setresgid(group, group, group) != 0 || ::setresuid(user.uid, user.uid, user.uid) != 0) return false;
  return ::getuid() == user.uid && ::geteuid() == user.uid && ::setuid(0) != 0;
}

std::optional<std::uint64_t> as_user(const queue::Resident& user, const std::string& program,
                                     const std::function<std::uint64_t()>& action) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return failed(program, "pipe");
  const base::UniqueFd in(ends[0]);
  base::UniqueFd out(ends[1]);
  std::fflush(stdout);  // or the child would write it, too
  const pid_t pid = ::fork();
  if (pid < 0) return failed(program, "fork");
  if (pid == 0) work(user, program, action, out.get());
  out = base::UniqueFd();
  std::uint64_t result = 0;
  pollfd watched{in.get(), POLLIN, 0};
  bool ended = false;
  for (int waited = 0; waited < longest_wait && !ended && !is_stopped(pid); waited += output_is_full() ? 0 : 1) {
    ended = ::poll(&watched, 1, 1000) > 0;
  }
  const bool told = ended && ::read(in.get(), &result, sizeof result) == sizeof result;
  if (!ended || !end_of(pid)) ::kill(pid, SIGKILL);  // its end is not waited for
  if (told) return result;
  complain(program, "what was done for uid " + std::to_string(user.uid) + " has come to nothing");
  return std::nullopt;
}

std::optional<int> end_of(pid_t child) {
  const auto limit = base::Instant::clock::now() + longest_burial;
  int status = 0;
  for (int pause = 1;; pause = std::min(2 * pause, 100)) {
    const pid_t found = ::waitpid(child, &status, WNOHANG);
    if (found == child || (found < 0 && errno != EINTR)) return status;
    if (base::Instant::clock::now() > limit) return std::nullopt;
    ::poll(nullptr, 0, pause);
  }
}

bool is_stopped(pid_t child) {
  siginfo_t found{};
  return ::waitid(P_PID, static_cast<id_t>(child), &found, WSTOPPED | WNOHANG | WNOWAIT) == 0 && found.si_pid == child;
}

std::vector<queue::Resident> other_users(const std::string& place, const std::string& program) {
  if (::geteuid() != 0) return {};
  std::vector<std::string> warnings;
  auto users = queue::residents(place, warnings);
  for (const std::string& warning : warnings) complain(program, warning);
  if (!users) complain(program, users.error());
  std::vector<queue::Resident> others;
  for (queue::Resident& user : users ? *users : std::vector<queue::Resident>()) {
    if (user.uid != 0) others.push_back(std::move(user));
  }
  return others;
}

}  // namespace pillarbox::app
