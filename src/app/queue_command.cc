#include "app/queue_command.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <functional>

#include "app/account.h"
#include "app/console.h"
#include "app/everybody.h"
#include "app/help.h"
#include "app/identity.h"
#include "app/keep.h"
#include "app/queue_text.h"
#include "app/report.h"
#include "app/server.h"
#include "base/text.h"

namespace pillarbox::app {
namespace {

constexpr auto queue_table = std::to_array<Option>({
    {"all", '\0', Argument::none, "", "retry, remove: every message"},
    {"json", '\0', Argument::none, "", "list: a JSON array, an object for each message"},
    {"verbose", 'v', Argument::none, "", "run: the conversation on standard output"},
    {"config", 'C', Argument::required, "FILE", "the configuration file"},
    {"queue-directory", '\0', Argument::required, "DIR", "where the queue is"},
    {"driver", '\0', Argument::required, "engine|pipeline|auto", "run: how messages are submitted"},
    {"help", 'h', Argument::none, "", "show this page"},
});

// The exit code of a command that has printed.
int printed(const std::string& program) {
  const auto flushed = flush_output();
  return flushed ? 0 : fail(program, flushed.error());
}

Result<std::vector<queue::Spool>> open_all(const std::vector<QueuePlace>& places) {
  std::vector<queue::Spool> spools;
  for (const QueuePlace& place : places) {
    auto spool = open_queue(place, false);
    if (!spool) return spool.error();
    if (*spool) spools.push_back(**std::move(spool));
  }
  return spools;
}

// Without a configuration queues are in their default place; with a faulty one they may be elsewhere.
Result<std::vector<QueuePlace>> find_places(const QueueCall& call, const base::System& system) {
  config::Queue settings;
  if (!call.directory) {
    const auto loaded = config::load({.named = call.config}, system);
    if (!loaded && call.config) return loaded.error();
    if (!loaded) complain(call.program, loaded.error());
    if (loaded) settings = loaded->settings.queue;
  }
  return queue_places(call.directory, settings, system);
}

// So many, where so many were printed before.
Result<std::uint64_t> print_all(const queue::Spool& spool, bool json, bool others, std::uint64_t before) {
  const auto ids = spool.ids();
  if (!ids) return ids.error();
  std::uint64_t count = 0;
  for (const std::string& id : *ids) {
    const auto listed = spool.look(id);
    if (!listed) continue;
    const std::string text = json ? (before + count == 0 ? "[" : ",\n ") + as_json(*listed) : as_text(*listed, others);
    std::fwrite(text.data(), 1, text.size(), stdout);
    ++count;
  }
  return count;
}

// Root sees everybody's.
std::uint64_t print_others(const std::string& place, const QueueCall& call, std::uint64_t before) {
  std::uint64_t count = 0;
  for (const queue::Resident& user : other_users(place, call.program)) {
    for (const std::string& folder : user.folders) {
      count += as_user(user, call.program, [&]() -> std::uint64_t {
        const auto spool = queue::Spool::at(place, folder, user.uid);
        const auto printed = spool ? print_all(*spool, call.json, true, before + count) : spool.error();
        if (!printed) complain(call.program, printed.error());
        return printed ? *printed : 0;
      });
    }
  }
  return count;
}

// Where the words are not those that the command takes.
Error usage(const std::string& text) {
  return {Error::Kind::usage, text, "pillarbox queue --help shows how to call it"};
}

using Action = std::function<Result<void>(queue::Locked&)>;

// Somebody else's lock is a reason to try later.
Result<void> act(queue::Spool& spool, const std::string& id, const std::string& program, const Action& action) {
  std::vector<std::string> warnings;
  auto locked = spool.lock(id, warnings);
  for (const std::string& warning : warnings) complain(program, warning);
  if (!locked) return locked.error();
  if (!*locked) return Error{Error::Kind::temporary, id + ": is being sent at the moment"};
  return action(**locked);
}

// Root may name a message of anybody's. False: nobody has it.
bool act_for_others(const std::vector<QueuePlace>& places, const std::string& id, const std::string& program,
                    const Action& action, Tally& tally) {
  enum : std::uint64_t { not_there, done, failed };  // and behind failed the kinds of errors
  for (const QueuePlace& place : places) {
    for (const queue::Resident& user : other_users(place.path, program)) {
      const std::uint64_t came_to = as_user(user, program, [&]() -> std::uint64_t {
        for (const std::string& folder : user.folders) {
          auto spool = queue::Spool::at(place.path, folder, user.uid);
          if (!spool || !spool->look(id)) continue;
          const auto acted = act(*spool, id, program, action);
          if (acted) return done;
          complain(program, acted.error());
          return failed + static_cast<std::uint64_t>(acted.error().kind);
        }
        return not_there;
      });
      if (came_to >= failed) tally.add(static_cast<Error::Kind>(came_to - failed));
      if (came_to != not_there) return true;
    }
  }
  return false;
}

// Does something with each of the messages that are named, or with all of the caller's own.
int for_each(const QueueCall& call, const Options& options, const std::vector<std::string>& ids,
             const base::System& system, const Action& action) {
  const auto places = find_places(call, system);
  if (!places) return fail(call.program, places.error());
  auto spools = open_all(*places);
  if (!spools) return fail(call.program, spools.error());
  std::vector<std::string> wanted = ids;
  const bool all = options.has("all");
  if (all == !ids.empty()) return fail(call.program, usage(all ? "--all, or ids" : "which message? an id, or --all"));
  for (std::size_t i = 0; all && i < spools->size(); ++i) {
    auto found = (*spools)[i].ids();
    if (!found) return fail(call.program, found.error());
    wanted.insert(wanted.end(), found->begin(), found->end());
  }
  Tally tally;
  const auto failed = [&](const Error& error) {
    complain(call.program, error);
    tally.add(error.kind);
  };
  for (const std::string& id : wanted) {
    const auto spool = std::find_if(spools->begin(), spools->end(),
                                    [&](const queue::Spool& each) { return queue::is_id(id) && each.look(id); });
    if (spool != spools->end()) {
      if (const auto acted = act(*spool, id, call.program, action); !acted) failed(acted.error());
    } else if (!all && !(queue::is_id(id) && act_for_others(*places, id, call.program, action, tally))) {
      failed({Error::Kind::no_input, base::quote(id) + ": there is no such message in the queue"});
    }
  }
  return tally.exit_code();
}

Result<void> show(queue::Locked& locked) {
  const queue::Listed listed{locked.entry(), locked.state(), locked.size()};
  std::string head = as_text(listed, false);
  for (std::size_t i = 0; i < listed.state.recipients.size(); ++i) {
    if (listed.state.recipients[i].progress == queue::Progress::owed) continue;
    const bool accepted = listed.state.recipients[i].progress == queue::Progress::accepted;
    head += "    " + base::escape(listed.entry.envelope.recipients()[i].text()) +
            (accepted ? " has it\n" : " was refused\n");
  }
  std::fputs((head + "\n").c_str(), stdout);
  const bool terminal = ::isatty(STDOUT_FILENO) == 1;
  const auto content = locked.content();
  std::array<char, 65536> piece;
  for (;;) {
    const auto count = content->read(piece);
    if (!count) return count.error();
    if (*count == 0) return {};
    std::string text(piece.data(), *count);
    std::erase(text, '\r');
    // What a stranger wrote must not steer the terminal.
    if (terminal) {
      std::replace_if(
          text.begin(), text.end(), [](char c) { return base::is_control(c) && c != '\n' && c != '\t'; }, '?');
    }
    std::fwrite(text.data(), 1, text.size(), stdout);
  }
}

}  // namespace

namespace {

// Root serves the host: everybody's mail that goes by the system's configuration. One that was named is for root's own.
Result<void> run_for_others(const QueueCall& call, const Selection& selection, base::HeldSignals& signals,
                            const base::System& system, const base::Clock& clock) {
  const config::Places places;
  if (::geteuid() != 0 || call.config.value_or(places.system) != places.system) return {};
  auto loaded = config::load({.named = call.config, .user = false}, system);
  if (!loaded) return loaded.error();
  if (loaded->files != std::vector<std::string>{places.system}) return {};
  for (const QueuePlace& place : queue_places(call.directory, loaded->settings.queue, system)) {
    run_everybody(place.path,
                  {.settings = loaded->settings,
                   .selection = selection,
                   .driver = call.driver,
                   .verbose = call.verbose,
                   .program = call.program},
                  signals, system, clock);
  }
  return {};
}

}  // namespace

int run_queue(const QueueCall& call, const Selection& selection, const base::System& system, const base::Clock& clock) {
  base::HeldSignals signals({SIGINT, SIGTERM, SIGHUP, SIGALRM});
  // First: a child has a copy of what its parent knows.
  if (const auto ran = run_for_others(call, selection, signals, system, clock); !ran) {
    complain(call.program, ran.error());
  }
  auto loaded = load_configuration(call.config, system);
  if (!loaded) return fail(call.program, loaded.error());
  config::Settings& settings = loaded->settings;
  if (call.log_tag) settings.log.tag = base::escape(*call.log_tag);
  Console console({.trace = call.verbose}, call.program);
  OwnSecrets secrets(system);
  for (const QueuePlace& place : queue_places(call.directory, settings.queue, system)) {
    auto spool = open_queue(place, false);
    if (!spool) return fail(call.program, spool.error());
    if (!*spool) continue;
    Runner runner({.settings = settings,
                   .spool = **spool,
                   .driver = call.driver,
                   .view = console,
                   .program = call.program,
                   .system = system,
                   .clock = clock,
                   .signals = signals,
                   .secrets = secrets,
                   .roots_place = place.is_roots()});
    if (const auto ran = runner.run(selection); !ran) return fail(call.program, ran.error());
  }
  return 0;
}

int list_queue(const QueueCall& call, const base::System& system) {
  const auto places = find_places(call, system);
  if (!places) return fail(call.program, places.error());
  const auto spools = open_all(*places);
  if (!spools) return fail(call.program, spools.error());
  std::uint64_t count = 0;
  for (const queue::Spool& spool : *spools) {
    const auto printed = print_all(spool, call.json, false, count);
    if (!printed) return fail(call.program, printed.error());
    count += *printed;
  }
  for (const QueuePlace& place : *places) count += print_others(place.path, call, count);
  if (call.json) {
    std::fputs(count == 0 ? "[]\n" : "]\n", stdout);
  } else if (count == 0) {
    std::fputs("Mail queue is empty\n", stdout);
  } else {
    std::fputs((std::to_string(count) + (count == 1 ? " message\n" : " messages\n")).c_str(), stdout);
  }
  return printed(call.program);
}

int queue_command(std::vector<std::string> args, const base::System& system, const base::Clock& clock) {
  const std::string program = "pillarbox queue";
  const auto options = Options::parse(queue_table, std::move(args), Operands::anywhere);
  if (!options) return fail(program, options.error());
  if (options->has("help")) return print_queue_help(queue_table);
  const auto driver = parse_driver(options->last("driver").value_or("auto"));
  if (!driver) return fail(program, usage("--driver: engine, pipeline or auto"));
  const QueueCall call{.program = program,
                       .config = options->last("config"),
                       .directory = options->last("queue-directory"),
                       .driver = *driver,
                       .verbose = options->has("verbose"),
                       .json = options->has("json")};
  std::vector<std::string> ids = options->operands();
  if (ids.empty()) return fail(program, usage("what? list, run, show, retry or remove"));
  const std::string what = ids.front();
  ids.erase(ids.begin());
  if (what == "show" || what == "retry" || what == "remove") {
    const int code = for_each(call, *options, ids, system, [&](queue::Locked& locked) -> Result<void> {
      if (what == "remove") return locked.remove();
      if (what == "show") return show(locked);
      queue::State state = locked.state();
      state.next = {};
      return locked.save(state);
    });
    return code != 0 ? code : printed(program);
  }
  if (what != "list" && what != "run")
    return fail(program, usage(base::quote(what) + " is none of list, run, show, retry, remove"));
  if (!ids.empty()) return fail(program, usage(what + " takes no " + base::quote(ids.front())));
  return what == "list" ? list_queue(call, system) : run_queue(call, {.due_only = true}, system, clock);
}

std::span<const Option> queue_options() {
  return queue_table;
}

}  // namespace pillarbox::app
