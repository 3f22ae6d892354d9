// Reply: what the server answered (RFC 5321 section 4.2), and the reader that puts it together line by line.
//
// A server is not trusted: a line keeps 512 bytes of text, a reply of more than 64 KiB or with codes that differ from
// line to line is no reply at all.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace pillarbox::smtp {

struct Reply {
  static constexpr std::size_t longest_text = 8192;  // bytes

  int code = 0;
  std::vector<std::string> lines = {};  // without the code

  [[nodiscard]] bool positive() const { return code / 100 == 2; }
  [[nodiscard]] bool intermediate() const { return code / 100 == 3; }
  [[nodiscard]] bool transient() const { return code / 100 == 4; }
  [[nodiscard]] bool permanent() const { return code / 100 == 5; }
  // RFC 3463: "5.1.1", or "" if there is none that fits the code.
  [[nodiscard]] std::string enhanced_status() const;
  // To RCPT: what is beyond a limit of the server's, as far as its words tell.
  [[nodiscard]] bool too_many_recipients() const;
  [[nodiscard]] std::string text() const;  // the lines, joined by a blank; 8 KiB of them at most
  void shorten(std::size_t most);          // to the lines within its first bytes, as they were sent
};

class ReplyReader {
 public:
  enum class State { incomplete, complete, malformed, mixed, oversized };

  // One line, without its line end.
  State add(std::string_view line);
  // The reply, once complete; the reader begins anew.
  Reply take();
  [[nodiscard]] bool begun() const { return reply_.code != 0; }

 private:
  Reply reply_;
  std::size_t size_ = 0;
};

}  // namespace pillarbox::smtp
