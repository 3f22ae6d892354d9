#include "app/options.h"

#include <string.h>  // NOLINT(modernize-deprecated-headers): explicit_bzero is not in <cstring>

#include <algorithm>
#include <array>
#include <boost/program_options.hpp>

#include "base/text.h"

namespace pillarbox::app {
namespace {

namespace po = boost::program_options;

using Values = std::vector<std::string>;

Error usage(const std::string& text) {
  return {Error::Kind::usage, text};
}

bool can_be_server(std::string_view word) {
  return !word.empty() && word.front() != '-' && word.find('@') == std::string_view::npos;
}

// Sendmail's "-oA file", "-oT time" and "-oQ directory", and Exim's -oM…: what goes with it may be the next word.
bool wants_a_word(std::string_view setting) {
  constexpr std::array<std::string_view, 12> names = {"A",   "T",  "Q",  "Ma", "Maa", "Mai",
                                                      "Mas", "Mi", "Mm", "Mr", "Ms",  "Mt"};
  return std::find(names.begin(), names.end(), setting) != names.end();
}

// Of those that were given, which are few: a whole table takes a quarter of a short run's time, and what is in it the
// lexer has seen to.
po::options_description description(const std::vector<po::option>& given) {
  po::options_description all;
  for (const po::option& option : given) {
    // Each is a list, so that none may come only once; a flag counts with an empty value.
    const std::string& key = option.string_key;
    if (!all.find_nothrow(key, false)) all.add_options()(key.c_str(), po::value<Values>()->composing());
  }
  return all;
}

// Takes the words of a command line apart.
class Lexer {
 public:
  Lexer(std::span<const Option> table, std::vector<std::string>& args, Operands operands, char** argv)
      : table_(table), args_(args), operands_(operands), argv_(argv) {}

  Result<void> run(po::parsed_options& out, std::vector<std::string>& operands) {
    for (; at_ < args_.size(); ++at_) {
      const std::string word = args_[at_];
      if (word == "--") {
        operands.insert(operands.end(), args_.begin() + static_cast<std::ptrdiff_t>(at_) + 1, args_.end());
        return {};
      }
      if (word.size() < 2 || word[0] != '-') {
        operands.push_back(word);
      } else if (!operands.empty() && operands_ == Operands::last) {
        return usage(word + ": options must precede recipients");
      } else if (const auto read = word[1] == '-' ? long_option(word, out) : letters(word, out); !read) {
        return read.error();
      } else if (handed_over_) {
        return {};
      }
    }
    return {};
  }

  std::map<std::string, base::Secret, std::less<>> secrets;

 private:
  const Option* find(char letter) const {
    const auto found = std::find_if(table_.begin(), table_.end(), [&](const Option& o) { return o.letter == letter; });
    return found == table_.end() || letter == '\0' ? nullptr : &*found;
  }

  const Option* find(std::string_view key) const {
    const auto found = std::find_if(table_.begin(), table_.end(), [&](const Option& o) { return o.key == key; });
    return found == table_.end() || key.starts_with('-') ? nullptr : &*found;
  }

  Result<void> long_option(const std::string& word, po::parsed_options& out) {
    const std::size_t equals = word.find('=');
    const std::string name = word.substr(0, equals);
    const Option* option = find(std::string_view(name).substr(2));
    if (!option) return usage("unknown option " + name);
    if (equals != std::string::npos) {
      if (!takes_value(*option)) return usage(name + " takes no value");
      add(out, *option, at_, equals + 1);
      return {};
    }
    return separate(name, *option, out);
  }

  Result<void> letters(const std::string& word, po::parsed_options& out) {
    for (std::size_t i = 1; i < word.size(); ++i) {
      const Option* option = find(word[i]);
      if (!option) return usage("unknown option -" + base::escape(word.substr(i, 1)));
      const std::string_view rest = std::string_view(word).substr(i + 1);
      if (!takes_value(*option)) {
        add_flag(out, *option);
        continue;
      }
      if (option->argument == Argument::server && !can_be_server(rest) && !rest.empty()) {
        add_flag(out, *option);
        continue;
      }
      if (rest.empty()) return separate(word.substr(0, 1) + word[i], *option, out);
      add(out, *option, at_, i + 1);
      skip_setting(*option, rest);
      break;
    }
    return {};
  }

  // The argument is the next word, where the option takes one.
  Result<void> separate(const std::string& name, const Option& option, po::parsed_options& out) {
    const bool there = at_ + 1 < args_.size();
    const bool takes = option.argument == Argument::required || option.argument == Argument::setting ||
                       (option.argument == Argument::server && there && can_be_server(args_[at_ + 1]));
    if (!takes) {
      add_flag(out, option);
      return {};
    }
    if (!there) return usage(name + " needs a value");
    add(out, option, ++at_, 0);
    skip_setting(option, args_[at_]);
    return {};
  }

  // The word behind a setting, which is no recipient. An option is not passed over.
  void skip_setting(const Option& option, std::string_view setting) {
    if (option.argument != Argument::setting || !wants_a_word(setting)) return;
    if (at_ + 1 < args_.size() && !args_[at_ + 1].starts_with('-')) ++at_;
  }

  static bool takes_value(const Option& option) {
    return option.argument != Argument::none && option.argument != Argument::hand_over;
  }

  void add_flag(po::parsed_options& out, const Option& option) {
    handed_over_ = handed_over_ || option.argument == Argument::hand_over;
    po::option found;
    found.string_key = option.key;
    found.value.emplace_back();
    out.options.push_back(std::move(found));
  }

  void add(po::parsed_options& out, const Option& option, std::size_t arg, std::size_t offset) {
    if (option.secret) {
      secrets.insert_or_assign(std::string(option.key), base::Secret(args_[arg].substr(offset)));
      base::wipe(args_[arg]);
      if (argv_) explicit_bzero(argv_[arg] + offset, ::strlen(argv_[arg] + offset));
      add_flag(out, option);
      return;
    }
    po::option found;
    found.string_key = option.key;
    found.value.push_back(args_[arg].substr(offset));
    out.options.push_back(std::move(found));
    handed_over_ = handed_over_ || option.argument == Argument::server;
  }

  std::span<const Option> table_;
  std::vector<std::string>& args_;
  Operands operands_;
  char** argv_;
  std::size_t at_ = 0;
  bool handed_over_ = false;
};

}  // namespace

Result<Options> Options::parse(std::span<const Option> table, std::vector<std::string> args, Operands operands,
                               char** argv) {
  Options options;
  try {
    po::parsed_options parsed(nullptr);
    Lexer lexer(table, args, operands, argv);
    if (const auto read = lexer.run(parsed, options.operands_); !read) return read.error();
    const po::options_description known = description(parsed.options);
    parsed.description = &known;
    po::variables_map values;
    po::store(parsed, values);
    for (const auto& [key, value] : values) options.values_.emplace_back(key, value.as<Values>());
    options.secrets_ = std::move(lexer.secrets);
  } catch (const po::error& error) {
    return Error{Error::Kind::internal, error.what()};  // the lexer gives nothing that is not in the table
  }
  return options;
}

std::vector<std::string> Options::all(std::string_view key) const {
  const auto found =
      std::find_if(values_.begin(), values_.end(), [&](const auto& value) { return value.first == key; });
  return found == values_.end() ? Values{} : found->second;
}

Result<void> Options::need_values(std::initializer_list<std::string_view> keys) const {
  for (const std::string_view key : keys) {
    const auto value = last(key);
    if (value && value->empty()) return usage("--" + std::string(key) + ": a value is needed");
  }
  return {};
}

base::Secret Options::take_secret(std::string_view key) {
  const auto found = secrets_.find(key);
  return found == secrets_.end() ? base::Secret() : std::move(found->second);
}

std::vector<std::string> Options::keys() const {
  std::vector<std::string> keys;
  for (const auto& [key, values] : values_) keys.push_back(key);
  return keys;
}

std::optional<std::string> Options::last(std::string_view key) const {
  const auto values = all(key);
  if (values.empty()) return std::nullopt;
  return values.back();
}

std::string describe(std::span<const Option> table) {
  constexpr std::size_t column = 30;
  constexpr std::size_t width = 88;
  std::string out;
  for (const Option& option : table) {
    if (option.help.empty()) continue;
    std::string line = option.letter ? std::string("  -") + option.letter : "    ";
    const bool has_long = !option.key.starts_with('-');
    if (has_long) line += (option.letter ? ", --" : "  --") + std::string(option.key);
    if (!option.value.empty()) line += (has_long ? '=' : ' ') + std::string(option.value);
    line.resize(std::max(line.size() + 2, column), ' ');
    std::size_t length = line.size();
    for (const std::string_view word : base::split(option.help, ' ')) {
      if (length + word.size() > width) {
        line.pop_back();
        line += '\n' + std::string(column, ' ');
        length = column;
      }
      line += std::string(word) + ' ';
      length += word.size() + 1;
    }
    line.pop_back();
    out += line + '\n';
  }
  return out;
}

}  // namespace pillarbox::app
