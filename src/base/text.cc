#include "base/text.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace pillarbox::base {
namespace {

constexpr std::string_view base64_digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// The length of the well-formed UTF-8 sequence that text begins with (RFC 3629, section 4), or 0.
std::size_t utf8_length(std::string_view text) {
  const auto at = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : static_cast<unsigned char>(0);
  };
  const auto tail = [&](std::size_t i, unsigned char low = 0x80, unsigned char high = 0xBF) {
    return at(i) >= low && at(i) <= high;
  };
  const unsigned char first = at(0);
  if (first < 0x80) return text.empty() ? 0 : 1;
  if (first >= 0xC2 && first <= 0xDF) return tail(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const unsigned char low = first == 0xE0 ? 0xA0 : 0x80;
    const unsigned char high = first == 0xED ? 0x9F : 0xBF;
    return tail(1, low, high) && tail(2) ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const unsigned char low = first == 0xF0 ? 0x90 : 0x80;
    const unsigned char high = first == 0xF4 ? 0x8F : 0xBF;
    return tail(1, low, high) && tail(2) && tail(3) ? 4 : 0;
  }
  return 0;
}

// Splits text into well-formed characters and stray bytes: each(sequence, well_formed).
template <class Each>
void each_character(std::string_view text, Each each) {
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    each(text.substr(0, std::max<std::size_t>(length, 1)), length > 0);
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
}

void append_hex(std::string& out, char c) {
  constexpr std::string_view digits = "0123456789abcdef";
  const auto byte = static_cast<unsigned char>(c);
  out += "\\x";
  out += digits[byte >> 4];
  out += digits[byte & 15];
}

// The code point of a well-formed sequence of at most three bytes, which is all that is asked about here, else 0.
unsigned code_point(std::string_view character) {
  const auto bits = [&](std::size_t i, unsigned mask) { return static_cast<unsigned char>(character[i]) & mask; };
  if (character.size() == 1) return bits(0, 0x7F);
  if (character.size() == 2) return bits(0, 0x1F) << 6U | bits(1, 0x3F);
  if (character.size() == 3) return bits(0, 0x0F) << 12U | bits(1, 0x3F) << 6U | bits(2, 0x3F);
  return 0;
}

// What is no character to be seen but an order to whoever shows the text: C1 controls, which terminals may obey; the
// marks, embeddings, overrides and isolates of the bidirectional algorithm (UAX 9), by which a line can be made to read
// as another; the separators of lines and paragraphs, at which some viewers of logs begin a new line.
bool is_order(std::string_view character) {
  const unsigned code = code_point(character);
  return (code >= 0x80 && code <= 0x9F) || code == 0x061C || code == 0x200E || code == 0x200F ||
         (code >= 0x2028 && code <= 0x202E) || (code >= 0x2066 && code <= 0x2069);
}

std::string shown(std::string_view text, bool keep_backslash_and_tab) {
  std::string out;
  out.reserve(text.size());
  each_character(text, [&](std::string_view character, bool well_formed) {
    const char c = character[0];
    if (!well_formed || is_order(character)) {
      for (const char byte : character) append_hex(out, byte);
    } else if (keep_backslash_and_tab && (c == '\\' || c == '\t')) {
      out += c;
    } else if (c == '\\') {
      out += "\\\\";
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else if (is_control(c)) {
      append_hex(out, c);
    } else {
      out += character;
    }
  });
  return out;
}

}  // namespace

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return is_ascii(c); });
}

bool is_utf8(std::string_view text) {
  bool all = true;
  each_character(text, [&](std::string_view, bool well_formed) { all = all && well_formed; });
  return all;
}

bool iequals(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return lower(x) == lower(y); });
}

bool istarts_with(std::string_view text, std::string_view prefix) {
  return iequals(text.substr(0, prefix.size()), prefix);
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = lower(c);
  return out;
}

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return out;
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view white = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(white);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(white) - begin + 1);
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) { return is_control(c); });
}

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string hex(char byte) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  const auto value = static_cast<unsigned char>(byte);
  return {digits[value >> 4U], digits[value & 15U]};
}

std::string base64(std::string_view bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);  // of a secret no part stays behind in memory that was outgrown
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const auto byte = [&](std::size_t n) {
      return i + n < bytes.size() ? static_cast<unsigned>(static_cast<unsigned char>(bytes[i + n])) : 0U;
    };
    const unsigned group = byte(0) << 16U | byte(1) << 8U | byte(2);
    out += base64_digits[group >> 18U];
    out += base64_digits[group >> 12U & 63U];
    out += i + 1 < bytes.size() ? base64_digits[group >> 6U & 63U] : '=';
    out += i + 2 < bytes.size() ? base64_digits[group & 63U] : '=';
  }
  return out;
}

std::optional<std::string> from_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  for (int padding = 0; padding < 2 && text.ends_with('='); ++padding) text.remove_suffix(1);
  std::string out;
  unsigned bits = 0;
  int count = 0;  // of bits that make no byte yet
  for (const char c : text) {
    const std::size_t digit = base64_digits.find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    bits = (bits << 6U | static_cast<unsigned>(digit)) & 0xFFFFU;
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out += static_cast<char>(bits >> static_cast<unsigned>(count) & 0xFFU);
  }
  return out;
}

std::string decimal(double number, int decimals) {
  std::array<char, 64> out{};
  const auto end = std::to_chars(out.data(), out.data() + out.size(), number, std::chars_format::fixed, decimals);
  return {out.data(), end.ptr};
}

std::string escape(std::string_view text) {
  return shown(text, false);
}

std::string visible(std::string_view text) {
  return shown(text, true);
}

std::string quote(std::string_view text) {
  std::string inner = escape(text);
  const bool plain = !inner.empty() && inner == text && inner.find_first_of(" \"") == std::string::npos;
  if (plain) return inner;
  std::string out = "\"";
  for (const char c : inner) {
    if (c == '"') out += '\\';
    out += c;
  }
  return out + '"';
}

std::string json_string(std::string_view text) {
  std::string out = "\"";
  each_character(text, [&](std::string_view character, bool well_formed) {
    constexpr std::string_view digits = "0123456789abcdef";
    const char c = character[0];
    if (!well_formed) {
      out += "\\ufffd";
    } else if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (is_order(character) || is_control(c)) {
      const unsigned code = code_point(character);
      out += "\\u";
      for (const unsigned shift : {12U, 8U, 4U, 0U}) out += digits[code >> shift & 15U];
    } else {
      out += character;
    }
  });
  return out + '"';
}

}  // namespace pillarbox::base
