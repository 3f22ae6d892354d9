// ssmtp.conf (ssmtp 2.64): "Key=value" lines, keys in any case. A value ends at a blank; there are no quotes.
#include <algorithm>
#include <array>

#include "base/text.h"
#include "config/import_format.h"
#include "config/place.h"

namespace pillarbox::config {
namespace {

constexpr std::string_view program = "ssmtp";

constexpr std::array keys = {"root",       "mailhub",          "remoteport", "rewritedomain",
                             "hostname",   "fromlineoverride", "usetls",     "usestarttls",
                             "usetlscert", "tlscert",          "tlskey",     "tls_ca_file",
                             "tls_ca_dir", "authuser",         "authpass",   "authmethod",
                             "useoldauth", "minuserid",        "addheader",  "debug"};

bool is_key(std::string_view word) {
  return std::find(keys.begin(), keys.end(), base::lower(word)) != keys.end();
}

std::size_t known_lines(std::string_view text, std::string_view /*name*/) {
  std::size_t known = 0;
  for (const Line& line : content_lines(text)) {
    const bool assigned = line.text.find('=') != std::string_view::npos;
    known += assigned && is_key(first_word(line.text, "= \t").first) ? 1 : 0;
  }
  return known;
}

bool yes(const Directive* directive) {
  return directive && base::iequals(directive->value, "yes");
}

class Reader {
 public:
  explicit Reader(Imported& out) : out_(out) {}

  void read(std::string_view text) {
    for (const Line& line : content_lines(text)) take(line);
    ImportedAccount account;
    account.name = "default";
    Draft draft(std::move(directives_), account);
    server(draft);
    tls(draft);
    login(draft);
    sender(draft);
    draft.lost("useoldauth", "Pillarbox does as the server asks");
    draft.lost("debug", "smtp -t and sendmail -v show the conversation");
    draft.lost("addheader", "Pillarbox adds no header fields but those that are missing");
    const bool checked = account.settings.contains("tls_ca_file");
    draft.finish_tls(program, checked);
    draft.finish(program);
    note(out_, "what is in revaliases is not carried over; an account for each sender, with from, does that");
    out_.accounts.push_back(std::move(account));
  }

 private:
  void take(const Line& line) {
    const auto [key, rest] = first_word(line.text, "= \t");
    const bool assigned = rest.starts_with('=');
    Directive directive{line.number, std::string(key), "", "", !assigned && !is_key(key)};
    if (!assigned) return note(out_, directive, "there is no \"=\" in this line; ssmtp ignores it");
    directive.value = first_word(base::trim(rest.substr(1))).first;
    // TLS is what the last of two directives says; of the others the last counts anyway, but a login's first.
    const std::string name = base::lower(key);
    if (name == "usetls") {
      implicit_ = yes(&directive);
      starttls_ = starttls_ && implicit_;
    } else if (name == "usestarttls") {
      starttls_ = yes(&directive);
      implicit_ = implicit_ || starttls_;
    }
    if (name.starts_with("auth") && directives_.contains(name)) {
      return note(out_, directive, "is said a second time; the first counts");
    }
    const auto [place, is_new] = directives_.try_emplace(name, directive);
    if (is_new) return;
    note(out_, place->second, "line " + std::to_string(line.number) + " says it again, and counts");
    place->second = std::move(directive);
  }

  void server(Draft& draft) {
    Section& out = draft.out();
    out.settings["port"] = 25;
    const Directive* remote = draft.take("remoteport");
    const Directive* hub = draft.take("mailhub");
    if (remote) port(draft, *remote, remote->value);
    if (!hub || hub->value.empty()) {
      out.settings["host"] = std::string("mailhub");
      return note(out, "there is no mailhub here, and the host of that name is ssmtp's default");
    }
    const auto [host, number] = split_port(hub->value);
    draft.set_host(*hub, "host", host);
    if (number && !number->empty() && (!remote || remote->line < hub->line)) port(draft, *hub, *number);
  }

  static void port(Draft& draft, const Directive& directive, std::string_view text) {
    if (const auto number = draft.number(directive, text, 1, 65535)) draft.out().settings["port"] = *number;
  }

  void tls(Draft& draft) {
    Section& out = draft.out();
    draft.take("usetls");
    draft.take("usestarttls");
    out.settings["tls"] = std::string(starttls_ ? "starttls" : implicit_ ? "implicit" : "off");
    draft.path("tls_ca_file", "tls_ca_file");
    draft.lost("tls_ca_dir", "Pillarbox takes a file of certificates: tls_ca_file");
    if (!yes(draft.take("usetlscert"))) {
      for (const std::string_view name : {"tlscert", "tlskey"}) draft.lost(name, "UseTLSCert is not YES");
      return;
    }
    out.settings["tls_certificate"] = std::string("/etc/ssl/certs/ssmtp.pem");
    draft.path("tlscert", "tls_certificate");
    out.settings["tls_key"] = out.settings["tls_certificate"];
    draft.path("tlskey", "tls_key");
  }

  static void login(Draft& draft) {
    const Directive* user = draft.take("authuser");
    const Directive* password = draft.take("authpass");
    draft.login(user, password);
    const Directive* method = draft.take("authmethod");
    if (!method || method->value.empty() || !draft.out().settings.contains("auth.user")) {
      if (method) note(draft.out(), *method, "there is no login that it could be for");
    } else if (const std::string mechanism = base::lower(method->value);
               mechanism == "cram-md5" || mechanism == "login") {
      draft.out().settings["auth.mechanism"] = mechanism;
    } else {
      note(draft.out(), *method, "ssmtp takes it for LOGIN; Pillarbox takes the best that the server offers");
    }
    if (password && password->value.find('#') != std::string::npos) {
      note(draft.out(), *password, "Debian's ssmtp ends it before the \"#\", others don't, nor is it ended here");
    }
  }

  // The envelope's sender is the login at the domain, whatever -f says.
  static void sender(Draft& draft) {
    Section& out = draft.out();
    if (const Directive* name = draft.take("hostname"); name && !name->value.empty()) {
      draft.set_host_name(*name, name->value);
    }
    if (const Directive* domain = draft.take("rewritedomain"); domain && !domain->value.empty()) {
      draft.set_domain(*domain, domain->value.substr(domain->value.rfind('@') + 1));
    }
    const Directive* override = draft.take("fromlineoverride");
    if (yes(override)) {
      note(out, *override,
           "From stays as it is, but the envelope's sender is the login at the domain, or what "
           "sendmail -f says");
    } else {
      out.settings["allow_from_override"] = false;
    }
    if (const Directive* root = draft.take("root"); root && !root->value.empty()) {
      note(out, *root,
           "mail for root and other system users goes where /etc/aliases says, which ssmtp does not read: an alias "
           "there for root and for each further local user who gets mail; there is no alias for everybody");
    }
    draft.lost("minuserid", "see Root; /etc/aliases has names and not numbers");
  }

  Imported& out_;
  Directives directives_;
  bool implicit_ = false;
  bool starttls_ = false;
};

void read(std::string_view text, const ReadFile&, Imported& out) {
  Reader(out).read(text);
}

}  // namespace

const Format& ssmtp_format() {
  static constexpr Format format{program, "ssmtp", known_lines, read};
  return format;
}

}  // namespace pillarbox::config
