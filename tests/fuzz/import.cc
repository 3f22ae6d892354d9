// Other programs' configuration files: whatever comes, what is made of it is a configuration that reads back as what
// was meant. Its lines hold no control bytes, its comments nothing else, its strings end where they should; and it
// loads.
#include "config/import.h"

#include <set>

#include "config/load.h"
#include "host.h"
#include "target.h"

using namespace pillarbox;

namespace {

// The string that begins behind the quote at `at`, as libconfig reads it and then the variables are put in.
std::string read_string(std::string_view text, std::size_t& at) {
  std::string out;
  for (++at; at < text.size() && text[at] != '"'; ++at) {
    if (text[at] == '\\') {
      fuzz::check(++at < text.size() && (text[at] == '"' || text[at] == '\\'), "no other escapes are needed", text);
    } else if (text[at] == '$') {
      fuzz::check(++at < text.size() && text[at] == '$', "a dollar sign is doubled", text);
    }
    out += text[at];
  }
  fuzz::check(at < text.size(), "a string ends in its line", text);
  ++at;
  return out;
}

std::multiset<std::string> strings_of(const config::Imported& imported) {
  std::multiset<std::string> out;
  const auto add = [&](const config::Section& section) {
    for (const auto& [key, value] : section.settings) {
      if (const auto* text = std::get_if<std::string>(&value)) out.insert(*text);
      if (const auto* list = std::get_if<std::vector<std::string>>(&value)) out.insert(list->begin(), list->end());
    }
  };
  add(imported);
  for (const config::ImportedAccount& account : imported.accounts) {
    add(account);
    out.insert(account.name);
  }
  return out;
}

// All that stands in quotes outside comments, line by line.
std::multiset<std::string> strings_of(std::string_view text) {
  std::multiset<std::string> out;
  for (std::string_view line : base::split(text, '\n')) {
    fuzz::check(!fuzz::has_control(line), "no control bytes", line);
    if (base::trim(line).starts_with("//")) continue;
    std::size_t at = line.find('"');
    while (at != std::string_view::npos && at < line.size()) {
      out.insert(read_string(line, at));
      at = line.find('"', at);
    }
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  const config::ReadFile same = [&](const std::string&) -> Result<std::string> { return std::string(text); };
  for (const std::string path : {"config", "msmtprc", "esmtprc", "ssmtp.conf", "dma.conf", "remotes"}) {
    const auto imported = config::import_configuration(text, path, same);
    if (!imported) {
      fuzz::check(imported.error().kind == Error::Kind::data, "an unknown file is data");
      continue;
    }
    std::set<std::string> names;
    for (const config::ImportedAccount& account : imported->accounts) {
      fuzz::check(names.insert(account.name).second, "a name is one account's", account.name);
      fuzz::check(account.settings.contains("host") != account.settings.contains("hosts"), "it has a server", text);
    }
    const std::string out = config::to_libconfig(*imported);
    fuzz::check(strings_of(std::string_view(out)) == strings_of(*imported), "every string is written, as it is", out);
    if (imported->accounts.empty()) continue;
    static fuzz::File file;
    file.hold(out);
    const auto loaded = config::load({.named = file.path()}, fuzz::Host());
    fuzz::check(loaded.has_value(), "it loads", loaded ? out : loaded.error().text + "\n" + out);
  }
  return 0;
}
