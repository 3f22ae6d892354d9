#include "queue/mime.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <utility>

#include "base/text.h"

namespace pillarbox::queue {
namespace {

constexpr std::size_t longest_line = 998;         // RFC 5322 section 2.1.1
constexpr std::size_t longest_encoded_line = 76;  // RFC 2045 section 6.7, its soft line break included

// Two digits, or more if it takes more.
std::string hex(std::uint32_t number) {
  std::array<char, 16> out{};
  std::snprintf(out.data(), out.size(), "%02X", number);
  return out.data();
}

unsigned code(char c) {
  return static_cast<unsigned char>(c);
}

std::string encoded_line(std::string_view line) {
  std::string out;
  std::size_t width = 0;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    const bool last = i + 1 == line.size();
    const bool plain = c != '=' && c < 0x7f && (c > ' ' || (base::is_blank(c) && !last));
    const std::string piece = plain ? std::string(1, c) : '=' + hex(code(c));
    if (width + piece.size() > longest_encoded_line - (last ? 0 : 1)) {
      out += "=\r\n";
      width = 0;
    }
    out += piece;
    width += piece.size();
  }
  return out;
}

// The code point that well-formed UTF-8 begins with, and its length.
std::pair<std::uint32_t, std::size_t> code_point(std::string_view text) {
  const unsigned lead = code(text[0]);
  const std::size_t length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  std::uint32_t value = length == 1 ? lead : lead & (0xFFU >> (length + 1));
  for (std::size_t i = 1; i < length && i < text.size(); ++i) value = value << 6U | (code(text[i]) & 0x3FU);
  return {value, length};
}

}  // namespace

bool is_plain(std::string_view body, bool eight_bit) {
  if (!eight_bit && !base::is_ascii(body)) return false;
  if (body.find('\0') != std::string_view::npos) return false;
  std::size_t width = 0;
  for (std::size_t i = 0; i < body.size(); ++i) {
    if (body[i] == '\n') return false;
    if (body[i] == '\r') {
      if (++i == body.size() || body[i] != '\n') return false;
      width = 0;
    } else if (++width > longest_line) {
      return false;
    }
  }
  return true;
}

std::string quoted_printable(std::string_view body) {
  std::string out;
  while (!body.empty()) {
    const std::size_t end = body.find("\r\n");
    out += encoded_line(body.substr(0, end));
    if (end == std::string_view::npos) break;
    out += "\r\n";
    body.remove_prefix(end + 2);
  }
  return out;
}

std::string text_part(std::string_view type, std::string_view body) {
  const bool plain = is_plain(body);
  std::string out = "Content-Type: " + std::string(type) + "\r\n";
  out += plain ? "Content-Transfer-Encoding: 7bit\r\n\r\n" : "Content-Transfer-Encoding: quoted-printable\r\n\r\n";
  return out + (plain ? std::string(body) : quoted_printable(body));
}

std::string ascii_line(std::string_view text, std::size_t most) {
  std::string out;
  for (const char c : text) {
    const std::string piece = base::is_ascii(c) && !base::is_control(c) ? std::string(1, c) : "\\x" + hex(code(c));
    if (out.size() + piece.size() > most) break;
    out += piece;
  }
  return out;
}

std::string utf8_address(std::string_view address) {
  std::string out;
  while (!address.empty()) {
    const auto [value, length] = code_point(address);
    const char c = address[0];
    const bool plain = c > ' ' && c < 0x7f && c != '+' && c != '=' && c != '\\';
    out += plain ? std::string(1, c) : "\\x{" + hex(value) + '}';
    address.remove_prefix(std::min(length, address.size()));
  }
  return out;
}

}  // namespace pillarbox::queue
