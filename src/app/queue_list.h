// Queue list: "pillarbox queue list", "mailq" and "sendmail -bp". It works without a configuration, and changes
// nothing.
#pragma once

#include "app/queue_call.h"
#include "base/clock.h"

namespace pillarbox::app {

Result<void> list_queue(const QueueCall& call, const base::System& system, const base::Clock& clock,
                        Part part = Part::queue);

}  // namespace pillarbox::app
