// Endpoint: where to submit and on what terms. A value of this folder's own, so that the conversation knows nothing of
// configuration files or command lines.
#pragma once

#include <chrono>
#include <cstddef>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/secret.h"

namespace pillarbox::smtp {

enum class TlsMode {
  none,
  opportunistic,  // STARTTLS where it is offered; in the clear where it isn't
  required,       // STARTTLS, or nothing is sent
  implicit,       // TLS from the first byte (RFC 8314)
};

enum class TlsVersion { any, v1_0, v1_1, v1_2, v1_3 };

struct Tls {
  TlsMode mode = TlsMode::required;
  bool verify = true;  // certificate and name
  TlsVersion at_least = TlsVersion::v1_2;
  std::string ca_file = {};      // PEM; "": the system's authorities
  std::string crl_file = {};     // PEM; revoked certificates, of each authority in the chain
  std::string name = {};         // that the certificate must have; "": the host's
  std::string ciphers = {};      // OpenSSL's cipher string; "": the library's choice
  std::string pins = {};         // "sha256//BASE64;…": public keys of which the server must have one; "": any
  std::string certificate = {};  // PEM; ours
  std::string key = {};          // PEM; "": in the certificate's file
};

struct Login {
  std::string user;
  base::Secret password;
  std::string mechanism = "auto";  // or one of known_mechanisms()
};

// Mechanisms by the names that settings have; "auto" is the first of cram-md5, plain and login that the server offers.
std::span<const std::string_view> known_mechanisms();

// A further host of an endpoint.
struct Server {
  std::string host;
  int port = 25;
  std::optional<Login> login = {};  // its own; else the endpoint's
};

enum class Family { any, v4, v6 };

struct Proxy {
  std::string name;  // as it may be shown: "socks5h://proxy.example:1080"
  base::Secret url;  // the same, perhaps with a user and a password
};

struct Timeouts {
  std::chrono::milliseconds connect = std::chrono::seconds(30);  // over all addresses
  std::chrono::milliseconds reply = std::chrono::seconds(300);   // each command's (RFC 5321 section 4.5.3.2)
  // Each piece of the body, and the final dot; all of them 12 times that, and a second for each 16 KiB.
  std::chrono::milliseconds data = std::chrono::seconds(600);
  std::chrono::milliseconds quit = std::chrono::seconds(5);  // the outcome is known by then
};

struct Endpoint {
  std::string host;  // a name or an address; IPv6 without brackets
  int port = 25;
  std::string helo;  // EHLO's argument: a name or an address literal
  // In turn, where the one before takes no connection or refuses the session. Never after EHLO: what a server that was
  // talked to refuses, or fails to prove, is no reason to ask another one.
  std::vector<Server> others = {};
  Tls tls = {};
  std::optional<Login> login = {};
  bool allow_cleartext_login = false;  // to a host that is not the loopback, without TLS
  bool show_secrets = false;           // to views
  std::optional<Proxy> proxy = {};     // socks4, socks4a, socks5, socks5h, or http with CONNECT
  std::string source_address = {};     // of ours, numeric; "": the system's choice
  Family family = Family::any;
  std::size_t max_recipients = std::numeric_limits<std::size_t>::max();  // of a transaction
  Timeouts timeouts = {};

  // A copy, secrets included: each connection's session has its own.
  [[nodiscard]] Endpoint clone() const;
  [[nodiscard]] std::string name() const { return host + ":" + std::to_string(port); }
};

}  // namespace pillarbox::smtp
