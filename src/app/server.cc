#include "app/server.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "mail/address.h"

namespace pillarbox::app {
namespace {

Error refused(std::string_view text, const std::string& why) {
  return {Error::Kind::usage, base::quote(text) + ": " + why};
}

bool only(std::string_view text, std::string_view marks, bool any_script = false) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return base::is_alnum(c) || marks.find(c) != std::string_view::npos || (any_script && !base::is_ascii(c));
  });
}

// An address, perhaps with its zone ("fe80::1%eth0").
bool is_ipv6(const std::string& text) {
  in6_addr address{};
  return only(text, ":.%-_") && ::inet_pton(AF_INET6, text.substr(0, text.find('%')).c_str(), &address) == 1;
}

}  // namespace

Result<int> parse_port(std::string_view text) {
  const auto port = base::number(text);
  if (!port || *port < 1 || *port > 65535) return refused(text, "a port is a number from 1 to 65535");
  return static_cast<int>(*port);
}

Result<Server> parse_server(std::string_view text) {
  Server server;
  std::string_view rest = text;
  if (base::istarts_with(rest, "smtps://")) {
    server.implicit_tls = true;
    rest.remove_prefix(8);
  } else if (base::istarts_with(rest, "smtp://")) {
    rest.remove_prefix(7);
  }
  if (rest.find_first_of("/?#@") != std::string_view::npos) {
    return refused(text, "a server has a host and a port, no path, user or query");
  }
  std::string_view port;
  bool has_port = false;
  if (rest.starts_with('[')) {
    const std::size_t end = rest.find(']');
    const std::string_view after = end == std::string_view::npos ? "" : rest.substr(end + 1);
    if (end == std::string_view::npos || !(after.empty() || after.starts_with(':'))) {
      return refused(text, "an address in brackets is written [2001:db8::1] or [2001:db8::1]:25");
    }
    server.host = rest.substr(1, end - 1);
    if (!is_ipv6(server.host)) return refused(text, "there is no IPv6 address in the brackets");
    has_port = !after.empty();
    port = has_port ? after.substr(1) : "";
  } else {
    const bool bare_v6 = std::count(rest.begin(), rest.end(), ':') > 1;
    const std::size_t colon = bare_v6 ? std::string_view::npos : rest.find(':');
    has_port = colon != std::string_view::npos;
    server.host = rest.substr(0, colon);
    port = has_port ? rest.substr(colon + 1) : "";
    if (!only(server.host, bare_v6 ? ":." : ".-_", true)) return refused(text, "there is no host name in it");
    if (bare_v6 && !is_ipv6(server.host)) return refused(text, "there is no IPv6 address in it");
    if (server.host.front() == '-') return refused(text, "a host name does not begin with \"-\"");
  }
  if (!base::is_ascii(server.host)) {
    server.host = mail::to_ascii(server.host);
    if (server.host.empty()) return refused(text, "the host name is no internationalised domain name");
  }
  if (has_port) {
    const auto number = parse_port(port);
    if (!number) return number.error();
    server.port = *number;
  }
  return server;
}

Result<smtp::Proxy> parse_proxy(const base::Secret& text) {
  constexpr std::array<std::string_view, 5> schemes = {"socks4", "socks4a", "socks5", "socks5h", "http"};
  const std::string_view url = text.reveal();
  const Error unknown{Error::Kind::usage,
                      "a proxy is written SCHEME://HOST:PORT, SCHEME being socks4, socks4a, socks5, socks5h or http"};
  const std::size_t slashes = url.find("://");
  if (slashes == std::string_view::npos) return unknown;
  const std::string scheme = base::lower(url.substr(0, slashes));
  if (std::find(schemes.begin(), schemes.end(), scheme) == schemes.end()) return unknown;
  const std::string_view rest = url.substr(slashes + 3);
  const std::size_t at = rest.rfind('@');
  std::string_view place = at == std::string_view::npos ? rest : rest.substr(at + 1);
  if (place.ends_with('/')) place.remove_suffix(1);
  if (std::any_of(url.begin(), url.end(), [](char c) { return base::is_control(c) || c == ' '; })) return unknown;
  if (const auto server = parse_server(place); !server) {
    return Error{Error::Kind::usage, "the proxy's place, " + server.error().text};
  }
  return smtp::Proxy{scheme + "://" + std::string(place), base::Secret(std::string(url))};
}

Result<std::string> parse_source_address(std::string_view text) {
  const std::string address(text);
  in_addr v4{};
  if (::inet_pton(AF_INET, address.c_str(), &v4) == 1 || is_ipv6(address)) return address;
  return refused(text, "a source address is an IPv4 or IPv6 address of this host");
}

std::optional<smtp::Driver> parse_driver(std::string_view name) {
  if (name == "engine") return smtp::Driver::engine;
  if (name == "pipeline") return smtp::Driver::pipeline;
  return name == "auto" ? std::optional(smtp::Driver::automatic) : std::nullopt;
}

std::optional<std::string> parse_notify(std::string_view text) {
  constexpr std::array<std::string_view, 3> known = {"SUCCESS", "FAILURE", "DELAY"};
  const std::string upper = base::upper(text);
  if (upper == "NEVER") return upper;
  const auto words = base::split(upper, ',');
  const bool all = std::all_of(words.begin(), words.end(), [&](std::string_view word) {
    return std::find(known.begin(), known.end(), word) != known.end();
  });
  if (!all) return std::nullopt;
  std::string out;
  for (const std::string_view each : known) {
    if (std::find(words.begin(), words.end(), each) != words.end()) out += (out.empty() ? "" : ",") + std::string(each);
  }
  return out;
}

Result<std::string> parse_helo(std::string_view text) {
  const bool literal = text.starts_with('[') && text.ends_with(']') && only(text.substr(1, text.size() - 2), ".:");
  if (text.size() > 255 || !(literal || only(text, ".-_"))) {
    return refused(text, "a HELO name is a host name or an address in brackets");
  }
  return std::string(text);
}

}  // namespace pillarbox::app
