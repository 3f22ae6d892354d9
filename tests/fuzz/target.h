// What the fuzz targets share: the entry that libFuzzer and replay.cc call, and a check that ends the program.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "base/source.h"
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

// A source that gives at most so many bytes a read.
class Pieces final : public base::Source {
 public:
  Pieces(std::string_view content, std::size_t piece) : content_(content), piece_(piece) {}

  Result<std::size_t> read(std::span<char> out) override {
    const std::size_t count = std::min({out.size(), piece_, content_.size() - at_});
    std::memcpy(out.data(), content_.data() + at_, count);
    at_ += count;
    return count;
  }

 private:
  std::string content_;
  std::size_t piece_;
  std::size_t at_ = 0;
};

// CRLF at every line's end and no CR or LF besides.
inline bool only_crlf(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n' && (i == 0 || text[i - 1] != '\r')) return false;
    if (text[i] == '\r' && (i + 1 == text.size() || text[i + 1] != '\n')) return false;
  }
  return text.empty() || text.ends_with("\r\n");
}

}  // namespace pillarbox::fuzz
