#include "app/runner.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "app/account.h"
#include "app/attempt.h"
#include "app/keep.h"
#include "app/report.h"
#include "queue/bounce.h"

namespace pillarbox::app {
namespace {

constexpr const char* delivery_expired = "4.4.7";  // RFC 3463

bool is_refused(const queue::RecipientState& recipient) {
  return recipient.progress == queue::Progress::refused;
}

bool holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::string address_of(const mail::ReversePath& path) {
  return path.address() ? path.address()->text() : "";
}

// The sender that the account lets a message have, whatever its file says.
mail::ReversePath allowed_sender(const config::Account& account, const mail::ReversePath& sender) {
  const bool own = account.sender != config::Sender::keep || !account.allow_from_override;
  return own && account.from && !sender.is_null() ? mail::ReversePath(*account.from) : sender;
}

}  // namespace

bool fits(const Selection& selection, const queue::Entry& entry, const queue::State& state,
          const std::vector<std::chrono::seconds>& retry, queue::Time now) {
  if (selection.due_only && !queue::is_due(state, retry, now)) return false;
  if (!holds(entry.id, selection.id) || !holds(address_of(entry.envelope.sender()), selection.sender)) return false;
  const auto& recipients = entry.envelope.recipients();
  for (std::size_t i = 0; i < recipients.size(); ++i) {
    const bool owed = state.recipients[i].progress == queue::Progress::owed;
    if ((owed || !state.owes()) && holds(recipients[i].text(), selection.recipient)) return true;
  }
  return false;
}

// The messages of one account, as work for a session.
class Runner::Delivery final : public smtp::Work {
 public:
  Delivery(Runner& runner, const config::Account& account, std::vector<std::string> ids, const Selection& selection)
      : runner_(runner), account_(account), ids_(ids.begin(), ids.end()), selection_(selection) {}

  std::optional<smtp::Transaction> next() override {
    while (!trouble_ && !ids_.empty()) {
      const std::string id = std::move(ids_.front());
      ids_.pop_front();
      if (auto transaction = take(id)) return transaction;
    }
    return std::nullopt;
  }

  [[nodiscard]] bool last() const override { return ids_.empty() || trouble_; }
  [[nodiscard]] bool ready() const override { return true; }
  [[nodiscard]] std::optional<smtp::Verdict> given_up() const override { return final_; }

  void done(smtp::Transaction& transaction, const smtp::Outcome& outcome) override {
    Tried tried = std::move(under_way_.front());
    under_way_.pop_front();
    // It was the account's trouble, and one has had it already.
    const bool rests = final_.has_value();
    if (outcome.failure && outcome.failure->account) final_ = outcome.failure;
    if (rests) return;
    if (auto noted = settle(tried, transaction.envelope, outcome); !noted && !trouble_) trouble_ = noted.error();
  }

  // No session can be had: the first message has tried.
  void fail(const Error& error) {
    auto transaction = next();
    if (!transaction) return;
    const smtp::Verdict verdict{.kind = error.kind, .account = true, .text = error.text};
    done(*transaction, smtp::untried(transaction->envelope.recipients().size(), verdict));
  }

  void talks_by(const smtp::Session& session) { session_ = &session; }
  [[nodiscard]] const std::optional<Error>& trouble() const { return trouble_; }

 private:
  struct Tried {
    queue::Locked locked;
    std::vector<std::size_t> recipients;  // by their place in the entry's envelope
  };

  // A run may have been stopped between a notification and the note, with its message, that it was made: sent before
  // that it would be made, and sent, once more.
  [[nodiscard]] bool is_noted(const queue::Entry& notification) const {
    const auto message = runner_.spool_.look(notification.bounce_of);
    return !message || std::none_of(message->state.recipients.begin(), message->state.recipients.end(), is_refused);
  }

  // Locks a message and makes a transaction of it, unless it is somebody else's by now, or has had its turn.
  std::optional<smtp::Transaction> take(const std::string& id) {
    std::vector<std::string> warnings;
    auto locked = runner_.spool_.lock(id, warnings);
    for (const std::string& warning : warnings) complain(runner_.program_, warning);
    if (!locked) {
      complain(runner_.program_, locked.error());
      return std::nullopt;
    }
    if (!*locked) return std::nullopt;
    const queue::Entry& entry = (*locked)->entry();
    const queue::State& state = (*locked)->state();
    if (!fits(selection_, entry, state, runner_.settings_.queue.retry, runner_.clock_.now())) return std::nullopt;
    if (!is_noted(entry)) return std::nullopt;
    std::vector<std::size_t> owed;
    std::vector<mail::Address> recipients;
    for (std::size_t i = 0; i < state.recipients.size(); ++i) {
      if (state.recipients[i].progress != queue::Progress::owed) continue;
      owed.push_back(i);
      recipients.push_back(entry.envelope.recipients()[i]);
    }
    if (owed.empty()) {  // a run was stopped before it had cleaned up
      queue::State now = state;
      if (auto finished = finish(**locked, now); !finished) trouble_ = finished.error();
      return std::nullopt;
    }
    auto envelope = mail::Envelope::make(allowed_sender(account_, entry.envelope.sender()), recipients);
    mail::Message message("", (*locked)->content(),
                          mail::Normaliser(mail::Normaliser::Part::body, mail::Normaliser::Nul::drop));
    if (recipients.size() > 1) message.keep();
    if (const auto primed = message.prime(); !primed || !envelope) {
      complain(runner_.program_, envelope ? primed.error() : envelope.error());
      return std::nullopt;
    }
    smtp::Transaction transaction{
        .name = id, .envelope = *std::move(envelope), .message = std::move(message), .dsn = entry.dsn};
    under_way_.push_back({**std::move(locked), std::move(owed)});
    return transaction;
  }

  // Writes down what an attempt has come to, before anything else happens.
  Result<void> settle(Tried& tried, const mail::Envelope& envelope, const smtp::Outcome& outcome) {
    const queue::Entry& entry = tried.locked.entry();
    const auto now = runner_.clock_.now();
    const config::Queue& rules = runner_.settings_.queue;
    queue::State state = tried.locked.state();
    const std::string host = session_ ? session_->host() : account_.hosts.front().name;
    note(state, tried.recipients, outcome, host, queue::Progress::refused, rules.retry, now);
    if (state.owes() && queue::is_expired(entry, state, rules.expire, now)) {
      for (queue::RecipientState& recipient : state.recipients) {
        if (recipient.progress != queue::Progress::owed) continue;
        recipient.progress = queue::Progress::refused;
        recipient.status = delivery_expired;
      }
    }
    Attempt attempt{.account = &account_,
                    .host = host,
                    .envelope = &envelope,
                    .outcome = outcome,
                    .exit_code = 0,
                    .status = "sent",
                    .id = entry.id,
                    .message_id = entry.message_id};
    Tally tally;
    for (const smtp::Verdict& verdict : outcome.recipients) {
      if (verdict.fate != smtp::Fate::accepted) tally.add(verdict.kind);
    }
    attempt.exit_code = tally.exit_code();
    const bool refused = std::any_of(state.recipients.begin(), state.recipients.end(), is_refused);
    if (state.owes()) attempt.status = "deferred";
    if (refused) attempt.status = queue::may_report(entry) ? "bounced" : "failed";
    auto finished = finish(tried.locked, state);
    if (!finished) attempt.error = finished.error().text;
    log_attempt(runner_.settings_.log, attempt, refused, runner_.program_, runner_.clock_);
    return finished;
  }

  // Reports what was refused, and takes leave of what owes nothing any more.
  Result<void> finish(queue::Locked& locked, queue::State& state) {
    const bool refused = std::any_of(state.recipients.begin(), state.recipients.end(), is_refused);
    if (!refused && !state.owes()) return locked.remove();
    if (auto saved = locked.save(state); !saved || !refused) return saved;
    if (queue::may_report(locked.entry())) {
      if (auto reported = report(locked, state); !reported) return reported;
      for (queue::RecipientState& recipient : state.recipients) {
        if (is_refused(recipient)) recipient.progress = queue::Progress::told;
      }
      return state.owes() ? locked.save(state) : locked.remove();
    }
    return state.owes() ? Result<void>() : locked.set_aside();
  }

  // The notification is in the queue when this returns.
  Result<void> report(const queue::Locked& locked, const queue::State& state) {
    const auto content = locked.content();
    const std::string host = runner_.system_.fully_qualified_name();
    const std::string domain = !account_.domain.empty()                            ? account_.domain
                               : account_.from && !account_.from->domain().empty() ? account_.from->domain()
                                                                                   : host;
    auto report = queue::report_on(locked.entry(), state, *content,
                                   {.host = host, .domain = domain, .bounce_to = runner_.settings_.queue.bounce_to},
                                   runner_.clock_.now());
    if (!report) return report.error();
    base::MemorySource source(report->content);
    auto added = runner_.spool_.begin(std::move(report->entry), report->content.size());
    if (!added) return added.error();
    if (auto written = added->write(source); !written) return written;
    if (auto id = added->commit(queue::State::fresh(1)); !id) return id.error();
    return {};
  }

  Runner& runner_;
  const config::Account& account_;
  std::deque<std::string> ids_;
  const Selection& selection_;
  std::deque<Tried> under_way_;  // in the order of their transactions
  const smtp::Session* session_ = nullptr;
  std::optional<smtp::Verdict> final_;
  std::optional<Error> trouble_;  // with the queue itself
};

Result<void> Runner::run(const Selection& selection) {
  spool_.heard();
  spool_.sweep(clock_.now());
  auto accounts = select(selection);
  if (!accounts) return accounts.error();
  for (auto& [account, ids] : *accounts) {
    if (auto delivered = deliver(*account, std::move(ids), selection); !delivered) return delivered;
  }
  return {};
}

// The messages that fit, by their accounts, both in the order of their arrival.
Result<Runner::Accounts> Runner::select(const Selection& selection) {
  const auto ids = spool_.ids();
  if (!ids) return ids.error();
  Accounts accounts;
  for (const std::string& id : *ids) {
    const auto listed = spool_.look(id);
    if (!listed) {  // a lock looks at all of it, and says what is wrong
      std::vector<std::string> warnings;
      const auto locked = spool_.lock(id, warnings);
      for (const std::string& warning : warnings) complain(program_, warning);
      if (!locked) complain(program_, locked.error());
      continue;
    }
    if (!fits(selection, listed->entry, listed->state, settings_.queue.retry, clock_.now())) continue;
    const config::Account* account = account_of(listed->entry);
    if (!account) {
      complain(program_, id + ": its account \"" + listed->entry.account + "\" is not in the configuration; it waits");
      continue;
    }
    auto group =
        std::find_if(accounts.begin(), accounts.end(), [&](const auto& each) { return each.first == account; });
    if (group == accounts.end()) group = accounts.insert(group, {account, {}});
    group->second.push_back(id);
  }
  return accounts;
}

// The one that was chosen at submission; for a message without one by its sender.
const config::Account* Runner::account_of(const queue::Entry& entry) const {
  if (entry.owner == queue::Owner::none) {
    const auto chosen = settings_.account(std::nullopt, entry.envelope.sender().address());
    return chosen ? *chosen : nullptr;
  }
  const auto chosen = settings_.account(entry.account);
  return chosen ? *chosen : nullptr;
}

Result<void> Runner::deliver(const config::Account& account, std::vector<std::string> ids, const Selection& selection) {
  Delivery delivery(*this, account, std::move(ids), selection);
  auto endpoint = endpoint_of(account, system_);
  auto session = endpoint ? smtp::Session::make(*std::move(endpoint), view_)
                          : Result<std::unique_ptr<smtp::Session>>(endpoint.error());
  if (session) {
    delivery.talks_by(**session);
    smtp::submit(**session, delivery, driver_, false);
  } else {
    complain(program_, session.error());
    delivery.fail(session.error());
  }
  if (delivery.trouble()) return *delivery.trouble();
  return {};
}

}  // namespace pillarbox::app
