#include "app/probe.h"

#include "base/text.h"

namespace pillarbox::app {
namespace {

std::string_view describe(smtp::TlsMode mode) {
  switch (mode) {
    case smtp::TlsMode::none:
      return "no TLS";
    case smtp::TlsMode::opportunistic:
      return "STARTTLS if offered";
    case smtp::TlsMode::required:
      return "STARTTLS";
    case smtp::TlsMode::implicit:
      return "TLS from the first byte";
  }
  return "";
}

// A header's address list, folded before it is too long.
std::string list_of(const std::vector<mail::Address>& addresses) {
  std::string out;
  for (const mail::Address& address : addresses) out += (out.empty() ? "" : ",\n ") + address.text();
  return out;
}

}  // namespace

std::string probe_message(const Task& task, const smtp::Endpoint& endpoint, const mail::Envelope& envelope,
                          const base::System& system, const base::Clock& clock) {
  const std::string host = base::escape(system.fully_qualified_name());
  const auto& sender = envelope.sender().address();
  const std::string date = base::rfc5322_date(clock.now());
  const auto login = system.login();
  const std::string user = login ? *login : "unknown";
  std::string options;
  for (const std::string& name : task.option_names) options += " --" + name;
  return "Date: " + date + "\nFrom: " + (sender ? sender->text() : user + "@" + host) +
         "\nTo: " + list_of(envelope.recipients()) + "\nSubject: Test message from " + host + "\nMessage-ID: <" +
         base::random_word() + "@" + host + ">" +
         "\nMIME-Version: 1.0\nContent-Type: text/plain; charset=us-ascii\nAuto-Submitted: auto-generated"
         "\nX-Mailer: Pillarbox " PILLARBOX_VERSION
         "\n\nThis is a test message. Nobody has to answer it.\n"
         "\nHost:    " +
         host + "\nUser:    " + user + "\nTime:    " + date + "\nServer:  " + endpoint.name() + ", " +
         std::string(describe(endpoint.tls.mode)) + "\nOptions:" + options + "\n";
}

}  // namespace pillarbox::app
