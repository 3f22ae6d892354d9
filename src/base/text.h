// ASCII text: classification, trimming, comparing, and making text from outside safe to show.
//
// Mail is bytes. These functions look at ASCII only and never at a locale, so they mean the same on every host
// (std::isalpha and friends don't, and are undefined for a negative char).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pillarbox::base {

constexpr bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
constexpr bool is_alpha(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
constexpr bool is_alnum(char c) {
  return is_digit(c) || is_alpha(c);
}
constexpr bool is_blank(char c) {
  return c == ' ' || c == '\t';
}
constexpr bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}
constexpr bool is_ascii(char c) {
  return static_cast<unsigned char>(c) < 0x80;
}
constexpr char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool is_ascii(std::string_view text);
bool is_utf8(std::string_view text);  // well-formed after RFC 3629
bool iequals(std::string_view a, std::string_view b);
bool istarts_with(std::string_view text, std::string_view prefix);
std::string lower(std::string_view text);
std::string upper(std::string_view text);
std::string_view trim(std::string_view text);  // blanks, CR and LF off both ends
std::vector<std::string_view> split(std::string_view text, char separator);
template <std::same_as<std::string> Temporary>
std::vector<std::string_view> split(Temporary&& text, char separator) = delete;  // the pieces would outlive it

bool has_control(std::string_view text);

// The parts of a list, strings or views of them, with something between.
template <class Parts>
std::string join(const Parts& parts, std::string_view between) {
  std::string all;
  bool first = true;
  for (const auto& part : parts) {
    if (!std::exchange(first, false)) all += between;
    all += part;
  }
  return all;
}

// The whole of text as a decimal number, or nothing.
std::optional<std::uint64_t> number(std::string_view text);

// A byte's two hexadecimal digits, in capitals.
std::string hex(char byte);

// RFC 4648 section 4.
std::string base64(std::string_view bytes);
std::optional<std::string> from_base64(std::string_view text);  // nothing if it is none

// So many decimals, as in "0.112".
std::string decimal(double number, int decimals = 3);

// Text that can be shown on one line of a terminal or log: control characters (C1's too, Unicode's for direction and
// line ends) and bytes that are no UTF-8 become \n, \t, \r or \xHH, and a backslash is doubled.
std::string escape(std::string_view text);

// As escape, but a backslash and a tab stay: a line of a trace that may be pasted elsewhere.
std::string visible(std::string_view text);

// A value of a key=value line: in double quotes, with \" and \\ inside, if it is empty or holds a blank, a quote or
// what escape would change.
std::string quote(std::string_view text);

// A JSON string with its quotes; bytes that are no UTF-8 become U+FFFD.
std::string json_string(std::string_view text);

}  // namespace pillarbox::base
