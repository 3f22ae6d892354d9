#include "smtp/endpoint.h"

namespace pillarbox::smtp {

Endpoint Endpoint::clone() const {
  const auto copy_of = [](const std::optional<Login>& given) -> std::optional<Login> {
    if (!given) return std::nullopt;
    return Login{given->user, base::Secret(std::string(given->password.reveal())), given->mechanism};
  };
  Endpoint copy{.host = host, .port = port, .helo = helo, .tls = tls, .login = copy_of(login)};
  for (const Server& other : others) copy.others.push_back({other.host, other.port, copy_of(other.login)});
  if (proxy) copy.proxy = Proxy{proxy->name, base::Secret(std::string(proxy->url.reveal()))};
  copy.allow_cleartext_login = allow_cleartext_login;
  copy.show_secrets = show_secrets;
  copy.source_address = source_address;
  copy.family = family;
  copy.max_recipients = max_recipients;
  copy.timeouts = timeouts;
  return copy;
}

}  // namespace pillarbox::smtp
