// sendmail, the drop-in: takes a message on standard input and submits it by the configuration's account.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "app/options.h"
#include "base/clock.h"
#include "base/system.h"

namespace pillarbox::app {

// The options of sendmail, for --help and completions.
std::span<const Option> sendmail_options();

// args: the words behind the program's name; argv their memory; name_mode: what the name means as -b. Returns the exit
// code.
int sendmail(std::vector<std::string> args, char** argv, const base::System& system, const base::Clock& clock,
             std::string_view name_mode = "m");

}  // namespace pillarbox::app
