#include "config/secret.h"

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

#include "base/child.h"
#include "base/unique_fd.h"

namespace pillarbox::config {
namespace {

Error unreadable(const std::string& source, const std::string& why) {
  return {Error::Kind::no_permission, "the password can't be read from " + source + ": " + why};
}

// Reads the first line, byte by byte, so that no buffer keeps a copy. False at trouble; errno says which.
bool read_line(int fd, std::string& line) {
  char c = 0;
  for (;;) {
    const ssize_t count = ::read(fd, &c, 1);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    if (count == 0 || c == '\n' || line.size() >= 65536) break;
    line += c;
  }
  if (!line.empty() && line.back() == '\r') line.pop_back();
  return true;
}

// Puts a terminal's echo back, whatever way the prompt is left.
class NoEcho {
 public:
  explicit NoEcho(int fd) : fd_(fd), changed_(::tcgetattr(fd, &before_) == 0) {
    termios quiet = before_;
    // Without ISIG, as getpass(3) has it: a Ctrl-C would leave the terminal without its echo.
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO | ISIG);
    if (changed_) ::tcsetattr(fd_, TCSAFLUSH, &quiet);
  }
  NoEcho(const NoEcho&) = delete;
  NoEcho& operator=(const NoEcho&) = delete;
  ~NoEcho() {
    if (changed_) ::tcsetattr(fd_, TCSADRAIN, &before_);  // what was typed ahead is the message's
  }

 private:
  int fd_;
  termios before_{};
  bool changed_;
};

}  // namespace

Result<base::Secret> password_from_file(const std::string& path) {
  const base::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!fd) return unreadable(path, std::generic_category().message(errno));
  std::string line;
  line.reserve(256);  // so that it does not leave copies behind as it grows
  if (!read_line(fd.get(), line)) return unreadable(path, std::generic_category().message(errno));
  if (line.empty()) return unreadable(path, "the first line is empty");
  base::Secret secret(line);
  base::wipe(line);
  return secret;
}

Result<base::Secret> password_from_command(const std::string& command) {
  const std::string source = "its command";  // which may hold what nobody should read
  auto line = base::line_of_command(command, std::chrono::minutes(1));
  if (!line) return unreadable(source, line.error().text);
  if (line->empty()) return unreadable(source, "it wrote nothing, or an empty line first");
  return line;
}

Result<base::Secret> password_from_environment(const std::string& variable, const base::System& system) {
  auto value = system.environment(variable);
  if (!value || value->empty()) return unreadable("the environment", variable + " is not set");
  base::Secret secret(*value);
  base::wipe(*value);
  return secret;
}

Result<base::Secret> password_of(const Auth& auth, const base::System& system) {
  if (!auth.password.empty()) return base::Secret(auth.password.reveal());
  if (!auth.password_file.empty()) return password_from_file(auth.password_file);
  if (!auth.password_command.empty()) return password_from_command(auth.password_command);
  return password_from_environment(auth.password_env, system);
}

Result<base::Secret> password_from_terminal(const std::string& prompt) {
  const base::UniqueFd terminal(::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY));
  if (!terminal) return Error{Error::Kind::usage, "a user without a password, and no terminal to ask for it"};
  const auto say = [&](const std::string& text) { return ::write(terminal.get(), text.data(), text.size()) >= 0; };
  std::string line;
  line.reserve(256);
  const NoEcho quiet(terminal.get());
  const bool read = say(prompt) && read_line(terminal.get(), line) && say("\n");
  if (!read || line.empty()) return Error{Error::Kind::usage, "no password was given"};
  base::Secret secret(line);
  base::wipe(line);
  return secret;
}

}  // namespace pillarbox::config
