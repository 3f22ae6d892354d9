// Certificate: what a server shows of itself by X.509 (RFC 5280), as people need it, and what was found wrong with it.
// Values only: whether a certificate is good enough is decided elsewhere. Text comes from outside and is not escaped.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

namespace pillarbox::smtp {

struct Certificate {
  std::string subject = {};             // "CN=mail.example.com,O=Example" (RFC 2253)
  std::string issuer = {};              // likewise
  std::vector<std::string> names = {};  // that it is for: DNS names and addresses
  std::chrono::sys_seconds not_before = {}, not_after = {};
  std::string fingerprint = {};  // SHA-256, "AB:CD:…"
  std::string pin = {};          // of its public key, as tls_pin has it: "sha256//BASE64"
};

// What a server has shown, and what the look at its chain has found. Whether the name is right was not looked at.
struct Presented {
  enum class Trouble {
    none,
    not_yet_valid,
    expired,
    untrusted,  // nobody vouches for it, or anything else
  };

  // The server's own first, then those whose signatures it rests on, as far as they are known.
  std::vector<Certificate> chain;
  Trouble trouble = Trouble::none;
  std::size_t at_fault = 0;  // in the chain: the one that has the trouble
  std::string why = {};      // it in the library's words

  // The server's own; there always is one.
  [[nodiscard]] const Certificate& own() const { return chain.front(); }
};

// What to say of a certificate that was refused, behind the reason: the fingerprint of one that nobody vouches for,
// both dates of one out of its time, the names of one that is for another host.
std::string clue(const Presented& presented);

// The same where the public key is none of those that are pinned.
std::string clue_for_pin(const Presented& presented);

}  // namespace pillarbox::smtp
