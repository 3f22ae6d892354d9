#include "config/keys.h"

#include <algorithm>
#include <array>

namespace pillarbox::config {
namespace {

using Source = Auth::Source;

// --- the rows of the tables: which member a key fills, and how

template <auto member>
struct Of;
template <class Class, class Type, Type Class::*member>
struct Of<member> {
  using Group = Class;
};

template <auto member, auto take>
Complaint put(Reader& /*reader*/, const Value& value, typename Of<member>::Group& out) {
  return take(value, out.*member);
}

template <auto member, const auto& choices>
Complaint pick(Reader& /*reader*/, const Value& value, typename Of<member>::Group& out) {
  return take_choice(value, choices, out.*member);
}

template <auto member, const auto& keys>
Complaint sub(Reader& reader, const Value& value, typename Of<member>::Group& out) {
  return reader.group(value, out.*member, keys);
}

template <Source source, auto take>
Complaint from(Reader& /*reader*/, const Value& value, Auth& out) {
  out.source = source;
  return take(value, out.place);
}

Complaint take_inline(Reader& reader, const Value& value, Auth& out) {
  bool literal = false;
  Complaint complaint = take_password(value, out.password, literal);
  out.source = Source::password;
  if (literal) reader.note_password(value);
  return complaint;
}

Complaint take_password_file(Reader& /*reader*/, const Value& value, Auth& out) {
  std::string path;
  Complaint complaint = take_path(value, path);
  if (path.empty() && out.source != Source::file) return complaint;
  out.source = path.empty() ? Source::none : Source::file;
  out.place = std::move(path);
  return complaint;
}

Complaint take_netrc(Reader& /*reader*/, const Value& value, Auth& out) {
  bool wanted = false;
  Complaint complaint = take_flag(value, wanted);
  if (wanted) out.source = Source::netrc;
  if (!wanted && out.source == Source::netrc) out.source = Source::none;
  return complaint;
}

Complaint take_credential(const Value& value, std::string& out) {
  if (Complaint complaint = take_name(value, out); !complaint.empty()) return complaint;
  return out.find('/') == std::string::npos && out[0] != '.' ? "" : "must be a credential's name, without \"/\"";
}

Complaint take_mechanism(const Value& value, std::string& out) {
  std::string text;
  const Complaint complaint = take_string(value, text);
  const std::string allowed = "\"auto\", \"" + base::join(auth_mechanisms(), "\", \"") + "\" or \"none\"";
  out = base::lower(text);
  const auto known = auth_mechanisms();
  if (complaint.empty() &&
      (out == "auto" || out == no_login || std::find(known.begin(), known.end(), out) != known.end()))
    return {};
  return (complaint.empty() ? shown(text) + " must be one of " : "must be one of ") + allowed;
}

Complaint take_proxy_key(Reader& reader, const Value& value, Account& out) {
  bool literal = false;
  Complaint complaint = take_proxy(value, out.proxy, literal);
  if (literal) reader.note_password(value);
  return complaint;
}

constexpr auto senders = std::to_array<Choice<Sender>>({
    {"keep", Sender::keep},
    {"rewrite", Sender::rewrite},
    {"enforce", Sender::enforce},
});

constexpr auto facilities = std::to_array<Choice<int>>({
    {"mail", LOG_MAIL},
    {"user", LOG_USER},
    {"daemon", LOG_DAEMON},
    {"local0", LOG_LOCAL0},
    {"local1", LOG_LOCAL1},
    {"local2", LOG_LOCAL2},
    {"local3", LOG_LOCAL3},
    {"local4", LOG_LOCAL4},
    {"local5", LOG_LOCAL5},
    {"local6", LOG_LOCAL6},
    {"local7", LOG_LOCAL7},
});

constexpr auto formats = std::to_array<Choice<bool>>({{"keyvalue", false}, {"json", true}});

// --- the tables, in the manual's order; tests/lint holds them together with the manual and the sample

constexpr auto auth_table = std::to_array<Key<Auth>>({
    {"user", put<&Auth::user, take_name>},
    {"mechanism", put<&Auth::mechanism, take_mechanism>},
    {"password", take_inline},
    {"password_file", take_password_file},
    {"password_command", from<Source::command, take_command>},
    {"password_env", from<Source::environment, take_name>},
    {"credential", from<Source::credential, take_credential>},
    {"netrc", take_netrc},
    {"token_command", from<Source::token_command, take_command>},
});

constexpr auto timeouts_table = std::to_array<Key<Timeouts>>({
    {"connect", put<&Timeouts::connect, take_seconds>},
    {"reply", put<&Timeouts::reply, take_seconds>},
    {"data", put<&Timeouts::data, take_seconds>},
});

constexpr auto headers_table = std::to_array<Key<Headers>>({
    {"date", put<&Headers::date, take_flag>},
    {"message_id", put<&Headers::message_id, take_flag>},
    {"from", put<&Headers::from, take_flag>},
    {"to", put<&Headers::to, take_flag>},
    {"qualify", put<&Headers::qualify, take_flag>},
    {"received", put<&Headers::received, take_flag>},
    {"keep_bcc", put<&Headers::keep_bcc, take_flag>},
});

constexpr auto dsn_table = std::to_array<Key<Dsn>>({
    {"notify", put<&Dsn::notify, take_notify>},
    {"return", pick<&Dsn::returned, dsn_returns>},
});

constexpr auto accounts_table = std::to_array<Key<Account>>({
    {"name", put<&Account::name, take_name>},
    {"inherit",
     [](Reader&, const Value& value, Account&) {
       std::string followed;  // by Reader::ancestry()
       return take_name(value, followed);
     }},
    {"host", put<&Account::hosts, take_host>},
    {"hosts", put<&Account::hosts, take_hosts>},
    {"port", put<&Account::port, take_port>},
    {"tls", pick<&Account::tls, tls_choices>},
    {"tls_verify", put<&Account::tls_verify, take_flag>},
    {"tls_min", pick<&Account::tls_min, tls_versions>},
    {"tls_ca_file", put<&Account::tls_ca_file, take_path>},
    {"tls_crl", put<&Account::tls_crl, take_path>},
    {"tls_pin", put<&Account::tls_pins, take_pins>},
    {"tls_certificate", put<&Account::tls_certificate, take_path>},
    {"tls_key", put<&Account::tls_key, take_path>},
    {"tls_ciphers", put<&Account::tls_ciphers, take_string>},
    {"tls_name", put<&Account::tls_name, take_tls_name>},
    {"auth", [](Reader& reader, const Value& value, Account& out) { return reader.auth(value, out); }},
    {"from", put<&Account::from, take_address>},
    {"from_match", put<&Account::from_match, take_patterns>},
    {"sender", pick<&Account::sender, senders>},
    {"from_full_name", put<&Account::from_full_name, take_string>},
    {"allow_from_override", put<&Account::allow_from_override, take_flag>},
    {"domain", put<&Account::domain, take_domain>},
    {"aliases", put<&Account::aliases, take_path>},
    {"helo", put<&Account::helo, take_helo>},
    {"proxy", take_proxy_key},
    {"source_address", put<&Account::source_address, take_source_address>},
    {"timeouts", sub<&Account::timeouts, timeouts_table>},
    {"max_recipients", put<&Account::max_recipients, take_count>},
    {"max_message_size", put<&Account::max_message_size, take_size>},
    {"headers", sub<&Account::headers, headers_table>},
    {"dsn", sub<&Account::dsn, dsn_table>},
});

constexpr auto log_table = std::to_array<Key<Log>>({
    {"syslog", put<&Log::syslog, take_flag>},
    {"facility", pick<&Log::facility, facilities>},
    {"file", put<&Log::file, take_path>},
    {"format", pick<&Log::json, formats>},
});

constexpr auto queue_table = std::to_array<Key<Queue>>({
    {"enabled", put<&Queue::enabled, take_flag>},
    {"directory", put<&Queue::directory, take_path>},
    {"retry", put<&Queue::retry, take_durations>},
    {"expire", put<&Queue::expire, take_duration>},
    {"delay_notice", put<&Queue::delay_notice, take_duration>},
    {"background", put<&Queue::background, take_flag>},
    {"bounce_to", put<&Queue::bounce_to, take_address>},
});

constexpr auto settings_table = std::to_array<Key<Settings>>({
    {"default_account", put<&Settings::default_account, take_name>},
    {"defaults", [](Reader& reader, const Value& value, Settings&) { return reader.defaults(value); }},
    {"accounts", [](Reader& reader, const Value& value, Settings&) { return reader.accounts(value); }},
    {"log", sub<&Settings::log, log_table>},
    {"queue", sub<&Settings::queue, queue_table>},
});

template <class Table>
bool add_names(std::vector<std::string>& names, std::string_view group, const Table& table) {
  for (const auto& key : table) names.push_back(std::string(group) + "." + std::string(key.name));
  return true;
}

// False if it is no group of an account's.
bool add_group(std::vector<std::string>& names, std::string_view group) {
  return (group == "auth" && add_names(names, group, auth_table)) ||
         (group == "timeouts" && add_names(names, group, timeouts_table)) ||
         (group == "headers" && add_names(names, group, headers_table)) ||
         (group == "dsn" && add_names(names, group, dsn_table));
}

}  // namespace

std::span<const Key<Settings>> settings_keys() {
  return settings_table;
}

std::span<const Key<Account>> accounts_keys() {
  return accounts_table;
}

std::span<const Key<Account>> defaults_keys() {
  return accounts_keys().subspan(2);
}

std::span<const Key<Auth>> auth_keys() {
  return auth_table;
}

std::span<const Key<Auth>> source_keys() {
  return auth_keys().subspan(2);
}

std::vector<std::string> account_key_names() {
  std::vector<std::string> names;
  for (const Key<Account>& key : accounts_table) {
    if (!add_group(names, key.name)) names.emplace_back(key.name);
  }
  return names;
}

}  // namespace pillarbox::config
