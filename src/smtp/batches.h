// Batches: work whose messages have more recipients than a transaction may have. What is beyond the limit goes in a
// further transaction of the same message: the limit that the caller sets, and the server's own, of which it speaks in
// its replies to RCPT (452, RFC 5321 section 4.5.3.1.10). The caller sees one message with one outcome.
//
// A message that is all or nothing (abort_on_reject), one that tests the server (continue_on_reject), and one whose
// source can't be read again, stay in one transaction: recipients that the server has no room for are deferred.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <vector>

#include "smtp/work.h"

namespace pillarbox::smtp {

class Batches final : public Work {
 public:
  // most: recipients of a transaction, at least 1.
  Batches(Work& work, std::size_t most) : work_(work), most_(most) {}

  std::optional<Transaction> next() override;
  [[nodiscard]] bool last() const override;
  [[nodiscard]] bool ready() const override;
  void done(Transaction& transaction, const Outcome& outcome) override;
  [[nodiscard]] std::optional<Verdict> given_up() const override { return work_.given_up(); }

 private:
  // One of the caller's, from next() to done().
  struct Entry {
    std::optional<Transaction> transaction = {};  // when no driver has it
    std::optional<mail::Envelope> whole = {};     // if it was divided
    std::vector<std::size_t> sent = {};           // recipients of the transaction under way, by their place
    std::vector<std::size_t> owed = {};           // those of further ones
    std::optional<Outcome> outcome = {};          // so far
    bool over = false;
  };

  Transaction batch(Entry& entry);
  void merge(Entry& entry, const Outcome& outcome);
  void note_crowd(Entry& entry, const Outcome& outcome);
  void tell();

  Work& work_;
  std::size_t most_;
  std::deque<Entry> entries_;     // in the caller's order
  std::deque<Entry*> under_way_;  // in the driver's
};

}  // namespace pillarbox::smtp
