#include "config/reader.h"

#include <algorithm>
#include <numeric>

#include "config/keys.h"

namespace pillarbox::config {
namespace {

using libconfig::Setting;

// How many single characters apart two words are (Levenshtein), for "did you mean".
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0]++;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t change = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({row[j] + 1, diagonal + 1, change});
    }
  }
  return row.back();
}

// The setting of that name in a group, if it is one and has it.
std::optional<Value> member(const Value& group, const char* name) {
  if (!group.setting.isGroup() || !group.setting.exists(name)) return std::nullopt;
  return Value{group.setting[name], group.text, group.system};
}

// Whether a source of the password is one that is not to be used: netrc = false, password_file = "".
bool declines(const Setting& source) {
  if (source.getType() == Setting::TypeBoolean) return !source;
  return source.getType() == Setting::TypeString && !*static_cast<const char*>(source);
}

// The end of a complaint: accounts that have a name, each once.
std::string there_are(const std::vector<std::string>& names) {
  std::vector<std::string_view> all;
  for (const std::string& name : names) {
    if (!name.empty() && std::find(all.begin(), all.end(), name) == all.end()) all.emplace_back(name);
  }
  return all.empty() ? "" : "; there are: " + base::join(all, ", ");
}

}  // namespace

void Reader::read(const Parsed& file) {
  file_ = &file;
  const Value root{file.root, file.text, system_};
  group(root, settings_, settings_keys());
  const auto queue = member(root, "queue");
  if (queue && member(*queue, "directory")) settings_.queue.owner = file.owner;
  check_default(root);
  earlier_ = &file;
}

void Reader::fault(const Value& where, const std::string& what) {
  troubled_ = true;
  std::string line = where.text.place_of(where.line()) + what;
  // Defaults and inherited keys are read once for each account.
  if (std::find(faults_.begin(), faults_.end(), line) == faults_.end()) faults_.push_back(std::move(line));
}

std::optional<Error> Reader::faults() const {
  if (faults_.empty()) return std::nullopt;
  return Error{Error::Kind::config, base::join(faults_, "\n"), base::join(remedies_, "; ")};
}

void Reader::note_password(const Value& value) {
  const Text::File& file = value.text.files()[value.text.file_of(value.line())];
  if ((file.mode & 077U) == 0) return;
  fault(value, "there is a password in this file, and others can read it");
  std::string remedy = "chmod 600 " + file.path;
  if (std::find(remedies_.begin(), remedies_.end(), remedy) == remedies_.end()) remedies_.push_back(std::move(remedy));
}

void Reader::unknown(const Value& value, std::span<const std::string_view> known) {
  const std::string name = value.setting.getName();
  const auto nearest = std::min_element(known.begin(), known.end(), [&](std::string_view a, std::string_view b) {
    return distance(a, name) < distance(b, name);
  });
  const bool near = distance(*nearest, name) <= 2;
  fault(value,
        "unknown key \"" + name + "\"; " +
            (near ? "did you mean \"" + std::string(*nearest) + "\"?" : "known here are " + base::join(known, ", ")));
}

// Read here for its faults alone, and once more for each account.
Complaint Reader::defaults(const Value& value) {
  Account nobody;
  return group(value, nobody, defaults_keys());
}

Complaint Reader::accounts(const Value& list) {
  if (!list.setting.isList()) return "must be a list of groups: ( { … }, { … } )";
  std::vector<Account> read;
  for (int i = 0; i < list.setting.getLength(); ++i) {
    const Value each = list.element(i);
    if (!each.setting.isGroup()) {
      fault(each, "an account must be a group: { … }");
      continue;
    }
    Account& out = read.emplace_back();
    account(each, out);
    const auto same = [&](const Account& other) { return other.name == out.name && !out.name.empty(); };
    if (std::any_of(read.begin(), read.end() - 1, same))
      fault(each, "there are two accounts named \"" + out.name + "\"");
  }
  // This file's accounts come before those of a file that was read earlier, and replace those of the same name.
  for (Account& earlier : settings_.accounts) {
    const auto same = [&](const Account& other) { return other.name == earlier.name; };
    if (std::none_of(read.begin(), read.end(), same)) read.push_back(std::move(earlier));
  }
  settings_.accounts = std::move(read);
  return {};
}

void Reader::account(const Value& own, Account& out) {
  std::vector<Value> groups;
  for (const Parsed* file : {earlier_, file_}) {
    if (!file) continue;
    if (const auto defaults = member({file->root, file->text, system_}, "defaults")) groups.push_back(*defaults);
  }
  const std::size_t defaults = groups.size();
  for (const Value& each : ancestry(own)) groups.push_back(each);
  troubled_ = false;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    if (groups[i].setting.exists("host") && groups[i].setting.exists("hosts")) {
      fault(groups[i], "host and hosts exclude each other");
    }
    group(groups[i], out, i < defaults ? defaults_keys() : accounts_keys());
  }
  out.name = name_of(own);
  out.owner = file_->owner;
  check(own, out, groups);
}

// The account and those that it inherits from, the farthest first.
std::vector<Value> Reader::ancestry(const Value& own) {
  std::vector<Value> groups = {own};
  const Parsed* file = file_;
  for (;;) {
    const Value heir = groups.back();
    const auto inherit = member(heir, "inherit");
    std::string name;
    if (!inherit || !take_name(*inherit, name).empty()) break;
    auto found = named(name, heir, *file);
    if (!found && earlier_ && file != earlier_) {
      file = earlier_;
      if (const auto there = named(name, heir, *file)) found.emplace(*there);
    }
    if (!found) {
      const bool itself = name == name_of(heir);
      if (itself || all_there_) {
        fault(*inherit, itself ? "the account inherits from itself"
                               : "inherit names no account: \"" + name + '"' + there_are(names_beside(heir)));
      }
      misses_ = true;
      break;
    }
    const auto same = [&](const Value& each) { return &each.setting == &found->setting; };
    if (std::any_of(groups.begin(), groups.end(), same)) {
      fault(*inherit, "accounts inherit from each other: \"" + name + "\" from \"" + name_of(heir) + "\", too");
      break;
    }
    groups.push_back(*found);
  }
  std::vector<Value> farthest_first;
  for (auto each = groups.rbegin(); each != groups.rend(); ++each) farthest_first.push_back(*each);
  return farthest_first;
}

// A file's account of that name, if it is not the exception.
std::optional<Value> Reader::named(std::string_view name, const Value& except, const Parsed& file) const {
  const auto list = member({file.root, file.text, system_}, "accounts");
  for (int i = 0; list && list->setting.isList() && i < list->setting.getLength(); ++i) {
    const Value each = list->element(i);
    if (&each.setting != &except.setting && name_of(each) == name) return each;
  }
  return std::nullopt;
}

// Those that an account may inherit from.
std::vector<std::string> Reader::names_beside(const Value& account) const {
  std::vector<std::string> names;
  for (const Parsed* file : {file_, earlier_}) {
    const auto list = file ? member({file->root, file->text, system_}, "accounts") : std::nullopt;
    for (int i = 0; list && list->setting.isList() && i < list->setting.getLength(); ++i) {
      const Value each = list->element(i);
      if (&each.setting != &account.setting) names.push_back(name_of(each));
    }
  }
  return names;
}

std::string Reader::name_of(const Value& account) const {
  std::string name;
  const auto setting = member(account, "name");
  return setting && take_name(*setting, name).empty() ? name : "";
}

// Takes in a group of authentication; of the places where passwords come from, the nearest counts.
Complaint Reader::auth(const Value& value, Account& out) {
  if (!out.auth) out.auth.emplace();
  int sources = 0;
  for (const Key<Auth>& key : source_keys()) {
    const auto source = member(value, std::string(key.name).c_str());
    if (source && !declines(source->setting)) ++sources;
  }
  const auto mechanism = member(value, "mechanism");
  std::string proof;
  const bool by_certificate = mechanism && take_string(*mechanism, proof).empty() && base::lower(proof) == "external";
  if (sources == 1 || by_certificate) {
    out.auth->source = Auth::Source::none;
    out.auth->place.clear();
    out.auth->password = base::Secret();
  }
  Complaint complaint = group(value, *out.auth, auth_keys());
  if (out.auth->mechanism == no_login) out.auth.reset();
  if (sources <= 1 || !complaint.empty()) return complaint;
  std::vector<std::string_view> names;
  for (const Key<Auth>& key : source_keys()) names.push_back(key.name);
  return "must have one source of the password, not several: one of " + base::join(names, ", ");
}

// What is to be said of an account as a whole.
void Reader::check(const Value& own, const Account& account, std::span<const Value> groups) {
  const bool troubled = troubled_;  // then a key may be missing because it was faulty
  const auto has = [&](const char* key) {
    return std::any_of(groups.begin(), groups.end(), [&](const Value& each) { return each.setting.exists(key); });
  };
  if (!own.setting.exists("name")) fault(own, "the account has no name");
  if (!has("host") && !has("hosts")) fault(own, "account \"" + account.name + "\" has no host");
  if (troubled) return;
  if (account.tls_certificate.empty() && !account.tls_key.empty()) fault(own, "tls_key needs a tls_certificate");
  if (!account.auth) return;
  const Auth& auth = *account.auth;
  const Value where = member(own, "auth").value_or(own);
  const bool bearer = auth.mechanism == "xoauth2" || auth.mechanism == "oauthbearer";
  if (auth.user.empty() && needs_password(auth.mechanism) && auth.source != Auth::Source::netrc)
    fault(where, "auth has no user");
  if (auth.mechanism == "external" && auth.source != Auth::Source::none) {
    fault(where, "auth needs no password with mechanism \"external\": the certificate is the proof");
  }
  if (auth.source == Auth::Source::token_command && !bearer) {
    fault(where, "token_command is for mechanism = \"xoauth2\" or \"oauthbearer\", not \"" + auth.mechanism + "\"");
  }
}

void Reader::check_default(const Value& root) {
  const auto setting = member(root, "default_account");
  std::string name;
  if (!setting || !take_name(*setting, name).empty() || !all_there_) return;
  std::vector<std::string> known;
  for (const Account& account : settings_.accounts) known.push_back(account.name);
  if (std::find(known.begin(), known.end(), name) != known.end()) return;
  fault(*setting, "default_account names no account: \"" + name + '"' + there_are(known));
}

}  // namespace pillarbox::config
