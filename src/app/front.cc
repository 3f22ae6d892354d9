#include "app/front.h"

#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <exception>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "app/check.h"
#include "app/help.h"
#include "app/import.h"
#include "app/queue_command.h"
#include "app/report.h"
#include "app/sendmail.h"
#include "app/setup.h"
#include "app/smtp_tool.h"

namespace pillarbox::app {
namespace {

std::string_view base_name(std::string_view path) {
  return path.substr(path.rfind('/') + 1);
}

// libcurl writes the keys of its sessions there. Whoever tests servers wants that; the mail of a host is nobody's to
// read.
void keep_tls_keys() {
  ::unsetenv("SSLKEYLOGFILE");  // NOLINT(concurrency-mt-unsafe): before there is another thread
}

// A descriptor that the caller closed must not become that of a socket or a file: what is written to stderr would go
// into a message.
bool fill_standard_descriptors() {
  for (;;) {
    const int fd = ::open("/dev/null", O_RDWR);
    if (fd < 0) return false;
    if (fd > STDERR_FILENO) {
      ::close(fd);
      return true;
    }
  }
}

// words: those behind the program's name.
int front_door(std::span<char*> words, const base::System& system, const base::Clock& clock) {
  const std::string_view command = words.empty() ? "" : words[0];
  if (!words.empty()) words = words.subspan(1);
  std::vector<std::string> args(words.begin(), words.end());  // the only copy: a password may be among them
  if (command == "smtp") return smtp_tool(std::move(args), words.data(), system, clock);
  keep_tls_keys();
  if (command == "sendmail") return sendmail(std::move(args), words.data(), system, clock);
  if (command == "queue") return queue_command(std::move(args), system, clock);
  if (command == "check") return check_command(std::move(args), system, clock);
  if (command == "setup") return setup_command(std::move(args), system, clock);
  if (command == "import") return import_command(args);
  if (command == "help" || command == "--help" || command == "-h") {
    return print_front_help();
  }
  if (command == "--version") {
    return print_version();
  }
  const std::string what = command.empty() ? "a command is needed" : "unknown command \"" + std::string(command) + "\"";
  return fail("pillarbox", {Error::Kind::usage, what, "pillarbox --help lists them"});
}

int dispatch(int argc, char** argv) {
  const base::System system;
  const base::Clock clock;
  const std::string_view name = base_name(argv[0]);
  const bool smtp = name == "smtp";
  if (!smtp && name != "sendmail" && name != "mailq" && name != "newaliases") {
    return front_door({argv + 1, argv + argc}, system, clock);
  }
  std::vector<std::string> args(argv + 1, argv + argc);
  if (smtp) return smtp_tool(std::move(args), argv + 1, system, clock);
  keep_tls_keys();
  const std::string_view mode = name == "newaliases" ? "i" : name == "mailq" ? "p" : "m";
  return sendmail(std::move(args), argv + 1, system, clock, mode);
}

}  // namespace

int run(int argc, char** argv) noexcept {
  if (argc < 1 || !fill_standard_descriptors()) return exit_code(Error::Kind::system);
  if (::getauxval(AT_SECURE) != 0) {
    complain("pillarbox",
             "runs with privileges that it does not want (setuid, setgid or capabilities); take them away");
    return exit_code(Error::Kind::system);
  }
  ::umask(077);
  std::signal(SIGCHLD, SIG_DFL);  // a caller that ignores it would keep the ends of our children from us
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  try {
    return dispatch(argc, argv);
  } catch (const std::exception& error) {
    complain("pillarbox", error.what());
  } catch (...) {
    complain("pillarbox", "an unknown failure");
  }
  return exit_code(Error::Kind::temporary);
}

}  // namespace pillarbox::app
