// Account: from the configuration's account to the endpoint that it means.
#pragma once

#include "base/result.h"
#include "base/system.h"
#include "config/load.h"
#include "config/settings.h"
#include "smtp/endpoint.h"

namespace pillarbox::app {

// The configuration, of which there must be one: config (78) if there is none, too.
Result<config::Loaded> load_configuration(const std::optional<std::string>& named, const base::System& system);

// Where content too large for memory waits while it is read: the queue's directory, which may be configured.
std::string spool_directory(const std::string& configured, const base::System& system);

// Fetches the password, and makes the process undumpable before. config (78) for a name that can't be used, or
// no_permission (77) if the password can't be had.
Result<smtp::Endpoint> endpoint_of(const config::Account& account, const base::System& system);

}  // namespace pillarbox::app
