// Dots: a message's transparency (RFC 5321 section 4.5.2): a line that begins with a dot gets another one in front.
//
// A line begins at the body's start and behind CRLF; a bare LF, which only a raw message has, ends none.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace pillarbox::mail {

class DotStuffer {
 public:
  // Calls sink(std::string_view) with what is to be written, in order; in comes in pieces of any size. False as soon as
  // sink returns false.
  template <class Sink>
  bool feed(std::string_view in, Sink sink) {
    while (!in.empty()) {
      const std::size_t dot = next(in);
      if (!sink(in.substr(0, dot))) return false;
      if (dot == in.size()) return true;
      if (!sink("..")) return false;
      in.remove_prefix(dot + 1);
    }
    return true;
  }

 private:
  // Where the next dot stands that begins a line, else the end. Keeps what the line end needs.
  std::size_t next(std::string_view in);

  enum class Last { line_end, cr, other };
  Last last_ = Last::line_end;
};

// The other way: what came behind DATA, without the dots that were put in, up to the line that is a dot alone.
//
// With CRLF nothing else ends a line, so a dot between two bare LFs is text: the client, for which that is no line
// either, has not stuffed it. With LF both do.
class DotUnstuffer {
 public:
  enum class LineEnd { crlf, lf };

  explicit DotUnstuffer(LineEnd line_end) : lf_ends_(line_end == LineEnd::lf) {}

  // Appends the text to out and returns how many bytes were taken: all, but for those behind the end.
  std::size_t feed(std::string_view in, std::string& out);
  [[nodiscard]] bool ended() const { return state_ == State::ended; }

 private:
  std::size_t take_text(std::string_view in, std::string& out);

  enum class State { line_start, dot, dot_cr, text, ended };
  bool lf_ends_;
  State state_ = State::line_start;
  bool after_cr_ = false;  // in text
};

}  // namespace pillarbox::mail
