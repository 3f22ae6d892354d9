#include "app/submit.h"

#include <unistd.h>

#include <algorithm>
#include <exception>
#include <iterator>
#include <numeric>
#include <utility>
#include <vector>

#include "app/account.h"
#include "app/attempt.h"
#include "app/background.h"
#include "app/console.h"
#include "app/dry_run.h"
#include "app/report.h"
#include "base/text.h"
#include "mail/header.h"

namespace pillarbox::app {
namespace {

// One message, which is all that a sendmail has.
class One final : public smtp::Work {
 public:
  // It comes back when it is done.
  explicit One(smtp::Transaction& transaction) : transaction_(transaction) {}

  std::optional<smtp::Transaction> next() override {
    if (std::exchange(given_, true)) return std::nullopt;
    return std::move(transaction_);
  }
  [[nodiscard]] bool last() const override { return given_; }
  [[nodiscard]] bool ready() const override { return true; }
  [[nodiscard]] std::optional<smtp::Verdict> given_up() const override { return std::nullopt; }
  void done(smtp::Transaction& transaction, const smtp::Outcome& outcome) override {
    transaction_ = std::move(transaction);
    outcome_ = outcome;
  }

  [[nodiscard]] const smtp::Outcome& outcome() const { return outcome_; }

 private:
  smtp::Transaction& transaction_;
  bool given_ = false;
  smtp::Outcome outcome_;
};

// Whom no server was asked about has been refused, too: a recipient like the others from here on.
void add_unreachable(Submission& submission, smtp::Outcome& outcome) {
  if (submission.unreachable.empty()) return;
  mail::Envelope& envelope = submission.transaction.envelope;
  std::vector<mail::Address> all = envelope.recipients();
  std::ranges::move(std::exchange(submission.unreachable, {}), std::back_inserter(all));
  auto whole = mail::Envelope::make(envelope.sender(), all);
  if (!whole) return;
  envelope = *std::move(whole);  // without those who are another's target, and have it as such
  outcome.recipients.resize(
      envelope.recipients().size(),
      {.fate = smtp::Fate::rejected, .kind = Error::Kind::no_user, .text = names_nobody, .reply = std::nullopt});
}

}  // namespace

Submit::Submit(Manner manner, std::string program, const base::System& system, const base::Clock& clock)
    : manner_(std::move(manner)), program_(std::move(program)), system_(system), clock_(clock) {}

Result<Sent> Submit::run(const Request& request, std::unique_ptr<base::Source> input) {
  settled_.reset();
  auto sent = [&]() -> Result<Sent> {
    try {
      return try_to(request, std::move(input));
    } catch (const std::exception& error) {  // there is no memory left, for one thing: later there may be
      if (settled_) {                        // what is told of it, and logged, makes no difference to it
        complain(program_, error.what());
        return *std::move(settled_);
      }
      return Error{Error::Kind::temporary, error.what()};
    }
  }();
  if (!sent) {
    if (manner_.log_tag) settings_.log.tag = base::escape(*manner_.log_tag);  // by the log's defaults, perhaps
    log_attempt(settings_.log,
                {.account = account_,
                 .host = host_,
                 .error = sent.error().text,
                 .exit_code = exit_code(sent.error().kind),
                 .status = "failed"},
                true, program_, clock_);
  }
  return sent;
}

Result<Sent> Submit::try_to(const Request& request, std::unique_ptr<base::Source> input) {
  std::optional<Error> trouble;  // with the configuration
  account_named_ = request.account.has_value();
  auto loaded = load_configuration(manner_.config, system_);
  if (loaded) {
    settings_ = std::move(loaded->settings);
  } else {
    trouble = loaded.error();
  }
  const bool may_wait = manner_.queue && !manner_.config && !account_named_ && !manner_.dry_run;
  if (trouble && !may_wait) return *trouble;
  if (manner_.log_tag) settings_.log.tag = base::escape(*manner_.log_tag);
  auto read = mail::read_header(std::move(input), mail::Normaliser::Nul::drop);
  if (!read) return read.error();
  std::string why;
  if (!trouble) {
    const auto account = choose_account(request, read->header, settings_);
    if (!account && !may_wait) return account.error();
    if (!account) trouble = account.error();  // there is none, or none yet
    account_ = account ? *account : nullptr;
  }
  if (account_) {
    host_ = account_->hosts.front().name;
    if (manner_.dry_run) why = why_chosen(request, read->header, settings_);
  }
  const config::Account without;
  const Composer composer(account_ ? *account_ : without, folder_in(place()), program_, system_, clock_);
  auto submission = composer.compose(request, *std::move(read));
  if (!submission) return submission.error();
  if (manner_.dry_run) {
    if (auto shown = print_dry_run(account_->name, why, submission->transaction); !shown) return shown.error();
    auto outcome = smtp::untried(submission->transaction.envelope.recipients().size(), {.fate = smtp::Fate::accepted});
    add_unreachable(*submission, outcome);
    std::string missed = report(submission->transaction.envelope, outcome);
    const smtp::Verdict* worst = outcome.worst();
    return Sent{.code = worst ? exit_code(worst->kind) : 0, .why = std::move(missed)};
  }
  if (trouble) return give_up(*submission, *trouble);
  if (manner_.queue_only && may_queue()) {
    return finish(*submission, smtp::untried(submission->transaction.envelope.recipients().size(), {}), false);
  }
  return send(*submission);
}

QueuePlace Submit::place() const {
  return queue_place(manner_.directory, settings_.queue, system_);
}

Result<Sent> Submit::send(Submission& submission) {
  warn_of(*account_, program_);
  Console console({.trace = manner_.trace}, program_);
  auto endpoint = endpoint_of(*account_, system_);
  auto session = endpoint ? smtp::Session::make(*std::move(endpoint), console)
                          : Result<std::unique_ptr<smtp::Session>>(endpoint.error());
  if (!session) return give_up(submission, session.error());
  One work(submission.transaction);
  smtp::submit(**session, work, manner_.driver, false);
  host_ = (*session)->host();
  connection_ = (*session)->connection();
  return finish(submission, work.outcome());
}

// Nothing could be tried: the trouble is the account's.
Result<Sent> Submit::give_up(Submission& submission, const Error& error) {
  const std::size_t recipients = submission.transaction.envelope.recipients().size();
  complain(program_, error);
  told_ = true;
  return finish(submission, smtp::untried(recipients, {.kind = error.kind, .account = true, .text = error.text}),
                false);
}

// What was not taken waits in the queue where trying later can help; else the caller is told.
Result<Sent> Submit::finish(Submission& submission, smtp::Outcome outcome, bool tried) {
  add_unreachable(submission, outcome);
  Tally tally;
  bool waits = false;
  bool missed = false;
  for (const smtp::Verdict& verdict : outcome.recipients) {
    if (verdict.fate == smtp::Fate::accepted) continue;
    const bool worth = worth_keeping(verdict);
    waits = waits || (worth && may_queue());
    missed = missed || (worth && !may_queue());
    if (!worth || !may_queue()) tally.add(verdict.kind);
  }
  int code = tally.exit_code();
  // Some have it, or will: a caller who hears one answer only must not try again for all of them.
  const bool report_later = manner_.reports_later && may_queue() && code != 0 && (outcome.accepted || waits);
  if (waits || report_later) {
    queue::State state = queue::State::fresh(outcome.recipients.size());
    std::vector<std::size_t> all(outcome.recipients.size());
    std::iota(all.begin(), all.end(), 0);
    const auto refused_as = report_later ? queue::Progress::refused : queue::Progress::told;
    note(state, all, outcome, host_, refused_as, settings_.queue.retry, clock_.now());
    if (!state.owes()) state.next = {};
    if (!tried) {  // due at once: a runner may have what was missing
      state.tries = 0;
      state.next = {};
      state.last = {};
    }
    return store(submission, outcome, state, code, report_later);
  }
  const smtp::Verdict* worst = outcome.worst();
  Sent sent{.code = code,
            .accepted = outcome.accepted.has_value(),
            .passing = worst && worth_keeping(*worst),
            .missed = missed};
  settled_ = sent;
  log(submission, outcome, code, worst ? "failed" : "sent", "");
  sent.why = report(submission.transaction.envelope, outcome);
  tell_who_has_it(submission.transaction.envelope, outcome);
  if (outcome.accepted && may_queue()) {
    run_in_background(manner_.directory, manner_.config, settings_.queue, system_, clock_);
  }
  return sent;
}

// Puts the message into the queue; code is what those come to who wait for nothing any more, of whom its sender may be
// told later.
Sent Submit::store(Submission& submission, const smtp::Outcome& outcome, const queue::State& state, int code,
                   bool report_later) {
  const mail::Envelope& envelope = submission.transaction.envelope;
  auto id = enqueue(submission, state, report_later ? 0 : code);
  std::string why = report(envelope, outcome);
  tell_who_has_it(envelope, outcome);
  if (!id) {
    complain(program_, id.error());
    code = code != 0 ? code : exit_code(id.error().kind);
    log(submission, outcome, code, "failed", "");
    // Where nobody waits for it, all who could have it do.
    if (!state.owes()) return {.code = code, .accepted = true, .why = std::move(why)};
    return {.code = code, .accepted = false, .passing = true, .why = id.error().text};
  }
  if (report_later) code = 0;
  for (std::size_t i = 0; !manner_.queue_only && i < state.recipients.size(); ++i) {
    if (state.recipients[i].progress != queue::Progress::owed) continue;
    complain(program_, envelope.recipients()[i].text() + ": waits in the queue as " + *id);
  }
  log(submission, outcome, code, "queued", *id);
  return {.code = code, .accepted = true, .passing = false, .why = std::move(why)};
}

// code is what it comes to if that can be done.
Result<std::string> Submit::enqueue(Submission& submission, const queue::State& state, int code) {
  const QueuePlace where = place();
  auto spool = make_queue(where);
  if (!spool) return spool.error();
  queue::Entry entry{.arrived = clock_.now(),
                     .uid = ::geteuid(),
                     .envelope = submission.transaction.envelope,
                     .dsn = submission.transaction.dsn,
                     .message_id = submission.message_id};
  if (account_) {
    entry.account = account_->name;
    entry.owner = account_->owner == config::Owner::system ? queue::Owner::system : queue::Owner::user;
    entry.account_named = account_named_;
  }
  const bool due = state.owes() && state.next == queue::Time{};
  const bool announced = due && entry.owner != queue::Owner::user && where.is_roots();
  auto id = keep(*spool, std::move(entry), state, submission.transaction.message);
  if (id) settled_ = Sent{.code = code, .accepted = true};
  if (id && announced) {  // the timer finds it all the same
    (void)spool->announce();
    where.ring();
  }
  return id;
}

// Says who did not get it, and why.
std::string Submit::report(const mail::Envelope& envelope, const smtp::Outcome& outcome) const {
  const std::vector<std::string> all = refusals(envelope, outcome);
  for (const std::string& line : all) {
    if (!told_ || line != outcome.failure->text) complain(program_, line);
  }
  return base::join(all, "; ");
}

void Submit::tell_who_has_it(const mail::Envelope& envelope, const smtp::Outcome& outcome) const {
  if (!outcome.worst()) return;
  for (std::size_t i = 0; i < outcome.recipients.size(); ++i) {
    if (outcome.recipients[i].fate != smtp::Fate::accepted) continue;
    complain(program_, envelope.recipients()[i].text() + ": was sent the message");
  }
}

void Submit::log(const Submission& submission, const smtp::Outcome& outcome, int code, std::string_view status,
                 const std::string& id) const {
  log_attempt(settings_.log,
              {.account = account_,
               .host = host_,
               .connection = connection_,
               .envelope = &submission.transaction.envelope,
               .outcome = outcome,
               .exit_code = code,
               .status = status,
               .id = id,
               .message_id = submission.message_id,
               .nuls_dropped = submission.nuls_dropped + submission.transaction.message.nuls_dropped(),
               .recoding = submission.recoding,
               .header_folded = submission.header_folded},
              outcome.worst() != nullptr, program_, clock_);
}

}  // namespace pillarbox::app
