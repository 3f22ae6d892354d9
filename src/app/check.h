// Check: goes the way of an account's mail as far as the login, and sends none: configuration, secret, then for each of
// the hosts DNS, TCP, SMTP, TLS and AUTH. Each step is told on standard output as it ends, as a line for people with
// what is worth knowing below it, or as a JSON object with "event":"check"; what fails is told on stderr as well, with
// what mends it.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "app/options.h"
#include "base/clock.h"
#include "base/system.h"
#include "config/settings.h"

namespace pillarbox::app {

std::span<const Option> check_options();

// "pillarbox check [ACCOUNT]". Returns the exit code: 0 if all is well at every host, else that of the first failure
// that is for good, else 75.
int check_command(std::vector<std::string> args, const base::System& system, const base::Clock& clock);

// The account's secret and its hosts; program is who complains. The same exit code.
int check_account(const config::Account& account, std::string_view program, bool json, const base::System& system,
                  const base::Clock& clock);

}  // namespace pillarbox::app
