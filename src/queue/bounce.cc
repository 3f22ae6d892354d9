#include "queue/bounce.h"

#include <arpa/inet.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <utility>

#include "base/clock.h"
#include "base/text.h"
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

std::string status_of(const RecipientState& state) {
  if (!state.status.empty()) return state.status;
  const smtp::Reply reply = as_reply(state.reply);
  return reply.permanent() && !reply.enhanced_status().empty() ? reply.enhanced_status() : "5.0.0";
}

// A host as an MTA's name (RFC 3464 section 2.1.2): an address as the literal that it is in mail.
std::string mta_name(const std::string& host) {
  in6_addr address{};
  if (::inet_pton(AF_INET6, host.c_str(), &address) == 1) return "[IPv6:" + host + ']';
  return ::inet_pton(AF_INET, host.c_str(), &address) == 1 ? '[' + host + ']' : host;
}

// The part that programs read (RFC 3464 section 2).
std::string delivery_status(const Entry& entry, const State& state, const std::vector<std::size_t>& refused,
                            const Reporter& reporter) {
  std::string out;
  if (!entry.dsn.envelope_id.empty()) out += field("Original-Envelope-Id", entry.dsn.envelope_id);
  out += field("Reporting-MTA", "dns; " + reporter.host);
  out += field("Arrival-Date", base::rfc5322_date(entry.arrived));
  for (const std::size_t i : refused) {
    const mail::Address& address = entry.envelope.recipients()[i];
    const RecipientState& recipient = state.recipients[i];
    const std::string text =
        address.needs_smtputf8() ? "utf-8; " + utf8_address(address.text()) : "rfc822; " + address.text();
    out += "\r\n" + field("Final-Recipient", text);
    out += field("Action", "failed") + field("Status", status_of(recipient));
    const bool servers = as_reply(recipient.reply).code != 0;
    if (servers && !recipient.host.empty()) out += field("Remote-MTA", "dns; " + mta_name(recipient.host));
    if (!recipient.reply.empty()) {
      out += field("Diagnostic-Code", (servers ? "smtp; " : "X-Pillarbox; ") + recipient.reply);
    }
    if (state.last) out += field("Last-Attempt-Date", base::rfc5322_date(*state.last));
    out += field("Final-Log-ID", entry.id);
  }
  return out;
}

// The part that people read.
std::string explanation(const Entry& entry, const State& state, const std::vector<std::size_t>& refused,
                        const Reporter& reporter, Time now, bool whole) {
  std::string out = "This is the mail system of " + base::escape(reporter.host) + ".\r\n\r\n";
  out += "Your message of " + base::rfc5322_date(entry.arrived) + " could not be delivered to\r\n";
  out += refused.size() == 1 ? "the recipient below." : "the recipients below.";
  out += whole ? " The message is attached.\r\n" : " The message's header is attached.\r\n";
  for (const std::size_t i : refused) {
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
std::string id_of(const Entry& entry, const std::vector<std::size_t>& refused) {
  constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyz234567";
  Checksum checksum;
  checksum.add(entry.id);
  for (const std::size_t i : refused) checksum.add('\n' + entry.envelope.recipients()[i].text());
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

std::string header(const Entry& notification, const Entry& entry, const Reporter& reporter, const std::string& boundary,
                   bool eight_bit) {
  std::string out = field("From", "Mail Delivery System <MAILER-DAEMON@" + reporter.domain + ">");
  // An address beyond ASCII is written as it is (RFC 6532): its server must know SMTPUTF8 anyway.
  out += "To: " + notification.envelope.recipients()[0].path() + "\r\n";
  out += field("Subject", "Delivery Status Notification (Failure)");
  out += field("Date", base::rfc5322_date(notification.arrived)) + field("Message-ID", notification.message_id);
  if (is_message_id(entry.message_id)) {
    out += field("In-Reply-To", entry.message_id) + field("References", entry.message_id);
  }
  out += field("Auto-Submitted", "auto-replied") + field("MIME-Version", "1.0");
  out += "Content-Type: multipart/report; report-type=delivery-status;\r\n boundary=\"" + boundary + "\"\r\n";
  return out + field("Content-Transfer-Encoding", eight_bit ? "8bit" : "7bit");
}

}  // namespace

bool may_report(const Entry& entry) {
  if (!entry.bounce_of.empty() || entry.envelope.sender().is_null()) return false;
  return entry.dsn.notify.empty() || entry.dsn.notify.find("FAILURE") != std::string::npos;
}

Result<Report> report_on(const Entry& entry, const State& state, base::Source& original, const Reporter& reporter,
                         Time now) {
  std::vector<std::size_t> refused;
  for (std::size_t i = 0; i < state.recipients.size() && i < entry.envelope.recipients().size(); ++i) {
    if (state.recipients[i].progress == Progress::refused) refused.push_back(i);
  }
  if (refused.empty() || !may_report(entry)) return Error{Error::Kind::internal, "there is nothing to report"};
  const mail::Address to = reporter.bounce_to ? *reporter.bounce_to : *entry.envelope.sender().address();
  auto envelope = mail::Envelope::make(mail::ReversePath(), {to});
  if (!envelope) return envelope.error();
  const auto attached = read_original(original, entry.dsn.returned == "FULL");
  if (!attached) return attached.error();

  const std::string id = id_of(entry, refused);
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
      text_part("text/plain; charset=utf-8", explanation(entry, state, refused, reporter, now, attached->whole)),
      text_part("message/delivery-status", delivery_status(entry, state, refused, reporter)), original_part(*attached)};
  const std::string boundary = boundary_for(id, parts);
  std::string content =
      header(notification, entry, reporter, boundary, attached->whole && !base::is_ascii(attached->text));
  const std::string delimiter = "\r\n--" + boundary;
  for (const std::string& part : parts) {
    content.append(delimiter).append("\r\n").append(part);
    if (!part.ends_with("\r\n")) content += "\r\n";
  }
  content.append(delimiter).append("--\r\n");
  return Report{std::move(notification), std::move(content)};
}

}  // namespace pillarbox::queue
