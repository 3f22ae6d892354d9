// Report: outcomes and errors as people and callers see them. The one table of exit codes (sysexits.h).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace pillarbox::app {

int exit_code(Error::Kind kind);

// "EX_TEMPFAIL", for a log.
std::string_view exit_name(int code);

// The exit code of many messages and recipients: the first permanent failure's, else 75 if one was temporary, else 0.
class Tally {
 public:
  void add(Error::Kind kind);
  [[nodiscard]] int exit_code() const;

 private:
  std::optional<Error::Kind> permanent_;
  bool temporary_ = false;
};

// "NAME: TEXT" on stderr, and the hint behind it; a line each for the faults of a configuration. Control characters are
// escaped.
void complain(std::string_view name, const Error& error);
void complain(std::string_view name, std::string_view text);

// The error with the file's name before its text; those of a source begin with it.
Error about(const std::string& file, Error error);

// Complains, and returns the exit code.
int fail(std::string_view name, const Error& error);

// All of standard output has left: io (74) if it could not.
Result<void> flush_output();
Error unwritten();

// What a child of ours ends with when that is so, for its parent to tell of it.
inline constexpr int exit_unwritten = 2;

}  // namespace pillarbox::app
