// Talk: plays a script of SMTP lines, from a file, a pipe or a terminal (--talk).
#pragma once

#include <string>

#include "base/result.h"
#include "smtp/session.h"

namespace pillarbox::app {

// file: "-" is standard input. The errors are smtp::Script's, no_input (66), and what ails the connection.
Result<void> talk(smtp::Session& session, const std::string& file);

}  // namespace pillarbox::app
