// Writes the shells' completions into a folder, at build time: bash/NAME, zsh/_NAME, fish/NAME.fish.
#include <array>
#include <filesystem>
#include <fstream>
#include <iostream>

#include "app/completion.h"
#include "app/sendmail.h"
#include "app/task.h"

int main(int argc, char** argv) {
  using namespace pillarbox::app;
  if (argc != 2) return 1;
  const std::filesystem::path folder = argv[1];
  for (const char* shell : {"bash", "zsh", "fish"}) std::filesystem::create_directories(folder / shell);
  const std::array<std::pair<std::string, std::span<const Option>>, 2> commands = {
      {{"smtp", smtp_options()}, {"sendmail", sendmail_options()}}};
  for (const auto& [name, table] : commands) {
    std::ofstream(folder / "bash" / name) << bash_completion(name, table);
    std::ofstream(folder / "zsh" / ("_" + name)) << zsh_completion(name, table);
    if (!(std::ofstream(folder / "fish" / (name + ".fish")) << fish_completion(name, table)).flush()) return 1;
  }
  return 0;
}
