#include "app/account.h"

#include "app/server.h"
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

}  // namespace

Result<config::Loaded> load_configuration(const std::optional<std::string>& named, const base::System& system) {
  auto loaded = config::load({.named = named}, system);
  if (!loaded || !loaded->files.empty()) return loaded;
  std::string places;
  for (const std::string& place : loaded->searched) places += (places.empty() ? "" : ", ") + place;
  return Error{Error::Kind::config, "there is no configuration; looked for " + places,
               "config/pillarbox.conf is a sample; a file elsewhere is named by -C or $PILLARBOX_CONFIG"};
}

std::string spool_directory(const std::string& configured, const base::System& system) {
  if (!configured.empty()) return configured;
  if (const auto state = system.environment("XDG_STATE_HOME"); state && state->starts_with('/')) {
    return *state + "/pillarbox/queue";
  }
  if (const auto home = system.environment("HOME"); home && home->starts_with('/')) {
    return *home + "/.local/state/pillarbox/queue";
  }
  return "/var/spool/pillarbox";
}

Result<smtp::Endpoint> endpoint_of(const config::Account& account, const base::System& system) {
  smtp::Endpoint endpoint{
      .host = account.host,
      .port = account.effective_port(),
      .helo = account.helo.empty() ? system.fully_qualified_name() : account.helo,
      .tls = {.mode = mode_of(account.tls), .verify = account.tls_verify, .ca_file = account.tls_ca_file},
      .timeouts = {
          .connect = account.timeouts.connect, .reply = account.timeouts.reply, .data = account.timeouts.data}};
  if (const auto helo = parse_helo(endpoint.helo); !helo) {
    return Error{Error::Kind::config, "helo: " + helo.error().text};
  }
  if (account.auth) {
    base::forbid_core_dumps();
    auto password = config::password_of(*account.auth, system);
    if (!password) return password.error();
    endpoint.login = smtp::Login{account.auth->user, *std::move(password), account.auth->mechanism};
  }
  return endpoint;
}

}  // namespace pillarbox::app
