#include "app/verify.h"

#include <algorithm>
#include <cstdio>
#include <set>

#include "app/report.h"
#include "base/text.h"
#include "config/load.h"

namespace pillarbox::app {
namespace {

constexpr std::string_view program = "sendmail";

Result<config::Settings> settings_of(const std::optional<std::string>& named, const base::System& system) {
  auto loaded = config::load({.named = named}, system);
  if (!loaded) return loaded.error();
  if (loaded->files.empty()) loaded->settings.accounts.emplace_back();
  return std::move(loaded->settings);
}

// What the operand becomes, each address once.
Result<std::string> addresses(const Composer& composer, const std::string& operand, const config::Aliases& aliases) {
  const auto wanted = mail::parse_list(operand);
  if (!wanted) return wanted.error();
  const auto resolved = composer.resolve(*wanted, aliases);
  if (!resolved) return resolved.error();
  const auto envelope = mail::Envelope::make(mail::ReversePath(), *resolved);
  if (!envelope) return Error{Error::Kind::no_user, "there is no address"};
  std::string all;
  for (const mail::Address& address : envelope->recipients()) all += (all.empty() ? "" : ", ") + address.text();
  return all;
}

}  // namespace

int verify(const Request& request, const std::vector<std::string>& operands, const std::optional<std::string>& config,
           const base::System& system, const base::Clock& clock) {
  if (operands.empty())
    return fail(program, {Error::Kind::usage, "there are no recipients", "sendmail -bv recipient ..."});
  const auto settings = settings_of(config, system);
  if (!settings) return fail(program, settings.error());
  const auto account = choose_account(request, {}, *settings);
  if (!account) return fail(program, account.error());
  const Composer composer(**account, {}, std::string(program), system, clock);
  const auto aliases = composer.aliases();
  if (!aliases) return fail(program, aliases.error());
  bool all = true;
  for (const std::string& operand : operands) {
    const auto becomes = addresses(composer, operand, *aliases);
    all = all && becomes;
    const std::string line =
        base::visible(operand) + "... " +
        (becomes ? "deliverable: " + *becomes : "undeliverable: " + base::visible(becomes.error().text));
    std::printf("%s\n", line.c_str());
  }
  if (const auto written = flush_output(); !written) return fail(program, written.error());
  return all ? 0 : exit_code(Error::Kind::no_user);
}

int check_aliases(const std::optional<std::string>& config, const base::System& system) {
  const auto settings = settings_of(config, system);
  if (!settings) return fail(program, settings.error());
  std::set<std::string> paths;
  for (const config::Account& account : settings->accounts) paths.insert(account.aliases);
  int code = 0;
  for (const std::string& path : paths) {
    const auto aliases = config::Aliases::load(path);
    if (!aliases) {
      code = fail(program, aliases.error());
      continue;
    }
    for (const std::string& fault : aliases->faults()) code = fail(program, {Error::Kind::config, fault});
  }
  return code;
}

}  // namespace pillarbox::app
