#include "queue/entry.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/system.h"
#include "base/text.h"
#include "mail/xtext.h"
#include "queue/netstring.h"

namespace pillarbox::queue {
namespace {

using base::has_control;

constexpr std::string_view magic = "pillarbox-queue 1\n";
constexpr std::size_t largest_head = 16U << 20U;
constexpr std::size_t longest_account = 256;
constexpr std::size_t longest_message_id = 998;
constexpr std::size_t id_time_digits = 11;  // of five bits: microseconds until the year 3111
constexpr std::size_t id_word_letters = 16;

constexpr std::array<std::pair<Owner, std::string_view>, 3> owners = {
    {{Owner::none, "none"}, {Owner::system, "system"}, {Owner::user, "user"}}};

Error damaged(const std::string& what) {
  return {Error::Kind::data, "is no message of the queue: " + what};
}

// In capitals, and nothing twice.
bool is_notify(std::string_view text) {
  const auto notify = mail::parse_notify(text);
  return text.empty() || (notify && notify->size() == text.size() && base::upper(text) == text);
}

bool is_sound(const smtp::Dsn& dsn) {
  return is_notify(dsn.notify) && (dsn.returned.empty() || dsn.returned == "FULL" || dsn.returned == "HDRS") &&
         (dsn.envelope_id.empty() || mail::is_envelope_id(dsn.envelope_id));
}

bool is_sound(const smtp::RecipientDsn& dsn) {
  return is_notify(dsn.notify) && (dsn.original.empty() || mail::is_original_recipient(dsn.original));
}

// Behind all else, where there is any: messages of before have none.
std::string encode_recipients(const Entry& entry) {
  std::string out;
  bool any = false;
  for (const mail::Address& recipient : entry.envelope.recipients()) {
    const auto found = entry.dsn.of.find(recipient.text());
    const smtp::RecipientDsn dsn = found == entry.dsn.of.end() ? smtp::RecipientDsn() : found->second;
    out += netstring(dsn.notify) + netstring(dsn.original);
    any = any || !dsn.empty();
  }
  return any ? out : "";
}

Result<void> decode_recipients(Netstrings& fields, const mail::Envelope& envelope, smtp::Dsn& dsn) {
  if (fields.at_end()) return {};
  for (const mail::Address& recipient : envelope.recipients()) {
    smtp::RecipientDsn own{std::string(fields.next()), std::string(fields.next())};
    if (fields.failed() || !is_sound(own)) return damaged("what is asked of a recipient is unknown");
    if (!own.empty()) dsn.of.emplace(recipient.text(), std::move(own));
  }
  if (dsn.of.empty()) return damaged("fields in which nothing is asked");  // an entry has one form
  return {};
}

// An address as it was written: what reads as another one is none of ours.
Result<mail::Address> read_address(std::string_view text) {
  auto address = mail::Address::parse(text);
  if (address && address->text() != text) return damaged("an address is not in its own form");
  return address;
}

Result<mail::ReversePath> read_sender(std::string_view text) {
  if (text.empty()) return mail::ReversePath();
  auto address = read_address(text);
  if (!address) return address.error();
  return mail::ReversePath(*std::move(address));
}

Result<mail::Envelope> read_envelope(Netstrings& fields) {
  auto sender = read_sender(fields.next());
  if (!sender) return damaged(sender.error().text);
  std::vector<mail::Address> recipients;
  const std::uint64_t count = fields.number();
  for (std::uint64_t i = 0; i < count && !fields.failed(); ++i) {
    auto address = read_address(fields.next());
    if (!address) return damaged(address.error().text);
    recipients.push_back(*std::move(address));
  }
  if (fields.failed()) return damaged("its fields can't be read");
  auto envelope = mail::Envelope::make(*std::move(sender), recipients);
  if (!envelope) return damaged(envelope.error().text);
  // The state counts them.
  if (envelope->recipients().size() != count) return damaged("a recipient is there twice");
  return envelope;
}

}  // namespace

std::string new_id(Time now) {
  constexpr std::string_view digits = "0123456789abcdefghijklmnopqrstuv";  // in the order of their codes
  const auto since = std::chrono::duration_cast<std::chrono::microseconds>(now.time_since_epoch()).count();
  auto time = static_cast<std::uint64_t>(std::max<std::int64_t>(since, 0));
  std::string id(id_time_digits, '0');
  for (std::size_t i = id_time_digits; i-- > 0; time >>= 5U) id[i] = digits[time & 31U];
  return id + '-' + base::random_word();
}

// Neither "new" nor "failed", nor a name that somebody gave a file by hand, can be taken for one.
bool is_id(std::string_view name) {
  if (name.size() != id_time_digits + 1 + id_word_letters || name[id_time_digits] != '-') return false;
  const std::string_view time = name.substr(0, id_time_digits);
  const std::string_view word = name.substr(id_time_digits + 1);
  return std::all_of(time.begin(), time.end(), [](char c) { return base::is_digit(c) || (c >= 'a' && c <= 'v'); }) &&
         std::all_of(word.begin(), word.end(), [](char c) { return (c >= 'a' && c <= 'z') || (c >= '2' && c <= '7'); });
}

std::string encode(const Entry& entry, std::uint64_t content_size) {
  const auto* const owner =
      std::find_if(owners.begin(), owners.end(), [&](const auto& each) { return each.first == entry.owner; });
  const mail::ReversePath& sender = entry.envelope.sender();
  std::string fields = netstring(entry.id);
  fields += netstring(static_cast<std::uint64_t>(std::max<std::int64_t>(entry.arrived.time_since_epoch().count(), 0)));
  fields += netstring(std::uint64_t{entry.uid});
  fields += netstring(owner->second) + netstring(entry.account) + netstring(entry.account_named ? "named" : "");
  fields += netstring(entry.bounce_of) + netstring(entry.message_id);
  fields += netstring(entry.dsn.notify) + netstring(entry.dsn.returned) + netstring(entry.dsn.envelope_id);
  fields += netstring(content_size);
  fields += netstring(sender.is_null() ? "" : sender.address()->text());
  fields += netstring(std::uint64_t{entry.envelope.recipients().size()});
  for (const mail::Address& recipient : entry.envelope.recipients()) fields += netstring(recipient.text());
  fields += encode_recipients(entry);
  return std::string(magic) + netstring(fields);
}

bool is_later_entry(std::string_view start) {
  return is_of_later_version(start, "pillarbox-queue ", 1);
}

Result<std::size_t> head_size(std::string_view start) {
  if (!start.starts_with(magic)) return damaged("it does not begin as one");
  const std::string_view rest = start.substr(magic.size());
  const std::string_view digits = rest.substr(0, rest.find(':'));
  const auto size = digits.size() < rest.size() ? plain_number(digits) : std::nullopt;
  if (!size || *size > largest_head) return damaged("its fields have no length");
  return magic.size() + digits.size() + 1 + *size + 1;
}

Result<Head> decode(std::string_view head) {
  if (!head.starts_with(magic)) return damaged("it does not begin as one");
  Netstrings whole(head.substr(magic.size()));
  Netstrings fields(whole.next());
  if (whole.failed() || !whole.at_end() || head.size() > largest_head) return damaged("its fields can't be read");

  const std::string_view id = fields.next();
  const std::uint64_t arrived = fields.number();
  const std::uint64_t uid = fields.number();
  const std::string_view owner_name = fields.next();
  const auto* const owner =
      std::find_if(owners.begin(), owners.end(), [&](const auto& each) { return each.second == owner_name; });
  const std::string_view account = fields.next();
  const std::string_view named = fields.next();
  const std::string_view bounce_of = fields.next();
  const std::string_view message_id = fields.next();
  smtp::Dsn dsn{std::string(fields.next()), std::string(fields.next()), std::string(fields.next()), {}};
  const std::uint64_t content_size = fields.number();
  auto envelope = read_envelope(fields);
  if (!envelope) return envelope.error();
  if (const auto read = decode_recipients(fields, *envelope, dsn); !read) return read.error();
  if (!fields.at_end()) return damaged("there is more than its fields");

  if (!is_id(id)) return damaged("its id is none");
  if (arrived > static_cast<std::uint64_t>(Time::max().time_since_epoch().count())) return damaged("its time is none");
  if (uid >= static_cast<uid_t>(-1)) return damaged("its uid is none");
  if (owner == owners.end()) return damaged("its account has an unknown owner");
  const bool has_account = owner->first != Owner::none;
  if (account.size() > longest_account || has_control(account) || has_account == account.empty()) {
    return damaged("its account is none");
  }
  if (!named.empty() && named != "named") return damaged("unknown flags");
  if (!bounce_of.empty() && !is_id(bounce_of)) return damaged("it tells of no message");
  if (message_id.size() > longest_message_id || has_control(message_id)) return damaged("its Message-ID is none");
  if (!is_sound(dsn)) return damaged("what it asks for as notifications is unknown");
  return Head{.entry = {.id = std::string(id),
                        .arrived = Time(Time::duration(static_cast<std::int64_t>(arrived))),
                        .uid = static_cast<uid_t>(uid),
                        .account = std::string(account),
                        .owner = owner->first,
                        .account_named = !named.empty(),
                        .envelope = *std::move(envelope),
                        .dsn = std::move(dsn),
                        .message_id = std::string(message_id),
                        .bounce_of = std::string(bounce_of)},
              .content_size = content_size};
}

}  // namespace pillarbox::queue
