// Completion: what a shell needs to complete a command line, made of the same table as the parser and --help.
//
// A value that is written FILE is a file's name, one written with "|" is one of these words; nothing is known of
// others.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "app/options.h"

namespace pillarbox::app {

std::string bash_completion(std::string_view command, std::span<const Option> table);
std::string zsh_completion(std::string_view command, std::span<const Option> table);
std::string fish_completion(std::string_view command, std::span<const Option> table);

// A command that has commands: the first word is one of them, and the options are that one's.
struct Subcommand {
  std::string_view name;
  std::string_view help;
  std::span<const Option> table;
  std::string_view words = {};  // what its first operand is one of, as "a|b"; else operands are files
};

std::string bash_completion(std::string_view command, std::span<const Subcommand> commands);
std::string zsh_completion(std::string_view command, std::span<const Subcommand> commands);
std::string fish_completion(std::string_view command, std::span<const Subcommand> commands);

}  // namespace pillarbox::app
