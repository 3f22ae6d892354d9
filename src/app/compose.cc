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

// A name that says nothing of the host: "localhost", "localhost.localdomain" and the like.
bool is_everybodys(std::string_view domain) {
  return domain.empty() || base::istarts_with(domain, "localhost");
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
  std::vector<smtp::RecipientDsn> asked;  // of those who are wanted
  std::size_t at = 0;
  for (const std::string& text : request.recipients) {
    auto list = mail::parse_list(text);
    if (!list) return list.error();
    wanted.insert(wanted.end(), list->begin(), list->end());
    asked.resize(wanted.size(), at < request.asked.size() ? request.asked[at] : smtp::RecipientDsn());
    ++at;
  }
  if (request.header_recipients) {
    auto named = mail::recipients_of(message.header, mail::Resent::all);
    if (!named) return named.error();
    std::move(named->begin(), named->end(), std::back_inserter(wanted));
  }
  const auto known = aliases(wanted);
  if (!known) return known.error();
  auto resolved = resolve(wanted, *known);
  if (!resolved) return resolved.error();
  if (resolved->recipients.empty() && !resolved->unreachable.empty()) {
    std::vector<std::string> all;
    for (const mail::Address& address : resolved->unreachable) all.push_back(address.text() + ": " + names_nobody);
    return Error{Error::Kind::no_user, base::join(all, "; ")};
  }
  auto envelope = mail::Envelope::make(*std::move(sender), resolved->recipients);
  if (!envelope) return envelope.error();
  const auto& from = envelope->sender().address();
  const auto author = from ? Result<mail::Address>(*from) : own_address(account_, system_);
  if (!author) return author.error();
  mail::Header& header = message.header;
  if (auto completed = complete(header, request, *author); !completed) return completed.error();
  const mail::Field* id = header.find("Message-ID");
  std::string message_id = id ? mail::unfolded(id->value()) : "";
  smtp::Dsn dsn = about_reports(request.dsn, *resolved, asked);

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
  // Nothing here may throw: GCC 12 would destroy what stands twice.
  return Submission{
      {.name = "-", .envelope = *std::move(envelope), .message = std::move(content), .dsn = std::move(dsn)},
      std::move(message_id),
      nuls,
      recoding,
      header_folded,
      std::move(resolved->unreachable)};
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

std::vector<std::string> Composer::local_domains() const {
  return {"localhost", system_.host_name(), system_.fully_qualified_name(), domain()};
}

Result<config::Aliases> Composer::aliases(const std::vector<mail::Mailbox>& wanted) const {
  auto aliases = config::Aliases::load(account_.aliases);
  if (!aliases) {
    const auto local = local_domains();
    const bool needed = std::any_of(wanted.begin(), wanted.end(), [&](const mail::Mailbox& mailbox) {
      return config::Aliases::concerns(mailbox, local);
    });
    if (needed) return aliases;
    complain(program_, aliases.error());
    return config::Aliases();
  }
  for (const std::string& fault : aliases->faults()) complain(program_, fault);
  return aliases;
}

Result<Composer::Resolved> Composer::resolve(const std::vector<mail::Mailbox>& wanted,
                                             const config::Aliases& aliases) const {
  // Not looked up in vain.
  const auto local = aliases.empty() ? std::vector<std::string>() : local_domains();
  Resolved resolved;
  const auto add = [&](std::vector<mail::Address>& list, const mail::Address& address) -> Result<void> {
    auto whole = address.qualified(domain());
    if (!whole) return whole.error();
    list.push_back(*std::move(whole));
    return {};
  };
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const mail::Mailbox& mailbox = wanted[i];
    const auto expansion = aliases.expand(mailbox, local);
    for (const std::string& warning : expansion.warnings) complain(program_, warning);
    if (expansion.addresses.empty()) {
      if (auto added = add(resolved.unreachable, mailbox.address); !added) return added.error();
      resolved.unreachable_origins.push_back(i);
    }
    for (const mail::Address& address : expansion.addresses) {
      if (auto added = add(resolved.recipients, address); !added) return added.error();
    }
    resolved.origins.resize(resolved.recipients.size(), i);
  }
  return resolved;
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
  auto author = own_address(account_, system_);
  if (!author) return author.error();
  return mail::ReversePath(*std::move(author));
}

// What must not leave goes, what is missing comes.
Result<void> Composer::complete(mail::Header& header, const Request& request, const mail::Address& author) const {
  const config::Headers& wanted = account_.headers;
  header.remove("Return-Path");
  header.remove("Content-Length");
  if (wanted.qualify) mail::qualify(header, domain());
  if (account_.sender == config::Sender::enforce) {
    const auto own = own_address(account_, system_);
    if (!own) return own.error();
    mail::enforce_author(header, *own, author_name(request));
  }
  const auto now = clock_.now();
  const std::string id = std::to_string(std::chrono::system_clock::to_time_t(now)) + "." + base::random_word();
  const bool anonymous = wanted.from && mail::lacks_author(header);  // else nobody looks the name up
  mail::add_missing(header, {.author = anonymous ? std::optional(author) : std::nullopt,
                             .author_name = anonymous ? author_name(request) : "",
                             .date = wanted.date ? base::rfc5322_date(now) : "",
                             .message_id = wanted.message_id ? "<" + id + "@" + id_domain(author) + ">" : "",
                             .to = wanted.to});
  if (!wanted.keep_bcc) mail::remove_bcc(header);  // last: a Resent-Bcc alone may say that it is sent on
  if (wanted.received) {
    const std::string helo = account_.helo.empty() ? system_.fully_qualified_name() : account_.helo;
    header.fields.insert(header.fields.begin(), {mail::received_field(helo, ::getuid(), now)});
  }
  return {};
}

std::string Composer::id_domain(const mail::Address& author) const {
  if (!is_everybodys(author.domain())) return author.domain();
  for (const std::string& name : {domain(), account_.helo}) {
    if (!is_everybodys(name)) return name;
  }
  for (const config::Host& host : account_.hosts) {
    const bool number =
        host.name.empty() || !base::is_alpha(host.name.back()) || host.name.find(':') != std::string::npos;
    std::string name = number ? "" : mail::to_ascii(host.name);
    if (!is_everybodys(name)) return name;
  }
  return "pillarbox.invalid";  // nobody's; the rest of the id is like no other
}

std::string Composer::author_name(const Request& request) const {
  if (request.full_name) return *request.full_name;
  if (auto name = system_.environment("NAME"); name && !name->empty()) return *name;
  return account_.from_full_name.empty() ? system_.full_name() : account_.from_full_name;
}

// What was asked of a recipient is asked of all that an alias makes of it.
smtp::Dsn Composer::about_reports(smtp::Dsn dsn, const Resolved& resolved,
                                  const std::vector<smtp::RecipientDsn>& asked) const {
  if (dsn.notify.empty()) dsn.notify = account_.dsn.notify;
  if (dsn.returned.empty()) dsn.returned = account_.dsn.returned;
  const auto take = [&](const std::vector<mail::Address>& recipients, const std::vector<std::size_t>& origins) {
    for (std::size_t i = 0; i < recipients.size(); ++i) {  // who is named twice has the first one's words
      if (origins[i] < asked.size()) dsn.of.emplace(recipients[i].text(), asked[origins[i]]);
    }
  };
  if (std::all_of(asked.begin(), asked.end(), [](const auto& each) { return each.empty(); })) return dsn;
  take(resolved.recipients, resolved.origins);
  take(resolved.unreachable, resolved.unreachable_origins);
  std::erase_if(dsn.of, [](const auto& each) { return each.second.empty(); });
  return dsn;
}

}  // namespace pillarbox::app
