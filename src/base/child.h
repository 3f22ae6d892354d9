// Child: a command that tells us a line: a password manager's, a token helper's.
//
// It runs by /bin/sh -c in a session of its own, so that it has no terminal to ask at, with nothing on standard input.
// What it says on stderr is kept for the case that it fails (4 KiB of it). io (74) with its status or its stderr if it
// fails, temporary (75) if it takes longer than limit: it is killed then, and its children in the same session.
#pragma once

#include <chrono>
#include <string>

#include "base/result.h"
#include "base/secret.h"

namespace pillarbox::base {

// The first line of what the command writes, without its line end; "" if there is none.
Result<Secret> line_of_command(const std::string& command, std::chrono::milliseconds limit);

}  // namespace pillarbox::base
