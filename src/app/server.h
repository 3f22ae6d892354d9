// Server: what a command line names as server: "host", "host:port", "[v6]:port", "smtp://host:port", "smtps://host".
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
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

// A numeric IPv4 or IPv6 address of this host's.
Result<std::string> parse_source_address(std::string_view text);

// A port from 1 to 65535.
Result<int> parse_port(std::string_view text);

// "engine", "pipeline" or "auto"; nothing for any other name.
std::optional<smtp::Driver> parse_driver(std::string_view name);

// NOTIFY's value (RFC 3461 section 4.1) from "never", or from some of success, failure and delay with commas between.
std::optional<std::string> parse_notify(std::string_view text);

// EHLO's argument: a host name or an address literal (RFC 5321 section 4.1.1.1).
Result<std::string> parse_helo(std::string_view text);

}  // namespace pillarbox::app
