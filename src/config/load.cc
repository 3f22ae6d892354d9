#include "config/load.h"

#include <unistd.h>

#include <libconfig.h++>
#include <memory>

#include "base/text.h"
#include "config/reader.h"
#include "config/text.h"

namespace pillarbox::config {
namespace {

// A file that was opened, and what libconfig made of it.
struct File {
  Owner owner;
  Text text;
  std::unique_ptr<libconfig::Config> config;
};

Error faulty(const std::string& text) {
  return {Error::Kind::config, text};
}

// Adds an error's lines to those that there are.
void add(std::optional<Error>& faults, const Error& more) {
  const bool passing = more.kind == Error::Kind::temporary || more.kind == Error::Kind::io;  // nobody's fault
  if (!faults) faults = Error{more.kind, ""};
  if (!passing) faults->kind = Error::Kind::config;
  faults->text += (faults->text.empty() ? "" : "\n") + more.text;
  if (!more.hint.empty()) faults->hint += (faults->hint.empty() ? "" : "; ") + more.hint;
}

// Nothing if there is no such file.
Result<std::optional<File>> parse(const std::string& path, Owner owner) {
  auto text = Text::read(path);
  if (!text) return text.error();
  if (!*text) return std::optional<File>();
  auto config = std::make_unique<libconfig::Config>();
  try {
    config->readString((*text)->content());
  } catch (const libconfig::ParseException& error) {
    return (*text)->explain(static_cast<unsigned>(error.getLine()), error.getError());
  }
  return std::optional(File{owner, **std::move(text), std::move(config)});
}

}  // namespace

std::optional<std::string> only_file(const std::optional<std::string>& named, const base::System& system) {
  if (named) return named;
  auto variable = system.environment("PILLARBOX_CONFIG");
  return variable && !variable->empty() ? variable : std::nullopt;
}

std::optional<std::string> user_file(const base::System& system) {
  if (const auto xdg = system.environment("XDG_CONFIG_HOME"); xdg && xdg->starts_with('/')) {
    return *xdg + "/pillarbox/pillarbox.conf";
  }
  const std::string below = "/.config/pillarbox/pillarbox.conf";
  const auto home = system.home();
  if (!home) return std::nullopt;
  // A home that is "/", say, is nobody's: there the password file's counts, as if there was none.
  const bool serves = ::access((*home + below).c_str(), F_OK) == 0 || ::access(home->c_str(), W_OK) == 0;
  return (serves ? *home : system.listed_home().value_or(*home)) + below;
}

Result<Loaded> load(const Places& places, const base::System& system) {
  base::forbid_core_dumps();
  Loaded loaded;
  const auto only = only_file(places.named, system);
  std::vector<std::pair<std::string, Owner>> wanted;
  if (only) {
    wanted.emplace_back(*only, *only == places.system ? Owner::system : Owner::user);
  } else {
    wanted.emplace_back(places.system, Owner::system);
    auto user = places.user ? user_file(system) : std::nullopt;
    if (user) wanted.emplace_back(*std::move(user), Owner::user);
  }

  std::optional<Error> faults;
  std::optional<Error> closed;  // the system's file is, to this user: what his own says may be enough
  std::vector<File> files;
  for (const auto& [path, owner] : wanted) {
    auto file = parse(path, owner);
    loaded.searched.push_back(path);
    if (!file && !only && owner == Owner::system && file.error().kind == Error::Kind::no_permission) {
      closed = file.error();
    } else if (!file) {
      add(faults, file.error());
    } else if (*file) {
      loaded.files.push_back(path);
      loaded.settings.files += (loaded.settings.files.empty() ? "" : ", ") + base::visible(path);
      files.push_back(**std::move(file));
    } else if (only) {
      return faulty(base::visible(path) + ": there is no such file");
    }
  }

  Reader reader(loaded.settings, system, !faults && !closed);
  std::vector<Parsed> parsed;
  parsed.reserve(files.size());  // the reader keeps pointers
  for (const File& file : files) parsed.push_back({file.owner, file.text, file.config->getRoot()});
  for (const Parsed& file : parsed) reader.read(file);
  if (const auto more = reader.faults()) add(faults, *more);
  if (closed && (faults || files.empty() || reader.misses())) add(faults, *closed);
  if (faults) return *std::move(faults);
  if (closed) {
    loaded.settings.unread = faulty(closed->text);
    loaded.settings.unread->hint = "default_account in " + loaded.files.front() + " chooses an account without it";
  }
  return loaded;
}

}  // namespace pillarbox::config
