// Runner: sends what waits in a queue, by one connection for each account. Any number may run at once: each message is
// locked, and sent by one. What fails for good is reported to its sender; what came to nothing waits for its next time.
// An account in trouble rests for the run: its other messages are not tried one by one.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/system.h"
#include "config/settings.h"
#include "queue/spool.h"
#include "smtp/driver.h"
#include "smtp/view.h"

namespace pillarbox::app {

// Which messages: all of these must fit, and an empty one fits everything.
struct Selection {
  bool due_only = false;
  std::string id = {};         // part of it
  std::string sender = {};     // part of its address
  std::string recipient = {};  // part of the address of one who is still owed it
};

class Runner {
 public:
  Runner(const config::Settings& settings, queue::Spool& spool, smtp::Driver driver, smtp::View& view,
         std::string program, const base::System& system, const base::Clock& clock)
      : settings_(settings),
        spool_(spool),
        driver_(driver),
        view_(view),
        program_(std::move(program)),
        system_(system),
        clock_(clock) {}

  // What became of the messages is in the queue and the log. An error is the queue's own: it can't be read or written,
  // and nothing further is tried.
  Result<void> run(const Selection& selection);

 private:
  class Delivery;

  using Accounts = std::vector<std::pair<const config::Account*, std::vector<std::string>>>;

  Result<Accounts> select(const Selection& selection);
  [[nodiscard]] const config::Account* account_of(const queue::Entry& entry) const;
  Result<void> deliver(const config::Account& account, std::vector<std::string> ids, const Selection& selection);

  const config::Settings& settings_;
  queue::Spool& spool_;
  smtp::Driver driver_;
  smtp::View& view_;
  std::string program_;
  const base::System& system_;
  const base::Clock& clock_;
};

// Whether a message fits a selection.
bool fits(const Selection& selection, const queue::Entry& entry, const queue::State& state,
          const std::vector<std::chrono::seconds>& retry, queue::Time now);

}  // namespace pillarbox::app
