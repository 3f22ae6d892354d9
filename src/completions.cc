// Writes the shells' completions into a folder, at build time: bash/NAME, zsh/_NAME, fish/NAME.fish.
#include <array>
#include <filesystem>
#include <fstream>
#include <iostream>

#include "app/check.h"
#include "app/completion.h"
#include "app/queue_command.h"
#include "app/sendmail.h"
#include "app/setup.h"
#include "app/task.h"

int main(int argc, char** argv) {
  using namespace pillarbox::app;
  if (argc != 2) return 1;
  const std::filesystem::path folder = argv[1];
  for (const char* shell : {"bash", "zsh", "fish"}) std::filesystem::create_directories(folder / shell);
  const std::array<std::pair<std::string, std::span<const Option>>, 2> commands = {
      {{"smtp", smtp_options()}, {"sendmail", sendmail_options()}}};
  const auto write = [&](const std::string& name, const auto& what) {
    std::ofstream(folder / "bash" / name) << bash_completion(name, what);
    std::ofstream(folder / "zsh" / ("_" + name)) << zsh_completion(name, what);
    return !!(std::ofstream(folder / "fish" / (name + ".fish")) << fish_completion(name, what)).flush();
  };
  for (const auto& [name, table] : commands) {
    if (!write(name, table)) return 1;
  }
  const std::array<Subcommand, 7> subcommands = {
      {{"sendmail", "submit a message as every sendmail does", sendmail_options()},
       {"smtp", "submit messages to a server", smtp_options()},
       {"queue", "what waits to be sent", queue_options(), "list|run|show|retry|remove"},
       {"check", "is all well, from the configuration to the login?", check_options()},
       {"setup", "a first configuration, tried and then written", setup_options()},
       {"import", "another program's configuration as ours", {}},
       {"help", "list the commands", {}}}};
  return write("pillarbox", std::span(subcommands)) ? 0 : 1;
}
