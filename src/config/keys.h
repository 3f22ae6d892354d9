// Keys: every key that a configuration may have, group by group, and what each does with its value.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "config/reader.h"
#include "config/settings.h"

namespace pillarbox::config {

std::span<const Key<Settings>> settings_keys();
std::span<const Key<Account>> accounts_keys();
std::span<const Key<Account>> defaults_keys();  // without name, and nothing to inherit
std::span<const Key<Auth>> auth_keys();
std::span<const Key<Auth>> source_keys();  // those of auth that say where the password is

// An account's keys, those of its groups as "group.key".
std::vector<std::string> account_key_names();

}  // namespace pillarbox::config
