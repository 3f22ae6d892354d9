// Background: a run of the queue that nobody waits for, after a message was sent: a host without timers drains its
// queue too, since the server can be reached.
#pragma once

#include <optional>
#include <string>

#include "base/clock.h"
#include "base/system.h"
#include "config/settings.h"

namespace pillarbox::app {

// Starts one, if something is due, or the queue is too long to look for that: in a session of its own, without a
// terminal and without any descriptor of ours. Where the queue's place, or the configuration's file, was named it is
// named again. Whatever fails is left to the next occasion.
void run_in_background(const std::optional<std::string>& directory, const std::optional<std::string>& config,
                       const config::Queue& queue, const base::System& system, const base::Clock& clock);

}  // namespace pillarbox::app
