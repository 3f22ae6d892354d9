#include "app/queue_command.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <functional>

#include "app/account.h"
#include "app/console.h"
#include "app/event.h"
#include "app/everybody.h"
#include "app/help.h"
#include "app/keep.h"
#include "app/report.h"
#include "app/server.h"
#include "base/text.h"

namespace pillarbox::app {
namespace {

constexpr auto mailq_table = std::to_array<Option>({
    {"json", '\0', Argument::none, "", "a JSON array, an object for each message"},
    {"config", 'C', Argument::required, "FILE", "the configuration file"},
    {"queue-directory", '\0', Argument::required, "DIR", "where the queue is"},
    {"-v", 'v', Argument::none, "", ""},
    {"help", 'h', Argument::none, "", "show this page"},
});

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

// Without a configuration the queue is in its default place; with a faulty one it may be elsewhere.
Result<std::vector<queue::Spool>> find_queues(const QueueCall& call, const base::System& system) {
  config::Queue settings;
  if (!call.directory) {
    const auto loaded = config::load({.named = call.config}, system);
    if (!loaded && call.config) return loaded.error();
    if (!loaded) complain(call.program, loaded.error());
    if (loaded) settings = loaded->settings.queue;
  }
  return open_all(queue_places(call.directory, settings, system));
}

std::string sender_of(const queue::Entry& entry) {
  const auto& address = entry.envelope.sender().address();
  return address ? address->text() : "<>";
}

// Those who still wait for it, or all if nobody does any more.
std::vector<std::string> owed(const queue::Listed& listed) {
  std::vector<std::string> waiting;
  for (std::size_t i = 0; i < listed.state.recipients.size(); ++i) {
    const bool waits = listed.state.recipients[i].progress == queue::Progress::owed;
    if (waits || !listed.state.owes()) waiting.push_back(listed.entry.envelope.recipients()[i].text());
  }
  return waiting;
}

std::string next_try(const queue::State& state) {
  return state.next == queue::Time{} ? "now" : base::iso8601_utc(state.next);
}

std::string as_json(const queue::Listed& listed) {
  Event line("");
  line.text("id", listed.entry.id).number("size", static_cast<std::int64_t>(listed.size));
  line.text("arrived", base::iso8601_utc(listed.entry.arrived)).text("sender", sender_of(listed.entry));
  line.list("recipients", owed(listed)).text("account", listed.entry.account);
  line.number("tries", listed.state.tries).text("reply", listed.state.reply).text("next", next_try(listed.state));
  if (listed.state.last) line.text("last", base::iso8601_utc(*listed.state.last));
  if (!listed.entry.message_id.empty()) line.text("message_id", listed.entry.message_id);
  return line.json();
}

std::string as_text(const queue::Listed& listed) {
  const std::string id =
      listed.entry.id + std::string(listed.entry.id.size() < 26 ? 26 - listed.entry.id.size() : 1, ' ');
  const std::string size = std::to_string(listed.size);
  std::string out = id + std::string(size.size() < 10 ? 10 - size.size() : 0, ' ') + size + "  " +
                    base::iso8601_utc(listed.entry.arrived) + "  " + base::escape(sender_of(listed.entry)) + "\n";
  if (!listed.state.reply.empty()) out += "    (" + base::escape(listed.state.reply) + ")\n";
  out += "    next try: " + next_try(listed.state) + ", tried: " + std::to_string(listed.state.tries) + "\n";
  for (const std::string& recipient : owed(listed)) out += "    " + base::escape(recipient) + "\n";
  return out;
}

// Where the words are not those that the command takes.
Error usage(const std::string& text) {
  return {Error::Kind::usage, text, "pillarbox queue --help shows how to call it"};
}

// Does something with each of the messages that are named, or with all. Somebody else's lock is a reason to try later.
int for_each(const QueueCall& call, const Options& options, const std::vector<std::string>& ids,
             const base::System& system, const std::function<Result<void>(queue::Locked&)>& action) {
  auto spools = find_queues(call, system);
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
    const bool there = spool != spools->end();
    if (!there && !all) failed({Error::Kind::no_input, base::quote(id) + ": there is no such message in the queue"});
    if (!there) continue;
    std::vector<std::string> warnings;
    auto locked = spool->lock(id, warnings);
    for (const std::string& warning : warnings) complain(call.program, warning);
    if (!locked) {
      failed(locked.error());
    } else if (!*locked) {
      failed({Error::Kind::temporary, id + ": is being sent at the moment"});
    } else if (auto done = action(**locked); !done) {
      failed(done.error());
    }
  }
  return tally.exit_code();
}

Result<void> show(queue::Locked& locked) {
  const queue::Listed listed{locked.entry(), locked.state(), locked.size()};
  std::string head = as_text(listed);
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
    auto ran = run_everybody(place.path,
                             {.settings = loaded->settings,
                              .selection = selection,
                              .driver = call.driver,
                              .verbose = call.verbose,
                              .program = call.program},
                             signals, system, clock);
    if (!ran) return ran;
  }
  return {};
}

}  // namespace

int run_queue(const QueueCall& call, const Selection& selection, const base::System& system, const base::Clock& clock) {
  base::HeldSignals signals;
  // First: a child has a copy of what its parent knows.
  if (const auto ran = run_for_others(call, selection, signals, system, clock); !ran) {
    complain(call.program, ran.error());
  }
  auto loaded = load_configuration(call.config, system);
  if (!loaded) return fail(call.program, loaded.error());
  const config::Settings& settings = loaded->settings;
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
  const auto spools = find_queues(call, system);
  if (!spools) return fail(call.program, spools.error());
  std::size_t count = 0;
  for (const queue::Spool& spool : *spools) {
    const auto ids = spool.ids();
    if (!ids) return fail(call.program, ids.error());
    for (const std::string& id : *ids) {
      const auto listed = spool.look(id);
      if (!listed) continue;
      const std::string text = call.json ? (count == 0 ? "[" : ",\n ") + as_json(*listed) : as_text(*listed);
      std::fwrite(text.data(), 1, text.size(), stdout);
      ++count;
    }
  }
  if (call.json) {
    std::fputs(count == 0 ? "[]\n" : "]\n", stdout);
  } else if (count == 0) {
    std::fputs("Mail queue is empty\n", stdout);
  } else {
    std::fputs((std::to_string(count) + (count == 1 ? " message\n" : " messages\n")).c_str(), stdout);
  }
  return printed(call.program);
}

int mailq(std::vector<std::string> args, const base::System& system) {
  const auto options = Options::parse(mailq_table, std::move(args), Operands::last);
  if (!options) return fail("mailq", options.error());
  if (options->has("help")) return print_mailq_help(mailq_table);
  return list_queue({.program = "mailq",
                     .config = options->last("config"),
                     .directory = options->last("queue-directory"),
                     .json = options->has("json")},
                    system);
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

std::span<const Option> mailq_options() {
  return mailq_table;
}

std::span<const Option> queue_options() {
  return queue_table;
}

}  // namespace pillarbox::app
