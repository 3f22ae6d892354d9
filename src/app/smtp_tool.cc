#include "app/smtp_tool.h"

#include <unistd.h>

#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <thread>

#include "app/account.h"
#include "app/console.h"
#include "app/help.h"
#include "app/inputs.h"
#include "app/keep.h"
#include "app/options.h"
#include "app/progress.h"
#include "app/report.h"
#include "app/talk.h"
#include "app/task.h"
#include "app/waterfall.h"
#include "base/spool.h"
#include "mail/header.h"
#include "mail/prepare.h"
#include "mail/received.h"
#include "smtp/driver.h"

namespace pillarbox::app {
namespace {

constexpr std::string_view program = "smtp";
// So many messages in a row that never got as far as MAIL: the server is not itself, and those behind wait for nothing.
constexpr int most_failed_connections = 5;

Result<void> envelope_of(const mail::Header& header, std::optional<mail::ReversePath>& sender,
                         std::vector<mail::Address>& recipients) {
  auto found = mail::recipients_of(header);
  if (!found) return found.error();
  recipients.clear();
  for (mail::Mailbox& mailbox : *found) recipients.push_back(std::move(mailbox.address));
  if (sender) return {};
  auto named = mail::sender_of(header);
  if (!named) return named.error();
  sender = mail::ReversePath(*std::move(named));
  return {};
}

// A message ready to be submitted: its envelope known, its first part read.
Result<smtp::Transaction> prepare(const Task& task, Input input, const std::string& helo, const base::Clock& clock) {
  if (!input.source) return std::move(input.source).error();
  std::unique_ptr<base::Source> source = *std::move(input.source);
  std::string head = task.received ? mail::received_field(helo, ::getuid(), clock.now()) : "";
  auto sender = task.sender;
  auto recipients = task.recipients;
  auto part = mail::Normaliser::Part::header;
  if (task.from_header) {
    auto read = mail::read_header(std::move(source), mail::Normaliser::Nul::refuse,
                                  task.raw ? mail::Form::raw : mail::Form::normal);
    if (!read) return std::move(read).error().in(input.name);
    if (auto found = envelope_of(read->header, sender, recipients); !found) {
      return std::move(found).error().in(input.name);
    }
    mail::remove_bcc(read->header);
    head += read->envelope_line + read->header.lines() + read->empty_line;
    source = std::move(read->body);
    part = mail::Normaliser::Part::body;
  }
  auto envelope = mail::Envelope::make(*sender, recipients);
  if (!envelope) return std::move(envelope).error().in(input.name);
  auto message = task.raw ? mail::Message::raw(std::move(head), std::move(source))
                          : mail::Message(std::move(head), std::move(source),
                                          mail::Normaliser(part, mail::Normaliser::Nul::refuse));
  if (envelope->recipients().size() > 1) message.keep();
  if (auto primed = message.prime(); !primed) return std::move(primed).error().in(input.name);
  return smtp::Transaction{.name = input.name,
                           .envelope = *std::move(envelope),
                           .message = std::move(message),
                           .abort_on_reject = task.abort_on_reject,
                           .continue_on_reject = task.continue_on_reject,
                           .dsn = task.dsn};
}

// Tells what became of each message in the order of the messages, whoever is ready first.
class Results {
 public:
  void add(std::size_t number, std::function<void()> tell) {
    waiting_.emplace(number, std::move(tell));
    for (auto next = waiting_.find(next_); next != waiting_.end(); next = waiting_.find(++next_)) {
      next->second();
      waiting_.erase(next);
    }
  }

 private:
  std::map<std::size_t, std::function<void()>> waiting_;
  std::size_t next_ = 0;
};

// What the connections of a run share. Every member function takes the lock for itself.
class Run {
 public:
  struct Piece {
    std::size_t number;
    Input input;
    std::optional<smtp::Transaction> transaction;  // if it was prepared before
  };

  // spool: for what is too large for memory.
  Run(const Task& task, Inputs inputs, base::SpoolFolder spool)
      : task_(task),
        inputs_(std::move(inputs)),
        spool_(std::move(spool)),
        console_(task.output, std::string(program)),
        workers_(task.jobs) {}

  // The next message. Nothing: the worker's part is done.
  std::optional<Piece> next() {
    const std::lock_guard reading(reading_);
    if (auto piece = returned()) return piece;
    auto input = inputs_.next();
    if (!input) {
      const std::lock_guard lock(mutex_);
      if (!returned_.empty()) return take_returned();
      --workers_;
      return std::nullopt;
    }
    if (task_.jobs > 1 && task_.work == Task::Work::mboxes && input->source) {
      // It is a part of a file that others go on reading.
      input->source = base::spool(**input->source, spool_);
    }
    return Piece{numbers_++, *std::move(input), std::nullopt};
  }

  // While another worker waits for a writer nothing is known, and nothing at hand.
  [[nodiscard]] bool last() {
    const std::unique_lock reading(reading_, std::try_to_lock);
    const std::lock_guard lock(mutex_);
    return reading.owns_lock() && returned_.empty() && inputs_.last();
  }
  [[nodiscard]] bool ready() {
    const std::unique_lock reading(reading_, std::try_to_lock);
    const std::lock_guard lock(mutex_);
    return reading.owns_lock() && (!returned_.empty() || inputs_.ready());
  }
  [[nodiscard]] std::optional<smtp::Verdict> given_up() const {
    const std::lock_guard lock(mutex_);
    return final_;
  }

  void failed(std::size_t number, const std::string& name, const Error& error) {
    const std::lock_guard lock(mutex_);
    results_.add(number, [this, name, error] {
      console_.failed(name, error);
      tally_.add(error.kind);
    });
  }

  // A server that takes no further connection is left to those that have one: true if the message was handed to them,
  // and the worker is to end. (mine: it has been told so before.)
  bool hand_back(bool mine, std::size_t number, smtp::Transaction& transaction, const smtp::Outcome& outcome) {
    const std::lock_guard lock(mutex_);
    const bool crowded = outcome.failure && outcome.failure->account && outcome.failure->passing;
    const bool others = workers_ > (mine ? 0U : 1U);
    if (!crowded || !others || !transaction.message.untouched()) return false;
    if (!mine) --workers_;
    returned_.push_back({number, {transaction.name, Result<std::unique_ptr<base::Source>>(nullptr)}, {}});
    returned_.back().transaction.emplace(std::move(transaction));
    return true;
  }

  void done(std::size_t number, const smtp::Transaction& transaction, const smtp::Outcome& outcome) {
    const std::lock_guard lock(mutex_);
    consider(outcome);
    results_.add(number, [this, name = transaction.name, envelope = transaction.envelope, outcome] {
      console_.result(name, envelope, outcome, outcome.time.count());
      if (const smtp::Verdict* worst = outcome.worst()) tally_.add(worst->kind);
    });
  }

  void add(Error::Kind kind) {
    const std::lock_guard lock(mutex_);
    tally_.add(kind);
  }

  [[nodiscard]] int exit_code() const { return tally_.exit_code(); }

 private:
  std::optional<Piece> returned() {
    const std::lock_guard lock(mutex_);
    return returned_.empty() ? std::nullopt : std::optional(take_returned());
  }

  Piece take_returned() {
    Piece piece = std::move(returned_.front());
    returned_.pop_front();
    return piece;
  }

  // What ails the account ails every message: no second login with a password that was refused, no second wait for a
  // host that does not answer. A server that said "not now", or hung up, is asked again, but not for ever.
  void consider(const smtp::Outcome& outcome) {
    if (final_) return;
    if (!outcome.failure || !outcome.failure->account) {
      failed_connections_ = 0;
      return;
    }
    const bool hopeful = outcome.failure->passing && ++failed_connections_ < most_failed_connections;
    if (!hopeful) final_ = outcome.failure;
  }

  const Task& task_;
  std::mutex reading_;  // of the inputs, which may take as long as their writers
  Inputs inputs_;
  base::SpoolFolder spool_;
  std::size_t numbers_ = 0;
  mutable std::mutex mutex_;  // of all below; taken behind the other
  const Console console_;     // for results
  unsigned workers_;          // that will ask for more
  std::deque<Piece> returned_;
  Results results_;
  Tally tally_;
  int failed_connections_ = 0;          // in a row
  std::optional<smtp::Verdict> final_;  // of the account; no further message is tried
};

// One connection after another, and the messages that go by them.
class Worker final : public smtp::Work {
 public:
  Worker(const Task& task, Run& run, const base::System& system, const base::Clock& clock)
      : task_(task),
        run_(run),
        clock_(clock),
        console_(task.output, std::string(program)),
        waterfall_(task.output.json),
        progress_(!task.output.trace && task.jobs == 1, system),
        views_(task.timing ? std::vector<smtp::View*>{&progress_, &console_, &waterfall_}
                           : std::vector<smtp::View*>{&progress_, &console_}) {}

  Result<void> connect_to(const smtp::Endpoint& endpoint) {
    auto session = smtp::Session::make(endpoint.clone(), views_);
    if (!session) return session.error();
    session_ = std::move(*session);
    return {};
  }

  void work() noexcept {
    try {
      if (task_.work != Task::Work::talk) {
        smtp::submit(*session_, *this, task_.driver, task_.disconnect);
      } else if (auto talked = talk(*session_, task_.files[0]); !talked) {
        complain(program, talked.error());
        run_.add(talked.error().kind);
      }
      waterfall_.finish();
    } catch (const std::exception& error) {
      complain(program, error.what());
      run_.add(Error::Kind::temporary);
    }
  }

  std::optional<smtp::Transaction> next() override {
    while (!retired_) {
      auto piece = run_.next();
      if (!piece) {
        retired_ = true;
        break;
      }
      const std::string name = piece->input.name;
      auto transaction = piece->transaction
                             ? Result<smtp::Transaction>(*std::move(piece->transaction))
                             : prepare(task_, std::move(piece->input), session_->endpoint().helo, clock_);
      if (transaction) {
        numbers_.push_back(piece->number);
        progress_.expect(transaction->message.expected_size());
        return *std::move(transaction);
      }
      run_.failed(piece->number, name, transaction.error());
    }
    return std::nullopt;
  }

  [[nodiscard]] bool last() const override { return retired_ || run_.last(); }
  [[nodiscard]] bool ready() const override { return retired_ || run_.ready(); }
  [[nodiscard]] std::optional<smtp::Verdict> given_up() const override { return run_.given_up(); }

  void done(smtp::Transaction& transaction, const smtp::Outcome& outcome) override {
    progress_.clear();
    const std::size_t number = numbers_.front();
    numbers_.pop_front();
    if (run_.hand_back(retired_, number, transaction, outcome)) {
      retired_ = true;
      return;
    }
    run_.done(number, transaction, outcome);
  }

 private:
  const Task& task_;
  Run& run_;
  const base::Clock& clock_;
  Console console_;
  Waterfall waterfall_;
  Progress progress_;
  smtp::Views views_;
  std::unique_ptr<smtp::Session> session_;
  std::deque<std::size_t> numbers_;  // of those that the driver has
  bool retired_ = false;             // it will get no more
};

Result<int> run(const Task& task, const base::System& system, const base::Clock& clock) {
  if (task.continue_on_reject) {
    complain(program, "-c sends a message that nobody is to get: only a server under test should be treated so");
  }
  Run shared(task, Inputs(task, task.endpoint, system, clock), folder_in(queue_places({}, {}, system).front()));
  std::deque<Worker> workers;
  for (unsigned i = 0; i < task.jobs; ++i) {
    Worker& worker = workers.emplace_back(task, shared, system, clock);
    if (auto ready = worker.connect_to(task.endpoint); !ready) return std::move(ready).error();
  }
  std::vector<std::jthread> threads;
  for (std::size_t i = 1; i < workers.size(); ++i) threads.emplace_back([&worker = workers[i]] { worker.work(); });
  workers[0].work();
  threads.clear();  // joins them
  return shared.exit_code();
}

}  // namespace

int smtp_tool(std::vector<std::string> args, char** argv, const base::System& system, const base::Clock& clock) {
  auto options = Options::parse(smtp_options(), std::move(args), Operands::anywhere, argv);
  if (!options) {
    return fail(program, {options.error().kind, options.error().text, "smtp -h shows how to call it"});
  }
  if (options->has("help")) {
    return print_smtp_help(smtp_options());
  }
  if (options->has("version")) {
    return print_version();
  }
  const auto task = read_task(*options, system);
  if (!task) return fail(program, task.error());
  const auto code = run(*task, system, clock);
  if (!code) return fail(program, code.error());
  const auto written = flush_output();
  return written || *code != 0 ? *code : fail(program, written.error());
}

}  // namespace pillarbox::app
