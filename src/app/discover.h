// Discover: where a domain's DNS says that its mail is submitted (RFC 6186, RFC 8314 section 5.1).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/dns.h"
#include "base/result.h"
#include "config/settings.h"

namespace pillarbox::app {

struct Found {
  std::string host;
  int port = 0;
  config::Tls tls = config::Tls::starttls;
};

// What is known already, and nothing else will do.
struct Wanted {
  std::optional<config::Tls> tls = {};
  std::optional<int> port = {};
};

// The best of what _submissions._tcp (TLS from the first byte) and _submission._tcp (STARTTLS) name: the lowest
// priority, then the former, then the greatest weight. Nothing if they name none that is wanted, or one that no host
// can be called. The errors are base::Dns's.
Result<std::optional<Found>> discover(const std::string& domain, const Wanted& wanted, const base::Dns& dns);

// Whether a host is the domain or in it: anything else that DNS says may be a forger's word (RFC 6186 section 6).
bool belongs_to(std::string_view host, std::string_view domain);

}  // namespace pillarbox::app
