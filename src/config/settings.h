// Settings: what the configuration says, as plain values. Nothing here reads a file or knows libconfig.
//
// Every value has been checked when it was read; paths are as they can be opened. What is "" or nothing was not set.
#pragma once

#include <syslog.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/secret.h"
#include "mail/address.h"

namespace pillarbox::config {

// Whose file an account comes from: /etc/pillarbox.conf, or the user's own or one that was named.
enum class Owner { system, user };

enum class Tls { implicit, starttls, opportunistic, off };
int default_port(Tls tls);
enum class TlsVersion { v1_0, v1_1, v1_2, v1_3 };

// What becomes of a sender that is not the account's own: nothing, a new envelope, or a new From field as well.
enum class Sender { keep, rewrite, enforce };

struct Host {
  std::string name;         // IPv6 without brackets
  std::optional<int> port;  // its own; else the account's
};

struct Auth {
  enum class Source { none, password, file, command, environment, credential, netrc, token_command };

  std::string user;                // "" with external and gssapi, and where netrc is to name it
  std::string mechanism = "auto";  // or one of auth_mechanisms()
  Source source = Source::none;    // where the password comes from; none: the terminal is asked
  std::string place;               // that file's path, command, variable's or credential's name
  base::Secret password;           // Source::password's
};

// The mechanisms that settings may name besides "auto" and no_login, which takes a login back.
std::span<const std::string_view> auth_mechanisms();
constexpr std::string_view no_login = "none";

// Whether a mechanism proves who we are by a password; not so by a certificate or a ticket.
bool needs_password(std::string_view mechanism);

struct Timeouts {
  std::chrono::seconds connect{30};
  std::chrono::seconds reply{300};
  std::chrono::seconds data{600};
};

// Which header fields are added where they are missing, and what else is done to the header.
struct Headers {
  bool date = true;
  bool message_id = true;
  bool from = true;
  bool to = true;
  bool qualify = true;  // bare names get the domain
  bool received = false;
  bool keep_bcc = false;
};

// RFC 3461's parameters as they go on the wire.
struct Dsn {
  std::string notify;    // "NEVER", or some of "SUCCESS,FAILURE,DELAY"
  std::string returned;  // "FULL" or "HDRS"
};

struct Account {
  std::string name;
  Owner owner = Owner::user;
  std::vector<Host> hosts;  // at least one; tried in order
  std::optional<int> port;
  Tls tls = Tls::starttls;
  bool tls_verify = true;
  TlsVersion tls_min = TlsVersion::v1_2;
  std::string tls_ca_file;
  std::string tls_crl;
  std::vector<std::string> tls_pins;  // "sha256//BASE64" each
  std::string tls_certificate;
  std::string tls_key;
  std::string tls_ciphers;
  std::string tls_name;  // that the certificate must have in place of the host's
  std::optional<Auth> auth;
  std::optional<mail::Address> from;
  std::vector<std::string> from_match;  // patterns of addresses; '*' is any run of characters
  Sender sender = Sender::keep;
  std::string from_full_name;
  bool allow_from_override = true;
  std::string domain;  // what bare names get; "": from's, else the host's own
  std::string helo;
  std::string aliases = "/etc/aliases";
  base::Secret proxy;  // a URL, perhaps with a password
  std::string source_address;
  Timeouts timeouts;
  int max_recipients = 100;                     // of one transaction
  std::uint64_t max_message_size = 1ULL << 30;  // bytes
  Headers headers;
  Dsn dsn;

  // The port of one of its hosts.
  [[nodiscard]] int port_of(const Host& host) const;

  // Whether mail of that sender is this account's, by from and from_match.
  [[nodiscard]] bool is_for(const mail::Address& address) const;
};

struct Log {
  bool syslog = true;
  int facility = LOG_MAIL;  // as in <syslog.h>
  std::string file;
  int opened = -1;  // the file's descriptor, where it was opened by somebody who may
  bool json = false;
  bool shown = false;             // on standard output, too, as JSON; a caller's choice, as the next
  std::string tag = "pillarbox";  // syslog's; a caller's choice, and no key
};

struct Queue {
  bool enabled = true;
  std::string directory;
  Owner owner = Owner::system;  // whose file names the directory
  std::vector<std::chrono::seconds> retry = {std::chrono::minutes(1), std::chrono::minutes(5), std::chrono::minutes(30),
                                             std::chrono::hours(2)};
  std::chrono::seconds expire = std::chrono::hours(120);
  std::chrono::seconds delay_notice{};  // the age at which the sender is told of a message that waits; 0: never
  bool background = true;
  std::optional<mail::Address> bounce_to;
};

struct Settings {
  std::string default_account;
  std::vector<Account> accounts;  // the user's before the system's
  Log log;
  Queue queue;
  std::string files;            // that all this was read from, for an error
  std::optional<Error> unread;  // of the system's file, if we may not read it: what it would choose is not known

  // The account of that name, else default_account, else the first. config (78) naming those that there are; unread, if
  // that file may have it, or a default_account.
  [[nodiscard]] Result<const Account*> account(const std::optional<std::string>& name) const;

  // The account of that name, else the first that is for the sender, else as above.
  [[nodiscard]] Result<const Account*> account(const std::optional<std::string>& name,
                                               const std::optional<mail::Address>& sender) const;
};

}  // namespace pillarbox::config
