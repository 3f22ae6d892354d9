#include "config/take.h"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <limits>

#include "config/place.h"
#include "mail/xtext.h"

namespace pillarbox::config {
namespace {

using libconfig::Setting;

constexpr int longest_wait = 86400;  // seconds
constexpr int most_recipients = 1000000;

enum class Shown { yes, no };  // whether a complaint may hold a piece of the value

// Puts the environment's values in. Literal: something else than variables is in it.
Complaint expand(std::string_view text, const base::System& system, Shown pieces, std::string& out, bool& literal) {
  const std::size_t whole = text.size();
  out.clear();
  while (!text.empty()) {
    const std::size_t dollar = std::min(text.find('$'), text.size());
    base::append(out, text.substr(0, dollar));
    literal = literal || dollar > 0;
    text.remove_prefix(dollar);
    if (text.starts_with("${")) {
      const std::string name(text.substr(2, std::min(text.find('}'), text.size()) - 2));
      if (name.size() + 2 == text.size()) return "has a \"${\" without its \"}\" (a dollar sign is written \"$$\")";
      const bool sound = !name.empty() && !base::is_digit(name[0]) &&
                         std::all_of(name.begin(), name.end(), [](char c) { return base::is_alnum(c) || c == '_'; });
      if (!sound) {
        const std::string what = pieces == Shown::yes ? "\"${" + base::escape(name) + "}\"" : "a \"${ }\"";
        return "has " + what + ", which names no variable (a dollar sign is written \"$$\")";
      }
      auto value = system.environment(name);
      if (!value && pieces == Shown::no && name.size() + 3 != whole) {  // else it is a variable's name and no password
        return "has a \"${ }\" that the environment lacks (a dollar sign is written \"$$\")";
      }
      if (!value) return "needs ${" + name + "}, and the environment has no " + name;
      base::append(out, *value);
      base::wipe(*value);
      text.remove_prefix(name.size() + 3);
    } else if (!text.empty()) {
      base::append(out, "$");
      literal = true;
      text.remove_prefix(text.starts_with("$$") ? 2 : 1);
    }
  }
  return {};
}

Complaint take_text(const Value& value, Shown pieces, std::string& out, bool& literal) {
  if (value.setting.getType() != Setting::TypeString) return "must be a string";
  if (Complaint complaint = expand(static_cast<const char*>(value.setting), value.system, pieces, out, literal);
      !complaint.empty()) {
    return complaint;
  }
  return base::has_control(out) ? "must not hold control characters" : "";
}

// A string that a parser of ours judges; its words become the complaint.
template <class Parse>
Complaint take_parsed(const Value& value, const std::string& wanted, Parse parse) {
  std::string text;
  if (Complaint complaint = take_string(value, text); !complaint.empty()) return complaint;
  const auto parsed = parse(text);
  return parsed ? "" : "must be " + wanted + ": " + parsed.error().text;
}

// A list of strings, none of which the judge refuses.
template <class Judge>
Complaint take_list(const Value& value, const Complaint& complaint, Judge judge) {
  if (!value.is_list() || value.setting.getLength() == 0) return complaint;
  for (int i = 0; i < value.setting.getLength(); ++i) {
    std::string text;
    Complaint own = take_string(value.element(i), text);
    if (!own.empty() && value.element(i).setting.getType() == Setting::TypeString) return own;
    if (!own.empty() || !judge(text)) return complaint + (own.empty() ? "; " + shown(text) + " is none" : "");
  }
  return {};
}

// A number and a letter behind it that says how many of what. Nothing if it is none, or too large.
std::optional<std::uint64_t> multiple(std::string_view text, std::string_view letters,
                                      std::initializer_list<std::uint64_t> lengths, std::uint64_t most) {
  const std::size_t unit = text.empty() ? std::string_view::npos : letters.find(base::lower(text.back()));
  if (unit == std::string_view::npos) return std::nullopt;
  const std::uint64_t length = lengths.begin()[unit];
  const auto count = base::number(text.substr(0, text.size() - 1));
  if (!count || *count == 0 || *count > most / length) return std::nullopt;
  return *count * length;
}

std::optional<std::chrono::seconds> duration(std::string_view text) {
  const auto seconds = multiple(text, "smhd", {1, 60, 3600, 86400}, 1000ULL * 86400);
  if (!seconds) return std::nullopt;
  return std::chrono::seconds(*seconds);
}

Complaint take_number(const Value& value, int low, int high, int& out) {
  Complaint complaint = "must be a number from " + std::to_string(low) + " to " + std::to_string(high);
  if (value.setting.getType() != Setting::TypeInt) return complaint;
  out = value.setting;
  return out < low || out > high ? complaint : "";
}

}  // namespace

std::string shown(std::string_view text) {
  return "\"" + base::escape(text) + "\"";
}

Complaint take_string(const Value& value, std::string& out) {
  bool literal = false;
  return take_text(value, Shown::yes, out, literal);
}

Complaint take_name(const Value& value, std::string& out) {
  if (Complaint complaint = take_string(value, out); !complaint.empty()) return complaint;
  return out.empty() ? "must not be empty" : "";
}

Complaint take_command(const Value& value, std::string& out) {
  if (value.setting.getType() != Setting::TypeString) return "must be a string";
  bool literal = false;
  Complaint complaint = expand(static_cast<const char*>(value.setting), value.system, Shown::yes, out, literal);
  return complaint.empty() && out.empty() ? "must not be empty" : complaint;
}

Complaint take_flag(const Value& value, bool& out) {
  if (value.setting.getType() != Setting::TypeBoolean) return "must be true or false";
  out = value.setting;
  return {};
}

Complaint take_port(const Value& value, std::optional<int>& out) {
  int port = 0;
  Complaint complaint = take_number(value, 1, 65535, port);
  out = port;
  return complaint;
}

Complaint take_count(const Value& value, int& out) {
  return take_number(value, 1, most_recipients, out);
}

Complaint take_seconds(const Value& value, std::chrono::seconds& out) {
  int seconds = 0;
  Complaint complaint = take_number(value, 1, longest_wait, seconds);
  out = std::chrono::seconds(seconds);
  return complaint.empty() ? "" : complaint + " (seconds)";
}

Complaint take_duration(const Value& value, std::chrono::seconds& out) {
  std::string text;
  const Complaint complaint = take_string(value, text);
  const auto taken = complaint.empty() ? duration(text) : std::nullopt;
  if (taken) out = *taken;
  return taken ? "" : "must be a time as in \"30s\", \"5m\", \"2h\", \"1d\"";
}

Complaint take_durations(const Value& value, std::vector<std::chrono::seconds>& out) {
  out.clear();
  return take_list(value, "must be a list of times as in [ \"30s\", \"5m\", \"2h\", \"1d\" ]", [&](const auto& text) {
    const auto taken = duration(text);
    if (taken) out.push_back(*taken);
    return taken.has_value();
  });
}

Complaint take_size(const Value& value, std::uint64_t& out) {
  constexpr auto most = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  std::optional<std::uint64_t> taken;
  if (value.setting.getType() == Setting::TypeInt || value.setting.getType() == Setting::TypeInt64) {
    const long long bytes = value.setting.getType() == Setting::TypeInt ? static_cast<int>(value.setting)
                                                                        : static_cast<long long>(value.setting);
    if (bytes > 0) taken = static_cast<std::uint64_t>(bytes);
  } else if (std::string text; take_string(value, text).empty()) {
    taken = multiple(text, "kmg", {1ULL << 10, 1ULL << 20, 1ULL << 30}, most);
  }
  out = taken.value_or(out);
  return taken ? "" : "must be a size as in \"500K\", \"50M\", \"1G\", or a number of bytes";
}

Complaint take_address(const Value& value, std::optional<mail::Address>& out) {
  return take_parsed(value, "an address", [&](const std::string& text) {
    auto address = mail::Address::parse(text);
    if (address) out = *address;
    return address;
  });
}

Complaint take_patterns(const Value& value, std::vector<std::string>& out) {
  out.clear();
  return take_list(value, "must be a list of addresses in which * is anything, as in [ \"*@example.com\" ]",
                   [&](const std::string& text) {
                     const auto taken = parse_pattern(text);
                     if (taken) out.push_back(*taken);
                     return taken.has_value();
                   });
}

Complaint take_domain(const Value& value, std::string& out) {
  return take_parsed(value, "a domain, as a host has", [&](const std::string& text) {
    auto domain = parse_domain(text);
    if (domain) out = *domain;
    return domain;
  });
}

Complaint take_host(const Value& value, std::vector<Host>& out) {
  std::string text;
  if (Complaint complaint = take_string(value, text); !complaint.empty()) return complaint;
  if (text.find(',') != std::string::npos) return "is one host; several are hosts = [ \"…\", \"…\" ]";
  auto place = parse_place(text);
  if (!place) return "must be the name or the address of a host: " + place.error().text;
  if (place->port) return "is a host without its port, which is port = " + std::to_string(*place->port);
  out.assign(1, {place->host, std::nullopt});
  return {};
}

Complaint take_hosts(const Value& value, std::vector<Host>& out) {
  out.clear();
  return take_list(value, "must be a list of hosts as in [ \"smtp1.example.com\", \"smtp2.example.com:2525\" ]",
                   [&](const std::string& text) {
                     auto place = parse_place(text);
                     if (place) out.push_back({place->host, place->port});
                     return place.has_value();
                   });
}

Complaint take_helo(const Value& value, std::string& out) {
  return take_parsed(value, "a name for EHLO", [&](const std::string& text) {
    out = text;
    return parse_helo(text);
  });
}

Complaint take_tls_name(const Value& value, std::string& out) {
  std::vector<Host> host;
  Complaint complaint = take_host(value, host);
  if (complaint.empty()) out = host.front().name;
  return complaint;
}

Complaint take_pins(const Value& value, std::vector<std::string>& out) {
  out.clear();
  return take_list(value, "must be a list of pins, each \"sha256//\" and 32 octets in base64",
                   [&](const std::string& text) {
                     out.push_back(text);
                     return is_pin(text);
                   });
}

Complaint take_source_address(const Value& value, std::string& out) {
  return take_parsed(value, "numeric", [&](const std::string& text) {
    out = text;
    return parse_source_address(text);
  });
}

Complaint take_notify(const Value& value, std::string& out) {
  Complaint complaint = "must be [ \"never\" ], or a list of some of \"success\", \"failure\" and \"delay\"";
  std::vector<std::string> words;
  Complaint trouble = take_list(value, complaint, [&](const std::string& text) {
    words.push_back(text);
    return text == base::lower(text) && text.find(',') == std::string::npos && mail::parse_notify(text);
  });
  if (!trouble.empty()) return trouble;
  auto notify = mail::parse_notify(base::join(words, ","));
  if (!notify) return complaint;
  out = *std::move(notify);
  return {};
}

Complaint take_path(const Value& value, std::string& out) {
  if (Complaint complaint = take_string(value, out); !complaint.empty()) return complaint;
  if (out.empty() || out.starts_with('/')) return {};
  if (out.starts_with("~/")) {
    const auto home = value.system.home();
    if (!home) return "is in the home folder, and there is none";
    out.replace(0, 1, *home);
    return {};
  }
  if (out.starts_with('~')) return "knows \"~/\", and nobody else's home";
  out = path_in(value.text.files()[value.text.file_of(value.line())].path, out);
  return {};
}

Complaint take_password(const Value& value, base::Secret& out, bool& literal) {
  std::string text;
  Complaint complaint = take_text(value, Shown::no, text, literal);
  if (complaint.empty() && text.empty()) complaint = "must not be empty";
  base::Secret taken(std::move(text));
  if (complaint.empty()) out = std::move(taken);
  return complaint;
}

Complaint take_proxy(const Value& value, base::Secret& out, bool& literal) {
  std::string text;
  bool written = false;
  Complaint complaint = take_text(value, Shown::no, text, written);
  out = base::Secret(std::move(text));
  if (!complaint.empty() || out.empty()) return complaint;
  const auto url = parse_proxy_url(out);
  if (!url) return "must be a proxy's URL: " + url.error().text;
  literal = url->has_password && written;
  return {};
}

}  // namespace pillarbox::config
