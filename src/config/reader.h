// Reader: from the settings of one or two files to Settings. It collects every fault, each a line
// "FILE:LINE: what is wrong and what is allowed", and the commands that mend what a command can mend.
//
// An account is made of groups of keys, each over the one before: the system's defaults, for a user's account the
// user's defaults, the accounts that it inherits from, farthest first, and its own. A group in it (auth, timeouts,
// headers, dsn) is merged key by key as well; a password's source takes the place of another, and so do host and hosts.
#pragma once

#include <algorithm>
#include <libconfig.h++>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/system.h"
#include "config/settings.h"
#include "config/take.h"
#include "config/text.h"

namespace pillarbox::config {

// One file, parsed.
struct Parsed {
  Owner owner = Owner::user;
  const Text& text;
  const libconfig::Setting& root;
};

class Reader;

// A key of a group of settings, and what it does with its value. config/keys.cc has them all.
template <class Group>
struct Key {
  std::string_view name;
  Complaint (*take)(Reader&, const Value&, Group&);
};

class Reader {
 public:
  // Not all there: some file could not be parsed, and what it would have named is not missed.
  Reader(Settings& settings, const base::System& system, bool all_there)
      : settings_(settings), system_(system), all_there_(all_there) {}

  // The system's file comes before the user's, and lives as long as the reader does.
  void read(const Parsed& file);

  // All that is wrong with what was read, as one error, config (78).
  [[nodiscard]] std::optional<Error> faults() const;

  // An account inherits from one that is not there, and was not missed.
  [[nodiscard]] bool misses() const { return misses_; }

  // What the tables of keys call. A group's keys each take their value, or there is a fault for it.
  template <class Group>
  Complaint group(const Value& value, Group& out, std::type_identity_t<std::span<const Key<Group>>> keys) {
    if (!value.setting.isGroup()) return "must be a group: { … }";
    for (int i = 0; i < value.setting.getLength(); ++i) {
      const Value each = value.element(i);
      const std::string name = each.setting.getName();
      const auto key = std::find_if(keys.begin(), keys.end(), [&](const Key<Group>& k) { return k.name == name; });
      if (key == keys.end()) {
        std::vector<std::string_view> known;
        for (const Key<Group>& k : keys) known.push_back(k.name);
        unknown(each, known);
      } else if (const Complaint complaint = key->take(*this, each, out); !complaint.empty()) {
        fault(each, name + " " + complaint);
      }
    }
    return {};
  }
  Complaint accounts(const Value& list);
  Complaint defaults(const Value& value);
  Complaint auth(const Value& value, Account& out);
  // The file that value stands in holds a password.
  void note_password(const Value& value);

 private:
  void fault(const Value& where, const std::string& what);
  void unknown(const Value& value, std::span<const std::string_view> known);
  void account(const Value& own, Account& out);
  std::vector<Value> ancestry(const Value& own);
  [[nodiscard]] std::optional<Value> named(std::string_view name, const Value& except, const Parsed& file) const;
  [[nodiscard]] std::vector<std::string> names_beside(const Value& account) const;
  [[nodiscard]] std::string name_of(const Value& account) const;
  void check(const Value& own, const Account& account, std::span<const Value> groups);
  void check_default(const Value& root);

  Settings& settings_;
  const base::System& system_;
  bool all_there_;
  const Parsed* file_ = nullptr;     // that is being read
  const Parsed* earlier_ = nullptr;  // the system's, while the user's is read
  bool troubled_ = false;            // a fault since this was last cleared, told before or not
  bool misses_ = false;
  std::vector<std::string> faults_;
  std::vector<std::string> remedies_;
};

}  // namespace pillarbox::config
