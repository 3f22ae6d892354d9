#include "config/text.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <set>
#include <system_error>

#include "base/disk.h"
#include "base/text.h"
#include "base/unique_fd.h"

namespace pillarbox::config {
namespace {

constexpr int deepest = 10;               // inclusions within inclusions, as libconfig has it
constexpr std::size_t largest = 1 << 22;  // bytes of a file; nobody writes so much

Error faulty(const std::string& text, std::string hint = {}) {
  return {Error::Kind::config, text, std::move(hint)};
}

// As it stands in an error, whose lines are a fault each: a line end in a name begins none.
std::string named(const std::string& path) {
  return base::visible(path) + ": ";
}

// Too few descriptors, or a device that fails, are no fault of the configuration's.
Error unreadable(const std::string& path, int number) {
  Error error = base::disk_error(named(path) + "can't be read", number);
  if (error.kind == Error::Kind::cannot_create) error.kind = Error::Kind::config;
  if (number == EACCES) error.kind = Error::Kind::no_permission;
  return error;
}

// The text with blanks in place of comments and of what strings hold, so that what is left is what libconfig acts on.
// Line ends and quotes stay where they are.
struct Bare {
  std::string code;
  unsigned open_comment = 0;  // the line where one begins that never ends: what follows would not be read
  unsigned nul = 0;           // the line where a string first has a NUL's escape: libconfig would end it there
};

Bare bare(const std::string& text) {
  enum class Within { code, string, line_comment, block_comment };
  std::string out = text;
  unsigned line = 1;
  unsigned comment = 0;
  unsigned nul = 0;
  Within within = Within::code;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::string_view two = std::string_view(text).substr(i, 2);
    const char c = text[i];
    bool blank = true;
    if (within == Within::code) {
      if (c == '#' || two == "//") {
        within = Within::line_comment;
      } else if (two == "/*") {
        within = Within::block_comment;
        comment = line;
        out[i++] = ' ';
      } else {
        if (c == '"') within = Within::string;
        blank = false;
      }
    } else if (within == Within::string) {
      if (c == '\\' && i + 1 < text.size()) {
        if (nul == 0 && base::istarts_with(std::string_view(text).substr(i + 1), "x00")) nul = line;
        out[i++] = ' ';
      } else if (c == '"') {
        within = Within::code;
        blank = false;
      }
    } else if (within == Within::line_comment && c == '\n') {
      within = Within::code;
    } else if (within == Within::block_comment && two == "*/") {
      within = Within::code;
      out[i++] = ' ';
    }
    if (text[i] == '\n') {
      ++line;
    } else if (blank) {
      out[i] = ' ';
    }
  }
  return {out, within == Within::block_comment ? comment : 0, nul};
}

constexpr bool is_name(char c) {
  return base::is_alnum(c) || c == '_' || c == '-' || c == '*' || c == '.';
}

// What libconfig calls a syntax error in that line, if it is the one that people make.
std::string stray_comma(std::string_view code, unsigned wanted) {
  unsigned line = 1;
  char before = ' ';
  for (const char c : code) {
    if (c == '\n') ++line;
    if (line == wanted && before == ',' && (c == ')' || c == ']')) {
      return std::string("a comma stands before the closing \"") + c + "\": take it out";
    }
    if (c != '\n' && c != '\r' && !base::is_blank(c)) before = c;
  }
  return {};
}

// A word in that line stands where a string should. Which one is not told: it may be a password.
bool has_word_without_quotes(std::string_view code, unsigned wanted) {
  unsigned line = 1;
  char before = ' ';
  for (std::size_t i = 0; i < code.size(); ++i) {
    const char c = code[i];
    if (c == '\n') ++line;
    const bool value = before == '=' || before == ':' || before == '[' || before == '(' || before == ',';
    if (line == wanted && base::is_alpha(c) && value) {
      const std::string_view rest = code.substr(i);
      const auto length = std::find_if_not(rest.begin(), rest.end(), is_name) - rest.begin();
      const std::string word(rest.substr(0, static_cast<std::size_t>(length)));
      const bool key = before == ',' && base::trim(rest.substr(word.size())).starts_with('=');  // of a group
      if (!key && !base::iequals(word, "true") && !base::iequals(word, "false")) return true;
    }
    if (c != '\n' && c != '\r' && !base::is_blank(c)) before = c;
  }
  return false;
}

// Names the first key that its group has already.
std::string repeated_key(std::string_view code) {
  std::vector<std::set<std::string>> groups(1);
  std::string name;
  bool open = false;  // the name is still being read
  for (const char c : code) {
    if (is_name(c)) {
      if (!open) name.clear();
      open = true;
      name += c;
      continue;
    }
    open = false;
    if (c == '{') groups.emplace_back();
    if (c == '}' && groups.size() > 1) groups.pop_back();
    const bool first = (c != '=' && c != ':') || groups.back().insert(name).second;
    if (!first) return "the key \"" + name + "\" is given twice in the same group";
  }
  return "a key is given twice in the same group";
}

// The name in a line that is an @include and nothing else. "" if it is an ill-formed one.
std::optional<std::string> included(std::string_view line, std::string_view code) {
  constexpr std::string_view word = "@include";
  const std::string_view directive = base::trim(code);
  if (!directive.starts_with(word)) return std::nullopt;
  const std::size_t begin = code.find('"');
  const std::size_t end = code.rfind('"');
  const bool alone = std::count(code.begin(), code.end(), '"') == 2 && base::trim(code.substr(0, begin)) == word &&
                     base::trim(code.substr(end + 1)).empty();
  return std::string(alone ? line.substr(begin + 1, end - begin - 1) : "");
}

Result<std::string> content_of(int fd, const std::string& path) {
  std::string text;
  std::array<char, 16384> piece;
  for (;;) {
    const ssize_t count = ::read(fd, piece.data(), piece.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return unreadable(path, errno);
    if (count == 0) break;
    base::append(text, {piece.data(), static_cast<std::size_t>(count)});
    if (text.size() > largest) return faulty(named(path) + "is too large for a configuration");
  }
  explicit_bzero(piece.data(), piece.size());
  return text;
}

// Whether what was opened may be trusted at all.
Result<struct stat> trusted(int fd, const std::string& path) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return unreadable(path, errno);
  if (!S_ISREG(status.st_mode)) return faulty(named(path) + "is not a regular file");
  if (status.st_uid != 0 && status.st_uid != ::geteuid()) {
    return faulty(named(path) + "belongs to uid " + std::to_string(status.st_uid) + ", who is neither root nor you");
  }
  if (status.st_mode & 022U) return faulty(named(path) + "can be written by others", "chmod go-w " + path);
  return status;
}

}  // namespace

std::string path_in(const std::string& file, const std::string& path) {
  if (path.starts_with('/')) return path;
  const std::string folder = base::folder_of(file);
  return (folder == "/" ? "" : folder) + "/" + path;
}

std::string string_literal(std::string_view text) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string out;
  out.reserve(4 * text.size() + 32);  // so that a password leaves no copies behind as it grows
  out += '"';
  for (const char c : text) {
    if (c == '$') {
      out += "$$";
    } else if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (base::is_control(c)) {
      const auto byte = static_cast<unsigned char>(c);
      out += "\\x";
      out += digits[byte >> 4];
      out += digits[byte & 15];
    } else {
      out += c;
    }
  }
  return out + '"';
}

Result<std::optional<Text>> Text::read(const std::string& path) {
  Text text;
  const auto there = text.add(path, 0, std::nullopt);
  if (!there) return there.error();
  return *there ? std::optional(std::move(text)) : std::nullopt;
}

Result<bool> Text::add(const std::string& path, int depth, const From& from) {
  const std::string where = from ? show(*from) : "";
  const base::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!fd && (errno == ENOENT || errno == ENOTDIR) && !from) return false;
  if (!fd) {
    return unreadable(where + path, errno);
  }
  const auto status = trusted(fd.get(), path);
  if (!status) return Error{status.error().kind, where + status.error().text, status.error().hint};
  auto content = content_of(fd.get(), path);
  if (!content) return content.error();
  files_.push_back({path, status->st_mode});
  const auto spliced = splice(*content, files_.size() - 1, depth);
  base::wipe(*content);
  return spliced ? Result<bool>(true) : spliced.error();
}

// Takes a file in line by line, and other files where a line says so.
Result<void> Text::splice(const std::string& text, std::size_t file, int depth) {
  const auto [code, open_comment, nul] = bare(text);
  if (open_comment != 0) return faulty(show({file, open_comment}) + "a comment begins here and never ends");
  if (nul != 0) return faulty(show({file, nul}) + "there is a NUL in it: \\x00");
  Origin here{file, 1};
  for (std::size_t begin = 0; begin < text.size(); ++here.line) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = std::string_view(text).substr(begin, end - begin);
    if (line.find('\0') != std::string_view::npos) return faulty(show(here) + "there is a NUL in it");
    const auto name = included(line, std::string_view(code).substr(begin, end - begin));
    if (!name) {
      base::append(content_, line);
      base::append(content_, "\n");
      lines_.push_back(here);
    } else if (name->empty()) {
      return faulty(show(here) + "a line that includes a file is written @include \"FILE\", and has nothing else");
    } else if (depth == deepest) {
      return faulty(show(here) + "files are included more than ten deep: does one include itself?");
    } else {
      const auto there = add(path_in(files_.front().path, *name), depth + 1, here);
      if (!there) return there.error();
    }
    begin = end + 1;
  }
  return {};
}

Text::Origin Text::origin(unsigned line) const {
  if (line >= 1 && line <= lines_.size()) return lines_[line - 1];
  return lines_.empty() ? Origin{} : lines_.back();
}

std::string Text::show(const Origin& origin) const {
  return base::visible(files_[origin.file].path) + ":" + std::to_string(origin.line) + ": ";
}

std::string Text::place_of(unsigned line) const {
  return show(origin(line));
}

Error Text::explain(unsigned line, std::string_view complaint) const {
  const std::string code = bare(content_).code;
  std::string why = complaint == "duplicate setting name" ? repeated_key(code) : stray_comma(code, line);
  if (why.empty() && has_word_without_quotes(code, line)) why = "a string stands in double quotes";
  if (!why.empty()) return faulty(place_of(line) + why);
  return faulty(
      place_of(line) + std::string(complaint),
      "libconfig has strings in double quotes, groups in { }, lists in ( ), and no comma before a closing bracket");
}

}  // namespace pillarbox::config
