#include "config/settings.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace pillarbox::config {
namespace {

// Whether text is what the pattern stands for. A '*' that turns out too short is made longer by one and tried again.
bool matches(std::string_view pattern, std::string_view text) {
  std::size_t at = 0;
  std::size_t star = std::string_view::npos;
  std::size_t behind_star = 0;
  for (std::size_t i = 0; i < text.size() || at < pattern.size();) {
    if (at < pattern.size() && pattern[at] == '*') {
      star = at++;
      behind_star = i;
    } else if (at < pattern.size() && i < text.size() && pattern[at] == text[i]) {
      ++at;
      ++i;
    } else if (star != std::string_view::npos && behind_star < text.size()) {
      at = star + 1;
      i = ++behind_star;
    } else {
      return false;
    }
  }
  return true;
}

// The local part as it is, the domain without regard to case.
bool matches(std::string_view pattern, const mail::Address& address) {
  const std::size_t at = pattern.rfind('@');
  return at != std::string_view::npos && matches(pattern.substr(0, at), std::string_view(address.local())) &&
         matches(base::lower(pattern.substr(at + 1)), std::string_view(base::lower(address.domain())));
}

}  // namespace

std::span<const std::string_view> auth_mechanisms() {
  static constexpr std::array<std::string_view, 9> names = {
      "plain", "login", "cram-md5", "scram-sha-256", "external", "xoauth2", "oauthbearer", "gssapi", "ntlm"};
  return names;
}

bool needs_password(std::string_view mechanism) {
  return mechanism != "external" && mechanism != "gssapi";
}

int default_port(Tls tls) {
  return tls == Tls::starttls ? 587 : tls == Tls::implicit ? 465 : 25;
}

int Account::port_of(const Host& host) const {
  return host.port.value_or(port.value_or(default_port(tls)));
}

bool Account::is_for(const mail::Address& address) const {
  if (from && from->key() == address.key()) return true;
  return std::any_of(from_match.begin(), from_match.end(),
                     [&](const std::string& pattern) { return matches(pattern, address); });
}

Result<const Account*> Settings::account(const std::optional<std::string>& name) const {
  const std::string& wanted = name ? *name : default_account;
  if (!name && wanted.empty() && !accounts.empty() && !unread) return &accounts.front();
  const auto found =
      std::find_if(accounts.begin(), accounts.end(), [&](const Account& account) { return account.name == wanted; });
  if (found != accounts.end()) return &*found;
  if (unread) return *unread;
  if (accounts.empty()) {
    return Error{Error::Kind::config, (files.empty() ? "" : files + ": ") + "the configuration has no account"};
  }
  std::vector<std::string_view> known;
  for (const Account& account : accounts) known.emplace_back(account.name);
  return Error{Error::Kind::config,
               "there is no account \"" + base::escape(wanted) + "\"; there are: " + base::join(known, ", ")};
}

Result<const Account*> Settings::account(const std::optional<std::string>& name,
                                         const std::optional<mail::Address>& sender) const {
  if (!name && sender) {
    const auto found =
        std::find_if(accounts.begin(), accounts.end(), [&](const Account& each) { return each.is_for(*sender); });
    if (found != accounts.end()) return &*found;
  }
  return account(name);
}

}  // namespace pillarbox::config
