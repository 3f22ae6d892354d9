// Delivery: the messages of one account that wait in a queue, as work for a session. Each is locked when its turn
// comes, and what an attempt has come to is written down before anything else happens. What fails for good, or has
// waited too long, is reported to its sender.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "app/attempt.h"
#include "app/secrets.h"
#include "base/clock.h"
#include "base/held_signals.h"
#include "base/result.h"
#include "base/system.h"
#include "config/settings.h"
#include "queue/bounce.h"
#include "queue/spool.h"
#include "smtp/driver.h"
#include "smtp/session.h"
#include "smtp/view.h"
#include "smtp/work.h"

namespace pillarbox::app {

// Which messages: all of these must fit, and an empty one fits everything.
struct Selection {
  bool due_only = false;
  std::string id = {};         // part of it
  std::string sender = {};     // part of its path, "<a@b>" or "<>"
  std::string recipient = {};  // part of the address of one who is still owed it
};

// Whether a message fits a selection.
bool fits(const Selection& selection, const queue::Entry& entry, const queue::State& state,
          const std::vector<std::chrono::seconds>& retry, queue::Time now);

// What a run of the queue works with.
struct Means {
  const config::Settings& settings;
  queue::Spool& spool;
  smtp::Driver driver;
  smtp::View& view;
  std::string program;  // for complaints
  const base::System& system;
  const base::Clock& clock;
  base::HeldSignals& signals;  // end the run as soon as nothing is torn apart by it
  Secrets& secrets;
  bool roots_place = false;  // root's runner looks at it, too
  unsigned untried = 0;      // messages that the queue could not hand out
};

// The sender that a message was given by its submission: nothing for the null one, or for one that was made up for want
// of a configuration.
Result<std::optional<mail::Address>> given_sender(const queue::Entry& entry, const base::System& system);

// Locks a message. Nothing if somebody else has it, or if something is wrong with it: that is said, and logged. What is
// said of one that is locked can be left to whoever locks it next.
std::optional<queue::Locked> lock(Means& means, const std::string& id, bool again = false);

class Delivery final : public smtp::Work {
 public:
  // account: nothing if the configuration does not have it any more.
  Delivery(Means& means, const config::Account* account, std::vector<std::string> ids, const Selection& selection)
      : means_(means), account_(account), ids_(ids.begin(), ids.end()), selection_(selection) {}

  std::optional<smtp::Transaction> next() override;
  [[nodiscard]] bool last() const override;
  [[nodiscard]] bool ready() const override { return true; }
  [[nodiscard]] std::optional<smtp::Verdict> given_up() const override { return final_; }
  void done(smtp::Transaction& transaction, const smtp::Outcome& outcome) override;

  // No session can be had: the first message has tried.
  void fail(const Error& error);
  // Nor will there be: all of them have.
  void fail_all(const Error& error);

  void talks_by(const smtp::Session& session) { session_ = &session; }
  // With the account: the rest of its messages has to wait.
  [[nodiscard]] bool account_failed() const { return final_.has_value(); }
  // With the queue itself.
  [[nodiscard]] const std::optional<Error>& trouble() const { return trouble_; }

 private:
  // A message that is ours, and its recipients by their place in the entry's envelope.
  struct Tried {
    queue::Locked locked;
    std::vector<std::size_t> now;    // of this transaction
    std::vector<std::size_t> later;  // of further ones
    bool last = false;               // attempt, as its state before it says
    bool first = true;               // transaction of the attempt
  };

  [[nodiscard]] bool over() const { return final_ || trouble_ || means_.signals.count() > 0; }
  std::optional<Tried> pick();
  std::optional<Tried> take(const std::string& id);
  [[nodiscard]] bool is_noted(const queue::Entry& notification) const;
  std::optional<smtp::Transaction> offer(Tried tried);
  [[nodiscard]] Result<mail::Message> message_of(const queue::Locked& locked) const;
  Result<void> settle(Tried& tried, const mail::Envelope& envelope, const smtp::Outcome& outcome);
  [[nodiscard]] std::string host() const;
  Result<void> clean_up(queue::Locked& locked);
  Result<void> finish(queue::Locked& locked, queue::State& state);
  Result<void> warn(queue::Locked& locked, queue::State& state);
  Result<void> report(const queue::Locked& locked, const queue::State& state,
                      queue::Notice notice = queue::Notice::failure);
  void log(const queue::Entry& entry, std::string_view status, const mail::Envelope& envelope,
           const smtp::Outcome& outcome, const Result<void>& written) const;

  Means& means_;
  const config::Account* account_;
  std::deque<std::string> ids_;
  const Selection& selection_;
  std::deque<Tried> left_;       // with recipients for a further transaction
  std::deque<Tried> under_way_;  // in the order of their transactions
  const smtp::Session* session_ = nullptr;
  std::optional<smtp::Verdict> final_;
  std::optional<Error> trouble_;
};

}  // namespace pillarbox::app
