#include "config/secret.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <optional>
#include <system_error>

#include "base/child.h"
#include "base/clock.h"
#include "base/held_signals.h"
#include "base/text.h"
#include "base/unique_fd.h"
#include "config/netrc.h"

namespace pillarbox::config {
namespace {

constexpr off_t largest_netrc = 1 << 20;

Error unreadable(const std::string& source, const std::string& why) {
  return {Error::Kind::no_permission, "the password can't be read from " + source + ": " + why};
}

// What is in C's hands ends at a NUL, and half a password is another one: it would be refused, and count as a guess.
Result<base::Secret> whole(base::Secret secret, const std::string& source) {
  if (secret.reveal().find('\0') != std::string::npos) return unreadable(source, "there is a NUL in it");
  return secret;
}

// Waits for something to read, or the end. False, with errno ETIMEDOUT, when the time is over.
bool wait_until(base::Instant end, int fd) {
  pollfd watched{fd, POLLIN, 0};
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - base::Instant::clock::now());
    const int ready = ::poll(&watched, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
    if (ready == 0) errno = ETIMEDOUT;
    if (ready >= 0 || errno != EINTR) return ready > 0;
  }
}

// Reads the first line, byte by byte, so that no buffer keeps a copy. False at trouble; errno says which.
bool read_line(int fd, std::string& line, std::optional<base::Instant> end = {}) {
  char c = 0;
  for (;;) {
    if (end && !wait_until(*end, fd)) return false;
    const ssize_t count = ::read(fd, &c, 1);
    if (count < 0 && (errno == EINTR || (end && errno == EAGAIN))) continue;
    if (count < 0) return false;
    if (count == 0 || c == '\n' || line.size() >= 65536) break;
    base::append(line, {&c, 1});
  }
  if (!line.empty() && line.back() == '\r') line.pop_back();
  return true;
}

// A terminal without its echo. Signals wait until the echo is back, whatever way the prompt is left: a Ctrl-C ends it,
// and the program behind it.
class NoEcho {
 public:
  explicit NoEcho(int fd) : fd_(fd), changed_(::tcgetattr(fd, &before_) == 0) {
    termios quiet = before_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    if (changed_) ::tcsetattr(fd_, TCSAFLUSH, &quiet);
  }
  NoEcho(const NoEcho&) = delete;
  NoEcho& operator=(const NoEcho&) = delete;
  ~NoEcho() {
    if (changed_) ::tcsetattr(fd_, TCSADRAIN, &before_);  // what was typed ahead is the message's
  }

  // Until a line was typed. False if a signal came instead.
  [[nodiscard]] bool wait() const {
    std::array<pollfd, 2> watched = {{{fd_, POLLIN, 0}, {signals_.descriptor(), POLLIN, 0}}};
    while (::poll(watched.data(), watched.size(), -1) < 0 && errno == EINTR) {
    }
    return (watched[1].revents & POLLIN) == 0;
  }

 private:
  base::HeldSignals signals_{SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGTSTP};  // first, so that it ends last
  int fd_;
  termios before_{};
  bool changed_;
};

}  // namespace

Result<base::Secret> password_from_file(const std::string& path, std::chrono::milliseconds patience) {
  const base::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!fd) return unreadable(path, std::generic_category().message(errno));
  std::string line;
  const bool read = read_line(fd.get(), line, base::Instant::clock::now() + patience);
  if (!read) {
    const int trouble = errno;
    base::wipe(line);
    return unreadable(path, trouble == ETIMEDOUT ? "no line has come" : std::generic_category().message(trouble));
  }
  if (line.empty()) return unreadable(path, "the first line is empty");
  return whole(base::Secret(std::move(line)), path);
}

Result<base::Secret> password_from_command(const std::string& command) {
  const std::string source = "its command";  // which may hold what nobody should read
  auto line = base::line_of_command(command, std::chrono::minutes(1));
  if (!line) return unreadable(source, line.error().text);
  if (line->empty()) return unreadable(source, "it wrote nothing, or an empty line first");
  return whole(*std::move(line), source);
}

Result<base::Secret> password_from_environment(const std::string& variable, const base::System& system) {
  auto value = system.environment(variable);
  if (!value || value->empty()) return unreadable("the environment", variable + " is not set");
  return base::Secret(*std::move(value));
}

Result<base::Secret> password_from_credential(const std::string& name, const base::System& system) {
  const auto folder = system.environment("CREDENTIALS_DIRECTORY");
  if (!folder || folder->empty()) {
    return unreadable("the credential " + name, "CREDENTIALS_DIRECTORY is not set (systemd does that)");
  }
  return password_from_file(*folder + "/" + name);
}

Result<Credentials> credentials_from_netrc(const std::string& host, const std::string& user,
                                           const base::System& system) {
  std::string path = system.environment("NETRC").value_or("");
  const auto home = system.home();
  if (path.empty() && !home) return unreadable(".netrc", "there is no home folder");
  if (path.empty()) path = *home + "/.netrc";
  const base::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  struct stat status {};
  if (!fd || ::fstat(fd.get(), &status) != 0) return unreadable(path, std::generic_category().message(errno));
  if (!S_ISREG(status.st_mode)) return unreadable(path, "it is not a regular file");
  if (status.st_uid != 0 && status.st_uid != ::geteuid()) return unreadable(path, "it is somebody else's");
  if (status.st_mode & 077U) {
    Error open = unreadable(path, "others can read it");
    open.hint = "chmod 600 " + path;
    return open;
  }
  std::string text(static_cast<std::size_t>(std::min<off_t>(status.st_size, largest_netrc)), '\0');
  const ssize_t count = ::pread(fd.get(), text.data(), text.size(), 0);
  text.resize(static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
  auto entry = find_in_netrc(text, host, user);
  base::wipe(text);
  if (!entry) return unreadable(path, "it has no login for " + host + (user.empty() ? "" : " as " + user));
  if (entry->login.find('\0') != std::string::npos) return unreadable(path, "there is a NUL in the login");
  auto password = whole(std::move(entry->password), path);
  if (!password) return std::move(password).error();
  return Credentials{std::move(entry->login), *std::move(password)};
}

Result<Credentials> credentials_of(const Auth& auth, const std::string& host, const base::System& system) {
  const auto with_user = [&](Result<base::Secret> password) -> Result<Credentials> {
    if (!password) return std::move(password).error();
    return Credentials{auth.user, *std::move(password)};
  };
  switch (auth.source) {
    case Auth::Source::none:
      break;
    case Auth::Source::password:
      return with_user(base::Secret(std::string(auth.password.reveal())));
    case Auth::Source::file:
      return with_user(password_from_file(auth.place));
    case Auth::Source::command:
    case Auth::Source::token_command:
      return with_user(password_from_command(auth.place));
    case Auth::Source::environment:
      return with_user(password_from_environment(auth.place, system));
    case Auth::Source::credential:
      return with_user(password_from_credential(auth.place, system));
    case Auth::Source::netrc:
      return credentials_from_netrc(host, auth.user, system);
  }
  if (!needs_password(auth.mechanism)) return Credentials{auth.user, base::Secret()};
  auto asked = password_from_terminal("Password for " + auth.user + " at " + host + ": ");
  if (asked) return with_user(std::move(asked));
  return Error{Error::Kind::no_permission, "auth of the account: " + asked.error().text,
               "password_file, password_command and others say where the password is"};
}

Result<base::Secret> password_from_terminal(const std::string& prompt) {
  const base::UniqueFd terminal(::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY));
  if (!terminal) return Error{Error::Kind::usage, "a user without a password, and no terminal to ask for it"};
  const auto say = [&](const std::string& text) { return ::write(terminal.get(), text.data(), text.size()) >= 0; };
  std::string line;
  const NoEcho quiet(terminal.get());
  const bool read = say(base::escape(prompt)) && quiet.wait() && read_line(terminal.get(), line) && say("\n");
  base::Secret secret(std::move(line));
  if (!read || secret.empty()) return Error{Error::Kind::usage, "no password was given"};
  return whole(std::move(secret), "the terminal");
}

}  // namespace pillarbox::config
