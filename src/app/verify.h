// Verify: what sendmail can be asked without a message: what becomes of an address (-bv), and whether the aliases are
// sound (-bi, newaliases). Neither needs a configuration: without one there is an account of nothing but defaults.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/compose.h"
#include "base/clock.h"
#include "base/system.h"

namespace pillarbox::app {

// "OPERAND... deliverable: ADDRESS, ..." or "OPERAND... undeliverable: why", a line each on standard output. The exit
// code: 0, or 67 if one is not deliverable. usage (64) if there is none. request: by what the account is chosen.
Result<int> verify(const Request& request, const std::vector<std::string>& operands,
                   const std::optional<std::string>& config, const base::System& system, const base::Clock& clock);

// Reads each account's aliases. config (78) if there is a fault: "FILE:LINE: what is wrong", a line each.
Result<void> check_aliases(const std::optional<std::string>& config, const base::System& system);

}  // namespace pillarbox::app
