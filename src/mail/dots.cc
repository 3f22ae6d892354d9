#include "mail/dots.h"

#include <string.h>  // NOLINT(modernize-deprecated-headers): memmem is not in <cstring>

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
  constexpr std::string_view wanted = "\r\n.";
  const void* hit = ::memmem(in.data(), in.size(), wanted.data(), wanted.size());
  if (hit) {
    last_ = Last::other;
    return static_cast<std::size_t>(static_cast<const char*>(hit) - in.data()) + 2;
  }
  const bool after_cr = last_ == Last::cr && in == "\n";
  last_ = after_cr || in.ends_with("\r\n") ? Last::line_end : in.ends_with('\r') ? Last::cr : Last::other;
  return in.size();
}

}  // namespace pillarbox::mail
