// dma.conf (DragonFly Mail Agent 0.13): "NAME value" lines, "#" begins a comment anywhere; a flag is on by being there.
// Logins stand in the file that AUTHPATH names, as "user|host:password" lines.
#include <algorithm>
#include <array>

#include "base/text.h"
#include "config/import_format.h"

namespace pillarbox::config {
namespace {

constexpr std::string_view program = "dma";

constexpr std::array names = {
    "SMARTHOST",  "PORT",        "ALIASES",           "SPOOLDIR",   "AUTHPATH", "SECURETRANSFER", "SECURETRANS",
    "STARTTLS",   "FINGERPRINT", "OPPORTUNISTIC_TLS", "CERTFILE",   "SECURE",   "INSECURE",       "DEFER",
    "FULLBOUNCE", "MAILNAME",    "MASQUERADE",        "NULLCLIENT", "NOHELO",   "DEBUGLOG",       "VIRTPATH"};

std::string_view without_comment(std::string_view line) {
  return base::trim(line.substr(0, line.find('#')));
}

std::size_t known_lines(std::string_view text, std::string_view /*name*/) {
  std::size_t known = 0;
  for (const Line& line : content_lines(text)) {
    const std::string_view name = first_word(without_comment(line.text)).first;
    known += static_cast<std::size_t>(std::count(names.begin(), names.end(), name));
  }
  return known;
}

class Reader {
 public:
  Reader(const ReadFile& read_file, Imported& out) : read_file_(read_file), out_(out) {}

  void read(std::string_view text) {
    Directives directives;
    for (const Line& line : content_lines(text)) {
      const auto [name, value] = first_word(without_comment(line.text));
      add(directives, {line.number, std::string(name), std::string(value), "", value.empty()}, out_);
    }
    const auto smarthost = directives.find("SMARTHOST");
    const bool usable = smarthost != directives.end() && !smarthost->second.value.empty();
    if (!usable)
      note(out_, "there is no SMARTHOST: dma looks for each recipient's server, and Pillarbox needs one to send by");
    ImportedAccount account;
    account.name = "default";
    Draft draft(std::move(directives), account);
    server(draft);
    tls(draft);
    login(draft);
    sender(draft);
    queue(draft);
    if (usable) draft.finish_tls(program, false);
    draft.finish(program);
    out_.accounts.push_back(std::move(account));
  }

 private:
  static void server(Draft& draft) {
    draft.host("SMARTHOST", "host");
    draft.out().settings["port"] = 25;
    if (const Directive* port = draft.take("PORT"); port && !port->value.empty()) {
      if (const auto number = draft.number(*port, port->value, 1, 65535)) draft.out().settings["port"] = *number;
    }
  }

  static void tls(Draft& draft) {
    const Directive* secure = draft.take("SECURETRANSFER");
    if (const Directive* other = draft.take("SECURETRANS")) secure = other;
    const Directive* starttls = draft.take("STARTTLS");
    const Directive* opportunistic = draft.take("OPPORTUNISTIC_TLS");
    draft.out().settings["tls"] = std::string(!secure         ? "off"
                                              : !starttls     ? "implicit"
                                              : opportunistic ? "opportunistic"
                                                              : "starttls");
    if (starttls && !secure) note(draft.out(), *starttls, "has no effect in dma without SECURETRANSFER");
    if (opportunistic && !(starttls && secure)) {
      note(draft.out(), *opportunistic, "has no effect in dma without SECURETRANSFER and STARTTLS");
    }
    draft.lost("FINGERPRINT",
               "is of the whole certificate; tls_pin wants \"sha256//\" and the hash of its public key. "
               "Until then the certificate must be valid");
    if (const Directive* file = draft.take("CERTFILE"); file && !file->value.empty()) {
      draft.path("CERTFILE", "tls_certificate");
      if (draft.out().settings.contains("tls_certificate")) draft.set_text(*file, "tls_key", file->value);
    }
    draft.lost("SECURE", "Pillarbox logs in over TLS only anyway, or to a server on this host");
    draft.lost("INSECURE", "Pillarbox logs in over TLS only, or to a server on this host");
  }

  // The last line for the smart host counts.
  void login(Draft& draft) {
    const Directive* path = draft.take("AUTHPATH");
    if (!path || path->value.empty()) return;
    const auto text = read_file_(path->value);
    if (!text) return note(draft.out(), *path, text.error().text);
    const auto host = draft.out().settings.find("host");
    Directive user;
    Directive password;
    for (const Line& line : content_lines(*text)) {
      const std::size_t bar = line.text.find('|');
      const std::size_t end = line.text.find_first_of(": \t", std::min(bar, line.text.size()));
      Directive entry{line.number, "", "", path->value};
      if (end == std::string_view::npos) {
        note(draft.out(), entry, "is not \"user|host:password\"");
      } else if (host == draft.out().settings.end() ||
                 host->second != Section::Value(std::string(line.text.substr(bar + 1, end - bar - 1)))) {
        note(draft.out(), entry, "is a login for another server than SMARTHOST");
      } else {
        user = password = entry;
        user.value = line.text.substr(0, bar);
        password.value = line.text.substr(end + 1);
      }
    }
    if (user.line == 0) return note(draft.out(), *path, "there is no login for SMARTHOST in that file");
    draft.login(&user, &password);
  }

  void sender(Draft& draft) {
    Section& out = draft.out();
    if (const Directive* name = draft.take("MAILNAME"); name && name->value.starts_with('/')) {
      const auto text = read_file_(name->value);
      if (!text) {
        note(out, *name, text.error().text);
      } else if (draft.set_host_name(*name, std::string(base::trim(base::split(*text, '\n').front())))) {
        note(out, *name, "became what that file says now");
      }
    } else if (name && !name->value.empty()) {
      draft.set_host_name(*name, name->value);
    }
    if (const Directive* masquerade = draft.take("MASQUERADE"); masquerade && !masquerade->value.empty()) {
      masqueraded(draft, *masquerade);
    }
  }

  // "user@host", "user@" or "host": the envelope's sender, whatever -f says.
  static void masqueraded(Draft& draft, const Directive& directive) {
    Section& out = draft.out();
    const std::size_t at = directive.value.rfind('@');
    const std::string user = at == std::string::npos ? "" : directive.value.substr(0, at);
    std::string host = directive.value.substr(at == std::string::npos ? 0 : at + 1);
    if (user.empty()) {
      if (draft.set_domain(directive, host)) out.settings["allow_from_override"] = false;
      return;
    }
    if (const auto helo = out.settings.find("helo"); host.empty() && helo != out.settings.end()) {
      host = std::get<std::string>(helo->second);
    }
    if (host.empty())
      return note(out, directive, "write the address in full, with this host's name: from, and sender = \"rewrite\"");
    if (draft.set_address(directive, "from", user + "@" + host)) out.settings["sender"] = std::string("rewrite");
  }

  static void queue(Draft& draft) {
    draft.path("ALIASES", "aliases");
    if (draft.take("NULLCLIENT")) draft.out().settings["aliases"] = std::string();
    draft.lost("SPOOLDIR", "Pillarbox's queue has a place and a form of its own; empty dma's first (dma -q)");
    draft.lost("DEFER", "sendmail --queue-only does it for one message");
    draft.lost("FULLBOUNCE", "there is no such choice for Pillarbox's bounces");
    draft.lost("NOHELO", "Pillarbox tries HELO after EHLO only where it needs neither TLS nor a login");
    draft.lost("DEBUGLOG", "sendmail -v shows the conversation");
    draft.lost("VIRTPATH", "Pillarbox has aliases only");
  }

  const ReadFile& read_file_;
  Imported& out_;
};

void read(std::string_view text, const ReadFile& read_file, Imported& out) {
  Reader(read_file, out).read(text);
}

}  // namespace

const Format& dma_format() {
  static constexpr Format format{program, "dma", known_lines, read};
  return format;
}

}  // namespace pillarbox::config
