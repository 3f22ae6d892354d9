// nullmailer's remotes (2.2): a server a line, "HOST PROTOCOL OPTION ...", words quoted as a shell has them, options
// with or without "--". A message goes to the first, after a temporary failure to the next.
#include <algorithm>
#include <array>

#include "base/text.h"
#include "config/import_format.h"

namespace pillarbox::config {
namespace {

constexpr std::string_view program = "nullmailer";
constexpr std::string_view file_name = "remotes";

struct Words {
  std::vector<std::string> words;
  bool unterminated = false;
};

// Blanks separate; 'x' is literal, in "x" and outside a backslash takes the next character as it is.
Words shell_words(std::string_view text) {
  Words out;
  bool in_word = false;
  char quote = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quote == 0 && base::is_blank(c)) {
      in_word = false;
      continue;
    }
    if (!in_word) out.words.emplace_back();
    in_word = true;
    if (quote != 0 && c == quote) {
      quote = 0;
    } else if (quote == 0 && (c == '"' || c == '\'')) {
      quote = c;
    } else if (c == '\\' && quote != '\'') {
      if (++i < text.size()) out.words.back() += text[i];
    } else {
      out.words.back() += c;
    }
  }
  out.unterminated = quote != 0;
  return out;
}

bool is_protocol(std::string_view word) {
  return word == "smtp" || word == "qmqp";
}

// Any word may be a host's name, so that a line of one says something only where the file's name does.
std::size_t known_lines(std::string_view text, std::string_view name) {
  std::size_t known = 0;
  for (const Line& line : content_lines(text)) {
    const auto [host, rest] = first_word(line.text);
    const bool alone = rest.empty() && name == file_name && !base::has_control(host);
    known += alone || is_protocol(first_word(rest).first) ? 1 : 0;
  }
  return known;
}

void tls(Draft& draft) {
  Section& out = draft.out();
  const bool ssl = draft.take("ssl") != nullptr;
  const bool implicit = draft.take("tls") != nullptr || ssl;
  const bool starttls = draft.take("starttls") != nullptr;
  out.settings["tls"] = std::string(implicit ? "implicit" : starttls ? "starttls" : "off");
  out.settings["port"] = implicit ? 465 : 25;
  if (draft.take("insecure")) out.settings["tls_verify"] = false;
  draft.lost("tls-anon-auth", "Pillarbox wants a certificate of the server");
  draft.path("x509certfile", "tls_certificate");
  if (out.settings.contains("tls_certificate")) out.settings["tls_key"] = out.settings["tls_certificate"];
  draft.path("x509keyfile", "tls_key");
  draft.path("x509cafile", "tls_ca_file");
  draft.path("x509crlfile", "tls_crl");
  draft.lost("x509fmtder", "Pillarbox reads PEM; openssl x509 -inform DER makes it of DER");
}

void remote(Draft& draft) {
  Section& out = draft.out();
  draft.host("host", "host");
  tls(draft);
  for (const std::string_view name : {"port", "p"}) {
    if (const Directive* port = draft.take(name)) {
      if (const auto number = draft.number(*port, port->value, 1, 65535)) out.settings["port"] = *number;
    }
  }
  const Directive* user = draft.take("user");
  draft.login(user, draft.take("pass"));
  if (const Directive* login = draft.take("auth-login")) {
    if (out.settings.contains("auth.user")) {
      out.settings["auth.mechanism"] = std::string("login");
    } else {
      note(out, *login, "there is no login");
    }
  }
  if (const Directive* source = draft.take("source")) draft.set_source(*source);
  for (const std::string_view name : {"d", "daemon", "s", "syslog"}) {
    draft.lost(name, "Pillarbox tells syslog unless log.syslog is false");
  }
  draft.finish_tls(program, true);
  draft.finish(program);
}

class Reader {
 public:
  explicit Reader(Imported& out) : out_(out) {}

  void read(std::string_view text) {
    for (const Line& line : content_lines(text)) take(line);
    if (!join()) {
      note(out_,
           "nullmailer tries the next of these servers where one fails for now; Pillarbox does that for the hosts "
           "of one account, and these differ in more than their names and ports");
    }
    note(out_,
         "what is in nullmailer's other files is not carried over; domain is for what is in defaulthost, else "
         "/etc/mailname, and helo for helohost; nothing completes host names without a dot as defaultdomain does");
    note(out_,
         "for adminaddr: an alias in /etc/aliases for root and for each further local user who gets mail; there is no "
         "alias for everybody");
  }

 private:
  void take(const Line& line) {
    const auto [words, unterminated] = shell_words(line.text);
    Directives directives;
    ImportedAccount account;
    const Directive host{line.number, "host", words.front()};
    if (unterminated) note(account, {line.number, "", ""}, "a quote is not closed");
    directives.emplace("host", host);
    if (words.size() > 1 && words[1] != "smtp") {
      const Directive protocol{line.number, words[1], "", "", !is_protocol(words[1])};
      return note(out_, protocol, "Pillarbox speaks SMTP only; this server is left out");
    }
    bool has_value = true;  // the word before; else "--pass" stands there, perhaps, and what follows is meant for it
    for (std::size_t i = 2; i < words.size(); ++i) {
      std::string_view option = words[i];
      option.remove_prefix(std::min(option.find_first_not_of('-'), option.size()));
      const std::size_t equals = std::min(option.find('='), option.size());
      std::string_view value = option.substr(std::min(equals + 1, option.size()));
      std::string_view name = option.substr(0, equals);
      if (words[i].starts_with("-p") && name.size() > 1) {  // -p2525
        value = name.substr(1);
        name = "p";
      }
      const bool may_be_value = !has_value || equals == option.size();
      add(directives, {line.number, std::string(name), std::string(value), "", may_be_value}, account);
      has_value = equals < option.size();
    }
    Draft draft(std::move(directives), account);
    remote(draft);
    if (account.settings.contains("host")) {
      account.name = unused_name(std::get<std::string>(account.settings["host"]));
      out_.accounts.push_back(std::move(account));
    } else {
      out_.notes.insert(out_.notes.end(), account.notes.begin(), account.notes.end());
    }
  }

  std::string unused_name(const std::string& host) {
    std::string name = host;
    for (int& count = times_[host]; !names_.insert(name).second;) name = host + "-" + std::to_string(++count + 1);
    return name;
  }

  // Servers that differ in nothing but host and port are the hosts of one account. False if they differ in more.
  bool join() {
    if (out_.accounts.size() < 2) return true;
    std::vector<std::string> hosts;
    const auto rest = [](std::map<std::string, Section::Value> settings) {
      settings.erase("host");
      settings.erase("port");
      return settings;
    };
    ImportedAccount& first = out_.accounts.front();
    for (const ImportedAccount& account : out_.accounts) {
      if (rest(account.settings) != rest(first.settings)) return false;
      const std::string host = std::get<std::string>(account.settings.at("host"));
      hosts.push_back(place(host, std::get<int>(account.settings.at("port"))));
    }
    for (std::size_t i = 1; i < out_.accounts.size(); ++i) {
      const std::vector<Note>& more = out_.accounts[i].notes;
      first.notes.insert(first.notes.end(), more.begin(), more.end());
    }
    first.settings.erase("host");
    first.settings.erase("port");
    first.settings["hosts"] = std::move(hosts);
    out_.accounts.resize(1);
    return true;
  }

  Imported& out_;
  std::set<std::string> names_;
  std::map<std::string, int> times_;  // a host's name has been used again
};

void read(std::string_view text, const ReadFile&, Imported& out) {
  Reader(out).read(text);
}

}  // namespace

const Format& nullmailer_format() {
  static constexpr Format format{program, file_name, known_lines, read};
  return format;
}

}  // namespace pillarbox::config
