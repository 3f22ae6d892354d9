// A run of the queue: what waits of the caller's own, and where that is root, of everybody's that goes by the system's
// configuration.
#pragma once

#include "app/delivery.h"
#include "app/queue_call.h"
#include "base/clock.h"
#include "base/result.h"
#include "base/system.h"

namespace pillarbox::app {

// An error if the queue could not be run; not for what became of its messages.
Result<void> run_queue(const QueueCall& call, const Selection& selection, const base::System& system,
                       const base::Clock& clock);

}  // namespace pillarbox::app
