// Server: what a command line names as server: "host", "host:port", "[v6]:port", "smtp://host:port", "smtps://host".
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "config/place.h"
#include "smtp/driver.h"
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

using config::parse_helo;
using config::parse_notify;
using config::parse_port;
using config::parse_source_address;

// "engine", "pipeline" or "auto"; nothing for any other name.
std::optional<smtp::Driver> parse_driver(std::string_view name);

}  // namespace pillarbox::app
