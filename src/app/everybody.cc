#include "app/everybody.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
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
#include "app/trials.h"
#include "app/words.h"
#include "base/passed_fd.h"
#include "base/unique_fd.h"
#include "queue/netstring.h"

namespace pillarbox::app {
namespace {

using queue::netstring;

constexpr std::size_t most_children = 8;
constexpr int failed_identity = 1;

// A child may have much to send, or its user has it wait for a file system that does not answer: others must not wait
// for that one.
constexpr std::chrono::seconds longest_run = std::chrono::hours(1);
constexpr std::chrono::seconds longest_round = std::chrono::minutes(5);  // then the others have their turn again
constexpr std::chrono::seconds longest_end = std::chrono::minutes(11);   // more than a reply to a final dot may take

constexpr const char* not_shared =
    "is no place for everybody's mail, which is root's and has mode 1733; what others have there is left alone";

// Which of an account's files a child may need; a bundle of all authorities has a quarter of a megabyte.
constexpr std::array tls_files = {&config::Account::tls_ca_file, &config::Account::tls_crl,
                                  &config::Account::tls_certificate, &config::Account::tls_key};
constexpr std::size_t longest_file = 16U << 20U;

// What a child asks its parent, besides what it wants to know of an account.
constexpr std::string_view ask_login = "login";
constexpr std::string_view ask_file = "file";

// --- the child

// What it has instead of secrets of its own: a parent.
class ParentsSecrets final : public Secrets {
 public:
  ParentsSecrets(int socket, Trier& trier) : socket_(socket), trier_(trier) {}

  Result<std::optional<smtp::Login>> login(const config::Account& account, std::size_t host) override {
    std::string answer = ask(netstring(ask_login) + netstring(account.name) + netstring(std::uint64_t{host}));
    auto login = read_login(answer, account);
    base::wipe(answer);
    return login;
  }
  bool rests(const config::Account& account) override { return trier_.rests(account.name); }
  void in_trouble(const config::Account& account) override { trier_.in_trouble(account.name); }

  // An account's files for TLS that its user may not read: from now on they are copies, which live as long as this.
  void fetch_files(config::Account& account) {
    for (std::size_t which = 0; which < tls_files.size(); ++which) {
      std::string& path = account.*tls_files[which];
      if (path.empty() || ::access(path.c_str(), R_OK) == 0) continue;
      if (!say(socket_, netstring(ask_file) + netstring(account.name) + netstring(std::uint64_t{which}))) continue;
      const base::UniqueFd file = base::take_passed(socket_);
      auto copy = file ? base::copy_in_memory(file, longest_file) : std::nullopt;
      if (!copy) continue;  // what is wrong with the path is said when it is opened
      path = base::path_of(*copy);
      files_.push_back(*std::move(copy));
    }
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
  Trier& trier_;
  std::vector<base::UniqueFd> files_;
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
  Trier trier(socket);
  ParentsSecrets secrets(socket, trier);
  for (config::Account& account : errand.settings.accounts) secrets.fetch_files(account);
  Console console({.trace = errand.verbose}, program);
  smtp::Views views({&console, &trier});
  Tally tally;
  for (const std::string& folder : user.folders) {
    auto spool = queue::Spool::at(place, folder, user.uid, queue::Access::work);
    const auto ran = spool ? Runner({.settings = errand.settings,
                                     .spool = *spool,
                                     .driver = errand.driver,
                                     .view = views,
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
  base::Instant begun;
};

class Parent {
 public:
  Parent(Errand errand, base::HeldSignals& signals, const base::System& system, const base::Clock& clock)
      : errand_(std::move(errand)), signals_(signals), system_(system), clock_(clock) {}

  void run(const std::string& place, std::deque<queue::Resident> waiting) {
    place_ = place;
    round_ = base::Instant::clock::now();
    while (!children_.empty() || (!waiting.empty() && signals_.count() == 0)) {
      while (!waiting.empty() && of_this_round() < most_children && signals_.count() == 0) {
        start(waiting.front());
        waiting.pop_front();
      }
      attend();
      if (waiting.empty() && base::Instant::clock::now() > round_ + longest_round) waiting = next_round();
    }
  }

  // Each child could write what it had to say.
  [[nodiscard]] bool told() const { return told_; }

  // It may still want to know what was found out.
  void await_own_run() {
    while (errand_.own_run) attend();
  }

 private:
  [[nodiscard]] std::size_t of_this_round() const {
    return static_cast<std::size_t>(
        std::count_if(children_.begin(), children_.end(), [&](const Child& child) { return child.begun >= round_; }));
  }

  // As another run would do, which the one that is waited for may keep from being started.
  std::deque<queue::Resident> next_round() {
    round_ = base::Instant::clock::now();
    errand_.selection.due_only = true;
    trials_.begin_anew();
    std::deque<queue::Resident> waiting;
    for (queue::Resident& user : other_users(place_, errand_.program)) {
      const bool busy =
          std::any_of(children_.begin(), children_.end(), [&](const Child& child) { return child.uid == user.uid; });
      if (!busy) waiting.push_back(std::move(user));
    }
    return waiting;
  }

  void start(const queue::Resident& user) {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) return failed("socketpair");
    base::UniqueFd ours(ends[0]);
    const base::UniqueFd childs(ends[1]);
    const pid_t pid = ::fork();
    if (pid < 0) return failed("fork");
    if (pid > 0) {
      children_.push_back({pid, std::move(ours), user.uid, base::Instant::clock::now()});
      return;
    }
    ours = base::UniqueFd();
    errand_.own_run = base::UniqueFd();
    children_.clear();  // the ends of others
    ::setpgid(0, 0);    // a terminal's signals come through the parent, once
    int code = exit_code(Error::Kind::temporary);
    try {
      code = serve(place_, user, errand_, childs.get(), signals_, system_, clock_);
    } catch (const std::exception& error) {
      complain(errand_.program, error.what());
    }
    ::_exit(flush_output() ? code : exit_unwritten);
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
    watched.push_back({errand_.own_run.get(), POLLIN, 0});
    ::poll(watched.data(), watched.size(), 1000);
    if (watched.back().revents != 0 && !answer(errand_.own_run.get())) {
      trials_.left(errand_.own_run.get());
      errand_.own_run = base::UniqueFd();
    }
    for (std::size_t i = children_.size(); i-- > 0;) {
      Child& child = children_[i];
      const bool late = base::Instant::clock::now() > child.begun + longest_run + longest_end || is_stopped(child.pid);
      if (!late && (watched[i].revents == 0 || answer(child.socket.get()))) continue;
      trials_.left(child.socket.get());
      child.socket = base::UniqueFd();  // it may still wait for an answer that could not be given
      if (late) {
        leave(child);
      } else {
        bury(child);
      }
      children_.erase(children_.begin() + static_cast<std::ptrdiff_t>(i));
    }
    trials_.go_on();
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
    if (trials_.hear(what, account->name, socket)) return true;
    const std::uint64_t number = fields.number();
    if (fields.failed()) return false;
    if (what == ask_file) return number < tls_files.size() && hand_over((*account).*tls_files[number], socket);
    return what == ask_login && number < account->hosts.size() && tell_login(socket, *account, number);
  }

  // The child reads it to its end, so it must have one.
  static bool hand_over(const std::string& path, int socket) {
    base::UniqueFd file(path.empty() ? -1 : ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
    struct stat status {};
    if (file && (::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode))) file = base::UniqueFd();
    return base::pass(socket, file);
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
    complain(errand_.program, "the run for uid " + std::to_string(child.uid) + " does not go on; it is left alone");
  }

  void bury(const Child& child) {
    const auto status = end_of(child.pid);
    if (!status) return leave(child);
    told_ = told_ && !(WIFEXITED(*status) && WEXITSTATUS(*status) == exit_unwritten);
    if (!WIFSIGNALED(*status)) return;
    complain(errand_.program, "the run for uid " + std::to_string(child.uid) + " was ended by signal " +
                                  std::to_string(WTERMSIG(*status)));
  }

  std::string place_;
  Errand errand_;
  base::HeldSignals& signals_;
  const base::System& system_;
  const base::Clock& clock_;
  std::vector<Child> children_;
  base::Instant round_;  // the begin of it
  Trials trials_;
  unsigned passed_on_ = 0;  // signals
  bool told_ = true;
};

}  // namespace

bool run_everybody(const std::vector<std::string>& places, Errand errand, base::HeldSignals& signals,
                   const base::System& system, const base::Clock& clock) {
  const std::string program = errand.program;
  config::Log& settings = errand.settings.log;
  base::UniqueFd log;
  Parent parent(std::move(errand), signals, system, clock);
  for (const std::string& place : places) {
    auto others = other_users(place, program);
    if (!queue::is_shared(place)) {  // whose names may mean something else
      if (!others.empty()) complain(program, place + ": " + not_shared);
      continue;
    }
    if (queue::give_names_back(place)) others = other_users(place, program);
    queue::sweep_bells(place, clock.now());
    if (!log && !settings.file.empty() && !others.empty()) {  // only root may write to it; the children have it open
      log = open_log(settings.file);
      settings.opened = log.get();
    }
    parent.run(place, {std::make_move_iterator(others.begin()), std::make_move_iterator(others.end())});
  }
  parent.await_own_run();
  return parent.told();
}

}  // namespace pillarbox::app
