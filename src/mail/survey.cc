#include "mail/survey.h"

#include <algorithm>
#include <cstring>

#include "mail/next.h"

namespace pillarbox::mail {

void Survey::feed(std::string_view piece) {
  while (!piece.empty()) {
    const std::size_t nul = piece.find('\0');
    const std::string_view text = piece.substr(0, nul);
    lines(text);
    characters(text);
    if (nul == std::string_view::npos) return;
    ++nuls_;
    piece.remove_prefix(nul + 1);
  }
}

// A CR ends a line wherever it stands, for the body is no header: of several before an LF each ends an empty one, which
// the Normaliser does not make, but the longest line is none of these.
void Survey::lines(std::string_view text) {
  Next lf(text, '\n');
  Next cr(text, '\r');
  for (std::size_t at = 0;;) {
    const std::size_t end = std::min(lf.from(at), cr.from(at));
    length_ += end - at;
    longest_ = std::max(longest_, length_);
    if (end == text.size()) return;
    length_ = 0;
    at = end + 1;
  }
}

void Survey::characters(std::string_view text) {
  constexpr std::uint64_t high_bits = 0x8080808080808080;
  while (!text.empty()) {
    std::uint64_t word = 0;
    if (wanted_ == 0 && text.size() >= sizeof word) {  // most mail is ASCII
      std::memcpy(&word, text.data(), sizeof word);
      if ((word & high_bits) == 0) {
        text.remove_prefix(sizeof word);
        continue;
      }
    }
    character(static_cast<unsigned char>(text.front()));
    text.remove_prefix(1);
  }
}

// RFC 3629 section 4: no byte more than a character needs, no surrogate, nothing beyond U+10FFFF.
void Survey::character(unsigned char byte) {
  has_8bit_ = has_8bit_ || byte >= 0x80;
  if (wanted_ > 0) {
    well_formed_ = well_formed_ && byte >= lowest_ && byte <= highest_;
    lowest_ = 0x80;
    highest_ = 0xBF;
    --wanted_;
  } else if (byte >= 0x80) {
    well_formed_ = well_formed_ && byte >= 0xC2 && byte <= 0xF4;
    wanted_ = byte >= 0xF0 ? 3 : byte >= 0xE0 ? 2 : 1;
    if (byte == 0xE0) lowest_ = 0xA0;
    if (byte == 0xED) highest_ = 0x9F;
    if (byte == 0xF0) lowest_ = 0x90;
    if (byte == 0xF4) highest_ = 0x8F;
  }
}

Result<std::size_t> SurveyedSource::read(std::span<char> out) {
  auto count = source_.read(out);
  if (count) survey_.feed({out.data(), *count});
  return count;
}

}  // namespace pillarbox::mail
