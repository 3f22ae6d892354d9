#include "mail/message.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/text.h"

namespace pillarbox::mail {
namespace {

constexpr std::size_t piece = 65536;

}  // namespace

Message Message::raw(std::string head, std::unique_ptr<base::Source> body) {
  Message message(std::move(head), std::move(body), Normaliser(Normaliser::Part::body, Normaliser::Nul::drop));
  message.raw_ = true;
  const std::string_view end = message.pending_;
  if (!end.empty()) message.before_last_ = end.size() > 1 ? end[end.size() - 2] : '\0';
  if (!end.empty()) message.last_ = end.back();
  return message;
}

Result<void> Message::prime() {
  while (!ended_ && pending_.size() - at_ < piece) {
    if (auto more = refill(); !more) return more;
  }
  return {};
}

Result<std::size_t> Message::read(std::span<char> out) {
  if (out.empty()) return std::size_t{0};
  while (at_ == pending_.size() && !ended_) {
    if (const auto more = refill(); !more) return more.error();
  }
  const std::size_t count = std::min(out.size(), pending_.size() - at_);
  std::memcpy(out.data(), pending_.data() + at_, count);
  at_ += count;
  size_ += count;
  return count;
}

std::optional<std::uint64_t> Message::known_size() const {
  if (!ended_) return std::nullopt;
  return size_ + pending_.size() - at_;
}

bool Message::may_hold_8bit() const {
  return !ended_ || !base::is_ascii(std::string_view(pending_).substr(at_));
}

void Message::release() {
  body_.reset();
  pending_ = {};
  at_ = 0;
  ended_ = true;
}

std::optional<std::uint64_t> Message::expected_size() const {
  const auto left = body_ ? body_->left() : std::nullopt;
  return left ? std::optional(taken_ + *left) : std::nullopt;
}

Result<void> Message::refill() {
  std::array<char, piece> chunk;
  const auto count = body_->read(chunk);
  if (!count) return count.error();
  taken_ += *count;
  pending_.erase(0, at_);
  at_ = 0;
  const std::string_view in(chunk.data(), *count);
  if (!raw_) {
    ended_ = in.empty();
    if (!ended_) return normaliser_.feed(in, pending_);
    normaliser_.finish(pending_);
  } else if (!in.empty()) {
    pending_ += in;
    before_last_ = in.size() > 1 ? in[in.size() - 2] : last_;
    last_ = in.back();
  } else {
    ended_ = true;
    if (before_last_ != '\r' || last_ != '\n') pending_ += "\r\n";
  }
  return {};
}

}  // namespace pillarbox::mail
