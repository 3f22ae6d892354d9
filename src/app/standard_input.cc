#include "app/standard_input.h"

#include <algorithm>
#include <array>
#include <cstring>

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
    return {};
  }
  for (const char c : std::span(chunk).first(*count)) {
    take(c);
    if (ended_) break;
  }
  return {};
}

void DotSource::take(char c) {
  if (!held_.empty()) {
    const bool whole = held_.back() == '\n';
    if (!whole && (c == '\n' || (c == '\r' && held_ == "."))) {
      held_ += c;
      ended_ = c == '\n' && dot_ == LoneDot::ends_terminal;
      return;
    }
    ready_ += held_;
    line_start_ = whole;
    held_.clear();
  }
  if (line_start_ && c == '.') {
    held_ = ".";
    return;
  }
  ready_ += c;
  line_start_ = c == '\n';
}

}  // namespace pillarbox::app
