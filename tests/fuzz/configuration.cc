// A configuration file of any content: it loads, to settings that make sense, or each fault is told in a line of its
// own with its place; and never what was in it that might be a password.
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

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const config::Places places{.named = fuzz::file_of(fuzz::text_of(data, size))};
  const auto loaded = config::load(places, fuzz::Host());
  if (!loaded) {
    check_faults(loaded.error(), fuzz::text_of(data, size));
    return 0;
  }
  check_settings(loaded->settings);
  fuzz::check(loaded->files == std::vector<std::string>{*places.named}, "it is the file that was read");
  return 0;
}
