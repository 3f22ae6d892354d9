// msmtprc (msmtp 1.8): a command and its argument a line; accounts begin with what "defaults" has said so far, then
// take what the accounts that they name have set. That is resolved here, so that each account stands for itself.
#include "config/import_msmtp.h"

#include <algorithm>
#include <array>
#include <deque>
#include <tuple>

#include "base/text.h"

namespace pillarbox::config {
namespace {

constexpr std::string_view program = "msmtp";

constexpr std::array commands = {"defaults",
                                 "account",
                                 "eval",
                                 "host",
                                 "port",
                                 "source_ip",
                                 "proxy_host",
                                 "proxy_port",
                                 "socket",
                                 "timeout",
                                 "connect_timeout",
                                 "protocol",
                                 "domain",
                                 "auth",
                                 "user",
                                 "password",
                                 "passwordeval",
                                 "ntlmdomain",
                                 "tls",
                                 "tls_starttls",
                                 "tls_trust_file",
                                 "tls_crl_file",
                                 "tls_fingerprint",
                                 "tls_key_file",
                                 "tls_cert_file",
                                 "tls_certcheck",
                                 "tls_priorities",
                                 "tls_host_override",
                                 "tls_min_dh_prime_bits",
                                 "tls_force_sslv3",
                                 "tls_nocertcheck",
                                 "tls_nostarttls",
                                 "from",
                                 "from_full_name",
                                 "allow_from_override",
                                 "dsn_notify",
                                 "dsn_return",
                                 "set_from_header",
                                 "set_date_header",
                                 "set_msgid_header",
                                 "add_missing_from_header",
                                 "add_missing_date_header",
                                 "remove_bcc_headers",
                                 "undisclosed_recipients",
                                 "keepbcc",
                                 "logfile",
                                 "logfile_time_format",
                                 "syslog",
                                 "aliases",
                                 "auto_from",
                                 "maildomain"};

bool is_command(std::string_view word) {
  return std::find(commands.begin(), commands.end(), word) != commands.end();
}

// An argument in double quotes is what stands between them.
std::string_view unquoted(std::string_view text) {
  const bool quoted = text.size() >= 2 && text.front() == '"' && text.back() == '"';
  return quoted ? text.substr(1, text.size() - 2) : text;
}

std::size_t known_lines(std::string_view text, std::string_view /*name*/) {
  std::size_t known = 0;
  bool has_account = false;
  for (const Line& line : content_lines(text)) {
    const std::string_view command = first_word(line.text).first;
    known += is_command(command) ? 1 : 0;
    has_account = has_account || command == "account" || command == "defaults";
  }
  return has_account ? known : 0;
}

struct Account {
  std::string name;
  Directive begin;
  const Account* parent = nullptr;  // the only one
  Directives own;
  Directives inherited;
  Directives defaults;  // as they were where it began
};

// What an account has set, and hands on.
Directives set_by(const Account& account) {
  Directives all = account.own;
  all.insert(account.inherited.begin(), account.inherited.end());
  return all;
}

// What counts for an account.
Directives resolved(const Account& account) {
  Directives all = set_by(account);
  all.insert(account.defaults.begin(), account.defaults.end());
  return all;
}

bool says_the_same(const Directives& a, const Directives& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    return x.first == y.first && x.second.value == y.second.value;
  });
}

bool has_host(const Account& account) {
  const Directives all = resolved(account);
  const auto host = all.find("host");
  return host != all.end() && !host->second.value.empty();
}

class Reader {
 public:
  Reader(const ReadFile& read_file, Imported& out) : read_file_(read_file), out_(out) {}

  void read(std::string_view text) {
    for (const Line& line : content_lines(text)) {
      const auto [command, argument] = first_word(line.text);
      const bool may_be_value = argument.empty() && !is_command(command);
      take({line.number, std::string(command), std::string(unquoted(argument)), "", may_be_value});
    }
    preferred_ = default_account();
    const std::vector<const Account*> kept = accounts_that_send();
    logs_ = preferred_ || kept.empty() ? preferred_ : kept.front();
    if (logs_) {
      Draft draft(resolved(*logs_), out_);
      msmtp_log(draft);
    }
    for (const Account* account : kept) out_.accounts.push_back(imported(*account));
    if (preferred_) {
      out_.settings["default_account"] = preferred_->name;
    } else if (kept.size() > 1) {
      note(out_, "msmtp has no default account here; Pillarbox takes the first for a sender that is no account's own");
    }
    note_what_is_unused();
    drop_repeated_notes();
  }

 private:
  void take(Directive directive) {
    if (directive.name == "eval") {
      note(out_, directive, "is not run; put the line that the command prints in its place and import again");
    } else if (directive.name == "defaults") {
      scope_ = &defaults_;
    } else if (directive.name == "account") {
      begin_account(directive);
    } else if (!scope_) {
      note(out_, directive, "its account is left out");
    } else {
      lines_.push_back(directive);
      (*scope_)[directive.name] = std::move(directive);
    }
  }

  // "account NAME" or "account NAME : PARENT, PARENT"
  void begin_account(const Directive& directive) {
    const std::string_view value = directive.value;
    const std::size_t colon = value.find(':');
    Account account;
    account.name = base::trim(value.substr(0, colon));
    account.begin = directive;
    account.defaults = defaults_;
    scope_ = nullptr;
    if (account.name.empty() || base::has_control(account.name)) {
      return note(out_, directive, "is left out: it has no name that can be used");
    }
    if (find(account.name)) return note(out_, directive, "is left out: there is one of this name already");
    if (colon != std::string_view::npos) {
      const auto parents = base::split(value.substr(colon + 1), ',');
      for (const std::string_view name : parents) inherit(account, base::trim(name));
      if (parents.size() == 1) account.parent = find(base::trim(parents.front()));
    }
    accounts_.push_back(std::move(account));
    Account& added = accounts_.back();
    by_name_[added.name] = &added;
    scope_ = &added.own;
  }

  void inherit(Account& account, std::string_view name) {
    const Account* parent = find(name);
    if (!parent) return note(out_, account.begin, "inherits from an account that is not defined before it");
    for (auto& [key, directive] : set_by(*parent)) account.inherited[key] = directive;
  }

  const Account* find(std::string_view name) const {
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? nullptr : found->second;
  }

  // "account default : work" with nothing of its own is work.
  const Account* default_account() const {
    const Account* found = find("default");
    if (found && found->parent && says_the_same(resolved(*found), resolved(*found->parent))) found = found->parent;
    return found && has_host(*found) ? found : nullptr;
  }

  std::vector<const Account*> accounts_that_send() {
    std::vector<const Account*> kept;
    for (const Account& account : accounts_) {
      if (account.name == "default" && preferred_ && preferred_ != &account) continue;
      if (has_host(account)) {
        kept.push_back(&account);
      } else {
        note(out_, account.begin, "has no host and is left out; accounts that inherit from it have what it says");
      }
    }
    return kept;
  }

  ImportedAccount imported(const Account& account) {
    ImportedAccount out;
    out.name = account.name;
    const Directives all = resolved(account);
    for (const auto& [name, directive] : all) used_.insert(directive.line);
    Draft draft(all, out);
    msmtp_account(draft, read_file_);
    one_log(draft);
    draft.finish_tls(program, true);
    draft.finish(program);
    return out;
  }

  void one_log(Draft& draft) {
    const Directives counts = resolved(*logs_);
    for (const std::string_view name : {"logfile", "logfile_time_format", "syslog"}) {
      const Directive* found = draft.take(name);
      const auto other = counts.find(name);
      if (found && (other == counts.end() || other->second.value != found->value)) {
        note(draft.out(), *found, "there is one log for all accounts; that of " + base::quote(logs_->name) + " is it");
      }
    }
  }

  void note_what_is_unused() {
    for (const Directive& directive : lines_) {
      if (!used_.contains(directive.line)) {
        note(out_, directive, "has no effect: a later line takes its place, or no account that is carried over has it");
      }
    }
  }

  // What is said of "defaults" is said once, not for each account.
  void drop_repeated_notes() {
    std::set<std::tuple<std::size_t, std::string, std::string>> seen;
    const auto repeated = [&](const Note& note) {
      return note.line > 0 && !seen.emplace(note.line, note.directive, note.why).second;
    };
    for (ImportedAccount& account : out_.accounts) std::erase_if(account.notes, repeated);
  }

  const ReadFile& read_file_;
  Imported& out_;
  Directives defaults_;
  std::deque<Account> accounts_;  // they point at each other
  std::map<std::string, const Account*, std::less<>> by_name_;
  Directives* scope_ = &defaults_;
  std::vector<Directive> lines_;  // all that are some account's or the defaults'
  std::set<std::size_t> used_;
  const Account* preferred_ = nullptr;
  const Account* logs_ = nullptr;
};

void read(std::string_view text, const ReadFile& read_file, Imported& out) {
  Reader(read_file, out).read(text);
}

}  // namespace

const Format& msmtp_format() {
  static constexpr Format format{program, "msmtp", known_lines, read};
  return format;
}

}  // namespace pillarbox::config
