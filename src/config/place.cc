#include "config/place.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "mail/address.h"

namespace pillarbox::config {
namespace {

constexpr std::size_t longest_name = 253;   // RFC 1035 section 2.3.4, as text
constexpr std::size_t longest_shown = 200;  // of what is refused

Error refused(std::string_view text, const std::string& why) {
  return {Error::Kind::usage, base::quote(text.substr(0, longest_shown)) + ": " + why};
}

bool only(std::string_view text, std::string_view marks, bool any_script = false) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return base::is_alnum(c) || marks.find(c) != std::string_view::npos || (any_script && !base::is_ascii(c));
  });
}

// An address, perhaps with its zone ("fe80::1%eth0").
bool is_ipv6(const std::string& text) {
  in6_addr address{};
  return only(text, ":.%-_") && !text.ends_with('%') &&
         ::inet_pton(AF_INET6, text.substr(0, text.find('%')).c_str(), &address) == 1;
}

}  // namespace

Result<int> parse_port(std::string_view text) {
  const auto port = base::number(text);
  if (!port || *port < 1 || *port > 65535) return refused(text, "a port is a number from 1 to 65535");
  return static_cast<int>(*port);
}

Split split_port(std::string_view text) {
  const std::size_t bracket = text.starts_with('[') ? text.find(']') : std::string_view::npos;
  const bool bare_v6 = bracket == std::string_view::npos && std::count(text.begin(), text.end(), ':') > 1;
  const std::size_t colon =
      bare_v6 ? std::string_view::npos : text.find(':', bracket == std::string_view::npos ? 0 : bracket);
  if (colon == std::string_view::npos) return {text, std::nullopt};
  return {text.substr(0, colon), text.substr(colon + 1)};
}

Result<Place> parse_place(std::string_view text) {
  if (text.find("://") != std::string_view::npos) return refused(text, "a host has no scheme in front of it");
  const auto [host, port] = split_port(text);
  Place place;
  if (host.starts_with('[')) {
    if (!host.ends_with(']')) {
      return refused(text, "an address in brackets is written [2001:db8::1] or [2001:db8::1]:25");
    }
    place.host = host.substr(1, host.size() - 2);
    if (!is_ipv6(place.host)) return refused(text, "there is no IPv6 address in the brackets");
  } else {
    const bool v6 = host.find(':') != std::string_view::npos;
    place.host = host;
    if (v6 && !is_ipv6(place.host)) return refused(text, "there is no IPv6 address in it");
    if (!v6 && !only(host, ".-_", true)) return refused(text, "there is no host name in it");
    if (host.front() == '-') return refused(text, "a host name does not begin with \"-\"");
  }
  if (!base::is_ascii(place.host)) {
    place.host = mail::to_ascii(place.host);
    if (place.host.empty()) return refused(text, "the host name is no internationalised domain name");
  }
  if (place.host.size() - (place.host.ends_with('.') ? 1 : 0) > longest_name) {
    return refused(text, "a host name has 253 bytes at most");
  }
  if (port) {
    const auto number = parse_port(*port);
    if (!number) return number.error();
    place.port = *number;
  }
  return place;
}

Result<ProxyUrl> parse_proxy_url(const base::Secret& text) {
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
  if (base::has_control(url) || url.find(' ') != std::string_view::npos) return unknown;
  if (!parse_place(place)) return unknown;  // whose text might be a password for want of an @
  const bool has_password = at != std::string_view::npos && rest.substr(0, at).find(':') != std::string_view::npos;
  return ProxyUrl{scheme + "://" + std::string(place), has_password};
}

Result<std::string> parse_source_address(std::string_view text) {
  const std::string address(text);
  in_addr v4{};
  if (::inet_pton(AF_INET, address.c_str(), &v4) == 1 || is_ipv6(address)) return address;
  return refused(text, "a source address is an IPv4 or IPv6 address of this host");
}

Result<std::string> parse_domain(std::string_view text) {
  const auto address = mail::Address::make("postmaster", text);
  if (!address || address->domain().empty()) return refused(text, "there is no domain name in it");
  return address->domain();
}

std::optional<std::string> parse_pattern(std::string_view text) {
  if (text == "*") return "*@*";
  const std::size_t at = text.rfind('@');
  if (at == std::string_view::npos || text.find(' ') != std::string_view::npos || base::has_control(text)) {
    return std::nullopt;
  }
  std::string out(text.substr(0, at));
  char before = '@';
  for (const std::string_view label : base::split(text.substr(at + 1), '.')) {
    const bool as_it_is = base::is_ascii(label) || label.find('*') != std::string_view::npos;
    const std::string name = as_it_is ? std::string(label) : mail::to_ascii(label);
    if (name.empty() && !label.empty()) return std::nullopt;  // no label of a domain
    out += before + name;
    before = '.';
  }
  // Some address must be like it; what stands in quotes or brackets is not looked into.
  if (out.find('"') != std::string::npos || out.find("@[") != std::string::npos) return out;
  std::string like = out;
  std::replace(like.begin(), like.end(), '*', 'x');
  const auto address = mail::Address::parse(like);
  return address && address->text() == like ? std::optional(out) : std::nullopt;
}

Result<std::string> parse_helo(std::string_view text) {
  const bool literal = text.starts_with('[') && text.ends_with(']') && only(text.substr(1, text.size() - 2), ".:");
  if (text.size() > 255 || !(literal || only(text, ".-_"))) {
    return refused(text, "a HELO name is a host name or an address in brackets");
  }
  return std::string(text);
}

// Base64 of 32 octets has a last digit whose lowest two bits are zero.
bool is_pin(std::string_view text) {
  constexpr std::string_view scheme = "sha256//";
  if (!text.starts_with(scheme)) return false;
  text.remove_prefix(scheme.size());
  const auto digit = [](char c) { return base::is_alnum(c) || c == '+' || c == '/'; };
  return text.size() == 44 && text.back() == '=' && std::all_of(text.begin(), text.end() - 1, digit) &&
         std::string_view("AEIMQUYcgkosw048").find(text[42]) != std::string_view::npos;
}

}  // namespace pillarbox::config
