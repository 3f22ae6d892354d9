// Command lines: one table of options a name, which is the source of the parser and of --help.
//
// The lexer has getopt's rules: letters cluster, an argument is attached or the next word, "--" ends the options. It
// serves all names, for Boost's own can't read sendmail's letters (one that takes only an attached argument, one that
// is a server or nothing); Boost.Program_options stores and describes what it found. No option is abbreviated. Errors
// are usage (64) and name the option.
#pragma once

#include <functional>
#include <initializer_list>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/secret.h"

namespace pillarbox::app {

enum class Argument {
  none,
  required,   // attached or the next word
  attached,   // attached or none at all
  setting,    // as required; sendmail's -o, of which some have a word of their own behind it
  server,     // attached or the next word, but only what can be a server's name (no "@", no "-" in front), else none;
              // with one the rest of the words is not ours to read
  hand_over,  // none; the rest of the words is not ours to read
};

struct Option {
  std::string_view key;  // the long form, without "--"; a key that begins with "-" has none
  char letter;           // 0: none
  Argument argument;
  std::string_view value;  // what stands for it in --help
  std::string_view help;   // "": not shown
  bool secret = false;     // its argument is wiped, in the words and, through argv, in what others see of them
};

enum class Operands {
  anywhere,  // options may stand among them
  last,      // options end at the first; a later word with a dash in front is refused, and never an operand
};

class Options {
 public:
  // argv: where args came from, for secrets to be wiped there.
  static Result<Options> parse(std::span<const Option> table, std::vector<std::string> args, Operands operands,
                               char** argv = nullptr);

  [[nodiscard]] bool has(std::string_view key) const { return !all(key).empty(); }
  [[nodiscard]] std::vector<std::string> all(std::string_view key) const;     // in order; flags have ""
  [[nodiscard]] std::optional<std::string> last(std::string_view key) const;  // the last wins
  [[nodiscard]] const std::vector<std::string>& operands() const { return operands_; }
  // usage (64) if one of these long options was given without anything in it.
  [[nodiscard]] Result<void> need_values(std::initializer_list<std::string_view> keys) const;
  // A secret option's argument, once; has() tells whether it is there.
  [[nodiscard]] base::Secret take_secret(std::string_view key);
  // The keys that were given, each once, in alphabetical order.
  [[nodiscard]] std::vector<std::string> keys() const;

 private:
  std::vector<std::pair<std::string, std::vector<std::string>>> values_;  // a secret's is ""
  std::vector<std::string> operands_;
  std::map<std::string, base::Secret, std::less<>> secrets_;
};

// The table as a list for people, options aligned, help wrapped.
std::string describe(std::span<const Option> table);

}  // namespace pillarbox::app
