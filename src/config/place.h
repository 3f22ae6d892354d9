// Place: what settings and command lines name on a network: hosts, ports, proxies, HELO names, addresses and patterns
// of them.
//
// What is returned can stand in a URL or a command as it is. All errors are usage (64), and show neither control
// characters nor a proxy's password; a configuration's reader puts its own file and line before their text.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/secret.h"

namespace pillarbox::config {

struct Place {
  std::string host;  // IPv6 without brackets, an internationalised name as A-labels
  std::optional<int> port;
};

// The host of such a text, in brackets perhaps, and what stands behind its colon; nothing of it is checked.
struct Split {
  std::string_view host;
  std::optional<std::string_view> port;
};
Split split_port(std::string_view text);

// "host", "host:port", "[v6]:port", "v6".
Result<Place> parse_place(std::string_view text);

struct ProxyUrl {
  std::string name;  // without user and password
  bool has_password = false;
};

// "SCHEME://[USER:PASSWORD@]HOST[:PORT]" with the scheme socks4, socks4a, socks5, socks5h or http.
Result<ProxyUrl> parse_proxy_url(const base::Secret& text);

// A numeric IPv4 or IPv6 address of this host's.
Result<std::string> parse_source_address(std::string_view text);

// A port from 1 to 65535.
Result<int> parse_port(std::string_view text);

// A domain that an address may have, in A-labels.
Result<std::string> parse_domain(std::string_view text);

// A pattern as addresses are compared with it, '*' being any run of characters, its domain in A-labels. Nothing if no
// address can be like it.
std::optional<std::string> parse_pattern(std::string_view text);

// EHLO's argument: a host name or an address literal (RFC 5321 section 4.1.1.1).
Result<std::string> parse_helo(std::string_view text);

// A public key's pin: "sha256//" and 32 octets in base64.
bool is_pin(std::string_view text);

}  // namespace pillarbox::config
