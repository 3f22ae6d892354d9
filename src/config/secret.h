// Where passwords come from. A secret is fetched as late as possible; of a file the first line counts, without its line
// end, as of what a command writes within a minute. no_permission (77) says which source failed and why, and never what
// it held.
#pragma once

#include <string>

#include "base/result.h"
#include "base/secret.h"
#include "base/system.h"
#include "config/settings.h"

namespace pillarbox::config {

Result<base::Secret> password_from_file(const std::string& path);
Result<base::Secret> password_from_command(const std::string& command);
Result<base::Secret> password_from_environment(const std::string& variable, const base::System& system);

// The account's own source.
Result<base::Secret> password_of(const Auth& auth, const base::System& system);

// Asks on the controlling terminal, without echo. usage (64) where there is none, or at an empty answer.
Result<base::Secret> password_from_terminal(const std::string& prompt);

}  // namespace pillarbox::config
