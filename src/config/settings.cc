#include "config/settings.h"

#include <algorithm>

namespace pillarbox::config {

Result<const Account*> Settings::account(const std::optional<std::string>& name) const {
  if (accounts.empty()) return Error{Error::Kind::config, "the configuration has no account"};
  if (!name && default_account.empty()) return &accounts.front();
  const std::string& wanted = name ? *name : default_account;
  const auto found =
      std::find_if(accounts.begin(), accounts.end(), [&](const Account& account) { return account.name == wanted; });
  if (found != accounts.end()) return &*found;
  std::string known;
  for (const Account& account : accounts) known += (known.empty() ? "" : ", ") + account.name;
  return Error{Error::Kind::config, "there is no account \"" + wanted + "\"; there are: " + known};
}

}  // namespace pillarbox::config
