#include "smtp/outcome.h"

#include <algorithm>

namespace pillarbox::smtp {
namespace {

using Kind = Error::Kind;
using Cause = Failure::Cause;

bool before_mail(Phase phase) {
  return phase < Phase::mail;
}

// There was no connection, or nobody at its other end who would talk.
bool before_ehlo(const Failure& failure) {
  switch (failure.cause) {
    case Cause::refused:
    case Cause::lost:
    case Cause::timeout:
    case Cause::protocol:
    case Cause::unknown_host:
    case Cause::unresolved:
    case Cause::unreachable:
      return failure.phase <= Phase::greeting;
    default:
      return false;
  }
}

// What a refusal is worth depends on what was refused (sysexits.h).
Kind refusal_kind(Phase phase, const Reply& reply) {
  if (reply.transient()) return Kind::temporary;
  if (!reply.permanent()) return Kind::protocol;
  if (phase == Phase::rcpt) return Kind::no_user;
  if (phase == Phase::auth) return Kind::no_permission;
  return Kind::unavailable;
}

Kind kind_of(const Failure& failure) {
  switch (failure.cause) {
    case Cause::refused:
      return refusal_kind(failure.phase, *failure.reply);
    case Cause::lost:
    case Cause::timeout:
    case Cause::stopped:
    case Cause::unresolved:
    case Cause::unreachable:
      return Kind::temporary;
    case Cause::protocol:
      return Kind::protocol;
    case Cause::unknown_host:
      return Kind::no_host;
    case Cause::tls_not_offered:
    case Cause::tls_failed:
    case Cause::certificate:
    case Cause::too_large:
      return Kind::unavailable;
    case Cause::auth_not_offered:
    case Cause::cleartext:
      return Kind::no_permission;
    case Cause::unsupported:
    case Cause::source:
    case Cause::local:
      return failure.kind;
  }
  return Kind::internal;
}

std::string with(const std::string& what, const std::string& detail) {
  return detail.empty() ? what : what + ": " + detail;
}

// The connection failed, and no reply says what became of the transaction.
bool unanswered(const Failure& failure) {
  return failure.cause == Cause::lost || failure.cause == Cause::timeout || failure.cause == Cause::stopped ||
         failure.cause == Cause::protocol;
}

std::string text_of(const Failure& failure) {
  const bool open = failure.phase == Phase::dot && unanswered(failure);
  const std::string where = describe(failure.phase) + (open ? ", which may have arrived" : "");
  switch (failure.cause) {
    case Cause::refused:
      return with(where + " was refused: " + std::to_string(failure.reply->code) + " " + failure.reply->text(),
                  failure.text);
    case Cause::lost:
      return with("the connection was lost during " + where, failure.text);
    case Cause::timeout:
      return with("timed out during " + where, failure.text);
    case Cause::stopped:
      return "stopped by a signal during " + where;
    case Cause::protocol:
      return with("the server broke the protocol at " + where, failure.text);
    case Cause::unknown_host:
      return with("the host is unknown", failure.text);
    case Cause::unresolved:
      return with("the host's address can't be had at the moment", failure.text);
    case Cause::unreachable:
      return with("no connection", failure.text);
    case Cause::tls_not_offered:
      return "TLS is required, and the server does not offer STARTTLS";
    case Cause::tls_failed:
      return with("TLS failed", failure.text);
    case Cause::certificate:
      return with("the server's certificate is not to be trusted", failure.text);
    case Cause::auth_not_offered:
      return with("no login", failure.text);
    case Cause::cleartext:
      return "the password would cross the network in the clear; it was not sent";
    case Cause::too_large:
      return with("too large for the server", failure.text);
    case Cause::unsupported:
    case Cause::source:
    case Cause::local:
      return failure.text;
  }
  return {};
}

// Of the oldest transaction. The connection may have ended with another; a message that was said to its end may have
// been taken all the same.
Failure failure_of(const Dialogue& dialogue) {
  Failure failure = *dialogue.failure();
  const Record& record = dialogue.record();
  if (failure.reply && !record.failure && record.ended) {  // the reply was to another's command
    failure.text = "the server ended it with " + std::to_string(failure.reply->code) + " " + failure.reply->text();
    failure.cause = Cause::lost;
    failure.reply.reset();
  }
  if (unanswered(failure) && record.ended) failure.phase = Phase::dot;
  return failure;
}

bool sent_for_nobody(const Record& record) {
  return record.for_nobody && record.answered == record.recipients.size() && !record.granted();
}

// The verdict on one recipient whose RCPT was answered.
Verdict verdict_on(const Reply& reply) {
  if (reply.positive()) return {.fate = Fate::accepted, .reply = reply};
  return judge({.cause = Cause::refused, .phase = Phase::rcpt, .reply = reply});
}

}  // namespace

Verdict judge(const Failure& failure) {
  const Kind kind = kind_of(failure);
  // A connection that broke, a server out of its mind: another day it may work.
  const bool later = kind == Kind::temporary || kind == Kind::protocol;
  return {.fate = later ? Fate::deferred : Fate::rejected,
          .kind = kind,
          .account = before_mail(failure.phase) && failure.cause != Cause::source &&
                     failure.cause != Cause::unsupported && failure.cause != Cause::stopped,
          .elsewhere = before_ehlo(failure),
          .stopped = failure.cause == Cause::stopped && failure.phase != Phase::dot,
          .passing = failure.cause == Cause::lost || (failure.reply && failure.reply->transient()),
          .text = (before_mail(failure.phase) && !failure.host.empty() ? failure.host + ": " : "") + text_of(failure),
          .reply = failure.reply};
}

Verdict ending_of(const Dialogue& dialogue) {
  return judge(dialogue.failure().value_or(Failure{.cause = Cause::lost, .phase = dialogue.phase()}));
}

std::size_t Outcome::accepted_count() const {
  return static_cast<std::size_t>(
      std::count_if(recipients.begin(), recipients.end(), [](const Verdict& v) { return v.fate == Fate::accepted; }));
}

bool Outcome::refused_alone(std::size_t i) const {
  const Verdict& verdict = recipients[i];
  if (verdict.fate == Fate::accepted || (failure && failure->text == verdict.text)) return false;
  return verdict.reply || accepted || verdict.kind == Kind::no_user;
}

const Verdict* Outcome::worst() const {
  const Verdict* later = nullptr;
  for (const Verdict& verdict : recipients) {
    if (verdict.fate == Fate::accepted) continue;
    if (verdict.kind != Kind::temporary) return &verdict;
    if (!later || (verdict.reply && !later->reply)) later = &verdict;
  }
  return later;
}

Outcome outcome_of(const Dialogue& dialogue, std::uint64_t size) {
  Outcome outcome{.recipients = {}, .accepted = dialogue.accepted(), .failure = std::nullopt, .size = size, .time = {}};
  if (!outcome.accepted && dialogue.failure()) outcome.failure = judge(failure_of(dialogue));
  // A 421 ends the session: what was said before it is no longer to be relied on, and it was about no recipient. Unless
  // all of them had been refused before the text was sent for nobody, a test: then nothing changes that any more.
  const bool closing = outcome.failure && outcome.failure->reply && outcome.failure->reply->code == 421 &&
                       !(dialogue.failure()->phase > Phase::rcpt && sent_for_nobody(dialogue.record()));
  const Verdict unsent{.text = "the message was not sent because of another recipient"};
  for (const Recipient& recipient : dialogue.recipients()) {
    const bool answered = recipient.reply && !closing;
    Verdict verdict = answered ? verdict_on(*recipient.reply) : unsent;
    if (outcome.failure && (!answered || verdict.fate == Fate::accepted)) verdict = *outcome.failure;
    // Nobody has a message that was not taken, whatever was said to RCPT.
    if (verdict.fate == Fate::accepted && !outcome.accepted) verdict = unsent;
    outcome.recipients.push_back(std::move(verdict));
  }
  return outcome;
}

Outcome untried(std::size_t recipients, const Verdict& verdict) {
  return {.recipients = std::vector<Verdict>(recipients, verdict), .accepted = std::nullopt, .failure = verdict};
}

}  // namespace pillarbox::smtp
