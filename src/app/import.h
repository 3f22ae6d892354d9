// "pillarbox import FILE": another program's configuration as Pillarbox's, on standard output.
#pragma once

#include <string>
#include <vector>

namespace pillarbox::app {

// Returns the exit code: 64 for the command line, 65 for a file of no known format or without a server in it, 66 for
// one that can't be read, 74 if the output can't be written.
int import_command(const std::vector<std::string>& args);

}  // namespace pillarbox::app
