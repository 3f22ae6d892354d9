#include "app/everybody.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <deque>
#include <exception>
#include <iterator>
#include <set>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

#include "app/account.h"
#include "app/console.h"
#include "app/identity.h"
#include "app/log.h"
#include "app/report.h"
#include "app/runner.h"
#include "base/unique_fd.h"
#include "queue/netstring.h"

namespace pillarbox::app {
namespace {

using queue::netstring;

constexpr std::size_t most_children = 8;
constexpr std::size_t longest_message = 1U
                                        << 18U;  // a password has 64 KiB at most, and as much may be told of a failure
constexpr int failed_identity = 1;

// Its user can stop a child, or have it wait for a file system that does not answer: others must not wait for that one.
constexpr std::chrono::seconds longest_run = std::chrono::hours(1);
constexpr std::chrono::seconds longest_end = std::chrono::minutes(11);  // more than a reply to a final dot may take

// What a child asks its parent, and tells it.
constexpr std::string_view ask_login = "login";
constexpr std::string_view ask_rest = "rests";
constexpr std::string_view tell_trouble = "trouble";

bool say(int socket, std::string_view message) {
  return ::send(socket, message.data(), message.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(message.size());
}

// One message; "" at the end. It may hold a secret.
std::string hear(int socket) {
  std::string message(longest_message, '\0');
  ssize_t count = 0;
  do {
    count = ::recv(socket, message.data(), message.size(), 0);
  } while (count < 0 && errno == EINTR);
  message.resize(static_cast<std::size_t>(std::max<ssize_t>(count, 0)));  // within its capacity: nothing is copied
  return message;
}

// --- the child

// What it has instead of secrets of its own: a parent.
class ParentsSecrets final : public Secrets {
 public:
  explicit ParentsSecrets(int socket) : socket_(socket) {}

  Result<std::optional<smtp::Login>> login(const config::Account& account, std::size_t host) override {
    std::string answer = ask(netstring(ask_login) + netstring(account.name) + netstring(std::uint64_t{host}));
    auto login = read_login(answer, account);
    base::wipe(answer);
    return login;
  }
  bool rests(const config::Account& account) override {
    return ask(netstring(ask_rest) + netstring(account.name)) == netstring("yes");
  }
  void in_trouble(const config::Account& account) override {
    (void)say(socket_, netstring(tell_trouble) + netstring(account.name));
  }

 private:
  std::string ask(const std::string& question) { return say(socket_, question) ? hear(socket_) : ""; }

  static Result<std::optional<smtp::Login>> read_login(std::string_view answer, const config::Account& account) {
    queue::Netstrings fields(answer);
    const std::string_view what = fields.next();
    if (what == "none") return std::optional<smtp::Login>();
    std::string first(fields.next());
    std::string second(fields.next());
    if (what == "login" && account.auth) {
      return std::optional(smtp::Login{std::move(first), base::Secret(std::move(second)), account.auth->mechanism});
    }
    if (what == "error") return Error{Error::Kind::no_permission, std::move(first), std::move(second)};
    return Error{Error::Kind::temporary, "root's run has ended"};
  }

  int socket_;
};

// Runs all queues of one user. What is returned is the process's exit code.
int serve(const std::string& place, const queue::Resident& user, Errand& errand, int socket, base::HeldSignals& signals,
          const base::System& system, const base::Clock& clock) {
  const std::string program = errand.program + " (uid " + std::to_string(user.uid) + ")";
  for (config::Account& account : errand.settings.accounts) {
    if (account.auth) account.auth->password = base::Secret();
  }
  if (!become(user)) {
    complain(program, "the user's identity can't be taken on: " + std::generic_category().message(errno));
    return failed_identity;
  }
  base::forbid_core_dumps();
  ::alarm(longest_run.count());  // a signal like another: it ends the run, and the rest is the next one's
  ParentsSecrets secrets(socket);
  Console console({.trace = errand.verbose}, program);
  Tally tally;
  for (const std::string& folder : user.folders) {
    auto spool = queue::Spool::at(place, folder, user.uid);
    const auto ran = spool ? Runner({.settings = errand.settings,
                                     .spool = *spool,
                                     .driver = errand.driver,
                                     .view = console,
                                     .program = program,
                                     .system = system,
                                     .clock = clock,
                                     .signals = signals,
                                     .secrets = secrets},
                                    Scope::systems)
                                 .run(errand.selection)
                           : Result<void>(spool.error());
    if (ran) continue;
    complain(program, ran.error());
    tally.add(ran.error().kind);
  }
  return tally.exit_code();
}

// --- the parent

struct Child {
  pid_t pid;
  base::UniqueFd socket;
  uid_t uid;
  base::Instant until;
};

class Parent {
 public:
  Parent(std::string place, Errand errand, base::HeldSignals& signals, const base::System& system,
         const base::Clock& clock)
      : place_(std::move(place)), errand_(std::move(errand)), signals_(signals), system_(system), clock_(clock) {}

  void run(std::deque<queue::Resident> waiting) {
    while (!children_.empty() || (!waiting.empty() && signals_.count() == 0)) {
      while (!waiting.empty() && children_.size() < most_children && signals_.count() == 0) {
        start(waiting.front());
        waiting.pop_front();
      }
      attend();
    }
  }

 private:
  void start(const queue::Resident& user) {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) return failed("socketpair");
    base::UniqueFd ours(ends[0]);
    const base::UniqueFd childs(ends[1]);
    const pid_t pid = ::fork();
    if (pid < 0) return failed("fork");
    if (pid > 0) {
      children_.push_back({pid, std::move(ours), user.uid, base::Instant::clock::now() + longest_run + longest_end});
      return;
    }
    ours = base::UniqueFd();
    children_.clear();  // the ends of others
    ::setpgid(0, 0);    // a terminal's signals come through the parent, once
    int code = exit_code(Error::Kind::temporary);
    try {
      code = serve(place_, user, errand_, childs.get(), signals_, system_, clock_);
    } catch (const std::exception& error) {
      complain(errand_.program, error.what());
    }
    std::fflush(stdout);
    ::_exit(code);
  }

  void failed(const char* what) const {
    complain(errand_.program, std::string(what) + ": " + std::generic_category().message(errno));
  }

  // Until something has happened, and what follows from it.
  void attend() {
    if (const unsigned signals = signals_.count(); signals > passed_on_) {
      passed_on_ = signals;
      for (const Child& child : children_) ::kill(child.pid, SIGTERM);
    }
    std::vector<pollfd> watched;
    for (const Child& child : children_) watched.push_back({child.socket.get(), POLLIN, 0});
    watched.push_back({signals_.descriptor(), POLLIN, 0});
    ::poll(watched.data(), watched.size(), 1000);
    for (std::size_t i = children_.size(); i-- > 0;) {
      const bool late = base::Instant::clock::now() > children_[i].until;
      if (!late && (watched[i].revents == 0 || answer(children_[i].socket.get()))) continue;
      if (late) {
        leave(children_[i]);
      } else {
        bury(children_[i]);
      }
      children_.erase(children_.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }

  // What a child wants to know is words of a process that reads a user's files: only the system's accounts are told of.
  // False: it has ended.
  bool answer(int socket) {
    const std::string question = hear(socket);
    queue::Netstrings fields(question);
    const std::string_view what = fields.next();
    const std::string_view name = fields.next();
    const auto& accounts = errand_.settings.accounts;
    const auto account =
        std::find_if(accounts.begin(), accounts.end(), [&](const config::Account& each) { return each.name == name; });
    if (account == accounts.end()) return false;
    if (what == tell_trouble) {
      troubled_.insert(account->name);
      return true;
    }
    if (what == ask_rest) return say(socket, netstring(troubled_.count(account->name) > 0 ? "yes" : "no"));
    const std::uint64_t host = fields.number();
    return what == ask_login && !fields.failed() && host < account->hosts.size() && tell_login(socket, *account, host);
  }

  bool tell_login(int socket, const config::Account& account, std::size_t host) {
    auto login = login_of(account, host, system_);
    if (!login) return say(socket, netstring("error") + netstring(login.error().text) + netstring(login.error().hint));
    if (!*login) return say(socket, netstring("none"));
    std::string user = netstring("login") + netstring((*login)->user);
    std::string password = netstring((*login)->password.reveal());
    std::string answer;
    answer.reserve(user.size() + password.size());
    answer.append(user).append(password);
    const bool said = say(socket, answer);
    base::wipe(password);
    base::wipe(answer);
    return said;
  }

  void leave(const Child& child) const {
    ::kill(child.pid, SIGKILL);  // which takes a right that root may have given up
    complain(errand_.program, "the run for uid " + std::to_string(child.uid) + " does not end; it is left alone");
  }

  void bury(const Child& child) const {
    int status = 0;
    while (::waitpid(child.pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (!WIFSIGNALED(status)) return;
    complain(errand_.program, "the run for uid " + std::to_string(child.uid) + " was ended by signal " +
                                  std::to_string(WTERMSIG(status)));
  }

  std::string place_;
  Errand errand_;
  base::HeldSignals& signals_;
  const base::System& system_;
  const base::Clock& clock_;
  std::vector<Child> children_;
  std::set<std::string> troubled_;  // accounts
  unsigned passed_on_ = 0;          // signals
};

}  // namespace

void run_everybody(const std::string& place, Errand errand, base::HeldSignals& signals, const base::System& system,
                   const base::Clock& clock) {
  auto others = other_users(place, errand.program);
  if (queue::give_names_back(place)) others = other_users(place, errand.program);
  // Only root may write to it; the children have it open.
  base::UniqueFd log;
  if (!errand.settings.log.file.empty() && !others.empty()) {
    log = open_log(errand.settings.log.file);
    errand.settings.log.opened = log.get();
  }
  Parent(place, std::move(errand), signals, system, clock)
      .run({std::make_move_iterator(others.begin()), std::make_move_iterator(others.end())});
}

}  // namespace pillarbox::app
