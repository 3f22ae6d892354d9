#include "mail/mbox.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace pillarbox::mail {
namespace {

constexpr std::string_view separator = "From ";
constexpr std::size_t piece = 65536;
constexpr std::size_t deepest_quoting = 4096;  // a line of more ">" is nobody's quoting

}  // namespace

// One message. It reads through the Mbox, which knows where it ends.
class Mbox::Content final : public base::Source {
 public:
  explicit Content(Mbox& mbox) : mbox_(mbox) {}
  Result<std::size_t> read(std::span<char> out) override { return mbox_.read(out); }
  [[nodiscard]] bool prompt() const override { return mbox_.file_->prompt(); }

 private:
  Mbox& mbox_;
};

Result<std::unique_ptr<base::Source>> Mbox::next() {
  std::array<char, 4096> rest;
  while (in_message_) {
    if (const auto count = read(rest); !count) return count.error();
  }
  Head kind = head();
  while (kind == Head::more || (kind == Head::empty && !begun_)) {
    if (const auto done = kind == Head::more ? fill() : skip_line(); !done) return done.error();
    if (ended_ && at_ == buffer_.size()) return std::unique_ptr<base::Source>();
    kind = head();
  }
  if (kind != Head::from) return Error{Error::Kind::data, "is no mbox: it does not begin with \"From \""};
  if (const auto skipped = skip_line(); !skipped) return skipped.error();
  begun_ = in_message_ = at_line_start_ = true;
  withheld_ = 0;
  return std::unique_ptr<base::Source>(std::make_unique<Content>(*this));
}

Mbox::Head Mbox::head() const {
  const std::string_view line = std::string_view(buffer_).substr(at_);
  const Head unsure = ended_ ? Head::other : Head::more;
  if (line.empty()) return Head::more;
  if (line.starts_with('\n') || line.starts_with("\r\n")) return Head::empty;
  if (line == "\r") return unsure;
  const std::size_t quotes = std::min(line.find_first_not_of('>'), line.size());
  if (quotes > deepest_quoting) return Head::other;
  const std::string_view word = line.substr(quotes, separator.size());
  if (word == separator) return quotes > 0 ? Head::quoted : Head::from;
  return separator.starts_with(word) ? unsure : Head::other;
}

// Reads more of the file.
Result<void> Mbox::fill() {
  buffer_.erase(0, at_ - withheld_);
  at_ = withheld_;
  const std::size_t before = buffer_.size();
  buffer_.resize(before + piece);
  const auto count = file_->read(std::span(buffer_).subspan(before));
  buffer_.resize(before + (count ? *count : 0));
  if (!count) {
    in_message_ = false;  // there is no way on
    ended_ = true;
    return count.error();
  }
  ended_ = *count == 0;
  return {};
}

Result<void> Mbox::skip_line() {
  for (;;) {
    const std::size_t end = buffer_.find('\n', at_);
    at_ = end == std::string::npos ? buffer_.size() : end + 1;
    if (end != std::string::npos || ended_) return {};
    if (auto more = fill(); !more) return more;
  }
}

// As many lines as there is room for and as have been read of the file already; more is read for the first only.
Result<std::size_t> Mbox::read(std::span<char> out) {
  std::size_t given = 0;
  while (in_message_ && given < out.size()) {
    if (giving_ > 0) {
      given += give(out.subspan(given));
      continue;
    }
    if (at_ == buffer_.size() || (at_line_start_ && head() == Head::more)) {
      in_message_ = at_ < buffer_.size() || !ended_;
      if (given > 0 || !in_message_) break;
      if (const auto more = fill(); !more) return more.error();
      continue;
    }
    const Head kind = at_line_start_ ? head() : Head::other;
    if (kind == Head::from && withheld_ > 0) {
      in_message_ = false;
      break;
    }
    if (withheld_ > 0) {  // it was content
      at_ -= withheld_;
      giving_ = std::exchange(withheld_, 0);
      continue;
    }
    const std::size_t end = buffer_.find('\n', at_);
    const std::size_t next = end == std::string::npos ? buffer_.size() : end + 1;
    if (kind == Head::empty) {
      withheld_ = next - at_;
      at_ = next;
      continue;
    }
    if (kind == Head::quoted) ++at_;
    giving_ = next - at_;
    at_line_start_ = end != std::string::npos;
  }
  return given;
}

std::size_t Mbox::give(std::span<char> out) {
  const std::size_t count = std::min(out.size(), giving_);
  std::memcpy(out.data(), buffer_.data() + at_, count);
  at_ += count;
  giving_ -= count;
  return count;
}

}  // namespace pillarbox::mail
