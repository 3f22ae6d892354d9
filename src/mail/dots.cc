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

}  // namespace pillarbox::mail
