// Where passwords come from. A secret is fetched as late as possible; of a file the first line counts, without its line
// end, as of what a command writes: within a minute, for a file may be a FIFO that nobody writes to. Commands have no
// terminal, and what they say on stderr is shown if they fail. no_permission (77) says which source failed and why, and
// never what it held.
#pragma once

#include <chrono>
#include <string>

#include "base/result.h"
#include "base/secret.h"
#include "base/system.h"
#include "config/settings.h"

namespace pillarbox::config {

struct Credentials {
  std::string user;
  base::Secret password;
};

Result<base::Secret> password_from_file(const std::string& path,
                                        std::chrono::milliseconds patience = std::chrono::minutes(1));
Result<base::Secret> password_from_command(const std::string& command);
Result<base::Secret> password_from_environment(const std::string& variable, const base::System& system);

// A file in $CREDENTIALS_DIRECTORY, where systemd puts a service's credentials.
Result<base::Secret> password_from_credential(const std::string& name, const base::System& system);

// The first entry of $NETRC, else ~/.netrc, that is for the host, or the default, and for the user if there is one. The
// file must be ours or root's, and nobody else may read it.
Result<Credentials> credentials_from_netrc(const std::string& host, const std::string& user,
                                           const base::System& system);

// An account's, for that host of its. It has one source at most: of several, the one nearest to the account was taken
// when the configuration was read. Without one the terminal is asked, unless the mechanism needs no password.
Result<Credentials> credentials_of(const Auth& auth, const std::string& host, const base::System& system);

// Asks on the controlling terminal, without echo. usage (64) where there is none, or at an empty answer.
Result<base::Secret> password_from_terminal(const std::string& prompt);

}  // namespace pillarbox::config
