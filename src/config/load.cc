#include "config/load.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <initializer_list>
#include <libconfig.h++>
#include <memory>
#include <numeric>
#include <set>
#include <string_view>
#include <system_error>

#include "base/text.h"
#include "base/unique_fd.h"

namespace pillarbox::config {
namespace {

using libconfig::Setting;

// What keeps a value from being taken: "" if nothing does. It begins "must be …" and says what is allowed.
using Complaint = std::string;

Complaint take(const Setting& setting, std::string& out) {
  if (setting.getType() != Setting::TypeString) return "must be a string";
  out = static_cast<const char*>(setting);
  if (std::any_of(out.begin(), out.end(), [](char c) { return base::is_control(c); })) {
    return "must not hold control characters";
  }
  return {};
}

Complaint take(const Setting& setting, bool& out) {
  if (setting.getType() != Setting::TypeBoolean) return "must be true or false";
  out = setting;
  return {};
}

Complaint take_number(const Setting& setting, int low, int high, int& out) {
  Complaint complaint = "must be a number from " + std::to_string(low) + " to " + std::to_string(high);
  if (setting.getType() != Setting::TypeInt) return complaint;
  out = setting;
  return out < low || out > high ? complaint : "";
}

Complaint take_seconds(const Setting& setting, std::chrono::seconds& out) {
  int seconds = 0;
  Complaint complaint = take_number(setting, 1, 86400, seconds);
  out = std::chrono::seconds(seconds);
  return complaint.empty() ? "" : complaint + " (seconds)";
}

// One of a few words.
template <class Value>
Complaint take_choice(const Setting& setting, std::initializer_list<std::pair<std::string_view, Value>> choices,
                      Value& out) {
  std::string allowed;
  for (const auto& [word, value] : choices) {
    if (setting.getType() == Setting::TypeString && word == static_cast<const char*>(setting)) {
      out = value;
      return {};
    }
    if (!allowed.empty()) allowed += ", ";
    allowed += word;
  }
  const std::string given =
      setting.getType() == Setting::TypeString ? base::quote(static_cast<const char*>(setting)) : "";
  return (given.empty() ? "" : given + " ") + "must be one of " + allowed;
}

// "90s", "1m", "2h", "5d".
Complaint take_durations(const Setting& setting, std::vector<std::chrono::seconds>& out) {
  Complaint complaint = "must be a list of times as in [ \"30s\", \"5m\", \"2h\", \"1d\" ]";
  if (!setting.isArray() && !setting.isList()) return complaint;
  out.clear();
  for (int i = 0; i < setting.getLength(); ++i) {
    std::string text;
    if (!take(setting[i], text).empty() || text.size() < 2) return complaint;
    const auto count = base::number(std::string_view(text).substr(0, text.size() - 1));
    const std::size_t unit = std::string_view("smhd").find(text.back());
    if (!count || *count == 0 || *count > 1000000 || unit == std::string_view::npos) return complaint;
    constexpr std::array<int, 4> length = {1, 60, 3600, 86400};
    out.emplace_back(*count * static_cast<unsigned>(length.at(unit)));
  }
  return out.empty() ? complaint : "";
}

Complaint take_address(const Setting& setting, std::optional<mail::Address>& out) {
  std::string text;
  if (Complaint complaint = take(setting, text); !complaint.empty()) return complaint;
  auto address = mail::Address::parse(text);
  if (!address) return "must be an address: " + address.error().text;
  out = *std::move(address);
  return {};
}

// A host name, an address, or an address in brackets: what can stand in a URL and a certificate.
Complaint take_host(const Setting& setting, std::string& out) {
  if (Complaint complaint = take(setting, out); !complaint.empty()) return complaint;
  const bool plain = !out.empty() && out.find_first_of(" /?#@\\\"<>") == std::string::npos;
  return plain ? "" : "must be the name or the address of a host";
}

// How many single characters apart two words are (Levenshtein), for "did you mean".
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0]++;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t change = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({row[j] + 1, diagonal + 1, change});
    }
  }
  return row.back();
}

// Reads one file's settings and collects every fault.
class Reader {
 public:
  Reader(std::string path, Settings& settings) : path_(std::move(path)), settings_(settings) {}

  void read(const Setting& root) {
    group<Settings>(
        root, settings_,
        {{"default_account", [](Reader&, Settings& s, const Setting& v) { return take(v, s.default_account); }},
         {"accounts", [](Reader& r, Settings&, const Setting& v) { return r.accounts(v); }},
         {"log", [](Reader& r, Settings& s, const Setting& v) { return r.log(v, s.log); }},
         {"queue", [](Reader& r, Settings& s, const Setting& v) { return r.queue(v, s.queue); }}});
  }

  void fault(const Setting& where, const std::string& what) {
    const char* file = where.getSourceFile();
    faults_.push_back((file ? file : path_) + ":" + std::to_string(where.getSourceLine()) + ": " + what);
  }

  [[nodiscard]] const std::vector<std::string>& faults() const { return faults_; }
  // Where settings came from besides the main file, and those of them (the main file too) that hold a password.
  [[nodiscard]] const std::set<std::string>& included() const { return included_; }
  [[nodiscard]] const std::set<std::string>& with_password() const { return with_password_; }

 private:
  // What a key of a group does with its value.
  template <class T>
  struct Key {
    std::string_view name;
    Complaint (*take)(Reader&, T&, const Setting&);
  };

  template <class T>
  Complaint group(const Setting& group, T& out, std::initializer_list<Key<T>> keys) {
    if (!group.isGroup()) return "must be a group: { … }";
    for (int i = 0; i < group.getLength(); ++i) {
      const Setting& setting = group[i];
      const std::string name = setting.getName();
      if (setting.getSourceFile()) included_.insert(setting.getSourceFile());
      const auto key = std::find_if(keys.begin(), keys.end(), [&](const Key<T>& k) { return k.name == name; });
      if (key == keys.end()) {
        unknown(setting, name, keys);
      } else if (const Complaint complaint = key->take(*this, out, setting); !complaint.empty()) {
        faulty_key(setting, complaint);
      }
    }
    return {};
  }

  void faulty_key(const Setting& setting, const Complaint& complaint) {
    fault(setting, std::string(setting.getName()) + " " + complaint);
  }

  template <class T>
  void unknown(const Setting& setting, const std::string& name, std::initializer_list<Key<T>> keys) {
    const auto nearest = std::min_element(keys.begin(), keys.end(), [&](const Key<T>& a, const Key<T>& b) {
      return distance(a.name, name) < distance(b.name, name);
    });
    const bool near = distance(nearest->name, name) <= 2;
    std::string known;
    for (const Key<T>& key : keys) {
      if (!known.empty()) known += ", ";
      known += key.name;
    }
    fault(setting, "unknown key \"" + name + "\"; " +
                       (near ? "did you mean \"" + std::string(nearest->name) + "\"?" : "known here are " + known));
  }

  Complaint accounts(const Setting& list) {
    if (!list.isList()) return "must be a list of groups: ( { … }, { … } )";
    std::vector<Account> read;
    for (int i = 0; i < list.getLength(); ++i) {
      Account out;
      if (Complaint complaint = account(list[i], out); !complaint.empty()) {
        fault(list[i], "an account " + complaint);
        continue;
      }
      if (out.name.empty()) fault(list[i], "the account has no name");
      if (out.host.empty()) fault(list[i], "account \"" + out.name + "\" has no host");
      const auto same = [&](const Account& other) { return other.name == out.name; };
      if (std::any_of(read.begin(), read.end(), same))
        fault(list[i], "there are two accounts named \"" + out.name + "\"");
      read.push_back(std::move(out));
    }
    // This file's accounts come before those of a file that was read earlier, and replace those of the same name.
    for (Account& earlier : settings_.accounts) {
      const auto same = [&](const Account& other) { return other.name == earlier.name; };
      if (std::none_of(read.begin(), read.end(), same)) read.push_back(std::move(earlier));
    }
    settings_.accounts = std::move(read);
    return {};
  }

  Complaint account(const Setting& value, Account& out) {
    return group<Account>(
        value, out,
        {{"name", [](Reader&, Account& a, const Setting& v) { return take(v, a.name); }},
         {"host", [](Reader&, Account& a, const Setting& v) { return take_host(v, a.host); }},
         {"port",
          [](Reader&, Account& a, const Setting& v) {
            int port = 0;
            Complaint complaint = take_number(v, 1, 65535, port);
            a.port = port;
            return complaint;
          }},
         {"tls",
          [](Reader&, Account& a, const Setting& v) {
            return take_choice<Tls>(v,
                                    {{"implicit", Tls::implicit},
                                     {"starttls", Tls::starttls},
                                     {"opportunistic", Tls::opportunistic},
                                     {"off", Tls::off}},
                                    a.tls);
          }},
         {"tls_verify", [](Reader&, Account& a, const Setting& v) { return take(v, a.tls_verify); }},
         {"tls_ca_file", [](Reader&, Account& a, const Setting& v) { return take(v, a.tls_ca_file); }},
         {"auth", [](Reader& r, Account& a, const Setting& v) { return r.auth(v, a.auth.emplace()); }},
         {"from", [](Reader&, Account& a, const Setting& v) { return take_address(v, a.from); }},
         {"from_full_name", [](Reader&, Account& a, const Setting& v) { return take(v, a.from_full_name); }},
         {"domain", [](Reader&, Account& a, const Setting& v) { return take_host(v, a.domain); }},
         {"helo", [](Reader&, Account& a, const Setting& v) { return take_host(v, a.helo); }},
         {"aliases", [](Reader&, Account& a, const Setting& v) { return take(v, a.aliases); }},
         {"timeouts", [](Reader& r, Account& a, const Setting& v) { return r.timeouts(v, a.timeouts); }}});
  }

  Complaint auth(const Setting& value, Auth& out) {
    Complaint complaint = group<Auth>(
        value, out,
        {{"user", [](Reader&, Auth& a, const Setting& v) { return take(v, a.user); }},
         {"mechanism",
          [](Reader&, Auth& a, const Setting& v) {
            return take_choice<std::string>(
                v, {{"auto", "auto"}, {"plain", "plain"}, {"login", "login"}, {"cram-md5", "cram-md5"}}, a.mechanism);
          }},
         {"password",
          [](Reader& r, Auth& a, const Setting& v) {
            std::string text;
            Complaint trouble = take(v, text);
            a.password = base::Secret(std::move(text));
            r.with_password_.insert(v.getSourceFile() ? v.getSourceFile() : r.path_);
            return trouble;
          }},
         {"password_file", [](Reader&, Auth& a, const Setting& v) { return take(v, a.password_file); }},
         {"password_command", [](Reader&, Auth& a, const Setting& v) { return take(v, a.password_command); }},
         {"password_env", [](Reader&, Auth& a, const Setting& v) { return take(v, a.password_env); }}});
    if (!complaint.empty()) return complaint;
    const int sources =
        !out.password.empty() + !out.password_file.empty() + !out.password_command.empty() + !out.password_env.empty();
    if (out.user.empty()) return "has no user";
    if (sources != 1) return "must have one of password, password_file, password_command and password_env";
    return {};
  }

  Complaint timeouts(const Setting& value, Timeouts& out) {
    return group<Timeouts>(
        value, out,
        {{"connect", [](Reader&, Timeouts& t, const Setting& v) { return take_seconds(v, t.connect); }},
         {"reply", [](Reader&, Timeouts& t, const Setting& v) { return take_seconds(v, t.reply); }},
         {"data", [](Reader&, Timeouts& t, const Setting& v) { return take_seconds(v, t.data); }}});
  }

  Complaint log(const Setting& value, Log& out) {
    return group<Log>(value, out,
                      {{"syslog", [](Reader&, Log& l, const Setting& v) { return take(v, l.syslog); }},
                       {"facility",
                        [](Reader&, Log& l, const Setting& v) {
                          return take_choice<std::string>(v,
                                                          {{"mail", "mail"},
                                                           {"user", "user"},
                                                           {"daemon", "daemon"},
                                                           {"local0", "local0"},
                                                           {"local1", "local1"},
                                                           {"local2", "local2"},
                                                           {"local3", "local3"},
                                                           {"local4", "local4"},
                                                           {"local5", "local5"},
                                                           {"local6", "local6"},
                                                           {"local7", "local7"}},
                                                          l.facility);
                        }},
                       {"file", [](Reader&, Log& l, const Setting& v) { return take(v, l.file); }},
                       {"format", [](Reader&, Log& l, const Setting& v) {
                          return take_choice<bool>(v, {{"keyvalue", false}, {"json", true}}, l.json);
                        }}});
  }

  Complaint queue(const Setting& value, Queue& out) {
    return group<Queue>(value, out,
                        {{"enabled", [](Reader&, Queue& q, const Setting& v) { return take(v, q.enabled); }},
                         {"directory", [](Reader&, Queue& q, const Setting& v) { return take(v, q.directory); }},
                         {"retry", [](Reader&, Queue& q, const Setting& v) { return take_durations(v, q.retry); }}});
  }

  std::string path_;
  Settings& settings_;
  std::vector<std::string> faults_;
  std::set<std::string> included_;
  std::set<std::string> with_password_;
};

Error faulty(const std::string& text, std::string hint = {}) {
  return {Error::Kind::config, text, std::move(hint)};
}

// Whether what was opened may be trusted at all.
Result<void> check_owner(const std::string& path, const struct stat& status) {
  if (!S_ISREG(status.st_mode)) return faulty(path + ": is not a regular file");
  if (status.st_uid != 0 && status.st_uid != ::geteuid()) {
    return faulty(path + ": belongs to uid " + std::to_string(status.st_uid) + ", who is neither root nor you");
  }
  if (status.st_mode & 022U) {
    return faulty(path + ": can be written by others", "chmod go-w " + path);
  }
  return {};
}

Result<void> check_password(const Reader& reader, const std::string& path, const struct stat& status) {
  if (!reader.with_password().contains(path) || (status.st_mode & 077U) == 0) return {};
  return faulty(path + ": holds a password and can be read by others", "chmod 600 " + path);
}

// The file's folder, which libconfig's @include is relative to.
std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "./" : path.substr(0, slash + 1);
}

struct Read {
  bool exists = false;
};

Result<Read> read_file(const std::string& path, Settings& settings) {
  base::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!fd && errno == ENOENT) return Read{};
  if (!fd) return faulty(path + ": can't be read: " + std::generic_category().message(errno));
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) return faulty(path + ": can't be read");
  if (const auto trusted = check_owner(path, status); !trusted) return trusted.error();
  const std::unique_ptr<FILE, int (*)(FILE*)> file(::fdopen(::dup(fd.get()), "r"), &std::fclose);
  if (!file) return faulty(path + ": can't be read");

  libconfig::Config config;
  config.setIncludeDir(folder_of(path).c_str());
  try {
    config.read(file.get());
  } catch (const libconfig::ParseException& error) {
    const char* where = error.getFile() ? error.getFile() : path.c_str();
    return faulty(std::string(where) + ":" + std::to_string(error.getLine()) + ": " + error.getError(),
                  "libconfig wants a semicolon or comma after each setting and no comma before a closing bracket");
  } catch (const libconfig::FileIOException&) {
    return faulty(path + ": can't be read");
  }
  Reader reader(path, settings);
  reader.read(config.getRoot());
  std::string all;
  for (const std::string& fault : reader.faults()) all += (all.empty() ? "" : "\n") + fault;
  if (!all.empty()) return faulty(all);
  for (const std::string& name : reader.included()) {
    struct stat included {};
    const std::string where = name.starts_with('/') ? name : folder_of(path) + name;
    if (::stat(where.c_str(), &included) != 0) return faulty(name + ": can't be read");
    if (const auto trusted = check_owner(name, included); !trusted) return trusted.error();
    if (const auto kept = check_password(reader, name, included); !kept) return kept.error();
  }
  if (const auto kept = check_password(reader, path, status); !kept) return kept.error();
  return Read{true};
}

std::optional<std::string> user_file(const base::System& system) {
  if (const auto xdg = system.environment("XDG_CONFIG_HOME"); xdg && xdg->starts_with('/')) {
    return *xdg + "/pillarbox/pillarbox.conf";
  }
  if (const auto home = system.environment("HOME"); home && home->starts_with('/')) {
    return *home + "/.config/pillarbox/pillarbox.conf";
  }
  return std::nullopt;
}

}  // namespace

Result<Loaded> load(const Places& places, const base::System& system) {
  Loaded loaded;
  const auto only = places.named ? places.named : system.environment("PILLARBOX_CONFIG");
  if (only) {
    const auto read = read_file(*only, loaded.settings);
    if (!read) return read.error();
    if (!read->exists) return faulty(*only + ": there is no such file");
    loaded.files.push_back(*only);
    return loaded;
  }
  std::vector<std::string> paths = {places.system};
  if (auto user = user_file(system)) paths.push_back(*std::move(user));
  std::optional<Error> faults;
  for (const std::string& path : paths) {
    const auto read = read_file(path, loaded.settings);
    loaded.searched.push_back(path);
    if (!read && faults) {
      faults->text += "\n" + read.error().text;
    } else if (!read) {
      faults = read.error();
    } else if (read->exists) {
      loaded.files.push_back(path);
    }
  }
  if (faults) return *std::move(faults);
  return loaded;
}

}  // namespace pillarbox::config
