// Netstrings, "5:hello,": what the fields of our files are written as. No byte of a value can be taken for structure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pillarbox::queue {

std::string netstring(std::string_view value);
std::string netstring(std::uint64_t number);

// Takes a text apart. After a first failure everything fails, so one look at failed() at the end is enough.
class Netstrings {
 public:
  explicit Netstrings(std::string_view text) : rest_(text) {}

  std::string_view next();  // "" after a failure
  std::uint64_t number();   // a decimal, without leading zeros; 0 after a failure
  void fail() { failed_ = true; }
  [[nodiscard]] bool failed() const { return failed_; }
  [[nodiscard]] bool at_end() const { return rest_.empty(); }
  [[nodiscard]] std::size_t left() const { return rest_.size(); }

 private:
  std::string_view rest_;
  bool failed_ = false;
};

// Whether a file begins as one of ours of a later version does: "pillarbox-queue " and a number that is larger.
bool is_of_later_version(std::string_view start, std::string_view kind, unsigned version);

// "0", or digits that begin with another one, as far as they fit.
std::optional<std::uint64_t> plain_number(std::string_view text);

}  // namespace pillarbox::queue
