// Result<T>: a value, or the Error that stood in its way. The names are std::expected's, which C++20 has not yet.
//
// Errors are ordinary return values, visible in every signature; exceptions stay at the rim, where a library throws.
// An Error says what is wrong and where (text) and, if we know, what mends it (hint). Its kind decides the exit code.
#pragma once

#include <string>
#include <utility>
#include <variant>

namespace pillarbox {

struct Error {
  // Each kind is one of the exit codes of sysexits.h; app/report.cc has the table.
  enum class Kind {
    usage,          // 64: the command line
    data,           // 65: an address or a message that can't be used
    no_input,       // 66: an input file can't be read
    no_user,        // 67: a recipient was refused for good
    no_host,        // 68: the server's name is unknown
    unavailable,    // 69: refused for good, TLS not to be had
    internal,       // 70: a bug of ours
    system,         // 71: the operating system refused
    cannot_create,  // 73: the queue can't be written
    io,             // 74: reading or writing failed
    temporary,      // 75: later it may work
    protocol,       // 76: the server broke the protocol
    no_permission,  // 77: authentication refused, not offered or not allowed
    config,         // 78: the configuration
  };

  Kind kind = Kind::internal;
  std::string text;
  std::string hint = {};

  // The same error with what was being done put before its text.
  [[nodiscard]] Error in(const std::string& context) && {
    text = context + ": " + text;
    return std::move(*this);
  }
};

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT(google-explicit-constructor)
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(google-explicit-constructor)

  [[nodiscard]] bool has_value() const noexcept { return state_.index() == 0; }
  explicit operator bool() const noexcept { return has_value(); }

  // Only with has_value(); std::get throws otherwise, so a slip is a crash and never a wrong value.
  [[nodiscard]] T& value() & { return std::get<0>(state_); }
  [[nodiscard]] const T& value() const& { return std::get<0>(state_); }
  [[nodiscard]] T&& value() && { return std::get<0>(std::move(state_)); }
  [[nodiscard]] T& operator*() & { return value(); }
  [[nodiscard]] const T& operator*() const& { return value(); }
  [[nodiscard]] T&& operator*() && { return std::move(*this).value(); }
  [[nodiscard]] T* operator->() { return &value(); }
  [[nodiscard]] const T* operator->() const { return &value(); }

  // Only without has_value().
  [[nodiscard]] Error& error() & { return std::get<1>(state_); }
  [[nodiscard]] const Error& error() const& { return std::get<1>(state_); }
  [[nodiscard]] Error&& error() && { return std::get<1>(std::move(state_)); }

 private:
  std::variant<T, Error> state_;
};

// The result of what has no value: success, or an Error.
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)), failed_(true) {}  // NOLINT(google-explicit-constructor)

  [[nodiscard]] bool has_value() const noexcept { return !failed_; }
  explicit operator bool() const noexcept { return has_value(); }
  [[nodiscard]] Error& error() & { return error_; }
  [[nodiscard]] const Error& error() const& { return error_; }
  [[nodiscard]] Error&& error() && { return std::move(error_); }

 private:
  Error error_;
  bool failed_ = false;
};

}  // namespace pillarbox
