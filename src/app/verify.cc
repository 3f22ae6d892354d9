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

struct Operand {
  std::string text;
  Result<std::vector<mail::Mailbox>> wanted;
};

// What the operand becomes, each address once.
Result<std::string> addresses(const Composer& composer, const Operand& operand, const config::Aliases& aliases) {
  if (!operand.wanted) return operand.wanted.error();
  const auto resolved = composer.resolve(*operand.wanted, aliases);
  if (!resolved) return resolved.error();
  if (!resolved->unreachable.empty()) return Error{Error::Kind::no_user, names_nobody};
  const auto envelope = mail::Envelope::make(mail::ReversePath(), resolved->recipients);
  if (!envelope) return envelope.error();
  std::string all;
  for (const mail::Address& address : envelope->recipients()) all += (all.empty() ? "" : ", ") + address.text();
  return all;
}

}  // namespace

Result<int> verify(const Request& request, const std::vector<std::string>& words,
                   const std::optional<std::string>& config, const base::System& system, const base::Clock& clock) {
  std::vector<Operand> operands;
  std::vector<mail::Mailbox> everybody;
  for (const std::string& word : words) {
    auto wanted = mail::parse_list(word);
    if (wanted && wanted->empty()) continue;
    if (wanted) everybody.insert(everybody.end(), wanted->begin(), wanted->end());
    operands.push_back({word, std::move(wanted)});
  }
  if (operands.empty()) return Error{Error::Kind::usage, "there are no recipients", "sendmail -bv recipient ..."};
  const auto settings = settings_of(config, system);
  if (!settings) return settings.error();
  const auto account = choose_account(request, {}, *settings);
  if (!account) return account.error();
  const Composer composer(**account, {}, std::string(program), system, clock);
  const auto aliases = composer.aliases(everybody);
  if (!aliases) return aliases.error();
  bool all = true;
  for (const Operand& operand : operands) {
    const auto becomes = addresses(composer, operand, *aliases);
    all = all && becomes;
    const std::string line =
        base::visible(operand.text) + "... " +
        (becomes ? "deliverable: " + *becomes : "undeliverable: " + base::visible(becomes.error().text));
    std::printf("%s\n", line.c_str());
  }
  if (const auto written = flush_output(); !written) return written.error();
  return all ? 0 : exit_code(Error::Kind::no_user);
}

Result<void> check_aliases(const std::optional<std::string>& config, const base::System& system) {
  const auto settings = settings_of(config, system);
  if (!settings) return settings.error();
  std::set<std::string> paths;
  for (const config::Account& account : settings->accounts) paths.insert(account.aliases);
  std::vector<std::string> faults;
  for (const std::string& path : paths) {
    const auto aliases = config::Aliases::load(path);
    if (!aliases) {
      faults.push_back(aliases.error().text);
    } else {
      faults.insert(faults.end(), aliases->faults().begin(), aliases->faults().end());
    }
  }
  if (faults.empty()) return {};
  return Error{Error::Kind::config, base::join(faults, "\n")};
}

}  // namespace pillarbox::app
