#include "mail/message.h"

#include <algorithm>
#include <cstring>

#include "base/text.h"

namespace pillarbox::mail {
namespace {

constexpr std::size_t piece = 65536;

}  // namespace

Message Message::raw(std::string head, std::unique_ptr<base::Source> body) {
  Message message(std::move(head), std::move(body), Normaliser(Normaliser::Part::body, Normaliser::Nul::drop));
  message.raw_ = true;
  message.note_end(message.pending_);
  return message;
}

Result<void> Message::prime() {
  while (!ended_ && pending_.size() - at_ < piece) {
    if (auto more = refill(); !more) return more;
  }
  return {};
}

void Message::keep() {
  if (mark()) return;
  body_ = std::make_unique<base::KeptSource>(std::move(body_));
  note_beginning();
}

bool Message::mark() {
  if (beginning_) return true;
  if (!ended_ && !body_->mark()) return false;
  note_beginning();
  return true;
}

void Message::note_beginning() {
  beginning_ = Beginning{.head = pending_, .normaliser = normaliser_, .taken = taken_, .whole = ended_};
}

bool Message::rewind() {
  if (!beginning_ || !(beginning_->whole || body_->back())) return false;
  pending_ = beginning_->head;
  normaliser_ = beginning_->normaliser;
  taken_ = beginning_->taken;
  ended_ = beginning_->whole;
  at_ = size_ = 0;
  before_last_ = '\r';
  last_ = '\n';
  note_end(pending_);
  return true;
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

std::uint64_t Message::least_size() const {
  const std::uint64_t known = size_ + pending_.size() - at_;
  const bool shrinks = known < taken_;  // by CRs that its line ends don't need: who knows how many more there are?
  return known + (ended_ || shrinks ? 0 : body_->left().value_or(0));
}

bool Message::may_hold_8bit() const {
  return !ended_ || !base::is_ascii(std::string_view(pending_).substr(at_));
}

void Message::release() {
  if (!beginning_ || beginning_->whole) body_.reset();
  pending_ = {};
  at_ = 0;
  ended_ = true;
}

std::optional<std::uint64_t> Message::expected_size() const {
  const auto left = ended_ ? std::optional<std::uint64_t>(0) : body_->left();
  return left ? std::optional(taken_ + *left) : std::nullopt;
}

Result<void> Message::refill() {
  // Off the stack, which may be small (ulimit -s), and without a byte written in vain.
  const auto chunk = std::make_unique_for_overwrite<char[]>(piece);
  const auto count = body_->read({chunk.get(), piece});
  if (!count) return count.error();
  taken_ += *count;
  pending_.erase(0, at_);
  at_ = 0;
  const std::string_view in(chunk.get(), *count);
  if (!raw_) {
    ended_ = in.empty();
    if (!ended_) return normaliser_.feed(in, pending_);
    normaliser_.finish(pending_);
  } else if (!in.empty()) {
    pending_ += in;
    note_end(in);
  } else {
    ended_ = true;
    if (before_last_ != '\r' || last_ != '\n') pending_ += "\r\n";
  }
  return {};
}

// What a raw message ends in so far.
void Message::note_end(std::string_view text) {
  if (text.empty()) return;
  before_last_ = text.size() > 1 ? text[text.size() - 2] : last_;
  last_ = text.back();
}

}  // namespace pillarbox::mail
