#include "queue/bounce.h"

#include <arpa/inet.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <utility>

#include "base/clock.h"
#include "base/text.h"
#include "mail/xtext.h"
#include "queue/checksum.h"
#include "queue/mime.h"

namespace pillarbox::queue {
namespace {

constexpr std::size_t most_of_content = 1U << 20U;
constexpr std::size_t most_of_header = 65536;
constexpr std::size_t longest_value = 900;  // of a field: its line has 998 octets at most

std::string field(std::string_view name, std::string_view value) {
  return std::string(name) + ": " + ascii_line(value, longest_value) + "\r\n";
}

bool was_given_up(const RecipientState& state) {
  return state.status.starts_with("4.");
}

// "4 days": of a time that people are told, rounded.
std::string in_words(Time::duration time) {
  time = std::max(time, Time::duration::zero());
  const auto hours = std::chrono::duration_cast<std::chrono::hours>(time).count();
  const auto minutes = std::chrono::duration_cast<std::chrono::minutes>(time).count();
  const auto [count, unit] = hours >= 48  ? std::pair((hours + 12) / 24, "day")
                             : hours >= 2 ? std::pair(hours, "hour")
                                          : std::pair(minutes, "minute");
  return std::to_string(count) + ' ' + unit + (count == 1 ? "" : "s");
}

// The first words of a reply: its code, and the enhanced one (RFC 3463) if it has that.
smtp::Reply as_reply(std::string_view text) {
  smtp::ReplyReader reader;
  if (reader.add(text) != smtp::ReplyReader::State::complete) return {};
  return reader.take();
}

std::string status_of(const RecipientState& state, Notice notice) {
  if (!state.status.empty()) return state.status;
  const smtp::Reply reply = as_reply(state.reply);
  const bool fits = notice == Notice::delay ? reply.transient() : reply.permanent();
  if (fits && !reply.enhanced_status().empty()) return reply.enhanced_status();
  return notice == Notice::delay ? "4.0.0" : "5.0.0";
}

// A host as an MTA's name (RFC 3464 section 2.1.2): an address as the literal that it is in mail.
std::string mta_name(const std::string& host) {
  in6_addr address{};
  if (::inet_pton(AF_INET6, host.c_str(), &address) == 1) return "[IPv6:" + host + ']';
  return ::inet_pton(AF_INET, host.c_str(), &address) == 1 ? '[' + host + ']' : host;
}

// Of ORCPT's value, if there was one (RFC 3464 section 2.3.1).
std::string original_recipient(const std::string& value) {
  const std::size_t end = value.find(';');
  if (end == std::string::npos) return "";
  const auto address = mail::from_xtext(std::string_view(value).substr(end + 1));
  return address ? field("Original-Recipient", value.substr(0, end) + "; " + *address) : "";
}

// The part that programs read (RFC 3464 section 2).
std::string delivery_status(const Entry& entry, const State& state, Notice notice,
                            const std::vector<std::size_t>& recipients, const Reporter& reporter) {
  std::string out;
  if (!entry.dsn.envelope_id.empty()) out += field("Original-Envelope-Id", entry.dsn.envelope_id);
  out += field("Reporting-MTA", "dns; " + reporter.host);
  out += field("Arrival-Date", base::rfc5322_date(entry.arrived));
  for (const std::size_t i : recipients) {
    const mail::Address& address = entry.envelope.recipients()[i];
    const RecipientState& recipient = state.recipients[i];
    const std::string text =
        address.needs_smtputf8() ? "utf-8; " + mail::utf8_xtext(address.text()) : "rfc822; " + address.text();
    out += "\r\n" + original_recipient(entry.dsn.about(address).original) + field("Final-Recipient", text);
    out += field("Action", notice == Notice::delay ? "delayed" : "failed");
    out += field("Status", status_of(recipient, notice));
    const bool servers = as_reply(recipient.reply).code != 0;
    if (servers && !recipient.host.empty()) out += field("Remote-MTA", "dns; " + mta_name(recipient.host));
    if (!recipient.reply.empty()) {
      out += field("Diagnostic-Code", (servers ? "smtp; " : "X-Pillarbox; ") + recipient.reply);
    }
    if (state.last) out += field("Last-Attempt-Date", base::rfc5322_date(*state.last));
    out += field("Final-Log-ID", entry.id);
    if (notice == Notice::delay) {
      out += field("Will-Retry-Until", base::rfc5322_date(entry.arrived + reporter.expire));
    }
  }
  return out;
}

// The part that people read.
std::string explanation(const Entry& entry, const State& state, Notice notice,
                        const std::vector<std::size_t>& recipients, const Reporter& reporter, Time now, bool whole) {
  const bool delay = notice == Notice::delay;
  std::string out = "This is the mail system of " + base::escape(reporter.host) + ".\r\n\r\n";
  if (delay) out += "This is a warning only: there is no need to send the message again.\r\n\r\n";
  out += "Your message of " + base::rfc5322_date(entry.arrived);
  out += delay ? " could not be delivered yet to\r\n" : " could not be delivered to\r\n";
  out += recipients.size() == 1 ? "the recipient below." : "the recipients below.";
  if (delay) out += " It is tried until " + base::rfc5322_date(entry.arrived + reporter.expire) + ".\r\n";
  if (!delay) out += whole ? " The message is attached.\r\n" : " The message's header is attached.\r\n";
  for (const std::size_t i : recipients) {
    const RecipientState& recipient = state.recipients[i];
    out += "\r\n" + entry.envelope.recipients()[i].path() + "\r\n";
    if (was_given_up(recipient)) {
      out += "    It was tried for " + in_words(now - entry.arrived) + ", and is not tried any more.\r\n";
    }
    if (!recipient.reply.empty()) out += "    " + base::visible(recipient.reply) + "\r\n";
  }
  return out;
}

struct Original {
  std::string text;
  bool whole;
};

// All of the message if that was asked for, and it is not large and can be attached as it is: message/rfc822 allows no
// encoding but its own. Else its header.
Result<Original> read_original(base::Source& source, bool full) {
  const std::size_t most = full ? most_of_content : most_of_header;
  std::string text;
  std::vector<char> chunk(16384);
  while (text.size() <= most) {
    const auto count = source.read(chunk);
    if (!count) return count.error();
    if (*count == 0) break;
    text.append(chunk.data(), *count);
  }
  if (full && text.size() <= most && is_plain(text, true)) return Original{std::move(text), true};
  if (text.starts_with("\r\n")) return Original{"", false};  // no header, but its end
  if (const std::size_t end = text.find("\r\n\r\n"); end != std::string::npos) text.resize(end + 2);
  if (text.size() > most_of_header) text.resize(most_of_header);
  return Original{std::move(text), false};
}

std::string original_part(const Original& original) {
  if (!original.whole) return text_part("text/rfc822-headers", original.text);
  const std::string encoding = base::is_ascii(original.text) ? "7bit" : "8bit";
  return "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: " + encoding + "\r\n\r\n" + original.text;
}

// The time of its message's, and a word that follows from what it tells.
std::string id_of(const Entry& entry, Notice notice, const std::vector<std::size_t>& recipients) {
  constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyz234567";
  Checksum checksum;
  checksum.add(notice == Notice::delay ? entry.id + " delay" : entry.id);
  for (const std::size_t i : recipients) checksum.add('\n' + entry.envelope.recipients()[i].text());
  const std::string digits = checksum.hex();
  std::string id = entry.id.substr(0, entry.id.find('-') + 1);
  // Each letter is made of two digits, eight bits, of which five are used.
  for (std::size_t i = 0; i < digits.size(); i += 2) {
    const auto value = [](char c) { return static_cast<unsigned>(base::is_digit(c) ? c - '0' : c - 'a' + 10); };
    id += letters[(value(digits[i]) << 4U | value(digits[i + 1])) & 31U];
  }
  return id;
}

// A line that none of the parts holds.
std::string boundary_for(const std::string& id, const std::vector<std::string>& parts) {
  for (unsigned i = 0;; ++i) {
    std::string boundary = id + "=_" + std::to_string(i);  // "=_" is nowhere in quoted-printable
    const auto holds = [&](const std::string& part) { return part.find(boundary) != std::string::npos; };
    if (std::none_of(parts.begin(), parts.end(), holds)) return boundary;
  }
}

// A Message-ID that can be referred to: one in angle brackets, without what would end it or the field.
bool is_message_id(std::string_view text) {
  return text.size() > 2 && text.size() <= longest_value && text.front() == '<' && text.find('>') == text.size() - 1 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

std::string header(const Entry& notification, const Entry& entry, Notice notice, const Reporter& reporter,
                   const std::string& boundary, bool eight_bit) {
  std::string out = field("From", "Mail Delivery System <MAILER-DAEMON@" + reporter.domain + ">");
  // An address beyond ASCII is written as it is (RFC 6532): its server must know SMTPUTF8 anyway.
  out += "To: " + notification.envelope.recipients()[0].path() + "\r\n";
  out += field("Subject", notice == Notice::delay ? "Delivery Status Notification (Delay)"
                                                  : "Delivery Status Notification (Failure)");
  out += field("Date", base::rfc5322_date(notification.arrived)) + field("Message-ID", notification.message_id);
  if (is_message_id(entry.message_id)) {
    out += field("In-Reply-To", entry.message_id) + field("References", entry.message_id);
  }
  out += field("Auto-Submitted", "auto-replied") + field("MIME-Version", "1.0");
  out += "Content-Type: multipart/report; report-type=delivery-status;\r\n boundary=\"" + boundary + "\"\r\n";
  return out + field("Content-Transfer-Encoding", eight_bit ? "8bit" : "7bit");
}

std::vector<std::size_t> told_of(const Entry& entry, const State& state, Notice notice) {
  const Progress wanted = notice == Notice::delay ? Progress::owed : Progress::refused;
  std::vector<std::size_t> recipients;
  for (std::size_t i = 0; i < state.recipients.size() && i < entry.envelope.recipients().size(); ++i) {
    if (state.recipients[i].progress == wanted && may_report(entry, i, notice)) recipients.push_back(i);
  }
  return recipients;
}

}  // namespace

bool may_report(const Entry& entry, std::size_t recipient, Notice notice) {
  if (!entry.bounce_of.empty() || entry.envelope.sender().is_null()) return false;
  const char* const keyword = notice == Notice::delay ? "DELAY" : "FAILURE";
  const std::string notify = entry.dsn.about(entry.envelope.recipients()[recipient]).notify;
  return notify.empty() || notify.find(keyword) != std::string::npos;
}

bool may_report(const Entry& entry, const State& state, Notice notice) {
  return !told_of(entry, state, notice).empty();
}

Result<Report> report_on(const Entry& entry, const State& state, base::Source& original, const Reporter& reporter,
                         Time now, Notice notice) {
  const std::vector<std::size_t> recipients = told_of(entry, state, notice);
  if (recipients.empty()) return Error{Error::Kind::internal, "there is nothing to report"};
  const mail::Address to = reporter.bounce_to ? *reporter.bounce_to : *entry.envelope.sender().address();
  auto envelope = mail::Envelope::make(mail::ReversePath(), {to});
  if (!envelope) return envelope.error();
  const auto attached = read_original(original, notice == Notice::failure && entry.dsn.returned == "FULL");
  if (!attached) return attached.error();

  const std::string id = id_of(entry, notice, recipients);
  Entry notification{.id = id,
                     .arrived = now,
                     .uid = entry.uid,
                     .account = entry.account,
                     .owner = entry.owner,
                     .account_named = entry.account_named,
                     .envelope = *std::move(envelope),
                     .message_id = '<' + id + '@' + ascii_line(reporter.domain, 255) + '>',
                     .bounce_of = entry.id};
  const std::vector<std::string> parts = {
      text_part("text/plain; charset=utf-8",
                explanation(entry, state, notice, recipients, reporter, now, attached->whole)),
      text_part("message/delivery-status", delivery_status(entry, state, notice, recipients, reporter)),
      original_part(*attached)};
  const std::string boundary = boundary_for(id, parts);
  std::string content =
      header(notification, entry, notice, reporter, boundary, attached->whole && !base::is_ascii(attached->text));
  const std::string delimiter = "\r\n--" + boundary;
  for (const std::string& part : parts) {
    content.append(delimiter).append("\r\n").append(part);
    if (!part.ends_with("\r\n")) content += "\r\n";
  }
  content.append(delimiter).append("--\r\n");
  return Report{std::move(notification), std::move(content)};
}

}  // namespace pillarbox::queue
