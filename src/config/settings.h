// Settings: what the configuration says, as plain values. Nothing here reads a file or knows libconfig.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/secret.h"
#include "mail/address.h"

namespace pillarbox::config {

enum class Tls { implicit, starttls, opportunistic, off };

struct Auth {
  std::string user;
  std::string mechanism = "auto";
  // Where the password comes from; at most one of them is set.
  base::Secret password;
  std::string password_file;
  std::string password_command;
  std::string password_env;
};

struct Timeouts {
  std::chrono::seconds connect{30};
  std::chrono::seconds reply{300};
  std::chrono::seconds data{600};
};

struct Account {
  std::string name;
  std::string host;
  std::optional<int> port;
  Tls tls = Tls::starttls;
  bool tls_verify = true;
  std::string tls_ca_file;
  std::optional<Auth> auth;
  std::optional<mail::Address> from;
  std::string from_full_name;
  std::string domain;  // what bare names get; "": from's, else the host's own
  std::string helo;
  std::string aliases = "/etc/aliases";
  Timeouts timeouts;

  [[nodiscard]] int effective_port() const {
    return port.value_or(tls == Tls::starttls ? 587 : tls == Tls::implicit ? 465 : 25);
  }
};

struct Log {
  bool syslog = true;
  std::string facility = "mail";
  std::string file;
  bool json = false;
};

struct Queue {
  bool enabled = true;
  std::string directory;
  std::vector<std::chrono::seconds> retry = {std::chrono::minutes(1), std::chrono::minutes(5), std::chrono::minutes(30),
                                             std::chrono::hours(2)};
};

struct Settings {
  std::string default_account;
  std::vector<Account> accounts;
  Log log;
  Queue queue;

  // The account of that name, else default_account, else the first. config (78) naming those that there are.
  [[nodiscard]] Result<const Account*> account(const std::optional<std::string>& name) const;
};

}  // namespace pillarbox::config
