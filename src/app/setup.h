// "pillarbox setup ADDRESS": writes a first configuration for an address, after trying it.
//
// The server is what an option says, else what the domain's DNS names, else what the terminal is asked for; the rest
// likewise. Each answer has an option, so that nobody need be asked. A server outside the address's domain, which DNS
// alone vouches for, must be agreed to. Nothing is written before the login has worked, and nothing over another file.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "app/options.h"
#include "base/clock.h"
#include "base/system.h"

namespace pillarbox::app {

std::span<const Option> setup_options();

// Returns the exit code: 64 for the command line and for what is missing where there is no terminal, 73 where the file
// can't be written or is there already, 75 if DNS does not answer, and those of a check that failed.
int setup_command(std::vector<std::string> args, const base::System& system, const base::Clock& clock);

}  // namespace pillarbox::app
