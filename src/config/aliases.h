// Aliases: who gets the mail of a local name (aliases(5)). "name: address, …"; a line that begins with a blank goes on
// with the one before, "#" begins a comment. "|command", "/file" and ":include:" are not for a program that delivers
// nothing, and are skipped with a warning.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "mail/address.h"

namespace pillarbox::config {

class Aliases {
 public:
  // A file that is not there has no aliases. config (78) for one that can't be read.
  static Result<Aliases> load(const std::string& path);
  static Aliases parse(std::string_view text, const std::string& path);

  [[nodiscard]] bool empty() const { return targets_.empty(); }
  // "FILE:LINE: what is wrong", for each line that is no alias and each target that is no address. These are left out,
  // for one slip in the file must not stop the mail of all.
  [[nodiscard]] const std::vector<std::string>& faults() const { return faults_; }

  struct Expansion {
    std::vector<mail::Address> addresses;  // bare names without an alias among them
    std::vector<std::string> warnings;
  };

  // Whether an alias may stand for a mailbox: a name without a domain or with one of the local ones, not escaped.
  static bool concerns(const mail::Mailbox& mailbox, const std::vector<std::string>& local_domains);

  // What a mailbox becomes, recursively; a loop ends where it comes round, and a name in its own alias is that address.
  [[nodiscard]] Expansion expand(const mail::Mailbox& mailbox, const std::vector<std::string>& local_domains) const;

 private:
  struct Target {
    std::vector<mail::Mailbox> mailboxes;
    std::vector<std::string> refused;  // "|command" and the like
  };
  class Walk;

  std::map<std::string, Target> targets_;  // by name in lower case
  std::vector<std::string> faults_;
};

}  // namespace pillarbox::config
