#include "mail/dots.h"

namespace pillarbox::mail {

std::size_t DotStuffer::next(std::string_view in) {
  // Across the edge of two pieces: "\r\n" "." and "\r" "\n."
  if (last_ == Last::line_end && in[0] == '.') {
    last_ = Last::other;
    return 0;
  }
  if (last_ == Last::cr && in.starts_with("\n.")) {
    last_ = Last::other;
    return 1;
  }
  for (std::size_t lf = in.find('\n', 1); lf < in.size() - 1; lf = in.find('\n', lf + 1)) {
    if (in[lf + 1] != '.' || in[lf - 1] != '\r') continue;
    last_ = Last::other;
    return lf + 1;
  }
  const bool after_cr = last_ == Last::cr && in == "\n";
  last_ = after_cr || in.ends_with("\r\n") ? Last::line_end : in.ends_with('\r') ? Last::cr : Last::other;
  return in.size();
}

std::size_t DotUnstuffer::feed(std::string_view in, std::string& out) {
  std::size_t at = 0;
  while (at < in.size() && state_ != State::ended) {
    const char c = in[at];
    if (state_ == State::text) {
      at += take_text(in.substr(at), out);
    } else if (state_ == State::line_start && c == '.') {
      state_ = State::dot;
      ++at;
    } else if (state_ == State::dot && c == '\r') {
      state_ = State::dot_cr;
      ++at;
    } else if (c == '\n' && (state_ == State::dot_cr || (state_ == State::dot && lf_ends_))) {
      state_ = State::ended;
      ++at;
    } else {  // more on the line
      after_cr_ = state_ == State::dot_cr;
      if (after_cr_) out += '\r';
      state_ = State::text;
    }
  }
  return at;
}

std::size_t DotUnstuffer::take_text(std::string_view in, std::string& out) {
  const std::size_t lf = in.find('\n');
  const std::string_view text = in.substr(0, lf);
  if (!text.empty()) after_cr_ = text.back() == '\r';
  out += text;
  if (lf == std::string_view::npos) return text.size();
  out += '\n';
  if (lf_ends_ || after_cr_) state_ = State::line_start;
  after_cr_ = false;
  return text.size() + 1;
}

}  // namespace pillarbox::mail
