#include "app/attempt.h"

#include "app/log.h"
#include "app/report.h"

namespace pillarbox::app {

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
    line.text("tls", account->tls == config::Tls::off ? "off" : "on").text("auth", account->auth ? "on" : "off");
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
  if (!attempt.error.empty()) {
    line.text("errormsg", attempt.error);
  } else if (worst && !worst->text.empty()) {
    line.text("errormsg", worst->text);
  }
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

}  // namespace pillarbox::app
