// Account: from the configuration's account to the endpoint that it means.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "app/secrets.h"
#include "base/result.h"
#include "base/system.h"
#include "config/load.h"
#include "config/settings.h"
#include "mail/address.h"
#include "smtp/endpoint.h"

namespace pillarbox::app {

// The configuration, of which there must be one: config (78) if there is none, too.
Result<config::Loaded> load_configuration(const std::optional<std::string>& named, const base::System& system);

// Warns where the server's certificate is not looked at.
void warn_of(const config::Account& account, std::string_view program);

smtp::TlsVersion tls_version_of(config::TlsVersion version);

// Where the account's host of that number is and on what terms it is talked to, without the login. The files that TLS
// needs are looked at: config (78) naming the key and the path for one that can't be read.
Result<smtp::Endpoint> way_to(const config::Account& account, std::size_t host, const base::System& system);

// Fetches the password, and makes the process undumpable before; nothing where the account has no login. One fetch does
// for all hosts, but for netrc's, which are a host's own. no_permission (77) if the password can't be had.
Result<std::optional<smtp::Login>> login_of(const config::Account& account, std::size_t host,
                                            const base::System& system);

// Both, for all hosts.
Result<smtp::Endpoint> endpoint_of(const config::Account& account, const base::System& system);
Result<smtp::Endpoint> endpoint_of(const config::Account& account, const base::System& system, Secrets& secrets);

// The domain of bare names, and of what is sent in the account's name.
std::string domain_of(const config::Account& account, const base::System& system);

// The account's address, or the caller's login, with that domain if it has none. config (78) if that makes no address.
Result<mail::Address> own_address(const config::Account& account, const base::System& system);

}  // namespace pillarbox::app
