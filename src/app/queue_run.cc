#include "app/queue_run.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <exception>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "app/account.h"
#include "app/console.h"
#include "app/everybody.h"
#include "app/keep.h"
#include "app/report.h"
#include "app/runner.h"
#include "app/trials.h"
#include "base/held_signals.h"
#include "base/text.h"
#include "base/unique_fd.h"
#include "config/load.h"

namespace pillarbox::app {
namespace {

// The log as the call wants it.
void set_up(config::Log& log, const QueueCall& call) {
  log.shown = call.json;
  if (call.log_tag) log.tag = base::escape(*call.log_tag);
}

// Everybody's mail that goes by the system's configuration. False: what there was to say could not be written.
bool run_for_others(const QueueCall& call, const Selection& selection, base::UniqueFd own_run,
                    base::HeldSignals& signals, const base::System& system, const base::Clock& clock) {
  auto loaded = config::load({.named = call.config, .user = false}, system);
  if (!loaded || loaded->files.empty()) return true;  // run_own(), which reads the same file, says what is wrong
  set_up(loaded->settings.log, call);
  std::vector<std::string> places;
  for (const QueuePlace& place : queue_places(call.directory, loaded->settings.queue, system)) {
    if (places.empty() || place.shared) places.push_back(place.path);  // nobody else has mail in root's home
  }
  return run_everybody(places,
                       {.settings = loaded->settings,
                        .selection = selection,
                        .driver = call.driver,
                        .verbose = call.verbose,
                        .program = call.program,
                        .own_run = std::move(own_run)},
                       signals, system, clock);
}

// Root serves the host; a configuration that was named, by the environment too, is for root's own mail.
bool serves_others(const QueueCall& call, const base::System& system) {
  const config::Places places;
  return ::geteuid() == 0 && config::only_file(call.config, system).value_or(places.system) == places.system;
}

struct Others {
  pid_t pid = -1;         // of the process that serves them, if there is one
  base::UniqueFd trials;  // where to ask it
};

// In a process of its own: root's own mail waits for nobody. It is forked off before there is a secret of root's own,
// for it would have a copy.
Others start_for_others(const QueueCall& call, const Selection& selection, base::HeldSignals& signals,
                        const base::System& system, const base::Clock& clock) {
  std::array<int, 2> ends = {-1, -1};
  (void)::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data());  // without it nobody is asked
  base::UniqueFd ours(ends[0]);
  base::UniqueFd theirs(ends[1]);
  std::fflush(stdout);  // or the child would write it, too
  const pid_t pid = ::fork();
  if (pid < 0) complain(call.program, std::string("fork: ") + std::generic_category().message(errno));
  if (pid != 0) return {pid, std::move(ours)};
  ours = base::UniqueFd();
  ::setsid();  // a terminal's signals come through the parent, once; nor is anybody asked for a password from here
  bool told = true;
  try {
    told = run_for_others(call, selection, std::move(theirs), signals, system, clock);
  } catch (const std::exception& error) {
    complain(call.program, error.what());
  }
  told = flush_output() && told;
  ::_exit(told ? 0 : exit_unwritten);
}

// Root's own: the system's accounts are tried by others, too.
class RootsSecrets final : public Secrets {
 public:
  RootsSecrets(const base::System& system, Trier& trier) : own_(system), trier_(trier) {}

  Result<std::optional<smtp::Login>> login(const config::Account& account, std::size_t host) override {
    return own_.login(account, host);
  }
  bool rests(const config::Account& account) override {
    if (account.owner == config::Owner::system) return trier_.rests(account.name);
    trier_.tries_another();
    return false;
  }
  void in_trouble(const config::Account& account) override {
    if (account.owner == config::Owner::system) trier_.in_trouble(account.name);
  }

 private:
  OwnSecrets own_;
  Trier& trier_;
};

// To its end; a signal that has come to this process is for that one as well. False: it could not write what it had to
// say.
bool await(pid_t child, base::HeldSignals& signals) {
  const base::UniqueFd end(static_cast<int>(::syscall(SYS_pidfd_open, child, 0)));  // glibc 2.36 has it for C only
  unsigned passed_on = 0;
  int status = 0;
  while (::waitpid(child, &status, WNOHANG) == 0) {
    if (const unsigned count = signals.count(); count > passed_on) {
      passed_on = count;
      ::kill(child, SIGTERM);
    }
    std::array<pollfd, 2> watched = {{{end.get(), POLLIN, 0}, {signals.descriptor(), POLLIN, 0}}};
    ::poll(watched.data(), watched.size(), end ? -1 : 100);
  }
  return !WIFEXITED(status) || WEXITSTATUS(status) != exit_unwritten;
}

Result<void> run_own(const QueueCall& call, const Selection& selection, const base::UniqueFd& trials,
                     base::HeldSignals& signals, const base::System& system, const base::Clock& clock) {
  auto loaded = load_configuration(call.config, system);
  if (!loaded) return loaded.error();
  config::Settings& settings = loaded->settings;
  set_up(settings.log, call);
  Console console({.trace = call.verbose}, call.program);
  Trier trier(trials.get());
  smtp::Views views({&console, &trier});
  RootsSecrets secrets(system, trier);
  Result<void> done;
  for (const QueuePlace& place : queue_places(call.directory, settings.queue, system)) {
    auto spool = open_queue(place);
    if (spool && !*spool) continue;
    const auto ran = spool ? Runner({.settings = settings,
                                     .spool = **spool,
                                     .driver = call.driver,
                                     .view = views,
                                     .program = call.program,
                                     .system = system,
                                     .clock = clock,
                                     .signals = signals,
                                     .secrets = secrets,
                                     .roots_place = place.is_roots()})
                                 .run(selection)
                           : Result<void>(spool.error());
    if (ran) continue;
    if (!done) complain(call.program, ran.error());  // the first is the caller's
    if (done) done = ran;
  }
  return done;
}

}  // namespace

Result<void> run_queue(const QueueCall& call, const Selection& selection, const base::System& system,
                       const base::Clock& clock) {
  base::HeldSignals signals({SIGINT, SIGTERM, SIGHUP, SIGALRM});
  Others others = serves_others(call, system) ? start_for_others(call, selection, signals, system, clock) : Others();
  auto ran = run_own(call, selection, others.trials, signals, system, clock);
  if (others.trials) ::shutdown(others.trials.get(), SHUT_RDWR);  // an end that is told, whoever else has it open
  const bool told = others.pid <= 0 || await(others.pid, signals);
  if (!ran) return ran;
  return told ? flush_output() : unwritten();
}

}  // namespace pillarbox::app
