#include "app/account.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

#include "app/report.h"
#include "app/server.h"
#include "base/text.h"
#include "base/unique_fd.h"
#include "config/place.h"
#include "config/secret.h"

namespace pillarbox::app {
namespace {

smtp::TlsMode mode_of(config::Tls tls) {
  switch (tls) {
    case config::Tls::implicit:
      return smtp::TlsMode::implicit;
    case config::Tls::starttls:
      return smtp::TlsMode::required;
    case config::Tls::opportunistic:
      return smtp::TlsMode::opportunistic;
    case config::Tls::off:
      return smtp::TlsMode::none;
  }
  return smtp::TlsMode::required;
}

smtp::Tls tls_of(const config::Account& account) {
  std::string pins;
  for (const std::string& pin : account.tls_pins) pins += (pins.empty() ? "" : ";") + pin;
  return {.mode = mode_of(account.tls),
          .verify = account.tls_verify,
          .at_least = tls_version_of(account.tls_min),
          .ca_file = account.tls_ca_file,
          .crl_file = account.tls_crl,
          .name = account.tls_name,
          .ciphers = account.tls_ciphers,
          .pins = std::move(pins),
          .certificate = account.tls_certificate,
          .key = account.tls_key};
}

// libcurl would say of a file that it can't read no more than that TLS failed.
Result<void> check_files(const config::Account& account) {
  if (account.tls == config::Tls::off) return {};
  const std::array<std::pair<const char*, const std::string*>, 4> files = {
      {{"tls_ca_file", &account.tls_ca_file},
       {"tls_crl", &account.tls_crl},
       {"tls_certificate", &account.tls_certificate},
       {"tls_key", &account.tls_key}}};
  for (const auto& [key, path] : files) {
    if (path->empty()) continue;
    const base::UniqueFd fd(::open(path->c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
    struct stat status {};
    const int code = !fd || ::fstat(fd.get(), &status) != 0 ? errno : S_ISDIR(status.st_mode) ? EISDIR : 0;
    if (code != 0) {
      return Error{Error::Kind::config, "account " + account.name + ", " + key + ": " + base::visible(*path) + ": " +
                                            std::generic_category().message(code)};
    }
  }
  return {};
}

}  // namespace

Result<config::Loaded> load_configuration(const std::optional<std::string>& named, const base::System& system) {
  auto loaded = config::load({.named = named}, system);
  if (!loaded || !loaded->files.empty()) return loaded;
  std::string places;
  for (const std::string& place : loaded->searched) places += (places.empty() ? "" : ", ") + base::visible(place);
  return Error{
      Error::Kind::config, "there is no configuration; looked for " + places,
      "\"pillarbox setup ADDRESS\" writes one, pillarbox.conf(5) says what it may hold; $PILLARBOX_CONFIG names a file "
      "elsewhere"};
}

void warn_of(const config::Account& account, std::string_view program) {
  if (account.tls_verify || account.tls == config::Tls::off) return;
  complain(program, "account " + account.name + " has tls_verify = false: the server may be anybody");
}

smtp::TlsVersion tls_version_of(config::TlsVersion version) {
  switch (version) {
    case config::TlsVersion::v1_0:
      return smtp::TlsVersion::v1_0;
    case config::TlsVersion::v1_1:
      return smtp::TlsVersion::v1_1;
    case config::TlsVersion::v1_2:
      return smtp::TlsVersion::v1_2;
    case config::TlsVersion::v1_3:
      return smtp::TlsVersion::v1_3;
  }
  return smtp::TlsVersion::v1_2;
}

Result<smtp::Endpoint> way_to(const config::Account& account, std::size_t host, const base::System& system) {
  const config::Host& server = account.hosts.at(host);
  smtp::Endpoint endpoint{
      .host = server.name,
      .port = account.port_of(server),
      .helo = account.helo.empty() ? system.fully_qualified_name() : account.helo,
      .tls = tls_of(account),
      .source_address = account.source_address,
      .timeouts = {
          .connect = account.timeouts.connect, .reply = account.timeouts.reply, .data = account.timeouts.data}};
  endpoint.max_recipients = static_cast<std::size_t>(account.max_recipients);
  if (const auto helo = config::parse_helo(endpoint.helo); !helo) {
    return Error{Error::Kind::config, "helo: " + helo.error().text};
  }
  if (!account.proxy.empty()) {
    auto proxy = parse_proxy(account.proxy);
    if (!proxy) return Error{Error::Kind::config, "proxy: " + proxy.error().text};
    endpoint.proxy = *std::move(proxy);
  }
  if (auto readable = check_files(account); !readable) return std::move(readable).error();
  return endpoint;
}

Result<std::optional<smtp::Login>> login_of(const config::Account& account, std::size_t host,
                                            const base::System& system) {
  if (!account.auth) return std::optional<smtp::Login>();
  base::forbid_core_dumps();
  auto credentials = config::credentials_of(*account.auth, account.hosts.at(host).name, system);
  if (!credentials) return std::move(credentials).error();
  return std::optional(
      smtp::Login{std::move(credentials->user), std::move(credentials->password), account.auth->mechanism});
}

Result<std::optional<smtp::Login>> OwnSecrets::login(const config::Account& account, std::size_t host) {
  return login_of(account, host, system_);
}

Result<smtp::Endpoint> endpoint_of(const config::Account& account, const base::System& system) {
  OwnSecrets secrets(system);
  return endpoint_of(account, system, secrets);
}

Result<smtp::Endpoint> endpoint_of(const config::Account& account, const base::System& system, Secrets& secrets) {
  auto endpoint = way_to(account, 0, system);
  if (!endpoint) return endpoint;
  auto login = secrets.login(account, 0);
  if (!login) return std::move(login).error();
  endpoint->login = *std::move(login);
  const bool own_logins = account.auth && account.auth->source == config::Auth::Source::netrc;
  for (std::size_t i = 1; i < account.hosts.size(); ++i) {
    smtp::Server other{.host = account.hosts[i].name, .port = account.port_of(account.hosts[i])};
    if (own_logins) {
      auto own = secrets.login(account, i);
      if (!own) return std::move(own).error();
      other.login = *std::move(own);
    }
    endpoint->others.push_back(std::move(other));
  }
  return endpoint;
}

std::string domain_of(const config::Account& account, const base::System& system) {
  if (!account.domain.empty()) return account.domain;
  if (account.from && !account.from->domain().empty()) return account.from->domain();
  return system.fully_qualified_name();
}

Result<mail::Address> own_address(const config::Account& account, const base::System& system) {
  const std::string domain = domain_of(account, system);
  const auto login = account.from ? Result<std::string>("") : system.login();
  if (!login) return login.error();
  auto own = account.from ? account.from->qualified(domain) : mail::Address::make(*login, domain);
  if (!own) return Error{Error::Kind::config, own.error().text};
  return own;
}

}  // namespace pillarbox::app
