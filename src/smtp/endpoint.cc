#include "smtp/endpoint.h"

namespace pillarbox::smtp {

Endpoint Endpoint::clone() const {
  Endpoint copy{.host = host, .port = port, .helo = helo, .tls = tls};
  if (login) copy.login = Login{login->user, base::Secret(login->password.reveal()), login->mechanism};
  if (proxy) copy.proxy = Proxy{proxy->name, base::Secret(proxy->url.reveal())};
  copy.allow_cleartext_login = allow_cleartext_login;
  copy.show_secrets = show_secrets;
  copy.source_address = source_address;
  copy.family = family;
  copy.timeouts = timeouts;
  return copy;
}

}  // namespace pillarbox::smtp
