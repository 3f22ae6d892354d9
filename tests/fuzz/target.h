// What the fuzz targets share: the entry that libFuzzer and replay.cc call, and a check that ends the program.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/text.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace pillarbox::fuzz {

// Unlike assert() it is there in every build.
inline void check(bool holds, const char* what, std::string_view shown = {}) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s: %s\n", what, base::escape(shown).c_str());
  std::abort();
}

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

inline bool has_control(std::string_view text) {
  for (const char c : text) {
    if (base::is_control(c)) return true;
  }
  return false;
}

// CRLF at every line's end and no CR or LF besides.
inline bool only_crlf(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n' && (i == 0 || text[i - 1] != '\r')) return false;
    if (text[i] == '\r' && (i + 1 == text.size() || text[i + 1] != '\n')) return false;
  }
  return text.empty() || text.ends_with("\r\n");
}

}  // namespace pillarbox::fuzz
