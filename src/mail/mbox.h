// Mbox: the messages of a file in mboxrd form (RFC 4155 with mboxrd's quoting), one after another, as streams.
//
// A message begins behind a line "From …" that is the file's first or follows an empty line; that empty line is not
// content, nor is one at the file's end. Of ">From ", ">>From " … at a line's start one ">" is taken off.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/source.h"

namespace pillarbox::mail {

class Mbox {
 public:
  explicit Mbox(std::unique_ptr<base::Source> file) : file_(std::move(file)) {}

  // The next message, null behind the last. It reads from this Mbox, which must outlive it, and is over when next() is
  // called again: what of it was not read is skipped. data (65) if the file does not begin as an mbox.
  Result<std::unique_ptr<base::Source>> next();

 private:
  class Content;
  enum class Head { more, from, empty, quoted, other };  // how a line begins; more: it can't be told yet

  [[nodiscard]] Head head() const;
  Result<void> fill();
  Result<void> skip_line();
  Result<std::size_t> read(std::span<char> out);
  std::size_t give(std::span<char> out);

  std::unique_ptr<base::Source> file_;
  std::string buffer_;  // read from the file and not yet used, from at_ on (but for what is withheld)
  std::size_t at_ = 0;
  bool ended_ = false;       // the file
  bool begun_ = false;       // the first message
  bool in_message_ = false;  // its end was not reached
  bool at_line_start_ = true;
  std::size_t withheld_ = 0;  // bytes before at_: an empty line that may be the separator's
  std::size_t giving_ = 0;    // bytes from at_ on that are content for sure
};

}  // namespace pillarbox::mail
