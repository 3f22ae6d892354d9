// The queue by hand: "pillarbox queue list|run|show|retry|remove", "mailq", "sendmail -q" and "sendmail -bp". Listing
// works without a configuration. Each returns the exit code.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "app/options.h"
#include "app/runner.h"
#include "base/clock.h"
#include "base/system.h"

namespace pillarbox::app {

// What all of these know of where the queue is.
struct QueueCall {
  std::string program;                        // for complaints
  std::optional<std::string> config = {};     // --config
  std::optional<std::string> directory = {};  // --queue-directory
  smtp::Driver driver = smtp::Driver::automatic;
  std::optional<std::string> log_tag = {};
  bool verbose = false;  // the dialogue on standard output
  bool json = false;
};

// 0 if the queue could be run, whatever became of its messages.
int run_queue(const QueueCall& call, const Selection& selection, const base::System& system, const base::Clock& clock);
int list_queue(const QueueCall& call, const base::System& system);

int queue_command(std::vector<std::string> args, const base::System& system, const base::Clock& clock);

std::span<const Option> queue_options();

}  // namespace pillarbox::app
