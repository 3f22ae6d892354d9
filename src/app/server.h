// Server: what a command line names as server: "host", "host:port", "[v6]:port", "smtp://host:port", "smtps://host".
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/secret.h"
#include "smtp/endpoint.h"

namespace pillarbox::app {

struct Server {
  std::string host;  // IPv6 without brackets
  std::optional<int> port;
  bool implicit_tls = false;
};

// usage (64) for what is none of those: a path, a user, a port out of range, characters that no host name has.
Result<Server> parse_server(std::string_view text);

// "SCHEME://[USER:PASSWORD@]HOST[:PORT]" with the scheme socks4, socks4a, socks5, socks5h or http. The error does not
// show the text, which may hold a password.
Result<smtp::Proxy> parse_proxy(const base::Secret& text);

}  // namespace pillarbox::app
