// Submit: one message's way from its source to the server, or into the queue, as sendmail goes it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "app/compose.h"
#include "app/keep.h"
#include "base/clock.h"
#include "base/result.h"
#include "base/source.h"
#include "base/system.h"
#include "config/settings.h"
#include "queue/state.h"
#include "smtp/driver.h"

namespace pillarbox::app {

// How it is to be gone, besides what the request says of the message.
struct Manner {
  std::optional<std::string> config = {};     // the file that was named
  std::optional<std::string> directory = {};  // of the queue
  std::optional<std::string> log_tag = {};
  smtp::Driver driver = smtp::Driver::automatic;
  bool queue = true;           // what can't be sent now waits
  bool queue_only = false;     // without an attempt
  bool dry_run = false;        // shown, and neither sent nor kept
  bool trace = false;          // the dialogue on standard output
  bool reports_later = false;  // a caller who can't be told of some recipients alone: their sender gets a notification
};

// What became of a message that could be tried.
struct Sent {
  int code = 0;           // for exit()
  bool accepted = false;  // the server has it for somebody, or it waits in the queue
  bool passing = false;   // it failed, and later it may not
  bool missed = false;    // there is no queue, and somebody might have got it later
  std::string why = {};   // it failed, for people
};

class Submit {
 public:
  Submit(Manner manner, std::string program, const base::System& system, const base::Clock& clock);

  // Composes one and sends it. An error is why that could not be tried, nor kept for later; it is in the log.
  Result<Sent> run(const Request& request, std::unique_ptr<base::Source> input);

 private:
  Result<Sent> try_to(const Request& request, std::unique_ptr<base::Source> input);
  Result<Sent> send(Submission& submission);
  Result<Sent> give_up(Submission& submission, const Error& error);
  Result<Sent> finish(Submission& submission, smtp::Outcome outcome, bool tried = true);
  Sent store(Submission& submission, const smtp::Outcome& outcome, const queue::State& state, int code,
             bool report_later);
  Result<std::string> enqueue(Submission& submission, const queue::State& state, int code);
  [[nodiscard]] std::string report(const mail::Envelope& envelope, const smtp::Outcome& outcome) const;
  // Where others do not have it.
  void tell_who_has_it(const mail::Envelope& envelope, const smtp::Outcome& outcome) const;
  [[nodiscard]] QueuePlace place() const;
  [[nodiscard]] bool may_queue() const { return settings_.queue.enabled && manner_.queue; }
  void log(const Submission& submission, const smtp::Outcome& outcome, int code, std::string_view status,
           const std::string& id) const;

  Manner manner_;
  std::string program_;
  const base::System& system_;
  const base::Clock& clock_;
  config::Settings settings_;
  const config::Account* account_ = nullptr;
  bool account_named_ = false;
  std::string host_;  // that was talked to
  smtp::Connection connection_;
  std::optional<Sent> settled_;  // what the message at hand has come to, once nothing can change that
  bool told_ = false;            // what is wrong, before it is reported of the recipients
};

}  // namespace pillarbox::app
