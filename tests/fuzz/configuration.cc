// A configuration of any content, the system's file and behind a line "===" the user's own: it loads, to settings that
// make sense, or each fault is told in a line of its own with its place; and never what was in it that might be a
// password.
#include <filesystem>
#include <set>

#include "config/load.h"
#include "host.h"
#include "target.h"

using namespace pillarbox;

namespace {

void check_settings(const config::Settings& settings) {
  std::set<std::string> names;
  for (const config::Account& account : settings.accounts) {
    fuzz::check(!account.name.empty() && names.insert(account.name).second, "an account has its own name",
                account.name);
    fuzz::check(!account.hosts.empty(), "an account has a host", account.name);
    for (const config::Host& host : account.hosts) {
      fuzz::check(!host.name.empty() && !fuzz::has_control(host.name), "a host has a name", host.name);
      const int port = account.port_of(host);
      fuzz::check(port > 0 && port < 65536, "a port is one", account.name);
    }
    fuzz::check(!fuzz::has_control(account.helo), "EHLO is one line", account.helo);
    fuzz::check(account.max_recipients > 0, "a transaction may have recipients", account.name);
  }
  fuzz::check(settings.account(std::nullopt).has_value() != settings.accounts.empty(), "there is a default account");
  fuzz::check(!settings.queue.retry.empty() && settings.queue.expire.count() > 0, "the queue's times are times");
}

// Does it stand in the text as nothing but a password, or within a proxy's URL? Of other keys, the values are told.
bool is_secret(std::string_view text, std::string_view word) {
  bool any = false;
  for (std::size_t at = text.find(word); at != std::string_view::npos; at = text.find(word, at + 1)) {
    const std::size_t equals = text.substr(0, at).rfind('=');
    if (equals == std::string_view::npos) return false;
    const std::string_view key = base::trim(text.substr(0, equals));
    const std::string_view before = base::trim(text.substr(equals + 1, at - equals - 1));
    const bool value = before.starts_with('"') && before.find_first_of("\"\\", 1) == std::string_view::npos;
    if (!value || !(key.ends_with(" password") || key.ends_with(" proxy"))) return false;
    any = true;
  }
  return any;
}

void check_faults(const Error& error, std::string_view text) {
  fuzz::check(error.kind == Error::Kind::config, "a fault is of the configuration", error.text);
  for (const std::string_view line : base::split(error.text, '\n')) {
    // Its file's name may hold control bytes, which are made visible where they are shown; but never a line's end.
    fuzz::check(line.starts_with('/'), "a fault is one line, and begins with its file", error.text);
  }
  if (is_secret(text, "hunter2")) {
    fuzz::check(error.text.find("hunter2") == std::string::npos, "a password is not told", error.text);
  }
}

// A user's folder, whose configuration is held in memory.
class User {
 public:
  User() {
    fuzz::check(::mkdtemp(folder_.data()) != nullptr && ::mkdir((folder_ + "/pillarbox").c_str(), S_IRWXU) == 0 &&
                    ::symlink(file_.path().c_str(), path().c_str()) == 0,
                "there is a folder");
  }
  User(const User&) = delete;
  User& operator=(const User&) = delete;
  ~User() { std::filesystem::remove_all(folder_); }

  fuzz::File& file() { return file_; }
  [[nodiscard]] const std::string& folder() const { return folder_; }
  [[nodiscard]] std::string path() const { return folder_ + "/pillarbox/pillarbox.conf"; }

 private:
  fuzz::File file_;
  std::string folder_ = "/tmp/pillarbox-fuzz-XXXXXX";
};

Result<config::Loaded> load(std::string_view text, mode_t mode) {
  static fuzz::File system;
  static User user;
  constexpr std::string_view between = "\n===\n";
  const std::size_t end = text.find(between);
  system.hold(text.substr(0, end), mode);
  if (end == std::string_view::npos) return config::load({.named = system.path()}, fuzz::Host());
  user.file().hold(text.substr(end + between.size()), mode);
  auto loaded = config::load({.named = std::nullopt, .system = system.path()}, fuzz::Host(user.folder()));
  fuzz::check(!loaded || loaded->files == std::vector{system.path(), user.path()}, "both files were read");
  return loaded;
}

bool has_password(const config::Account& account) {
  return account.auth && account.auth->source == config::Auth::Source::password && !account.auth->password.empty();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  const auto loaded = load(text, S_IRUSR | S_IWUSR);
  if (!loaded) check_faults(loaded.error(), text);
  if (loaded) check_settings(loaded->settings);

  const auto seen_by_all = load(text, S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH);
  fuzz::check(loaded || !seen_by_all, "what is faulty is so where others can read it");
  if (!seen_by_all) check_faults(seen_by_all.error(), text);
  if (!seen_by_all || text.find('$') != std::string_view::npos)
    return 0;  // those of the environment are nobody's to see
  for (const config::Account& account : seen_by_all->settings.accounts) {
    fuzz::check(!has_password(account), "no password stands where others can read it", account.name);
  }
  return 0;
}
