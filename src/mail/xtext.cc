#include "mail/xtext.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <iterator>
#include <utility>
#include <vector>

#include "base/text.h"

namespace pillarbox::mail {
namespace {

bool is_xchar(char c) {
  return c > ' ' && c < 0x7f && c != '+' && c != '=';
}

// Two digits, or more if it takes more.
std::string hex(std::uint32_t number) {
  std::array<char, 8> digits{};
  const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), number, 16);
  const std::string out = base::upper({digits.data(), static_cast<std::size_t>(end - digits.data())});
  return out.size() < 2 ? '0' + out : out;
}

// The code point of the character that text begins with, and its length.
std::pair<std::uint32_t, std::size_t> code_point(std::string_view text) {
  const auto first = static_cast<unsigned char>(text[0]);
  if (first < 0x80) return {first, 1};
  const std::size_t length = std::min<std::size_t>(first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4, text.size());
  std::uint32_t value = first & (first < 0xE0 ? 0x1FU : first < 0xF0 ? 0x0FU : 0x07U);
  for (std::size_t i = 1; i < length; ++i) value = value << 6U | (static_cast<unsigned char>(text[i]) & 0x3FU);
  return {value, length};
}

}  // namespace

std::string xtext(std::string_view text) {
  std::string out;
  for (const char c : text) out += is_xchar(c) ? std::string(1, c) : '+' + base::hex(c);
  return out;
}

std::optional<std::string> from_xtext(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    auto byte = static_cast<unsigned char>(text[i]);
    if (text[i] == '+') {
      if (i + 2 >= text.size()) return std::nullopt;
      const char* digits = text.data() + i + 1;
      if (std::from_chars(digits, digits + 2, byte, 16).ptr != digits + 2) return std::nullopt;
      i += 2;
    }
    out += static_cast<char>(byte);
  }
  return out;
}

bool is_original_recipient(std::string_view text) {
  constexpr std::size_t longest = 500;
  const std::size_t end = text.find(';');
  if (end == std::string_view::npos || end == 0 || end + 1 == text.size() || text.size() > longest) return false;
  const auto in_type = [](char c) { return base::is_alnum(c) || c == '-'; };
  return std::all_of(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(end), in_type) &&
         std::all_of(text.begin(), text.end(), [](char c) { return c == '+' || is_xchar(c); }) &&
         from_xtext(text.substr(end + 1)).has_value();
}

bool is_envelope_id(std::string_view text) {
  constexpr std::size_t longest = 100;
  return !text.empty() && text.size() <= longest && base::is_ascii(text) && !base::has_control(text);
}

std::optional<std::string> parse_notify(std::string_view text) {
  constexpr std::array<std::string_view, 3> known = {"SUCCESS", "FAILURE", "DELAY"};
  const std::string upper = base::upper(text);
  if (upper == "NEVER") return upper;
  const auto words = base::split(upper, ',');
  const auto is_in = [](const auto& list, std::string_view word) {
    return std::find(list.begin(), list.end(), word) != list.end();
  };
  if (!std::all_of(words.begin(), words.end(), [&](std::string_view word) { return is_in(known, word); })) {
    return std::nullopt;
  }
  std::vector<std::string_view> wanted;
  std::copy_if(known.begin(), known.end(), std::back_inserter(wanted),
               [&](std::string_view word) { return is_in(words, word); });
  return base::join(wanted, ",");
}

std::string utf8_xtext(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const auto [code, length] = code_point(text);
    const bool plain = is_xchar(text[0]) && text[0] != '\\';
    out += plain ? std::string(1, text[0]) : "\\x{" + hex(code) + '}';
    text.remove_prefix(length);
  }
  return out;
}

}  // namespace pillarbox::mail
