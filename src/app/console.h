// Console: the conversation on standard output, as a trace ("-t") and as one line an event ("-v", --json).
#pragma once

#include <string>
#include <string_view>

#include "app/event.h"
#include "mail/envelope.h"
#include "smtp/dialogue.h"
#include "smtp/outcome.h"

namespace pillarbox::app {

class Console final : public smtp::View {
 public:
  struct Wanted {
    bool trace = false;    // "C: ", "S: " and "*  " lines
    bool verbose = false;  // connect, reject and message lines
    bool json = false;     // those as JSON objects
  };

  Console(Wanted wanted, std::string name) : wanted_(wanted), name_(std::move(name)) {}

  void command(std::string_view line) override;
  void reply_line(std::string_view line) override;
  void body(std::string_view piece) override;
  void body_ended() override;
  [[nodiscard]] bool shows_dialogue() const override { return wanted_.trace; }
  void connected(const smtp::Connection& connection) override;
  void trying_again(std::string_view why) override;
  void secured(const smtp::Connection& connection) override;
  void ready(const smtp::Connection& connection) override;

  // The reject lines and the message line of one message, and on stderr what went wrong.
  void result(const std::string& file, const mail::Envelope& envelope, const smtp::Outcome& outcome,
              double seconds) const;
  // A message that came to nothing before it had an envelope.
  void failed(const std::string& file, const Error& error) const;

 private:
  void trace(std::string_view prefix, std::string_view line) const;
  void event(const Event& event) const;

  Wanted wanted_;
  std::string name_;  // of the program, for stderr
  std::string rest_;  // of the body: a line whose end is still to come
};

}  // namespace pillarbox::app
