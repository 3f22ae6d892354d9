// What msmtp's commands become, once it is known which of them count for an account.
#include <algorithm>
#include <array>

#include "base/text.h"
#include "config/import_msmtp.h"
#include "config/place.h"
#include "config/settings.h"

namespace pillarbox::config {
namespace {

// "on" and no argument at all, or "off"; anything else is noted.
std::optional<bool> on_off(Draft& draft, std::string_view name) {
  const Directive* found = draft.take(name);
  if (!found) return std::nullopt;
  if (found->value == "on" || found->value.empty()) return true;
  if (found->value == "off") return false;
  note(draft.out(), *found, "is neither on nor off");
  return std::nullopt;
}

void server(Draft& draft) {
  draft.host("host", "host");
  const bool tls = on_off(draft, "tls").value_or(false);
  const bool old = draft.take("tls_nostarttls") != nullptr;
  const bool implicit = !on_off(draft, "tls_starttls").value_or(!old);
  draft.out().settings["tls"] = std::string(!tls ? "off" : implicit ? "implicit" : "starttls");
  draft.out().settings["port"] = tls && implicit ? 465 : 25;
  if (const Directive* port = draft.take("port")) {
    if (const auto number = draft.number(*port, port->value, 1, 65535)) draft.out().settings["port"] = *number;
  }
  if (const Directive* protocol = draft.take("protocol"); protocol && protocol->value != "smtp") {
    note(draft.out(), *protocol, "Pillarbox speaks SMTP only");
  }
  draft.lost("socket", "Pillarbox connects by TCP only");
}

void tls(Draft& draft) {
  if (const Directive* trust = draft.take("tls_trust_file"); trust && trust->value.empty()) {
    note(draft.out(), *trust, "the system's certificate authorities are trusted; tls_verify = false trusts everybody");
  } else if (trust && trust->value != "system") {
    draft.set_path(*trust, "tls_ca_file", trust->value);
  }
  const bool old = draft.take("tls_nocertcheck") != nullptr;
  if (!on_off(draft, "tls_certcheck").value_or(!old)) draft.out().settings["tls_verify"] = false;
  if (const Directive* pin = draft.take("tls_fingerprint"); pin && !pin->value.empty()) {
    note(draft.out(), *pin,
         "is of the whole certificate; tls_pin wants \"sha256//\" and the hash of its public key. "
         "Until then the certificate must be valid");
  }
  draft.path("tls_crl_file", "tls_crl");
  draft.host("tls_host_override", "tls_name");
  for (const auto& [name, key] :
       {std::pair("tls_cert_file", "tls_certificate"), std::pair("tls_key_file", "tls_key")}) {
    const Directive* file = draft.take(name);
    if (!file || file->value.empty()) continue;
    if (file->value.find(':') < file->value.find('/')) {
      note(draft.out(), *file, "a device's URI; Pillarbox reads certificates and keys from PEM files");
    } else {
      draft.set_path(*file, key, file->value);
    }
  }
  draft.lost("tls_priorities", "are the TLS library's own words; tls_min and tls_ciphers are what Pillarbox has");
  draft.lost("tls_min_dh_prime_bits", "the TLS library decides; msmtp too calls it deprecated");
  draft.lost("tls_force_sslv3", "SSL 3 is dead; msmtp too ignores it");
}

void password(Draft& draft, const Directive& user) {
  Section& out = draft.out();
  const Directive* plain = draft.take("password");
  const Directive* command = draft.take("passwordeval");
  if (plain && !plain->value.empty()) {
    draft.set_text(*plain, "auth.password", plain->value);
    if (command && !command->value.empty()) note(out, *command, "the password comes first");
  } else if (command && !command->value.empty()) {
    draft.set_text(*command, "auth.password_command", command->value);
  } else {
    out.settings["auth.netrc"] = true;
    note(out, user,
         "there is no password here: msmtp asks the key ring, then .netrc. If it is in the key ring: "
         "password_command = \"secret-tool lookup host HOST service smtp user USER\" in place of netrc");
  }
}

void login(Draft& draft) {
  Section& out = draft.out();
  const Directive* auth = draft.take("auth");
  if (!auth || auth->value == "off") {
    for (const std::string_view name : {"user", "password", "passwordeval", "ntlmdomain"}) {
      draft.lost(name, "there is no login: auth is off");
    }
    return;
  }
  std::string mechanism = auth->value.empty() || auth->value == "on" ? "auto" : base::lower(auth->value);
  const auto known = auth_mechanisms();
  if (mechanism != "auto" && std::find(known.begin(), known.end(), mechanism) == known.end()) {
    note(out, *auth, "Pillarbox does not have this mechanism; it takes the best that the server offers");
    mechanism = "auto";
  }
  const Directive* user = draft.take("user");
  const bool has_user = user && !user->value.empty() && draft.set_text(*user, "auth.user", user->value);
  const bool secretless = !needs_password(mechanism);
  if (has_user || secretless) {
    if (mechanism != "auto") out.settings["auth.mechanism"] = mechanism;
  } else {
    note(out, *auth, "there is no user to log in as");
  }
  if (has_user && !secretless) {
    password(draft, *user);
  } else {
    const std::string why = secretless ? "this mechanism has none" : "there is no user";
    for (const std::string_view name : {"password", "passwordeval"}) draft.lost(name, why);
  }
  draft.lost("ntlmdomain", "is written before the user: DOMAIN\\user");
}

bool is_pattern(std::string_view address) {
  return address.find_first_of("*?[") != std::string_view::npos;
}

// An address with variables: %U the login, %H this host, %C its canonical name, %M what is in /etc/mailname. The first
// three are what Pillarbox makes an address of where none is named.
void variable_sender(Draft& draft, const Directive& from, const ReadFile& read_file) {
  std::string address = from.value;
  if (const std::size_t at = address.find("%M"); at != std::string::npos) {
    const auto mailname = read_file("/etc/mailname");
    if (!mailname) return note(draft.out(), from, "/etc/mailname can't be read");
    address.replace(at, 2, base::trim(base::split(*mailname, '\n').front()));
    note(draft.out(), from, "%M became what /etc/mailname says now");
  }
  if (address == "%U@%C") return;
  if (address == "%U" || address == "%U@%H") {
    return note(draft.out(), from, "the sender is the login at this host's full name");
  }
  const bool login_at = address.starts_with("%U@") && address.find('%', 1) == std::string::npos;
  if (login_at) {
    draft.set_domain(from, address.substr(3));
  } else if (address.find('%') == std::string::npos) {
    draft.set_address(from, "from", address);
  } else {
    note(draft.out(), from, "Pillarbox has no such variables; it sends as the login at the account's domain");
  }
}

void sender_address(Draft& draft, const Directive& from, const ReadFile& read_file) {
  if (from.value.find('%') != std::string::npos) {
    variable_sender(draft, from, read_file);
  } else if (!is_pattern(from.value)) {
    draft.set_address(from, "from", from.value);
  } else if (from.value.find_first_of("?[") != std::string::npos || from.value.find('@') == std::string::npos) {
    note(draft.out(), from, "a pattern in from_match has an @, and neither ? nor [ ]");
  } else if (!parse_pattern(from.value)) {
    note(draft.out(), from, "no address can be like it");
  } else {
    draft.out().settings["from_match"] = std::vector{from.value};
    draft.out().settings.erase("from");
  }
}

void sender(Draft& draft, const ReadFile& read_file) {
  Section& out = draft.out();
  const Directive* from = draft.take("from");
  const Directive* domain = draft.take("maildomain");
  if (on_off(draft, "auto_from").value_or(false)) {
    if (from) note(out, *from, "auto_from takes its place");
    if (domain && !domain->value.empty()) draft.set_domain(*domain, domain->value);
  } else {
    if (domain) note(out, *domain, "is used with auto_from only");
    if (from && !from->value.empty()) sender_address(draft, *from, read_file);
  }
  draft.text("from_full_name", "from_full_name");
  if (!on_off(draft, "allow_from_override").value_or(true)) out.settings["allow_from_override"] = false;
}

// "auto" adds a field where it is missing, "off" never.
void added_field(Draft& draft, std::string_view name, std::string_view old_name, const std::string& key) {
  const Directive* found = draft.take(name);
  const bool added = old_name.empty() || on_off(draft, old_name).value_or(true);
  if (found ? found->value == "off" : !added) draft.out().settings[key] = false;
  if (!found || found->value == "off" || found->value == "auto") return;
  if (name != "set_from_header" || (found->value != "on" && !found->value.empty())) {
    note(draft.out(), *found, "is neither auto nor off");
  } else if (draft.out().settings.contains("from")) {
    draft.out().settings["sender"] = std::string("enforce");
    note(draft.out(), *found,
         "sender = \"enforce\" does it with the account's from, also where -f names another sender; "
         "the old From goes to Reply-To");
  } else {
    note(draft.out(), *found, "takes a sender; give the account its from and sender = \"enforce\"");
  }
}

void header(Draft& draft) {
  added_field(draft, "set_from_header", "add_missing_from_header", "headers.from");
  added_field(draft, "set_date_header", "add_missing_date_header", "headers.date");
  added_field(draft, "set_msgid_header", "", "headers.message_id");
  const bool keep = on_off(draft, "keepbcc").value_or(false);
  if (!on_off(draft, "remove_bcc_headers").value_or(!keep)) draft.out().settings["headers.keep_bcc"] = true;
  if (on_off(draft, "undisclosed_recipients").value_or(false)) {
    draft.lost("undisclosed_recipients", "Pillarbox leaves To and Cc as they are");
  }
}

void reports(Draft& draft) {
  if (const Directive* notify = draft.take("dsn_notify"); notify && notify->value != "off" && !notify->value.empty()) {
    std::vector<std::string> events;
    for (const std::string_view event : base::split(notify->value, ',')) events.emplace_back(event);
    const bool known = std::all_of(events.begin(), events.end(), [](const std::string& event) {
      return event == "failure" || event == "delay" || event == "success";
    });
    if (known || events == std::vector<std::string>{"never"}) {
      draft.out().settings["dsn.notify"] = events;
    } else {
      note(draft.out(), *notify, "is neither never nor some of failure, delay and success");
    }
  }
  if (const Directive* amount = draft.take("dsn_return"); amount && amount->value != "off" && !amount->value.empty()) {
    if (amount->value == "headers" || amount->value == "full") {
      draft.out().settings["dsn.return"] = amount->value;
    } else {
      note(draft.out(), *amount, "is neither headers nor full");
    }
  }
}

void network(Draft& draft) {
  Section& out = draft.out();
  if (const Directive* domain = draft.take("domain"); domain && !domain->value.empty()) {
    if (domain->value == "%H") {
      note(out, *domain, "this host's full name is given");
    } else if (domain->value.find('%') == std::string::npos) {
      draft.set_helo(*domain, domain->value);
    } else if (domain->value != "%C") {
      note(out, *domain, "Pillarbox has no such variables; this host's full name is given");
    }
  }
  if (const Directive* source = draft.take("source_ip"); source && !source->value.empty()) draft.set_source(*source);
  const Directive* port = draft.take("proxy_port");
  if (const Directive* proxy = draft.take("proxy_host"); proxy && !proxy->value.empty()) {
    const bool has_port = port && !port->value.empty();
    const auto number = has_port ? draft.number(*port, port->value, 1, 65535) : std::optional(1080);
    if (number && draft.set_host(*proxy, "proxy", proxy->value)) {
      out.settings["proxy"] = "socks5h://" + place(proxy->value, *number);
    }
  } else if (port && !port->value.empty()) {
    note(out, *port, "there is no proxy_host");
  }
  if (const Directive* timeout = draft.take("timeout"); timeout && timeout->value == "off") {
    note(out, *timeout, "Pillarbox never waits for ever; timeouts has its limits");
  } else if (timeout) {
    if (const auto seconds = draft.number(*timeout, timeout->value, 1, 86400)) {
      for (const char* key : {"timeouts.connect", "timeouts.reply", "timeouts.data"}) out.settings[key] = *seconds;
    }
  }
  if (const Directive* connect = draft.take("connect_timeout"); connect && connect->value != "off") {
    if (const auto seconds = draft.number(*connect, connect->value, 1, 86400))
      out.settings["timeouts.connect"] = *seconds;
  }
}

void aliases(Draft& draft) {
  draft.out().settings["aliases"] = std::string();  // unlike Pillarbox, msmtp expands none unless it is told to
  if (const Directive* file = draft.take("aliases"); file && !file->value.empty()) {
    draft.set_path(*file, "aliases", file->value);
    note(draft.out(), *file,
         "an alias \"default\" there means nothing to Pillarbox: it wants an alias for root and for each further local "
         "user who gets mail; there is no alias for everybody");
  }
}

void syslog(Draft& draft) {
  const Directive* found = draft.take("syslog");
  if (!found && draft.out().settings.contains("log.file")) draft.out().settings["log.syslog"] = false;
  if (!found && !draft.out().settings.contains("log.file")) {
    note(draft.out(),
         "msmtp keeps no log here; Pillarbox tells syslog, since messages may wait in its queue. "
         "log.syslog = false ends that");
  }
  if (!found) return;
  const bool local = found->value.size() == 10 && found->value.starts_with("LOG_LOCAL") &&
                     std::string_view("01234567").find(found->value.back()) != std::string_view::npos;
  if (found->value == "off") {
    draft.out().settings["log.syslog"] = false;
  } else if (found->value == "on" || found->value.empty()) {
    draft.out().settings["log.facility"] = std::string("user");
  } else if (local || found->value == "LOG_USER" || found->value == "LOG_MAIL") {
    draft.out().settings["log.facility"] = base::lower(std::string_view(found->value).substr(4));
  } else {
    note(draft.out(), *found, "is not a facility that msmtp knows");
  }
}

}  // namespace

void msmtp_account(Draft& draft, const ReadFile& read_file) {
  server(draft);
  tls(draft);
  login(draft);
  sender(draft, read_file);
  header(draft);
  reports(draft);
  network(draft);
  aliases(draft);
}

void msmtp_log(Draft& draft) {
  if (const Directive* file = draft.take("logfile"); file && file->value == "-") {
    note(draft.out(), *file, "Pillarbox's log goes to a file or to syslog");
  } else if (file && !file->value.empty()) {
    draft.set_path(*file, "log.file", file->value);
  }
  draft.lost("logfile_time_format", "the lines of Pillarbox's log begin with the time in UTC, as ISO 8601 has it");
  syslog(draft);
}

}  // namespace pillarbox::config
