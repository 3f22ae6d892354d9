// Take: from one setting of a file to one checked value.
//
// Each function returns what keeps the value from being taken, "" if nothing does: words that follow the key's name,
// as in "must be true or false", and say what is allowed. In every string ${VAR} is the environment's and $$ a dollar
// sign. No complaint shows a password.
#pragma once

#include <chrono>
#include <cstdint>
#include <libconfig.h++>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/secret.h"
#include "base/system.h"
#include "base/text.h"
#include "config/choices.h"
#include "config/settings.h"
#include "config/text.h"
#include "mail/address.h"

namespace pillarbox::config {

using Complaint = std::string;

// A setting, and what its value is read against.
struct Value {
  const libconfig::Setting& setting;
  const Text& text;
  const base::System& system;

  [[nodiscard]] unsigned line() const { return setting.getSourceLine(); }
  [[nodiscard]] Value element(int i) const { return {setting[i], text, system}; }
  [[nodiscard]] bool is_list() const { return setting.isArray() || setting.isList(); }
};

// A value as a complaint shows it: in quotes, and safe for a terminal.
std::string shown(std::string_view text);

Complaint take_string(const Value& value, std::string& out);
Complaint take_flag(const Value& value, bool& out);
Complaint take_port(const Value& value, std::optional<int>& out);
Complaint take_count(const Value& value, int& out);                      // from 1 on
Complaint take_seconds(const Value& value, std::chrono::seconds& out);   // a number of them
Complaint take_duration(const Value& value, std::chrono::seconds& out);  // "90s", "1m", "2h", "5d"
Complaint take_durations(const Value& value, std::vector<std::chrono::seconds>& out);
Complaint take_size(const Value& value, std::uint64_t& out);   // "50M", or a number of bytes
Complaint take_name(const Value& value, std::string& out);     // not empty
Complaint take_command(const Value& value, std::string& out);  // the shell's; it may have several lines
Complaint take_address(const Value& value, std::optional<mail::Address>& out);
Complaint take_patterns(const Value& value, std::vector<std::string>& out);
Complaint take_domain(const Value& value, std::string& out);
Complaint take_host(const Value& value, std::vector<Host>& out);  // one, without a port
Complaint take_hosts(const Value& value, std::vector<Host>& out);
Complaint take_helo(const Value& value, std::string& out);
Complaint take_tls_name(const Value& value, std::string& out);
Complaint take_pins(const Value& value, std::vector<std::string>& out);
Complaint take_source_address(const Value& value, std::string& out);
Complaint take_notify(const Value& value, std::string& out);

// "~/" is the caller's home; a relative path begins in the folder of the file that it stands in. "" stays "".
Complaint take_path(const Value& value, std::string& out);

// Literal is set if the file itself holds (part of) the secret, and not only the name of a variable.
Complaint take_password(const Value& value, base::Secret& out, bool& literal);
Complaint take_proxy(const Value& value, base::Secret& out, bool& literal);

// One of a few words.
template <class Choices, class Out>
Complaint take_choice(const Value& value, const Choices& choices, Out& out) {
  std::string given;
  Complaint complaint = take_string(value, given);
  if (!complaint.empty() && value.setting.getType() == libconfig::Setting::TypeString) return complaint;
  if (const auto* choice = find_choice(choices, given); complaint.empty() && choice) {
    out = choice->meaning;
    return {};
  }
  std::string allowed;
  for (const auto& [word, meaning] : choices) allowed += (allowed.empty() ? "\"" : ", \"") + std::string(word) + "\"";
  return (complaint.empty() ? shown(given) + " must be" : "must be") + (" one of " + allowed);
}

}  // namespace pillarbox::config
