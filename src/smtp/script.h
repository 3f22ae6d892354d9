// Script: SMTP lines that somebody wrote, played in lockstep on a connection that is open and logged in (--talk).
//
// Each line goes as it is, with CRLF, and its reply is waited for. After DATA's 354 lines are text up to the one that
// is a dot, after BDAT as many octets as it says; the text of a DATA that was refused is passed over, and so are the
// answers behind an AUTH that was refused: secrets that would go out, and be shown, as commands. "expect CODE …"
// asserts the reply that came last; a code may be written "250", "25" or "2xx" and means all that begin so.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "smtp/channel.h"

namespace pillarbox::smtp {

// What an expect line asks for: the reply's code begins with one of these.
using Expectation = std::vector<std::string>;

// Nothing for a line that is the server's; data (65) for an expect line that can't be read.
Result<std::optional<Expectation>> parse_expect(std::string_view line);

class Script {
 public:
  // look_ahead: whether a refused DATA's text, and a refused AUTH's answers, are recognised by the lines that follow; a
  // person who types sees the refusal and types none.
  Script(Session& session, bool look_ahead) : session_(session), channel_(session), look_ahead_(look_ahead) {}

  // The next line, without its line end. protocol (76) if an expectation is not met, with what was sent, expected and
  // got; data (65) for a line that can't be read; else what ended the conversation. Each names the line's number.
  Result<void> play(const std::string& line);
  // The end of the lines: what is still owed is said, QUIT among it.
  Result<void> finish();
  // Says QUIT where that can be said, whatever comes of it: the lines were given up.
  void leave();
  // Hears what the server says meanwhile; an error if it has ended the conversation.
  Result<void> hear();

  [[nodiscard]] int descriptor() const { return channel_.descriptor(); }
  [[nodiscard]] bool over() const { return over_ || closed_; }  // nothing more can be said

 private:
  enum class State {
    command,
    text,     // of DATA, until a dot
    chunk,    // of BDAT, so many octets
    refused,  // after DATA's refusal: is there a text to pass over?
    denied,   // after AUTH's refusal: answers are passed over, up to a command
  };

  Result<void> play_numbered(const std::string& line, std::size_t number);
  Result<void> command(const std::string& line);
  Result<void> check(const Expectation& expectation);
  Result<void> text(const std::string& line);
  Result<void> chunk(const std::string& line);
  Result<void> decide(const std::string& line, std::size_t number);
  Result<void> play_held();
  Result<void> pass_over(const std::string& line);
  Result<void> settle();
  Result<void> ended();
  [[nodiscard]] Error why() const;  // the conversation ended
  [[nodiscard]] Error here(Error::Kind kind, const std::string& what) const;

  Session& session_;
  Channel channel_;
  bool look_ahead_;
  State state_ = State::command;
  std::size_t number_ = 0;                                 // of the line that came last
  std::size_t current_ = 0;                                // of the line being played
  std::string sent_;                                       // what came last, as it may be shown
  std::optional<Error> closed_;                            // by a 421, on which line
  bool unasked_ = false;                                   // which answered no command, and nothing has expected it
  bool in_text_ = false;                                   // a line of DATA's text has gone
  std::uint64_t owed_ = 0;                                 // octets of a chunk
  std::vector<std::pair<std::string, std::size_t>> held_;  // behind a refused DATA, with their numbers
  std::size_t held_size_ = 0;
  bool over_ = false;  // by QUIT, or a STARTTLS that can't be followed
};

}  // namespace pillarbox::smtp
