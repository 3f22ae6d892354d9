// The queue by hand: "pillarbox queue list|run|show|retry|remove".
#pragma once

#include <span>
#include <string>
#include <vector>

#include "app/options.h"
#include "base/clock.h"
#include "base/system.h"

namespace pillarbox::app {

// The exit code.
int queue_command(std::vector<std::string> args, const base::System& system, const base::Clock& clock);

std::span<const Option> queue_options();

}  // namespace pillarbox::app
