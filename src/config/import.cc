#include "config/import.h"

#include <algorithm>
#include <array>
#include <span>

#include "base/text.h"
#include "config/import_format.h"
#include "config/keys.h"
#include "config/text.h"

namespace pillarbox::config {
namespace {

using Formats = std::array<const Format*, 5>;

// Where two fit equally well the earlier is taken.
Formats formats() {
  return {&msmtp_format(), &esmtp_format(), &ssmtp_format(), &dma_format(), &nullmailer_format()};
}

// The last name of a path and, before it, that of the folder.
std::array<std::string_view, 2> last_names(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return {path, ""};
  const std::string_view folder = path.substr(0, slash);
  return {path.substr(slash + 1), folder.substr(folder.rfind('/') + 1)};
}

const Format* hinted_format(const std::array<std::string_view, 2>& names) {
  for (const std::string_view name : names) {
    for (const Format* format : formats()) {
      if (name.find(format->hint) != std::string_view::npos) return format;
    }
  }
  return nullptr;
}

// That of which most lines are, if that is half of them at least. Of several the name hints at one, perhaps.
const Format* format_of(std::string_view text, std::string_view path) {
  const auto names = last_names(path);
  const Format* hinted = hinted_format(names);
  const Format* best = nullptr;
  std::size_t most = 0;
  for (const Format* format : formats()) {
    const std::size_t known = format->known_lines(text, names[0]);
    if (known > most || (known == most && known > 0 && format == hinted)) {
      most = known;
      best = format;
    }
  }
  return most * 2 >= content_lines(text).size() ? best : nullptr;
}

struct ValueText {
  std::string operator()(bool value) const { return value ? "true" : "false"; }
  std::string operator()(int value) const { return std::to_string(value); }
  std::string operator()(const std::string& value) const { return string_literal(value); }
  std::string operator()(const std::vector<std::string>& values) const {
    std::string out;
    for (const std::string& value : values) out += (out.empty() ? " " : ", ") + string_literal(value);
    return "[" + out + " ]";
  }
};

// In the order of those names, which has a group's keys together; what is none of them comes last, and is not lost.
void write_settings(const Section& section, std::span<const std::string> names, const std::string& indent,
                    std::string& out) {
  const auto rank = [&](const auto* setting) { return std::find(names.begin(), names.end(), setting->first); };
  std::vector<const std::pair<const std::string, Section::Value>*> settings;
  for (const auto& setting : section.settings) settings.push_back(&setting);
  std::stable_sort(settings.begin(), settings.end(), [&](auto* a, auto* b) { return rank(a) < rank(b); });
  std::string group;  // that is open
  const auto close = [&] { out += group.empty() ? "" : indent + "};\n"; };
  for (const auto* setting : settings) {
    const std::string& key = setting->first;
    const std::size_t dot = key.find('.');
    const std::string of = dot == std::string::npos ? "" : key.substr(0, dot);
    if (of != group) {
      close();
      group = of;
      if (!group.empty()) out += indent + group + " = {\n";
    }
    const std::string name = key.substr(dot + 1);  // all of it, where there is no dot
    out += indent + (group.empty() ? "" : "  ") + name + " = " + std::visit(ValueText{}, setting->second) + ";\n";
  }
  close();
}

void write_comment(std::string_view text, const std::string& indent, std::string& out) {
  out += indent + "// " + base::escape(text) + "\n";
}

// Names are other people's, and may be a megabyte of nonsense.
std::string shortened(const std::string& name) {
  constexpr std::size_t most = 60;
  return name.size() <= most ? name : name.substr(0, most) + "...";
}

void write_notes(const std::vector<Note>& notes, const std::string& path, const std::string& indent, std::string& out) {
  for (const Note& note : notes) {
    std::string text = note.file.empty() ? path : note.file;
    if (note.line > 0) text += ":" + std::to_string(note.line);
    if (!note.directive.empty()) text += ": " + shortened(note.directive);
    write_comment(text + ": " + note.why, indent, out);
  }
}

void write_account(const ImportedAccount& account, const std::string& path, std::span<const std::string> names,
                   std::string& out) {
  out += "  {\n";
  write_notes(account.notes, path, "    ", out);
  out += "    name = " + string_literal(account.name) + ";\n";
  write_settings(account, names, "    ", out);
  out += "  }";
}

bool has_server(const ImportedAccount& account) {
  return account.settings.contains("host") || account.settings.contains("hosts");
}

// Accounts without a server are none; what was to be said of them is said of the whole.
void drop_accounts_without_server(Imported& imported) {
  for (const ImportedAccount& account : imported.accounts) {
    if (has_server(account)) continue;
    imported.notes.insert(imported.notes.end(), account.notes.begin(), account.notes.end());
    note(imported, "the account " + base::quote(account.name) + " has no server and is left out");
    if (const auto preferred = imported.settings.find("default_account");
        preferred != imported.settings.end() && preferred->second == Imported::Value(account.name)) {
      imported.settings.erase(preferred);
    }
  }
  std::erase_if(imported.accounts, [](const ImportedAccount& account) { return !has_server(account); });
}

}  // namespace

bool Imported::has_password() const {
  return std::any_of(accounts.begin(), accounts.end(),
                     [](const ImportedAccount& account) { return account.settings.contains("auth.password"); });
}

Result<Imported> import_configuration(std::string_view text, const std::string& path, const ReadFile& read_file) {
  const Format* format = format_of(text, path);
  if (!format) {
    return Error{Error::Kind::data, path + ": is none of the files that can be imported",
                 "they are msmtp's msmtprc, esmtp's esmtprc, ssmtp.conf, dma.conf and nullmailer's remotes"};
  }
  Imported out;
  out.path = path;
  out.program = format->program;
  format->read(text, read_file, out);
  drop_accounts_without_server(out);
  return out;
}

std::string to_libconfig(const Imported& imported) {
  std::string out;
  write_comment("Pillarbox's configuration, made from that of " + imported.program + " in " + imported.path + ".", "",
                out);
  write_comment("Comments that begin with the name of a file say what was not carried over, and why.", "", out);
  if (imported.has_password()) {
    write_comment("There is a password in it: the file must be yours alone (chmod 600).", "", out);
  }
  write_notes(imported.notes, imported.path, "", out);
  out += '\n';
  write_settings(imported, {}, "", out);
  out += "accounts = (\n";
  const std::vector<std::string> names = account_key_names();
  for (const ImportedAccount& account : imported.accounts) {
    if (&account != &imported.accounts.front()) out += ",\n";
    write_account(account, imported.path, names, out);
  }
  out += imported.accounts.empty() ? ");\n" : "\n);\n";
  return out;
}

}  // namespace pillarbox::config
