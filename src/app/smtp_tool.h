// The smtp tool: submits messages to a named server, for people who send and test by hand.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "base/system.h"

namespace pillarbox::app {

// args: the words behind the program's name; argv, if given, their memory, where a password is wiped. Returns the exit
// code.
int smtp_tool(std::vector<std::string> args, char** argv, const base::System& system, const base::Clock& clock);

}  // namespace pillarbox::app
