// Work: messages to be submitted one after another, and whom to tell what became of each. What the drivers share.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "mail/envelope.h"
#include "mail/message.h"
#include "smtp/outcome.h"

namespace pillarbox::smtp {

// What RCPT's parameters say of one recipient.
struct RecipientDsn {
  std::string notify = {};    // as Dsn's; "": what is said of all
  std::string original = {};  // ORCPT's value; "": the recipient itself

  [[nodiscard]] bool empty() const { return notify.empty() && original.empty(); }
};

// Delivery status notifications (RFC 3461): what MAIL's and RCPT's parameters say where DSN is offered.
struct Dsn {
  std::string notify = {};       // "NEVER", or "SUCCESS,FAILURE,DELAY" or some of these; "": the server's default
  std::string returned = {};     // "FULL" or "HDRS"
  std::string envelope_id = {};  // 100 printable characters at most
  // Of recipients, by their addresses' text(), of whom something else is said than of all; in whatever transaction.
  std::map<std::string, RecipientDsn> of = {};

  [[nodiscard]] bool wanted() const {
    return !notify.empty() || !returned.empty() || !envelope_id.empty() || !of.empty();
  }
  // Notify is filled in.
  [[nodiscard]] RecipientDsn about(const mail::Address& recipient) const {
    const auto found = of.empty() ? of.end() : of.find(recipient.text());
    RecipientDsn own = found == of.end() ? RecipientDsn() : found->second;
    if (own.notify.empty()) own.notify = notify;
    return own;
  }
};

struct Transaction {
  std::string name;  // the caller's, for what it has to tell
  mail::Envelope envelope;
  mail::Message message;
  bool abort_on_reject = false;     // no DATA if any recipient was refused
  bool continue_on_reject = false;  // DATA and the body even if all were: for testing servers
  Dsn dsn = {};

  // Recipients that the server has no room for may get it in a further transaction.
  [[nodiscard]] bool divisible() const {
    return envelope.recipients().size() > 1 && !abort_on_reject && !continue_on_reject;
  }
};

class Work {
 public:
  virtual ~Work() = default;
  // The next one; nothing if there is none left, or if it is pointless to go on.
  virtual std::optional<Transaction> next() = 0;
  // There is nothing left, as far as is known: recipients that the server has no room for may come again.
  [[nodiscard]] virtual bool last() const = 0;
  // next() gives at once, and does not wait for somebody to write.
  [[nodiscard]] virtual bool ready() const = 0;
  // What became of one: in the order in which next() gave them.
  virtual void done(Transaction& transaction, const Outcome& outcome) = 0;
  // Why nothing else is to be tried on this account, if so.
  [[nodiscard]] virtual std::optional<Verdict> given_up() const = 0;
};

}  // namespace pillarbox::smtp
