#include "smtp/batches.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace pillarbox::smtp {
namespace {

bool no_room(const Verdict& verdict) {
  return verdict.fate != Fate::accepted && verdict.reply && verdict.reply->too_many_recipients();
}

}  // namespace

std::optional<Transaction> Batches::next() {
  const auto owing = std::find_if(entries_.begin(), entries_.end(),
                                  [](const Entry& entry) { return entry.transaction && !entry.owed.empty(); });
  if (owing != entries_.end()) return batch(*owing);
  auto transaction = work_.next();
  if (!transaction) return std::nullopt;
  Entry& entry = entries_.emplace_back();
  const std::size_t recipients = transaction->envelope.recipients().size();
  if (recipients > most_ && transaction->divisible()) {
    entry.owed.resize(recipients);
    std::iota(entry.owed.begin(), entry.owed.end(), 0);
    entry.transaction = std::move(transaction);
    return batch(entry);
  }
  under_way_.push_back(&entry);
  return transaction;
}

// The next transaction of what is owed.
Transaction Batches::batch(Entry& entry) {
  Transaction transaction = *std::exchange(entry.transaction, std::nullopt);
  if (!entry.whole) entry.whole = std::move(transaction.envelope);
  const auto count = static_cast<std::ptrdiff_t>(std::min(most_, entry.owed.size()));
  entry.sent.assign(entry.owed.begin(), entry.owed.begin() + count);
  entry.owed.erase(entry.owed.begin(), entry.owed.begin() + count);
  std::vector<mail::Address> recipients;
  for (const std::size_t i : entry.sent) recipients.push_back(entry.whole->recipients()[i]);
  transaction.envelope = mail::Envelope::make(entry.whole->sender(), recipients).value();
  under_way_.push_back(&entry);
  return transaction;
}

bool Batches::last() const {
  return work_.last() &&
         std::all_of(entries_.begin(), entries_.end(), [](const Entry& entry) { return entry.owed.empty(); });
}

bool Batches::ready() const {
  const auto owing =
      std::find_if(entries_.begin(), entries_.end(), [](const Entry& entry) { return !entry.owed.empty(); });
  if (owing == entries_.end()) return work_.ready();
  return owing->transaction || (!work_.last() && work_.ready());
}

void Batches::done(Transaction& transaction, const Outcome& outcome) {
  Entry& entry = *under_way_.front();
  under_way_.pop_front();
  merge(entry, outcome);
  if (transaction.divisible()) note_crowd(entry, outcome);
  entry.transaction = std::move(transaction);
  if (!entry.owed.empty()) {
    if (!entry.whole) entry.whole = entry.transaction->envelope;
    // What the message as a whole has met, all its recipients have.
    mail::Message& message = entry.transaction->message;
    const bool again = !outcome.failure && message.rewind() && message.prime();
    if (again) return;
    const Verdict unread{.text = "the message can't be read again for further recipients"};
    for (const std::size_t i : std::exchange(entry.owed, {})) {
      Verdict& verdict = entry.outcome->recipients[i];
      if (!verdict.reply) verdict = outcome.failure.value_or(unread);
    }
  }
  if (entry.whole) entry.transaction->envelope = *std::move(entry.whole);
  entry.over = true;
  tell();
}

// Adds what a transaction has come to.
void Batches::merge(Entry& entry, const Outcome& outcome) {
  if (entry.sent.empty()) {
    entry.outcome = outcome;
    entry.sent.resize(outcome.recipients.size());
    std::iota(entry.sent.begin(), entry.sent.end(), 0);
    return;
  }
  if (!entry.outcome) {
    entry.outcome.emplace();
    entry.outcome->recipients.resize(entry.whole->recipients().size());
  }
  Outcome& all = *entry.outcome;
  for (std::size_t i = 0; i < entry.sent.size(); ++i) all.recipients[entry.sent[i]] = outcome.recipients[i];
  if (!all.accepted) all.accepted = outcome.accepted;
  if (!all.failure) all.failure = outcome.failure;
  if (all.accepted) all.failure.reset();
  all.size = std::max(all.size, outcome.size);
  all.time += outcome.time;
}

// Recipients that the server had no room for are owed again, once others have got the message: with nobody before them
// it was not for want of room. How many it takes is remembered.
void Batches::note_crowd(Entry& entry, const Outcome& outcome) {
  if (!outcome.accepted || outcome.accepted_count() == 0) return;
  std::vector<std::size_t> again;
  std::size_t first = 0;  // of them
  for (std::size_t i = 0; i < outcome.recipients.size(); ++i) {
    if (!no_room(outcome.recipients[i])) continue;
    if (again.empty()) first = i;
    again.push_back(entry.sent[i]);
  }
  if (again.empty()) return;
  const auto accepted = static_cast<std::size_t>(
      std::count_if(outcome.recipients.begin(), outcome.recipients.begin() + static_cast<std::ptrdiff_t>(first),
                    [](const Verdict& verdict) { return verdict.fate == Fate::accepted; }));
  const bool all_behind = first + again.size() == outcome.recipients.size();
  if (all_behind && again.size() > 1 && accepted > 0) most_ = std::min(most_, accepted);
  entry.owed.insert(entry.owed.begin(), again.begin(), again.end());
}

void Batches::tell() {
  while (!entries_.empty() && entries_.front().over) {
    Entry& entry = entries_.front();
    work_.done(*entry.transaction, *entry.outcome);
    entries_.pop_front();
  }
}

}  // namespace pillarbox::smtp
