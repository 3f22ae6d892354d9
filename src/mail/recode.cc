#include "mail/recode.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/text.h"

namespace pillarbox::mail {
namespace {

constexpr std::size_t longest_encoded_line = 76;  // a soft line break's "=" included

// How many bytes the UTF-8 character has that begins so; 1 for what begins none.
std::size_t character_size(char first) {
  const auto byte = static_cast<unsigned char>(first);
  return byte < 0xC0 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

}  // namespace

void QuotedPrintable::feed(std::string_view in, std::string& out) {
  for (const char c : in) {
    if (c == '\r') {
      if (blank_ != '\0') put_encoded(std::exchange(blank_, '\0'), out);
      out += "\r\n";
      column_ = 0;
      continue;
    }
    if (c == '\n') continue;  // the other half of a line end
    put_blank(out);
    if (base::is_blank(c)) {
      blank_ = c;
    } else if (c == '=' || base::is_control(c) || !base::is_ascii(c)) {
      put_encoded(c, out);
    } else {
      put({&c, 1}, out);
    }
  }
}

void QuotedPrintable::put_blank(std::string& out) {
  if (blank_ == '\0') return;
  const char blank = std::exchange(blank_, '\0');
  put({&blank, 1}, out);
}

void QuotedPrintable::put_encoded(char c, std::string& out) {
  put('=' + base::hex(c), out);
}

void QuotedPrintable::put(std::string_view text, std::string& out) {
  if (column_ + text.size() > longest_encoded_line - 1) {
    out += "=\r\n";
    column_ = 0;
  }
  out += text;
  column_ += text.size();
}

void Folder::feed(std::string_view in, std::string& out) {
  constexpr std::size_t largest_character = 4;
  while (!in.empty()) {
    const std::string_view text = in.substr(0, in.find_first_of("\r\n"));
    if (column_ + text.size() + largest_character <= longest_line) {  // nearly always
      out += text;
      column_ += text.size();
    } else {
      for (const char c : text) put(c, out);
    }
    in.remove_prefix(text.size());
    if (in.empty()) return;
    if (in.front() == '\r') {
      out += "\r\n";
      column_ = 0;
    }
    in.remove_prefix(1);
  }
}

void Folder::put(char c, std::string& out) {
  if (column_ + character_size(c) > longest_line) {
    out += "\r\n ";
    column_ = 1;
  }
  out += c;
  ++column_;
}

Result<std::size_t> RecodedSource::read(std::span<char> out) {
  while (state_.at == state_.ready.size() && !state_.ended) {
    if (const auto more = refill(); !more) return more.error();
  }
  const std::size_t count = std::min(out.size(), state_.ready.size() - state_.at);
  std::memcpy(out.data(), state_.ready.data() + state_.at, count);
  state_.at += count;
  return count;
}

bool RecodedSource::mark() {
  marked_ = state_;
  return body_->mark();
}

bool RecodedSource::back() {
  state_ = marked_;
  return body_->back();
}

Result<void> RecodedSource::refill() {
  std::array<char, 16384> chunk;
  const auto count = body_->read(chunk);
  if (!count) return count.error();
  std::string normal;
  state_.ended = *count == 0;
  if (state_.ended) {
    state_.normaliser.finish(normal);
  } else if (auto fed = state_.normaliser.feed({chunk.data(), *count}, normal); !fed) {
    return fed;
  }
  state_.ready.clear();
  state_.at = 0;
  if (recoding_ == Recoding::fold) {
    state_.folder.feed(normal, state_.ready);
  } else {
    state_.quoted_printable.feed(normal, state_.ready);
  }
  return {};
}

}  // namespace pillarbox::mail
