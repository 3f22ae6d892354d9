#include "app/attempt.h"

#include <utility>

#include "app/log.h"
#include "app/report.h"
#include "base/text.h"
#include "config/load.h"

namespace pillarbox::app {
namespace {

// Where the account leaves it to the server, what became of it; where nobody was reached, what was wanted.
bool had_tls(config::Tls wanted, const smtp::Connection& connection) {
  if (wanted != config::Tls::opportunistic || connection.address.empty()) return wanted != config::Tls::off;
  return connection.tls.has_value();
}

}  // namespace

std::vector<std::string> refusals(const mail::Envelope& envelope, const smtp::Outcome& outcome) {
  std::vector<std::string> all;
  for (std::size_t i = 0; i < outcome.recipients.size(); ++i) {
    if (!outcome.refused_alone(i)) continue;
    all.push_back(envelope.recipients().at(i).text() + ": " + outcome.recipients[i].text);
  }
  if (outcome.failure && !outcome.failure->text.empty()) all.push_back(outcome.failure->text);
  return all;
}

void log_attempt(const config::Log& log, const Attempt& attempt, bool urgent, std::string_view program,
                 const base::Clock& clock) {
  const smtp::Outcome& outcome = attempt.outcome;
  const smtp::Verdict* worst = outcome.worst();
  const auto& reply = worst ? worst->reply : outcome.accepted;
  Event line("");
  if (log.json) line.text("timestamp", base::iso8601_utc(clock.now()));
  if (const config::Account* account = attempt.account) {
    line.text("account", account->name).text("host", attempt.host);
  }
  if (const config::Account* account = attempt.envelope ? attempt.account : nullptr) {
    line.text("tls", had_tls(account->tls, attempt.connection) ? "on" : "off");
    line.text("auth", account->auth ? "on" : "off");
    if (account->auth && !account->auth->user.empty()) line.text("user", account->auth->user);
  }
  if (const mail::Envelope* envelope = attempt.envelope) {
    std::vector<std::string> recipients;
    for (const mail::Address& recipient : envelope->recipients()) recipients.push_back(recipient.text());
    const auto& sender = envelope->sender().address();
    line.text("from", sender ? sender->text() : "<>").list("recipients", recipients);
    line.number("mailsize", static_cast<std::int64_t>(outcome.size));
  }
  if (reply) line.number("smtpstatus", reply->code).text("smtpmsg", reply->text());
  std::string error = attempt.error;
  if (error.empty() && attempt.envelope) error = base::join(refusals(*attempt.envelope, outcome), "; ");
  if (error.empty() && worst) error = worst->text;
  if (!error.empty()) line.text("errormsg", error);
  if (attempt.nuls_dropped > 0) line.number("nul_bytes_dropped", static_cast<std::int64_t>(attempt.nuls_dropped));
  if (attempt.recoding == mail::Recoding::fold) line.text("long_lines", "folded");
  if (attempt.recoding == mail::Recoding::quoted_printable) line.text("long_lines", "quoted-printable");
  if (attempt.header_folded) line.text("long_header_lines", "folded");
  line.text("exitcode", exit_name(attempt.exit_code)).text("status", attempt.status);
  if (!attempt.id.empty()) line.text("id", attempt.id);
  if (!attempt.message_id.empty()) line.text("message_id", attempt.message_id);
  if (attempt.envelope) line.seconds("time", outcome.time.count());
  if (const auto warning = write_log(log, line, urgent, clock, {.tag = log.tag})) complain(program, *warning);
}

void log_failure(const Error& error, const std::optional<std::string>& named, const std::optional<std::string>& tag,
                 std::string_view program, const base::System& system, const base::Clock& clock) {
  auto loaded = config::load({.named = named}, system);
  config::Log log = loaded ? std::move(loaded->settings.log) : config::Log{};
  if (tag) log.tag = base::escape(*tag);
  log_attempt(log, {.error = error.text, .exit_code = exit_code(error.kind), .status = "failed"}, true, program, clock);
}

}  // namespace pillarbox::app
