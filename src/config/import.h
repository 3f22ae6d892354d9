// Import: what the configuration files of other mail submission programs become. Text in, a value out: nothing is
// opened here but through the door that the caller gives, for files that the text names (dma's auth.conf).
//
// Each directive is carried over with the meaning that it had there, the other program's defaults included, or has a
// note that says why not. data (65) for a text that is of no known format; a line that makes no sense is a note.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"

namespace pillarbox::config {

// Something that was not carried over, or not as it was.
struct Note {
  std::string file;       // "": the imported one
  std::size_t line = 0;   // 0: the whole file
  std::string directive;  // "": none in particular
  std::string why;
};

// Settings by key and what there is to say of them. The key of a setting in a group is "group.key".
struct Section {
  using Value = std::variant<bool, int, std::string, std::vector<std::string>>;

  std::map<std::string, Value> settings;
  std::vector<Note> notes;
};

struct ImportedAccount : Section {
  std::string name;
};

struct Imported : Section {  // settings that are no account's
  std::string path;
  std::string program;  // whose file it is
  std::vector<ImportedAccount> accounts;

  [[nodiscard]] bool has_password() const;
};

// All of a file; no_input if it can't be read.
using ReadFile = std::function<Result<std::string>(const std::string& path)>;

// The path is for notes, and its name a hint at the format.
Result<Imported> import_configuration(std::string_view text, const std::string& path, const ReadFile& read_file);

// As a configuration file that config::load reads, notes as comments.
std::string to_libconfig(const Imported& imported);

}  // namespace pillarbox::config
