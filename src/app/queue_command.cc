#include "app/queue_command.h"

#include <array>
#include <optional>

#include "app/help.h"
#include "app/queue_act.h"
#include "app/queue_list.h"
#include "app/queue_run.h"
#include "app/report.h"
#include "base/text.h"
#include "smtp/driver.h"

namespace pillarbox::app {
namespace {

constexpr auto queue_table = std::to_array<Option>({
    {"all", '\0', Argument::none, "", "show, retry, remove: every message"},
    {"failed", '\0', Argument::none, "", "list, --all: what could be neither delivered nor returned"},
    {"corrupt", '\0', Argument::none, "", "list, --all: files that are no messages"},
    {"json", '\0', Argument::none, "",
     "a JSON array, an object for each message; run: an object a line for each attempt"},
    {"verbose", 'v', Argument::none, "", "run: the conversation on standard output"},
    {"config", 'C', Argument::required, "FILE", "the configuration file"},
    {"queue-directory", '\0', Argument::required, "DIR", "where the queue is"},
    {"driver", '\0', Argument::required, "engine|pipeline|auto", "run: how messages are submitted"},
    {"help", 'h', Argument::none, "", "show this page"},
});

// Where the words are not those that the command takes.
Error usage(const std::string& text) {
  return {Error::Kind::usage, text, "pillarbox queue --help shows how to call it"};
}

std::optional<Act> act_of(const std::string& what) {
  if (what == "show") return Act::show;
  if (what == "retry") return Act::retry;
  if (what == "remove") return Act::remove;
  return std::nullopt;
}

}  // namespace

int queue_command(std::vector<std::string> args, const base::System& system, const base::Clock& clock) {
  const std::string program = "pillarbox queue";
  const auto options = Options::parse(queue_table, std::move(args), Operands::anywhere);
  if (!options) return fail(program, options.error());
  if (options->has("help")) return print_queue_help(queue_table);
  if (const auto there = options->need_values({"config", "queue-directory"}); !there) {
    return fail(program, usage(there.error().text));
  }
  const auto driver = smtp::parse_driver(options->last("driver").value_or("auto"));
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
  const bool all = options->has("all");
  if (options->has("failed") && options->has("corrupt")) return fail(program, usage("--failed, or --corrupt"));
  const Part part = options->has("failed") ? Part::failed : options->has("corrupt") ? Part::corrupt : Part::queue;
  if (const auto act = act_of(what)) {
    if (all == !ids.empty()) return fail(program, usage(all ? "--all, or ids" : "which message? an id, or --all"));
    return act_on(call, *act, {.ids = std::move(ids), .all = all, .part = part}, system);
  }
  if (what != "list" && what != "run")
    return fail(program, usage(base::quote(what) + " is none of list, run, show, retry, remove"));
  if (!ids.empty()) return fail(program, usage(what + " takes no " + base::quote(ids.front())));
  const auto done =
      what == "list" ? list_queue(call, system, clock, part) : run_queue(call, {.due_only = true}, system, clock);
  return done ? 0 : fail(program, done.error());
}

std::span<const Option> queue_options() {
  return queue_table;
}

}  // namespace pillarbox::app
