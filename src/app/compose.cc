#include "app/compose.h"

#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "app/account.h"
#include "app/report.h"
#include "base/spool.h"
#include "base/text.h"
#include "mail/prepare.h"
#include "mail/received.h"

namespace pillarbox::app {

namespace {

// By whose address an account is chosen.
std::optional<mail::Address> author_of(const Request& request, const mail::Header& header) {
  const auto path = mail::ReversePath::parse(request.sender.value_or(""));
  if (path && path->address()) return path->address();
  auto author = mail::author_of(header);
  return author ? std::optional(*std::move(author)) : std::nullopt;
}

}  // namespace

Result<const config::Account*> choose_account(const Request& request, const mail::Header& header,
                                              const config::Settings& settings) {
  return settings.account(request.account, author_of(request, header));
}

std::string why_chosen(const Request& request, const mail::Header& header, const config::Settings& settings) {
  if (request.account) return "named by --account";
  const auto author = author_of(request, header);
  const bool own = author && std::any_of(settings.accounts.begin(), settings.accounts.end(),
                                         [&](const config::Account& account) { return account.is_for(*author); });
  if (own) return "for mail from " + author->text();
  return settings.default_account.empty() ? "the first" : "the default_account";
}

Result<Submission> Composer::compose(const Request& request, mail::HeaderAndBody message) const {
  auto sender = envelope_sender(request);
  if (!sender) return sender.error();
  std::vector<mail::Mailbox> wanted;
  for (const std::string& text : request.recipients) {
    auto list = mail::parse_list(text);
    if (!list) return list.error();
    wanted.insert(wanted.end(), list->begin(), list->end());
  }
  if (request.header_recipients) {
    auto named = mail::recipients_of(message.header);
    if (!named) return named.error();
    std::move(named->begin(), named->end(), std::back_inserter(wanted));
  }
  const auto known = aliases();
  if (!known) return known.error();
  auto recipients = resolve(wanted, *known);
  if (!recipients) return recipients.error();
  auto envelope = mail::Envelope::make(*std::move(sender), *recipients);
  if (!envelope) return envelope.error();
  const auto& from = envelope->sender().address();
  const auto author = from ? Result<mail::Address>(*from) : own_address();
  if (!author) return author.error();
  mail::Header& header = message.header;
  if (auto completed = complete(header, request, *author); !completed) return completed.error();
  const mail::Field* id = header.find("Message-ID");
  const std::string message_id = id ? mail::unfolded(id->value()) : "";

  mail::Survey survey;
  auto body = keep(*message.body, header.text().size(), survey);
  if (!body) return body.error();
  const mail::Recoding recoding = mail::prepare_body(header, survey);
  const bool header_folded = mail::fold_long_lines(header);
  std::uint64_t nuls = message.nuls_dropped;
  if (recoding != mail::Recoding::none) {
    nuls += survey.nuls();
    body->reset(new mail::RecodedSource(std::move(*body), recoding));
  }
  mail::Message content(header.text(), *std::move(body),
                        mail::Normaliser(mail::Normaliser::Part::body, mail::Normaliser::Nul::drop));
  content.keep();  // for the queue, or further recipients
  if (const auto primed = content.prime(); !primed) return primed.error();
  return Submission{
      {.name = "-", .envelope = *std::move(envelope), .message = std::move(content), .dsn = dsn(request.dsn)},
      message_id,
      nuls,
      recoding,
      header_folded};
}

// The body, read to its end, unless it is larger than the account's messages may be.
Result<std::unique_ptr<base::Source>> Composer::keep(base::Source& body, std::uint64_t head,
                                                     mail::Survey& survey) const {
  const std::uint64_t most = account_.max_message_size;
  mail::SurveyedSource surveyed(body, survey);
  auto kept = base::spool(surveyed, spool_, most - std::min(most, head));
  if (kept || kept.error().kind != Error::Kind::data) return kept;
  return Error{Error::Kind::data,
               "the message has more than " + std::to_string(most) + " bytes, the account's max_message_size"};
}

std::string Composer::domain() const {
  return domain_of(account_, system_);
}

Result<config::Aliases> Composer::aliases() const {
  auto aliases = config::Aliases::load(account_.aliases);
  if (!aliases) return aliases;
  for (const std::string& fault : aliases->faults()) complain(program_, fault);
  return aliases;
}

Result<std::vector<mail::Address>> Composer::resolve(const std::vector<mail::Mailbox>& wanted,
                                                     const config::Aliases& aliases) const {
  std::vector<std::string> local;  // not looked up in vain
  if (!aliases.empty()) local = {"localhost", system_.host_name(), system_.fully_qualified_name(), domain()};
  std::vector<mail::Address> recipients;
  for (const mail::Mailbox& mailbox : wanted) {
    const auto expansion = aliases.expand(mailbox, local);
    for (const std::string& warning : expansion.warnings) complain(program_, warning);
    if (expansion.addresses.empty() && !expansion.warnings.empty()) {
      return Error{Error::Kind::no_user, mailbox.address.text() + ": its alias names nobody who can be sent mail"};
    }
    for (const mail::Address& address : expansion.addresses) {
      auto whole = address.qualified(domain());
      if (!whole) return whole.error();
      recipients.push_back(*std::move(whole));
    }
  }
  return recipients;
}

Result<mail::ReversePath> Composer::envelope_sender(const Request& request) const {
  if (request.sender && account_.allow_from_override) {
    auto sender = mail::ReversePath::parse(*request.sender);
    if (!sender || sender->is_null()) return sender;  // a bounce stays one, whatever the account does to senders
    if (account_.sender == config::Sender::keep) {
      auto address = sender->address()->qualified(domain());
      if (!address) return address.error();
      return mail::ReversePath(*std::move(address));
    }
  }
  auto author = own_address();
  if (!author) return author.error();
  return mail::ReversePath(*std::move(author));
}

// The account's address, or the caller's login at the domain.
Result<mail::Address> Composer::own_address() const {
  if (account_.from) return account_.from->qualified(domain());
  return mail::Address::make(system_.login(), domain());
}

// What must not leave goes, what is missing comes.
Result<void> Composer::complete(mail::Header& header, const Request& request, const mail::Address& author) const {
  const config::Headers& wanted = account_.headers;
  header.remove("Return-Path");
  header.remove("Content-Length");
  if (wanted.qualify) mail::qualify(header, domain());
  if (account_.sender == config::Sender::enforce) {
    const auto own = own_address();
    if (!own) return own.error();
    mail::enforce_author(header, *own, author_name(request));
  }
  // Everybody's localhost is the same.
  const bool own_domain = !author.domain().empty() && !base::iequals(author.domain(), "localhost");
  const std::string id_domain = own_domain ? author.domain() : domain();
  const auto now = clock_.now();
  const std::string id = std::to_string(std::chrono::system_clock::to_time_t(now)) + "." + base::random_word();
  const bool anonymous = wanted.from && mail::lacks_author(header);  // else nobody looks the name up
  mail::add_missing(header, {.author = anonymous ? std::optional(author) : std::nullopt,
                             .author_name = anonymous ? author_name(request) : "",
                             .date = wanted.date ? base::rfc5322_date(now) : "",
                             .message_id = wanted.message_id ? "<" + id + "@" + id_domain + ">" : "",
                             .to = wanted.to});
  if (!wanted.keep_bcc) mail::remove_bcc(header);  // last: a Resent-Bcc alone may say that it is sent on
  if (wanted.received) {
    const std::string helo = account_.helo.empty() ? system_.fully_qualified_name() : account_.helo;
    header.fields.insert(header.fields.begin(), {mail::received_field(helo, ::getuid(), now)});
  }
  return {};
}

std::string Composer::author_name(const Request& request) const {
  if (request.full_name) return *request.full_name;
  if (auto name = system_.environment("NAME"); name && !name->empty()) return *name;
  return account_.from_full_name.empty() ? system_.full_name() : account_.from_full_name;
}

smtp::Dsn Composer::dsn(smtp::Dsn asked) const {
  if (asked.notify.empty()) asked.notify = account_.dsn.notify;
  if (asked.returned.empty()) asked.returned = account_.dsn.returned;
  return asked;
}

}  // namespace pillarbox::app
