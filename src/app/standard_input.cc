#include "app/standard_input.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace pillarbox::app {

Result<std::size_t> DotSource::read(std::span<char> out) {
  if (dot_ == LoneDot::content) return input_->read(out);
  while (at_ == ready_.size() && !ended_) {
    if (const auto more = refill(); !more) return more.error();
  }
  const std::size_t count = std::min(out.size(), ready_.size() - at_);
  std::memcpy(out.data(), ready_.data() + at_, count);
  at_ += count;
  return count;
}

Result<void> DotSource::refill() {
  std::array<char, 16384> chunk;
  const auto count = input_->read(chunk);
  if (!count) return count.error();
  ready_.clear();
  at_ = 0;
  if (*count == 0) {
    ended_ = true;  // what is held is a dot on the last line, and goes
    // Unless a line without anything is behind it: of two CRs without an LF each is a line end.
    if (dot_ == LoneDot::ends_pipe && held_.ends_with("\r\r")) ready_ = std::exchange(held_, {});
    return {};
  }
  for (const char c : std::span(chunk).first(*count)) {
    take(c);
    if (ended_) break;
  }
  return {};
}

// Lines end as the normaliser has it: at an LF and the CRs in front of it, and at a CR alone.
void DotSource::take(char c) {
  if (!held_.empty()) {
    if ((c == '\n' || c == '\r') && held_.back() != '\n') {
      held_ += c;
      ended_ = c == '\n' && dot_ == LoneDot::ends_terminal;
      return;
    }
    const bool alone = held_.size() > 1;
    if (alone && dot_ == LoneDot::ends_terminal) {  // at a CR
      ended_ = true;
      return;
    }
    ready_ += held_;
    line_start_ = alone;
    held_.clear();
  }
  if (line_start_ && c == '.') {
    held_ = ".";
    return;
  }
  ready_ += c;
  line_start_ = c == '\n' || c == '\r';
}

}  // namespace pillarbox::app
