#include "config/import_format.h"

#include <algorithm>

#include "base/text.h"
#include "config/place.h"
#include "mail/address.h"

namespace pillarbox::config {
std::vector<Line> content_lines(std::string_view text) {
  std::vector<Line> lines;
  std::size_t number = 0;
  for (const std::string_view line : base::split(text, '\n')) {
    ++number;
    const std::string_view content = base::trim(line);
    if (!content.empty() && content.front() != '#') lines.push_back({number, content});
  }
  return lines;
}

std::pair<std::string_view, std::string_view> first_word(std::string_view text, std::string_view marks) {
  const std::size_t end = std::min(text.find_first_of(marks), text.size());
  return {text.substr(0, end), base::trim(text.substr(end))};
}

std::string place(const std::string& host, int port) {
  const bool bare_v6 = host.find(':') != std::string::npos && !host.starts_with('[');
  return (bare_v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

void note(Section& section, const Directive& directive, std::string why) {
  section.notes.push_back(
      {directive.file, directive.line, directive.may_be_value ? "" : directive.name, std::move(why)});
}

void note(Section& section, std::string why) {
  section.notes.push_back({"", 0, "", std::move(why)});
}

void add(Directives& directives, Directive directive, Section& section) {
  const auto [place, is_new] = directives.try_emplace(directive.name, directive);
  if (is_new) return;
  note(section, place->second, "line " + std::to_string(directive.line) + " says it again, and counts");
  place->second = std::move(directive);
}

const Directive* Draft::take(std::string_view name) {
  const auto found = directives_.find(name);
  if (found == directives_.end()) return nullptr;
  taken_.insert(found->first);
  found->second.may_be_value = false;  // it is known, then
  return &found->second;
}

bool Draft::set_text(const Directive& directive, const std::string& key, const std::string& value) {
  if (base::has_control(value)) {
    note(out_, directive, "there are control characters in it, which a configuration can't hold");
    return false;
  }
  out_.settings[key] = value;
  return true;
}

bool Draft::set_path(const Directive& directive, const std::string& key, const std::string& path) {
  if (!set_text(directive, key, path)) return false;
  if (path.starts_with("~/") || path.starts_with('/')) return true;
  if (path.starts_with('~')) {
    note(out_, directive, "\"~/\" is your own home directory, and Pillarbox knows nobody else's");
    out_.settings.erase(key);
    return false;
  }
  note(out_, directive, "is not an absolute path; Pillarbox looks in its configuration's folder");
  return true;
}

bool Draft::set_host(const Directive& directive, const std::string& key, std::string_view host) {
  const auto place = parse_place(host);
  if (place && !place->port) {
    out_.settings[key] = std::string(host);
    return true;
  }
  note(out_, directive, "is not the name or the address of a host");
  return false;
}

bool Draft::set_domain(const Directive& directive, const std::string& domain) {
  if (parse_domain(domain)) return set_text(directive, "domain", domain);
  note(out_, directive, "is not the name of a domain");
  return false;
}

bool Draft::set_helo(const Directive& directive, const std::string& helo) {
  if (parse_helo(helo)) return set_text(directive, "helo", helo);
  note(out_, directive, "is not the name of a host");
  return false;
}

bool Draft::set_host_name(const Directive& directive, const std::string& name) {
  return set_helo(directive, name) && set_domain(directive, name);
}

void Draft::set_source(const Directive& directive) {
  if (parse_source_address(directive.value)) {
    out_.settings["source_address"] = directive.value;
  } else {
    note(out_, directive, "source_address wants an IPv4 or IPv6 address of this host");
  }
}

bool Draft::set_address(const Directive& directive, const std::string& key, const std::string& address) {
  if (!mail::Address::parse(address)) {
    note(out_, directive, "is not an address");
    return false;
  }
  return set_text(directive, key, address);
}

std::optional<int> Draft::number(const Directive& directive, std::string_view text, int low, int high) {
  const auto number = base::number(text);
  if (number && *number >= static_cast<unsigned>(low) && *number <= static_cast<unsigned>(high)) {
    return static_cast<int>(*number);
  }
  note(out_, directive, "is not a number from " + std::to_string(low) + " to " + std::to_string(high));
  return std::nullopt;
}

void Draft::text(std::string_view name, const std::string& key) {
  if (const Directive* found = take(name); found && !found->value.empty()) set_text(*found, key, found->value);
}

void Draft::path(std::string_view name, const std::string& key) {
  if (const Directive* found = take(name); found && !found->value.empty()) set_path(*found, key, found->value);
}

void Draft::host(std::string_view name, const std::string& key) {
  if (const Directive* found = take(name); found && !found->value.empty()) set_host(*found, key, found->value);
}

void Draft::domain(std::string_view name) {
  if (const Directive* found = take(name); found && !found->value.empty()) set_domain(*found, found->value);
}

void Draft::helo(std::string_view name) {
  if (const Directive* found = take(name); found && !found->value.empty()) set_helo(*found, found->value);
}

void Draft::lost(std::string_view name, const std::string& why) {
  if (const Directive* found = take(name)) note(out_, *found, why);
}

void Draft::login(const Directive* user, const Directive* password) {
  const bool has_user = user && !user->value.empty();
  const bool has_password = password && !password->value.empty();
  if (has_user && has_password) {
    if (set_text(*user, "auth.user", user->value) && !set_text(*password, "auth.password", password->value)) {
      out_.settings.erase("auth.user");
    }
  } else if (user || password) {
    note(out_, user ? *user : *password, "is left out: a login needs a user and a password");
  }
}

void Draft::finish_tls(std::string_view program, bool checked_certificates) {
  const auto says = [&](const std::string& key, std::string_view value) {
    const auto found = out_.settings.find(key);
    return found != out_.settings.end() && found->second == Section::Value(std::string(value));
  };
  if (out_.settings.contains("tls_key") && !out_.settings.contains("tls_certificate")) {
    out_.settings.erase("tls_key");
    note(out_, "a key without its certificate is left out");
  }
  const bool off = says("tls", "off");
  const bool here = says("host", "localhost") || says("host", "127.0.0.1") || says("host", "::1");
  if (off && !here && out_.settings.contains("auth.user")) {
    note(out_,
         "there is a login and no TLS; Pillarbox logs in over TLS only, or to a server on this host. "
         "tls = \"starttls\" is what most servers want");
  }
  if (!off && !checked_certificates) {
    note(out_, std::string(program) +
                   " does not check the server's certificate. Pillarbox does; tls_verify = false "
                   "ends that");
  }
}

void Draft::finish(std::string_view program) {
  for (const auto& [name, directive] : directives_) {
    if (!taken_.contains(name)) note(out_, directive, "is not known here as a directive of " + std::string(program));
  }
}

}  // namespace pillarbox::config
