// Secret: a string that is overwritten before its memory is given back. It can't be copied, printed or logged by
// accident: only reveal() shows it, and whoever calls that answers for where it goes.
#pragma once

#include <string.h>  // NOLINT(modernize-deprecated-headers): explicit_bzero is not in <cstring>

#include <string>
#include <string_view>
#include <utility>

namespace pillarbox::base {

// Overwrites the whole of a string, its spare capacity too, and empties it.
inline void wipe(std::string& text) noexcept {
  text.resize(text.capacity());
  explicit_bzero(text.data(), text.size());
  text.clear();
}

// Appends to what may hold a secret: where the text has to move, no copy stays behind.
inline void append(std::string& text, std::string_view more) {
  if (text.capacity() - text.size() < more.size()) {
    std::string larger;
    larger.reserve(2 * text.size() + more.size());
    larger = text;
    wipe(text);
    text.swap(larger);
  }
  text += more;
}

class Secret {
 public:
  Secret() = default;
  // A short string's bytes live inside the object and survive a move, so they are wiped there.
  explicit Secret(std::string&& text) noexcept : text_(std::move(text)) { wipe(text); }
  Secret(Secret&& other) noexcept : text_(std::move(other.text_)) { other.clear(); }
  Secret& operator=(Secret&& other) noexcept {
    if (this != &other) {
      clear();
      text_ = std::move(other.text_);
      other.clear();
    }
    return *this;
  }
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret() { clear(); }

  [[nodiscard]] bool empty() const noexcept { return text_.empty(); }
  [[nodiscard]] const std::string& reveal() const noexcept { return text_; }

 private:
  void clear() noexcept { wipe(text_); }

  std::string text_;
};

}  // namespace pillarbox::base
