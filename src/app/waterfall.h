// Waterfall: what took how long in a session, as a table with bars, or as one JSON object a step (--timing).
//
// A step lasts from what we did to what came of it: a command to its reply's last line, the body from its first byte
// handed to the connection to its last. A step whose end never came lasts until the session was given up. Of some
// thousand steps the first and the last are shown, and how many were between them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "smtp/view.h"

namespace pillarbox::app {

class Waterfall final : public smtp::View {
 public:
  explicit Waterfall(bool json) : json_(json) {}

  [[nodiscard]] bool shows_dialogue() const override { return true; }
  void connecting(std::string_view server) override;
  void resolved() override;
  void connected(const smtp::Connection& connection) override;
  void secured(const smtp::Connection& connection) override;
  void command(std::string_view line) override;
  void replied(const smtp::Reply& reply) override;
  void body(std::string_view piece) override;
  void body_ended() override;

  // Prints the session at hand; to be called behind the last one.
  void finish();

 private:
  struct Step {
    std::string name;
    base::Instant begin;
    base::Instant end;
    bool open = true;
    bool awaits_reply = false;
    std::uint64_t bytes = 0;  // of a body
  };

  void begin(std::string name, bool awaits_reply = false);
  void end();  // the step that began last
  void leave_out();
  [[nodiscard]] std::string table() const;
  [[nodiscard]] std::string json_lines() const;

  bool json_;
  std::string server_;
  std::vector<Step> steps_;
  std::size_t answered_ = 0;  // the first step that may await a reply
  std::size_t left_out_ = 0;  // steps behind the first that are kept
  bool in_body_ = false;
  bool challenged_ = false;
};

}  // namespace pillarbox::app
