// Next: where a byte stands next in a text that is passed through once, front to back. Its next place is looked up only
// when the last one has been passed, so all of them together cost one memchr over the text, however many there are and
// wherever other bytes that are looked for stand.
#pragma once

#include <cstddef>
#include <cstring>
#include <string_view>

namespace pillarbox::mail {

class Next {
 public:
  Next(std::string_view text, char wanted) : text_(text), wanted_(wanted) {}

  // The first one from there on, the text's end if there is none. at never goes back.
  std::size_t from(std::size_t at) {
    if (!known_ || found_ < at) {
      const void* hit = at < text_.size() ? std::memchr(text_.data() + at, wanted_, text_.size() - at) : nullptr;
      found_ = hit ? static_cast<std::size_t>(static_cast<const char*>(hit) - text_.data()) : text_.size();
      known_ = true;
    }
    return found_;
  }

 private:
  std::string_view text_;
  char wanted_;
  std::size_t found_ = 0;
  bool known_ = false;
};

}  // namespace pillarbox::mail
