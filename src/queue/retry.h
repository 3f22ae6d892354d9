// Retry: when an entry is tried again, and when it is given up. Pure.
#pragma once

#include <chrono>
#include <vector>

#include "queue/entry.h"
#include "queue/state.h"

namespace pillarbox::queue {

using Steps = std::vector<std::chrono::seconds>;

// The time of the next try after so many: the steps one after another, the last one repeated, each ten per cent more or
// less by spread, which is from 0 to 1.
Time next_try(const Steps& steps, unsigned tries, Time now, double spread);

// Whether it is to be tried now. A next time that is further off than the longest step (and its ten per cent) was made
// by a clock that has been set back since, and counts as now.
bool is_due(const State& state, const Steps& steps, Time now);

// Whether an attempt that came to nothing was the last: the entry is older than expire, and has been tried since it
// was.
bool is_expired(const Entry& entry, const State& state, std::chrono::seconds expire, Time now);

}  // namespace pillarbox::queue
