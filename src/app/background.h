// Background: a run of the queue that nobody waits for, after a message was sent: a host without timers drains its
// queue too, since the server can be reached.
#pragma once

#include <optional>
#include <string>

#include "base/clock.h"
#include "config/settings.h"

namespace pillarbox::app {

// Starts one, if something is due in the queue at that place: in a session of its own, without a terminal and without
// any descriptor of ours. config: the file that was named, if one was. Whatever fails is left to the next occasion.
void run_in_background(const std::string& place, const config::Queue& queue, const std::optional<std::string>& config,
                       const base::Clock& clock);

}  // namespace pillarbox::app
