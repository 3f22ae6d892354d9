#include "smtp/engine.h"

#include <memory>

namespace pillarbox::smtp {
namespace {

using List = std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)>;

List recipient_list(const mail::Envelope& envelope) {
  List list(nullptr, curl_slist_free_all);
  for (const mail::Address& recipient : envelope.recipients()) {
    curl_slist* longer = curl_slist_append(list.get(), recipient.path().c_str());
    if (!longer) throw std::bad_alloc();
    list.release();  // NOLINT(bugprone-unused-return-value): the list's head may have moved
    list.reset(longer);
  }
  return list;
}

}  // namespace

Outcome send_by_engine(Session& session, Transaction& transaction, bool last) {
  const mail::Envelope& envelope = transaction.envelope;
  mail::Message& message = transaction.message;
  const auto began = base::Instant::clock::now();
  if (envelope.needs_smtputf8()) {
    return untried(envelope.recipients().size(),
                   judge({.cause = Failure::Cause::unsupported,
                          .phase = Phase::mail,
                          .text = "an address is not ASCII, which needs a server and a driver with SMTPUTF8",
                          .kind = Error::Kind::data}));
  }
  const List recipients = recipient_list(envelope);
  const std::string sender = envelope.sender().is_null() ? "" : envelope.sender().path();
  session.set(CURLOPT_MAIL_FROM, sender.c_str());
  session.set(CURLOPT_MAIL_RCPT, recipients.get());
  session.set(CURLOPT_MAIL_RCPT_ALLLOWFAILS, transaction.abort_on_reject ? 0L : 1L);
  // Without a declared size: libcurl ends the body where that many bytes have left, stuffed dots counted as well.
  session.set(CURLOPT_UPLOAD, 1L);

  Dialogue& dialogue = session.dialogue();
  for (bool again = true; again;) {
    const bool reused = session.connected();
    if (const auto failure = reused ? dialogue.misfit(message.least_size()) : std::nullopt) {
      return untried(envelope.recipients().size(), judge(*failure));
    }
    dialogue.begin_transaction(envelope.recipients().size(), message.least_size());
    session.run(&message, last);
    // The server may have closed an idle connection at the moment of our MAIL: nothing has happened then.
    const auto& failure = dialogue.failure();
    const bool lost = failure && failure->cause == Failure::Cause::lost && !dialogue.record().heard;
    again = reused && lost && message.untouched();
  }
  session.set(CURLOPT_MAIL_RCPT, static_cast<curl_slist*>(nullptr));
  Outcome outcome = outcome_of(dialogue, message.size());
  outcome.time = base::Instant::clock::now() - began;
  return outcome;
}

void run_engine(Session& session, Work& work, bool disconnect) {
  while (auto transaction = work.next()) {
    const auto verdict = work.given_up();
    const std::size_t recipients = transaction->envelope.recipients().size();
    work.done(*transaction, verdict ? untried(recipients, *verdict)
                                    : send_by_engine(session, *transaction, disconnect || work.last()));
  }
  session.close();
}

}  // namespace pillarbox::smtp
