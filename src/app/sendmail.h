// sendmail, the drop-in: takes a message on standard input and submits it by the configuration's account.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "base/system.h"

namespace pillarbox::app {

// args: the words behind the program's name; argv their memory. Returns the exit code.
int sendmail(std::vector<std::string> args, char** argv, const base::System& system, const base::Clock& clock);

}  // namespace pillarbox::app
