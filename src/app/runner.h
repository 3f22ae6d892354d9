// Runner: sends what waits in a queue, by one connection for each account. Any number may run at once: each message is
// locked, and sent by one. What fails for good is reported to its sender; what came to nothing waits for its next time.
// An account in trouble rests for the run: its other messages are not tried one by one.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "app/delivery.h"
#include "base/result.h"
#include "config/settings.h"

namespace pillarbox::app {

// Whose messages a runner sends.
enum class Scope {
  own,      // its user's: all of them
  systems,  // another user's, for root: those by an account of the system's configuration, or by none
};

class Runner {
 public:
  explicit Runner(Means means, Scope scope = Scope::own) : means_(std::move(means)), scope_(scope) {}

  // What became of the messages is in the queue and the log. An error is the queue's own: it can't be read or written,
  // and nothing further is tried; or messages could not be looked at, while the others were tried.
  Result<void> run(const Selection& selection);

 private:
  // The messages of an account; of a null one, those whose account the configuration does not have any more.
  using Accounts = std::vector<std::pair<const config::Account*, std::vector<std::string>>>;

  Result<Accounts> select(const Selection& selection);
  [[nodiscard]] bool is_mine(const queue::Entry& entry) const;
  [[nodiscard]] std::optional<const config::Account*> account_of(const queue::Entry& entry);
  Result<void> deliver(const config::Account* account, std::vector<std::string> ids, const Selection& selection);

  Means means_;
  Scope scope_;
  bool unread_ = false;  // there is mail whose account is in a file that only root may read, as far as is known
};

}  // namespace pillarbox::app
