#include "app/smtp_tool.h"

#include <unistd.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <system_error>
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
  auto found = mail::recipients_of(header, mail::Resent::first_block);
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
    if (!read) return about(input.name, std::move(read).error());
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
  if (auto primed = message.prime(); !primed) return about(input.name, std::move(primed).error());
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

// How a worker stands with the server: it wants nothing, it wants a connection on which to say MAIL, it has one.
enum class Footing { none, sought, found };

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
        console_(task.output, std::string(program)) {}

  // The next message. Nothing: the worker's part is done, which is not known while another seeks a connection: if that
  // comes to nothing, its message is here again.
  std::optional<Piece> next(Footing& mine) {
    if (mine == Footing::none) step(mine, Footing::sought);
    if (auto piece = read_next()) return piece;
    std::unique_lock lock(mutex_);
    if (mine == Footing::sought) change(mine, Footing::none);
    changed_.wait(lock, [this] { return !returned_.empty() || sought_ == 0; });
    if (returned_.empty()) {
      change(mine, Footing::none);
      return std::nullopt;
    }
    if (mine == Footing::none) change(mine, Footing::sought);
    return take_returned();
  }

  void step(Footing& mine, Footing next) {
    const std::lock_guard lock(mutex_);
    change(mine, next);
  }

  // While another worker waits for a writer nothing is known, and nothing at hand.
  [[nodiscard]] bool last(Footing mine) {
    const std::unique_lock reading(reading_, std::try_to_lock);
    const std::lock_guard lock(mutex_);
    return reading.owns_lock() && returned_.empty() && inputs_.last() && !others_seek(mine);
  }
  [[nodiscard]] bool ready(Footing mine) {
    const std::unique_lock reading(reading_, std::try_to_lock);
    const std::lock_guard lock(mutex_);
    if (!reading.owns_lock()) return false;
    return !returned_.empty() || (inputs_.ready() && !(inputs_.last() && others_seek(mine)));
  }
  [[nodiscard]] std::optional<smtp::Verdict> given_up() const {
    const std::lock_guard lock(mutex_);
    return final_;
  }

  // The right to log in: until a login stands, one worker at a time has it, so that a password is refused once. What is
  // returned owns no lock where none is needed.
  [[nodiscard]] std::unique_lock<std::mutex> turn_to_log_in() {
    if (!task_.endpoint.login) return {};
    std::unique_lock turn(login_);
    if (logged_in_) turn.unlock();
    return turn;
  }
  void logged_in(const std::unique_lock<std::mutex>& turn) {
    if (turn.owns_lock()) logged_in_ = true;
  }

  void failed(std::size_t number, const std::string& name, const Error& error) {
    const std::lock_guard lock(mutex_);
    results_.add(number, [this, name, error] {
      console_.failed(name, error);
      tally_.add(error.kind);
    });
  }

  // A server that takes no further connection is left to those that have one, or may get one: true if the message was
  // handed to them, and the worker is to end.
  bool hand_back(Footing& mine, std::size_t number, smtp::Transaction& transaction, const smtp::Outcome& outcome) {
    const std::lock_guard lock(mutex_);
    const auto& failure = outcome.failure;
    const bool crowded = failure && failure->account && (failure->passing || failure->elsewhere);
    const bool others = sought_ + found_ > (mine == Footing::none ? 0U : 1U);
    if (!crowded || !others || !transaction.message.untouched()) return false;
    change(mine, Footing::none);
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
  // Of those that have come back, else of the inputs.
  std::optional<Piece> read_next() {
    const std::lock_guard reading(reading_);
    if (auto piece = returned()) return piece;
    auto input = inputs_.next();
    if (!input) return std::nullopt;
    if (task_.jobs > 1 && task_.work == Task::Work::mboxes && input->source) {
      // It is a part of a file that others go on reading.
      input->source = base::spool(**input->source, spool_);
    }
    return Piece{numbers_++, *std::move(input), std::nullopt};
  }

  std::optional<Piece> returned() {
    const std::lock_guard lock(mutex_);
    return returned_.empty() ? std::nullopt : std::optional(take_returned());
  }

  void change(Footing& mine, Footing next) {
    sought_ += static_cast<unsigned>(next == Footing::sought) - static_cast<unsigned>(mine == Footing::sought);
    found_ += static_cast<unsigned>(next == Footing::found) - static_cast<unsigned>(mine == Footing::found);
    mine = next;
    changed_.notify_all();
  }
  [[nodiscard]] bool others_seek(Footing mine) const { return sought_ > (mine == Footing::sought ? 1U : 0U); }

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
  std::mutex login_;        // the first, and what comes of it
  bool logged_in_ = false;  // somebody is, or was
  std::mutex reading_;      // of the inputs, which may take as long as their writers
  Inputs inputs_;
  base::SpoolFolder spool_;
  std::size_t numbers_ = 0;
  mutable std::mutex mutex_;  // of all below; taken behind the other
  const Console console_;     // for results
  std::condition_variable changed_;
  unsigned sought_ = 0, found_ = 0;  // workers of that footing
  std::deque<Piece> returned_;
  Results results_;
  Tally tally_;
  int failed_connections_ = 0;          // in a row
  std::optional<smtp::Verdict> final_;  // of the account; no further message is tried
};

// A worker's footing, and its turn to log in, which it leaves when it is logged in.
class Turn final : public smtp::View {
 public:
  Turn(Run& run, Footing& footing) : run_(run), footing_(footing) {}

  void take() {
    if (!turn_.owns_lock()) turn_ = run_.turn_to_log_in();
  }
  void leave() { turn_ = {}; }
  void connecting(std::string_view /*server*/) override {
    if (footing_ == Footing::found) run_.step(footing_, Footing::sought);
  }
  void ready(const smtp::Connection& /*connection*/) override {
    if (footing_ == Footing::sought) run_.step(footing_, Footing::found);
    run_.logged_in(turn_);
    leave();
  }

 private:
  Run& run_;
  Footing& footing_;
  std::unique_lock<std::mutex> turn_;
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
        turn_(run, footing_),
        views_(task.timing ? std::vector<smtp::View*>{&progress_, &console_, &turn_, &waterfall_}
                           : std::vector<smtp::View*>{&progress_, &console_, &turn_}) {
    // From now on: what the server does not take from one is handed to others whose threads may have yet to begin.
    run_.step(footing_, Footing::sought);
  }

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
    turn_.leave();
    retire();
  }

  // Nobody need wait for it any more.
  void retire() { run_.step(footing_, Footing::none); }

  std::optional<smtp::Transaction> next() override {
    while (!retired_) {
      auto piece = run_.next(footing_);
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
        turn_.take();
        return *std::move(transaction);
      }
      run_.failed(piece->number, name, transaction.error());
    }
    return std::nullopt;
  }

  [[nodiscard]] bool last() const override { return retired_ || run_.last(footing_); }
  [[nodiscard]] bool ready() const override { return retired_ || run_.ready(footing_); }
  [[nodiscard]] std::optional<smtp::Verdict> given_up() const override { return run_.given_up(); }

  void done(smtp::Transaction& transaction, const smtp::Outcome& outcome) override {
    progress_.clear();
    const std::size_t number = numbers_.front();
    numbers_.pop_front();
    if (run_.hand_back(footing_, number, transaction, outcome)) {
      retired_ = true;
    } else {
      run_.done(number, transaction, outcome);
    }
    turn_.leave();
  }

 private:
  const Task& task_;
  Run& run_;
  const base::Clock& clock_;
  Console console_;
  Waterfall waterfall_;
  Progress progress_;
  Footing footing_ = Footing::none;
  Turn turn_;
  smtp::Views views_;
  std::unique_ptr<smtp::Session> session_;
  std::deque<std::size_t> numbers_;  // of those that the driver has
  bool retired_ = false;             // it will get no more
};

Result<int> run(const Task& task, const base::System& system, const base::Clock& clock) {
  if (task.continue_on_reject) {
    complain(program, "-c sends a message that nobody is to get: only a server under test should be treated so");
  }
  Run shared(task, Inputs(task, task.endpoint, system, clock), folder_in(queue_place({}, {}, system)));
  std::deque<Worker> workers;
  for (unsigned i = 0; i < task.jobs; ++i) {
    Worker& worker = workers.emplace_back(task, shared, system, clock);
    if (auto ready = worker.connect_to(task.endpoint); !ready) return std::move(ready).error();
  }
  std::vector<std::jthread> threads;
  try {
    for (std::size_t i = 1; i < workers.size(); ++i) threads.emplace_back([&worker = workers[i]] { worker.work(); });
  } catch (const std::system_error& error) {  // those that there are do it all
    complain(program, std::string("fewer connections at once: ") + error.what());
    for (std::size_t i = 1 + threads.size(); i < workers.size(); ++i) workers[i].retire();
  }
  workers.front().work();
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
