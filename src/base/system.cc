#include "base/system.h"

#include <netdb.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string_view>
#include <system_error>
#include <vector>

namespace pillarbox::base {
namespace {

constexpr std::size_t largest_record = std::size_t{1} << 20U;  // of the password file

// What getpwuid_r(3) says of a uid that nobody has, as some services of names do.
bool means_nobody(int code) {
  return code == 0 || code == ENOENT || code == ESRCH || code == EBADF || code == EPERM;
}

// A name with a dot as it is, else the canonical name that the resolver has for it if that has one.
std::string canonical(const std::string& name) {
  if (name.find('.') != std::string::npos) return name;
  addrinfo hints{};
  hints.ai_flags = AI_CANONNAME;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  if (::getaddrinfo(name.c_str(), nullptr, &hints, &list) != 0) return name;
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> guard(list, &::freeaddrinfo);
  if (list->ai_canonname && std::string_view(list->ai_canonname).find('.') != std::string_view::npos) {
    return list->ai_canonname;
  }
  return name;
}

}  // namespace

std::string System::host_name() const {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0 || name[0] == '\0') return "localhost";
  return name.data();
}

std::string System::fully_qualified_name() const {
  if (!fully_qualified_) fully_qualified_ = canonical(host_name());
  return *fully_qualified_;
}

const System::Person& System::person() const {
  if (person_ && person_->uid == ::getuid()) return *person_;
  person_ = Person{::getuid(), "", "", ""};
  passwd record{};
  passwd* found = nullptr;
  std::vector<char> buffer(16384);
  int code = 0;
  while ((code = ::getpwuid_r(person_->uid, &record, buffer.data(), buffer.size(), &found)) == ERANGE &&
         buffer.size() < largest_record) {
    buffer.resize(2 * buffer.size());
  }
  if (!found && !means_nobody(code)) person_->trouble = code;
  if (found) {
    person_->login = found->pw_name;
    person_->gecos = found->pw_gecos ? found->pw_gecos : "";
    person_->home = found->pw_dir ? found->pw_dir : "";
  }
  return *person_;
}

Result<std::string> System::login() const {
  const Person& us = person();
  if (us.trouble != 0) {
    return Error{Error::Kind::temporary, "the login of uid " + std::to_string(us.uid) +
                                             " can't be looked up: " + std::generic_category().message(us.trouble)};
  }
  return us.login.empty() ? "uid" + std::to_string(us.uid) : us.login;
}

std::string System::full_name() const {
  const Person& us = person();
  std::string name;
  for (const char c : us.gecos.substr(0, us.gecos.find(','))) {
    if (c == '&') {
      name += us.login;
    } else {
      name += c;
    }
  }
  return name;
}

std::optional<std::string> System::environment(const std::string& name) const {
  const char* value = std::getenv(name.c_str());  // NOLINT(concurrency-mt-unsafe): one thread, nobody sets
  if (!value) return std::nullopt;
  return value;
}

std::optional<std::string> System::home() const {
  auto home = environment("HOME");
  if (home && home->starts_with('/') && ::access((*home + "/.").c_str(), X_OK) == 0) return home;
  return listed_home();  // as after su(1), which may leave root's
}

std::optional<std::string> System::listed_home() const {
  return person().home.starts_with('/') ? std::optional(person().home) : std::nullopt;
}

std::string random_word() {
  constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyz234567";  // 5 bits each
  std::array<std::uint8_t, 16> bytes{};
  std::size_t have = 0;
  while (have < bytes.size()) {
    const ssize_t count = ::getrandom(bytes.data() + have, bytes.size() - have, 0);
    if (count > 0) have += static_cast<std::size_t>(count);
  }
  std::string word;
  for (const std::uint8_t byte : bytes) word += letters[byte & 31];
  return word;
}

void forbid_core_dumps() noexcept {
  const rlimit none{};
  ::setrlimit(RLIMIT_CORE, &none);
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

}  // namespace pillarbox::base
