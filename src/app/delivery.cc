#include "app/delivery.h"

#include <algorithm>
#include <utility>

#include "app/account.h"
#include "app/keep.h"
#include "app/report.h"
#include "base/text.h"
#include "mail/header.h"
#include "mail/prepare.h"
#include "queue/bounce.h"

namespace pillarbox::app {
namespace {

constexpr const char* delivery_expired = "4.4.7";  // RFC 3463

// Without regard to case, as sendmail looks for it.
bool holds(std::string_view text, std::string_view part) {
  return part.empty() || base::lower(text).find(base::lower(part)) != std::string::npos;
}

bool any(const queue::State& state, queue::Progress progress) {
  return std::any_of(state.recipients.begin(), state.recipients.end(),
                     [&](const queue::RecipientState& each) { return each.progress == progress; });
}

// The worst that has become of some recipients. Bounced is who is told of in a notification that is in the queue: while
// there is none yet, the message waits for that.
std::string_view status_of(const queue::Entry& entry, const queue::State& state, const std::vector<std::size_t>& some) {
  bool waits = false;
  bool bounced = false;
  bool owed = false;
  for (const std::size_t i : some) {
    const queue::Progress progress = state.recipients[i].progress;
    const bool refused = progress == queue::Progress::refused;
    if (refused && !queue::may_report(entry, i)) return "failed";
    waits = waits || refused;
    bounced = bounced || progress == queue::Progress::told;
    owed = owed || progress == queue::Progress::owed;
  }
  return waits ? "deferred" : bounced ? "bounced" : owed ? "deferred" : "sent";
}

// The sender that the account lets a message have, whatever its file says; its own for one that was given none.
Result<mail::ReversePath> allowed_sender(const config::Account* account, const queue::Entry& entry,
                                         const base::System& system) {
  const mail::ReversePath& sender = entry.envelope.sender();
  if (!account || sender.is_null()) return sender;
  const auto given = given_sender(entry, system);
  if (!given) return given.error();
  if (*given && account->sender == config::Sender::keep && account->allow_from_override) return sender;
  auto address = own_address(*account, system);
  if (!address) return address.error();
  return mail::ReversePath(*std::move(address));
}

// A message's for some of its recipients.
Result<mail::Envelope> allowed_envelope(const config::Account* account, const queue::Entry& entry,
                                        const std::vector<mail::Address>& recipients, const base::System& system) {
  auto sender = allowed_sender(account, entry, system);
  if (!sender) return sender.error();
  return mail::Envelope::make(*std::move(sender), recipients);
}

}  // namespace

Result<std::optional<mail::Address>> given_sender(const queue::Entry& entry, const base::System& system) {
  const std::optional<mail::Address>& sender = entry.envelope.sender().address();
  if (!sender || entry.owner != queue::Owner::none) return sender;
  const auto login = system.login();
  if (!login) return login.error();
  const bool made_up = sender->text() == *login + '@' + system.fully_qualified_name();
  return made_up ? std::nullopt : sender;
}

bool fits(const Selection& selection, const queue::Entry& entry, const queue::State& state,
          const std::vector<std::chrono::seconds>& retry, queue::Time now) {
  if (selection.due_only && !queue::is_due(state, retry, now)) return false;
  if (!holds(entry.id, selection.id) || !holds(entry.envelope.sender().path(), selection.sender)) return false;
  const auto& recipients = entry.envelope.recipients();
  for (std::size_t i = 0; i < recipients.size(); ++i) {
    const bool owed = state.recipients[i].progress == queue::Progress::owed;
    if ((owed || !state.owes()) && holds(recipients[i].text(), selection.recipient)) return true;
  }
  return false;
}

std::optional<queue::Locked> lock(Means& means, const std::string& id, bool again) {
  std::vector<std::string> warnings;
  auto locked = means.spool.lock(id, warnings);
  const auto tell = [&](const Error& error, std::string_view status) {
    complain(means.program, error);
    const Attempt attempt{.error = error.text, .exit_code = exit_code(error.kind), .status = status, .id = id};
    log_attempt(means.settings.log, attempt, true, means.program, means.clock);
  };
  const bool have = locked && *locked;
  if (have && again) warnings.clear();
  for (const std::string& warning : warnings) tell({Error::Kind::temporary, warning}, "deferred");
  if (have) return **std::move(locked);
  if (locked) return std::nullopt;
  const bool gone = locked.error().kind == Error::Kind::data;  // to corrupt/
  tell(locked.error(), gone ? "failed" : "deferred");
  if (!gone) ++means.untried;
  return std::nullopt;
}

std::optional<smtp::Transaction> Delivery::next() {
  while (!over() && !(left_.empty() && ids_.empty())) {
    auto tried = pick();
    if (!tried) continue;
    if (auto transaction = offer(*std::move(tried))) return transaction;
  }
  return std::nullopt;
}

std::optional<Delivery::Tried> Delivery::pick() {
  if (!left_.empty()) {
    Tried tried = std::move(left_.front());
    left_.pop_front();
    return tried;
  }
  const std::string id = std::move(ids_.front());
  ids_.pop_front();
  return take(id);
}

bool Delivery::last() const {
  const bool more =
      std::any_of(under_way_.begin(), under_way_.end(), [](const Tried& tried) { return !tried.later.empty(); });
  return over() || (ids_.empty() && left_.empty() && !more);
}

void Delivery::done(smtp::Transaction& transaction, const smtp::Outcome& outcome) {
  Tried tried = std::move(under_way_.front());
  under_way_.pop_front();
  // It was the account's trouble, and one has had it already.
  const bool rests = final_.has_value() && !outcome.accepted;
  if (outcome.failure && outcome.failure->account) final_ = outcome.failure;
  const bool stopped = std::all_of(outcome.recipients.begin(), outcome.recipients.end(),
                                   [](const smtp::Verdict& verdict) { return verdict.stopped; });
  if (rests || stopped) return;
  if (auto noted = settle(tried, transaction.envelope, outcome); !noted && !trouble_) trouble_ = noted.error();
  if (tried.later.empty() || over()) return;
  tried.now = std::exchange(tried.later, {});
  tried.first = false;
  left_.push_back(std::move(tried));
}

void Delivery::fail(const Error& error) {
  auto transaction = next();
  if (!transaction) return;
  const smtp::Verdict verdict{.kind = error.kind, .account = true, .text = error.text};
  done(*transaction, smtp::untried(transaction->envelope.recipients().size(), verdict));
}

void Delivery::fail_all(const Error& error) {
  const smtp::Verdict verdict{.kind = error.kind, .text = error.text};
  while (auto transaction = next()) {
    done(*transaction, smtp::untried(transaction->envelope.recipients().size(), verdict));
  }
}

// Locks a message, unless it is somebody else's by now, or has had its turn.
std::optional<Delivery::Tried> Delivery::take(const std::string& id) {
  auto locked = lock(means_, id);
  if (!locked) return std::nullopt;
  const queue::State& state = locked->state();
  const auto& retry = means_.settings.queue.retry;
  if (!fits(selection_, locked->entry(), state, retry, means_.clock.now())) return std::nullopt;
  if (!is_noted(locked->entry())) return std::nullopt;
  // A run was stopped before it had cleaned up, or only the report is left. One on more recipients would be another.
  if (!state.owes() || queue::may_report(locked->entry(), state)) {
    if (auto cleaned = clean_up(*locked); !cleaned) trouble_ = cleaned.error();
    if (trouble_ || !state.owes()) return std::nullopt;
  }
  const bool last = queue::is_expired(locked->entry(), state, means_.settings.queue.expire, means_.clock.now());
  Tried tried{.locked = *std::move(locked), .now = {}, .later = {}, .last = last};
  for (std::size_t i = 0; i < state.recipients.size(); ++i) {
    if (state.recipients[i].progress == queue::Progress::owed) tried.now.push_back(i);
  }
  return tried;
}

// A run may have been stopped between a notification and the note, with its message, that it was made: sent before that
// it would be made, and sent, once more.
bool Delivery::is_noted(const queue::Entry& notification) const {
  const auto message = means_.spool.look(notification.bounce_of);
  if (!message) return message.error().kind == Error::Kind::data;  // nothing will be made for what is no message
  return !*message || !queue::may_report((*message)->entry, (*message)->state);
}

// Makes a transaction of it, of as many recipients as one may have: what it came to is written down before the next.
std::optional<smtp::Transaction> Delivery::offer(Tried tried) {
  const queue::Entry& entry = tried.locked.entry();
  const std::size_t most = account_ ? static_cast<std::size_t>(account_->max_recipients) : tried.now.size();
  if (tried.now.size() > most) {
    const auto rest = tried.now.begin() + static_cast<std::ptrdiff_t>(most);
    tried.later.assign(rest, tried.now.end());
    tried.now.erase(rest, tried.now.end());
  }
  std::vector<mail::Address> recipients;
  for (const std::size_t i : tried.now) recipients.push_back(entry.envelope.recipients()[i]);
  auto envelope = allowed_envelope(account_, entry, recipients, means_.system);
  auto message = message_of(tried.locked);
  if (!envelope || !message) {
    const Error& error = envelope ? message.error() : envelope.error();
    const auto fate = error.kind == Error::Kind::data ? smtp::Fate::rejected : smtp::Fate::deferred;
    const auto outcome = smtp::untried(tried.now.size(), {.fate = fate, .kind = error.kind, .text = error.text});
    if (auto noted = settle(tried, entry.envelope, outcome); !noted) trouble_ = noted.error();
    return std::nullopt;
  }
  if (auto reserved = tried.locked.reserve(tried.now.size()); !reserved) {
    const Error& error = reserved.error();
    trouble_ = {error.kind, entry.id + ": not sent, since what comes of it can't be noted: " + error.text};
    return std::nullopt;
  }
  smtp::Transaction transaction{
      .name = entry.id, .envelope = *std::move(envelope), .message = *std::move(message), .dsn = entry.dsn};
  under_way_.push_back(std::move(tried));
  return transaction;
}

// The content, with no other author than the account lets it have: a file is its owner's word.
Result<mail::Message> Delivery::message_of(const queue::Locked& locked) const {
  std::string head;
  std::unique_ptr<base::Source> body = locked.content();
  if (account_ && account_->sender == config::Sender::enforce) {
    auto read = mail::read_header(std::move(body), mail::Normaliser::Nul::drop);
    if (!read) return read.error();
    const auto own = own_address(*account_, means_.system);
    if (!own) return own.error();
    mail::enforce_author(read->header, *own, account_->from_full_name);
    head = read->header.text();
    body = std::move(read->body);
  }
  mail::Message message(std::move(head), std::move(body),
                        mail::Normaliser(mail::Normaliser::Part::body, mail::Normaliser::Nul::drop));
  if (locked.entry().envelope.recipients().size() > 1) message.keep();
  if (const auto primed = message.prime(); !primed) return primed.error();
  return message;
}

// Writes down what a transaction has come to, before anything else happens.
Result<void> Delivery::settle(Tried& tried, const mail::Envelope& envelope, const smtp::Outcome& outcome) {
  const auto now = means_.clock.now();
  const config::Queue& rules = means_.settings.queue;
  queue::State state = tried.locked.state();
  if (!tried.first) --state.tries;  // an attempt is one, whatever it takes
  note(state, tried.now, outcome, host(), queue::Progress::refused, rules.retry, now);
  Result<void> written;
  std::vector<std::size_t> judged = tried.now;
  if (tried.later.empty()) {
    for (std::size_t i = 0; i < state.recipients.size(); ++i) {
      queue::RecipientState& recipient = state.recipients[i];
      if (!tried.last || recipient.progress != queue::Progress::owed) continue;
      recipient.progress = queue::Progress::refused;
      recipient.status = delivery_expired;
      judged.push_back(i);
    }
    written = finish(tried.locked, state);
    const bool account = outcome.failure && outcome.failure->account;
    if (written && !account && state.owes()) written = warn(tried.locked, state);
  } else {
    written = tried.locked.save(state);
  }
  const queue::Entry& entry = tried.locked.entry();
  log(entry, status_of(entry, state, judged), envelope, outcome, written);
  return written;
}

// Of a message that owes nothing any more, or a report on some.
Result<void> Delivery::clean_up(queue::Locked& locked) {
  queue::State state = locked.state();
  const queue::Entry& entry = locked.entry();
  smtp::Outcome outcome;
  std::vector<std::size_t> refused;
  std::vector<mail::Address> recipients;
  for (std::size_t i = 0; i < state.recipients.size(); ++i) {
    if (state.recipients[i].progress != queue::Progress::refused) continue;
    refused.push_back(i);
    recipients.push_back(entry.envelope.recipients()[i]);
    outcome.recipients.push_back(
        {.fate = smtp::Fate::rejected, .kind = Error::Kind::unavailable, .text = state.recipients[i].reply});
  }
  auto written = finish(locked, state);
  const auto envelope = mail::Envelope::make(entry.envelope.sender(), recipients);
  if (envelope) log(entry, status_of(entry, state, refused), *envelope, outcome, written);
  return written;
}

void Delivery::log(const queue::Entry& entry, std::string_view status, const mail::Envelope& envelope,
                   const smtp::Outcome& outcome, const Result<void>& written) const {
  Attempt attempt{.account = account_,
                  .host = host(),
                  .connection = session_ ? session_->connection() : smtp::Connection(),
                  .envelope = &envelope,
                  .outcome = outcome,
                  .error = written ? "" : written.error().text,
                  .exit_code = 0,
                  .status = status,
                  .id = entry.id,
                  .message_id = entry.message_id};
  Tally tally;
  for (const smtp::Verdict& verdict : outcome.recipients) {
    if (verdict.fate != smtp::Fate::accepted) tally.add(verdict.kind);
  }
  attempt.exit_code = tally.exit_code();
  const bool given_up = status == "bounced" || status == "failed";
  log_attempt(means_.settings.log, attempt, given_up, means_.program, means_.clock);
}

// That is talked to, or would have been.
std::string Delivery::host() const {
  if (session_) return session_->host();
  return account_ ? account_->hosts.front().name : "";
}

// Reports what was refused, and takes leave of what owes nothing any more. What can't be reported or set aside stays as
// it is written down, for another run; the other messages need not wait for that.
Result<void> Delivery::finish(queue::Locked& locked, queue::State& state) {
  const bool refused = any(state, queue::Progress::refused);
  if (!refused && !state.owes()) {
    auto removed = locked.remove();
    if (!removed) (void)locked.save(state);  // or it would be sent once more
    return removed;
  }
  if (auto saved = locked.save(state); !saved || !refused) return saved;
  const queue::Entry& entry = locked.entry();
  if (queue::may_report(entry, state)) {
    if (auto reported = report(locked, state); !reported) {
      complain(means_.program, reported.error());
      return {};
    }
    for (std::size_t i = 0; i < state.recipients.size(); ++i) {
      queue::Progress& progress = state.recipients[i].progress;
      if (progress == queue::Progress::refused && queue::may_report(entry, i)) progress = queue::Progress::told;
    }
    if (!state.owes() && !any(state, queue::Progress::refused)) return locked.remove();
    if (auto saved = locked.save(state); !saved) return saved;
  }
  if (state.owes()) return {};
  if (auto moved = locked.set_aside(); !moved) complain(means_.program, moved.error());
  return {};
}

// Of a message that waits for longer than its sender may think, once. Not while the account is in trouble: the warning
// would go the same way.
Result<void> Delivery::warn(queue::Locked& locked, queue::State& state) {
  const config::Queue& rules = means_.settings.queue;
  const queue::Entry& entry = locked.entry();
  if (rules.delay_notice.count() == 0 || state.warned || !queue::may_report(entry, state, queue::Notice::delay))
    return {};
  if (means_.clock.now() - entry.arrived < rules.delay_notice) return {};
  state.warned = true;
  // Before it is made: a run that is killed makes one less, and not two.
  if (auto saved = locked.save(state); !saved) return saved;
  const auto reported = report(locked, state, queue::Notice::delay);
  if (reported) return {};
  complain(means_.program, reported.error());
  state.warned = false;
  return locked.save(state);
}

// The notification is in the queue when this returns.
Result<void> Delivery::report(const queue::Locked& locked, const queue::State& state, queue::Notice notice) {
  const auto content = locked.content();
  const std::string host = means_.system.fully_qualified_name();
  queue::Entry entry = locked.entry();
  auto envelope = allowed_envelope(account_, entry, entry.envelope.recipients(), means_.system);
  if (envelope) entry.envelope = *std::move(envelope);  // to whom the server would have returned it
  const std::string domain = account_ ? domain_of(*account_, means_.system) : host;
  auto bounce_to = means_.settings.queue.bounce_to;
  if (bounce_to) {
    auto whole = bounce_to->qualified(domain);
    if (!whole) return whole.error();
    bounce_to = *std::move(whole);
  }
  auto report =
      queue::report_on(entry, state, *content,
                       {.host = host, .domain = domain, .bounce_to = bounce_to, .expire = means_.settings.queue.expire},
                       means_.clock.now(), notice);
  if (!report) return report.error();
  if (!account_) {  // the one that the message had is gone: it goes by the default one
    report->entry.owner = queue::Owner::none;
    report->entry.account.clear();
    report->entry.account_named = false;
  }
  base::MemorySource source(report->content);
  auto added = means_.spool.begin(std::move(report->entry), report->content.size());
  if (!added) return added.error();
  if (auto written = added->write(source); !written) return written;
  if (auto id = added->commit(queue::State::fresh(1)); !id) return id.error();
  return {};
}

}  // namespace pillarbox::app
