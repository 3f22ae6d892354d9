// Survey: what there is to know of a body before its header leaves: its longest line, and which bytes it has. Taken
// while the body is read for the first time, so a large one is looked at once and held nowhere.
//
// Bytes come in pieces of any size. Lines are as long as those that the Normaliser makes; NULs, which it drops, do not
// count.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/source.h"

namespace pillarbox::mail {

class Survey {
 public:
  void feed(std::string_view piece);

  [[nodiscard]] std::uint64_t longest_line() const { return longest_; }  // bytes, without its line end
  [[nodiscard]] bool has_8bit() const { return has_8bit_; }
  [[nodiscard]] bool is_utf8() const { return well_formed_ && wanted_ == 0; }  // all that there was (RFC 3629)
  [[nodiscard]] std::uint64_t nuls() const { return nuls_; }

 private:
  void lines(std::string_view text);
  void characters(std::string_view text);
  void character(unsigned char byte);

  std::uint64_t length_ = 0;  // of the line at hand
  std::uint64_t longest_ = 0;
  std::uint64_t nuls_ = 0;
  bool has_8bit_ = false;
  bool well_formed_ = true;
  int wanted_ = 0;                                // bytes that the character at hand lacks
  unsigned char lowest_ = 0x80, highest_ = 0xBF;  // that its next one may be
};

// Gives what another source gives, and lets a survey see it.
class SurveyedSource final : public base::Source {
 public:
  SurveyedSource(base::Source& source, Survey& survey) : source_(source), survey_(survey) {}
  Result<std::size_t> read(std::span<char> out) override;
  [[nodiscard]] std::optional<std::uint64_t> left() const override { return source_.left(); }

 private:
  base::Source& source_;
  Survey& survey_;
};

}  // namespace pillarbox::mail
