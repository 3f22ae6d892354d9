#include "app/completion.h"

#include <map>
#include <vector>

#include "base/text.h"

namespace pillarbox::app {
namespace {

bool has_long(const Option& option) {
  return !option.key.starts_with('-');
}

bool takes_value(const Option& option) {
  return option.argument == Argument::required || option.argument == Argument::server;
}

// "-f", "--from"
std::vector<std::string> spellings(const Option& option) {
  std::vector<std::string> all;
  if (option.letter) all.push_back(std::string("-") + option.letter);
  if (has_long(option)) all.push_back("--" + std::string(option.key));
  return all;
}

// The words of "a|b|c", or "" if it is none.
std::string choices(std::string_view value) {
  if (value.find('|') == std::string_view::npos) return "";
  std::string out(value);
  for (char& c : out) c = c == '|' ? ' ' : c;
  return out;
}

// In single quotes for a shell; zsh's _arguments wants some more characters escaped within.
std::string quoted(std::string_view text, std::string_view escaped = {}) {
  std::string out = "'";
  for (const char c : text) {
    if (escaped.find(c) != std::string_view::npos) out += '\\';
    out += c == '\'' ? "'\\''" : std::string(1, c);
  }
  return out + "'";
}

std::string function_name(std::string_view command) {
  return "_pillarbox_" + std::string(command);
}

std::string bash_function(std::string_view command, std::span<const Option> table, const std::string& words = {}) {
  std::vector<std::string> all;
  std::map<std::string, std::vector<std::string>> by_reply;  // what completes a value, and after which options
  for (const Option& option : table) {
    if (option.help.empty()) continue;
    for (const std::string& spelling : spellings(option)) {
      all.push_back(spelling);
      if (!takes_value(option)) continue;
      const std::string values = choices(option.value);
      const std::string reply = option.value == "FILE" ? "compgen -f --"
                                : values.empty()       ? ":"
                                                       : "compgen -W " + quoted(values) + " --";
      by_reply[reply].push_back(spelling);
    }
  }
  std::string out = function_name(command) + "() {\n";
  out += "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}\n  COMPREPLY=()\n";
  out += "  case $before in\n";
  for (const auto& [reply, options] : by_reply) {
    out += "    " + base::join(options, " | ") + ")\n";
    if (reply != ":") out += "      mapfile -t COMPREPLY < <(" + reply + " \"$word\")\n";
    out += "      return ;;\n";
  }
  out +=
      "  esac\n  if [[ $word == -* ]]; then\n    mapfile -t COMPREPLY < <(compgen -W " + quoted(base::join(all, " ")) +
      " -- \"$word\")\n  " +
      (words.empty() ? "else\n    mapfile -t COMPREPLY < <(compgen -f"
                     : "elif [[ $COMP_CWORD == 2 ]]; then\n    mapfile -t COMPREPLY < <(compgen -W " + quoted(words)) +
      " -- \"$word\")\n  fi\n}\n";
  return out;
}

std::string bash_file(std::string_view command, const std::string& functions) {
  const std::string name(command);
  return "# bash completion of " + name + "\n" + functions + "complete -o filenames -F " + function_name(command) +
         " " + name + "\n";
}

std::string zsh_arguments(std::span<const Option> table, const std::string& words = {}) {
  std::string out = "_arguments -s \\\n";
  for (const Option& option : table) {
    if (option.help.empty()) continue;
    std::string value;
    if (takes_value(option)) {
      const std::string values = choices(option.value);
      value = ":" + std::string(option.value.find('|') == std::string_view::npos ? option.value : "word") + ":" +
              (option.value == "FILE" ? "_files"
               : values.empty()       ? " "
                                      : "(" + values + ")");
    }
    for (const std::string& spelling : spellings(option)) {
      const std::string_view mark = !takes_value(option) ? "" : spelling.starts_with("--") ? "=" : "+";
      out.append("  '*").append(spelling).append(mark).append("['");
      out.append(quoted(option.help, "[]:")).append("']").append(value).append("' \\\n");
    }
  }
  return out + (words.empty() ? "  '*:file:_files'\n" : "  '1:command:(" + words + ")' '*: : '\n");
}

// Lines that count where the condition, if there is one, holds.
std::string fish_lines(std::string_view command, const std::string& condition, std::span<const Option> table) {
  std::string out;
  for (const Option& option : table) {
    if (option.help.empty()) continue;
    out += "complete -c " + std::string(command) + condition;
    if (option.letter) out += std::string(" -s ") + option.letter;
    if (has_long(option)) out += " -l " + std::string(option.key);
    if (takes_value(option)) {
      const std::string words = choices(option.value);
      out += option.value == "FILE" ? " -r -F" : words.empty() ? " -x" : " -x -a " + quoted(words);
    }
    out += " -d " + quoted(option.help) + "\n";
  }
  return out;
}

std::string words_of(std::span<const Subcommand> commands) {
  std::string out;
  for (const Subcommand& each : commands) out += (out.empty() ? "" : " ") + std::string(each.name);
  return out;
}

}  // namespace

std::string bash_completion(std::string_view command, std::span<const Option> table) {
  return bash_file(command, bash_function(command, table));
}

std::string zsh_completion(std::string_view command, std::span<const Option> table) {
  return "#compdef " + std::string(command) + "\n" + zsh_arguments(table);
}

std::string fish_completion(std::string_view command, std::span<const Option> table) {
  return "# fish completion of " + std::string(command) + "\n" + fish_lines(command, "", table);
}

std::string bash_completion(std::string_view command, std::span<const Subcommand> commands) {
  std::string functions;
  std::string cases;
  for (const Subcommand& each : commands) {
    functions += bash_function(each.name, each.table, choices(each.words));
    cases += "    " + std::string(each.name) + ") " + function_name(each.name) + " ;;\n";
  }
  functions += function_name(command) +
               "() {\n  if [[ $COMP_CWORD == 1 ]]; then\n    mapfile -t COMPREPLY < <(compgen -W " +
               quoted(words_of(commands)) +
               " -- \"${COMP_WORDS[1]}\")\n    return\n  fi\n  case ${COMP_WORDS[1]} in\n" + cases + "  esac\n}\n";
  return bash_file(command, functions);
}

std::string zsh_completion(std::string_view command, std::span<const Subcommand> commands) {
  std::string out = "#compdef " + std::string(command) + "\nlocal state line\n_arguments '1:command:((";
  for (const Subcommand& each : commands) {
    out += std::string(each.name) + "\\:" + quoted(each.help, ":\"").replace(0, 1, "\"");
    out.back() = '"';
    out += each.name == commands.back().name ? "" : " ";
  }
  out += "))' '*::argument:->rest'\n[[ $state == rest ]] || return\ncase $words[1] in\n";
  for (const Subcommand& each : commands) {
    out += std::string(each.name) + ") " + zsh_arguments(each.table, choices(each.words)) + ";;\n";
  }
  return out + "esac\n";
}

std::string fish_completion(std::string_view command, std::span<const Subcommand> commands) {
  const std::string name(command);
  std::string out = "# fish completion of " + name + "\n";
  for (const Subcommand& each : commands) {
    out += "complete -c " + name + " -n __fish_use_subcommand -a " + std::string(each.name) + " -d " +
           quoted(each.help) + "\n";
    const std::string seen = "__fish_seen_subcommand_from ";
    const std::string behind = seen + std::string(each.name);
    if (const std::string words = choices(each.words); !words.empty()) {
      out += "complete -c " + name + " -n '" + behind + "' -f\n";  // no files
      out += "complete -c " + name + " -n '" + behind + "; and not " + seen + words + "' -a '" + words + "'\n";
    }
    out += fish_lines(command, " -n '" + behind + "'", each.table);
  }
  return out;
}

}  // namespace pillarbox::app
