#include "app/server.h"

#include <arpa/inet.h>

#include <algorithm>

#include "base/text.h"

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
    if (server.host.front() == '-') return refused(text, "a host name does not begin with \"-\"");
  }
  if (has_port) {
    const auto number = parse_port(port);
    if (!number) return number.error();
    server.port = *number;
  }
  return server;
}

Result<std::string> parse_helo(std::string_view text) {
  const bool literal = text.starts_with('[') && text.ends_with(']') && only(text.substr(1, text.size() - 2), ".:");
  if (text.size() > 255 || !(literal || only(text, ".-_"))) {
    return refused(text, "a HELO name is a host name or an address in brackets");
  }
  return std::string(text);
}

}  // namespace pillarbox::app
