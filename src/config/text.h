// Text: a configuration file as it stands on the disk, with what it includes put in its place.
//
// libconfig's own @include can't take an absolute path beside a folder for relative ones, ends the process where a
// folder is included, and opens files that nobody has checked; so inclusion is done here, by libconfig's rules: a line
// @include "FILE", relative to the main file's folder, at most ten deep. Every file is opened once and judged as it was
// opened: a regular file of root's or ours that nobody else can write to. All errors are config (78), with FILE:LINE
// where there is a line, but for files that we may not read: no_permission.
#pragma once

#include <sys/stat.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/secret.h"

namespace pillarbox::config {

// A path as it stands in a file: a relative one begins in that file's folder.
std::string path_in(const std::string& file, const std::string& path);

// A string as a configuration has it: in quotes, with a dollar sign doubled, which alone would begin a variable's name.
// Whoever gives it a password wipes what it returns; other copies there are none.
std::string string_literal(std::string_view text);

class Text {
 public:
  struct File {
    std::string path;
    mode_t mode = 0;
  };

  // It may hold passwords, and leaves none behind.
  Text(Text&&) = default;
  Text& operator=(Text&&) = delete;
  ~Text() { base::wipe(content_); }

  // Nothing if the main file does not exist.
  static Result<std::optional<Text>> read(const std::string& path);

  [[nodiscard]] const std::string& content() const { return content_; }
  [[nodiscard]] const std::vector<File>& files() const { return files_; }  // the main file is the first

  // Where a line of the content (from 1) comes from: the file, as an index of files(), and "FILE:LINE: ".
  [[nodiscard]] std::size_t file_of(unsigned line) const { return origin(line).file; }
  [[nodiscard]] std::string place_of(unsigned line) const;

  // libconfig's complaint about a line in plain words, with the place in front.
  [[nodiscard]] Error explain(unsigned line, std::string_view complaint) const;

 private:
  struct Origin {
    std::size_t file = 0;
    unsigned line = 1;
  };
  // Where an @include stands; nothing for the main file itself.
  using From = std::optional<Origin>;

  Text() = default;
  [[nodiscard]] Origin origin(unsigned line) const;
  [[nodiscard]] std::string show(const Origin& origin) const;
  // False if there is no such file.
  Result<bool> add(const std::string& path, int depth, const From& from);
  Result<void> splice(const std::string& text, std::size_t file, int depth);

  std::string content_;
  std::vector<File> files_;
  std::vector<Origin> lines_;
};

}  // namespace pillarbox::config
