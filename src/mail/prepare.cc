#include "mail/prepare.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "base/text.h"

namespace pillarbox::mail {
namespace {

constexpr std::array<std::string_view, 3> recipient_fields = {"To", "Cc", "Bcc"};
constexpr std::array<std::string_view, 14> address_fields = {"From",
                                                             "Sender",
                                                             "Reply-To",
                                                             "To",
                                                             "Cc",
                                                             "Bcc",
                                                             "Resent-From",
                                                             "Resent-To",
                                                             "Resent-Cc",
                                                             "Resent-Bcc",
                                                             "Resent-Sender",
                                                             "Resent-Reply-To",
                                                             "Errors-To",
                                                             "Disposition-Notification-To"};

bool is_recipient_field(std::string_view name) {
  return std::any_of(recipient_fields.begin(), recipient_fields.end(),
                     [&](std::string_view wanted) { return base::iequals(name, wanted); });
}

// The fields of the first Resent- block, without the "Resent-" of their names. Trace fields may stand in it; another
// field ends it, as does a field that the block has already.
std::vector<std::pair<std::string, const Field*>> first_resent_block(const Header& header) {
  std::vector<std::pair<std::string, const Field*>> block;
  for (const Field& field : header.fields) {
    const std::string name = base::lower(field.name());
    if (!name.starts_with("resent-")) {
      if (!block.empty() && name != "received" && name != "return-path") break;
      continue;
    }
    const std::string short_name = name.substr(7);
    const bool again =
        std::any_of(block.begin(), block.end(), [&](const auto& had) { return had.first == short_name; });
    if (again) break;
    block.emplace_back(short_name, &field);
  }
  return block;
}

Result<std::vector<Mailbox>> mailboxes(const Field& field) {
  auto list = parse_list(field.value());
  if (!list) return std::move(list).error().in("field " + std::string(field.name()));
  return list;
}

Result<void> append_mailboxes(const Field& field, std::vector<Address>& out) {
  auto list = mailboxes(field);
  if (!list) return list.error();
  for (Mailbox& mailbox : *list) out.push_back(std::move(mailbox.address));
  return {};
}

}  // namespace

bool is_resent(const Header& header) {
  return std::any_of(recipient_fields.begin(), recipient_fields.end(),
                     [&](std::string_view name) { return header.has("Resent-" + std::string(name)); });
}

Result<std::vector<Address>> recipients_of(const Header& header) {
  std::vector<Address> recipients;
  if (is_resent(header)) {
    for (const auto& [name, field] : first_resent_block(header)) {
      if (!is_recipient_field(name)) continue;
      if (const auto added = append_mailboxes(*field, recipients); !added) return added.error();
    }
    return recipients;
  }
  for (const Field& field : header.fields) {
    if (!is_recipient_field(field.name())) continue;
    if (const auto added = append_mailboxes(field, recipients); !added) return added.error();
  }
  return recipients;
}

namespace {

// The first mailbox of the first of these fields that is there.
Result<Address> first_of(const Header& header, std::initializer_list<std::string_view> names) {
  const auto block =
      is_resent(header) ? first_resent_block(header) : std::vector<std::pair<std::string, const Field*>>{};
  const auto find = [&](std::string_view name) -> const Field* {
    if (!is_resent(header)) return header.find(name);
    const auto found =
        std::find_if(block.begin(), block.end(), [&](const auto& entry) { return base::iequals(entry.first, name); });
    return found == block.end() ? nullptr : found->second;
  };
  std::string missing;
  for (const std::string_view name : names) {
    missing +=
        (missing.empty() ? "no " : " and no ") + std::string(is_resent(header) ? "Resent-" : "") + std::string(name);
    const Field* field = find(name);
    if (!field) continue;
    auto list = mailboxes(*field);
    if (!list) return list.error();
    if (!list->empty()) return std::move(list->front().address);
  }
  return Error{Error::Kind::data, "the header has " + missing};
}

void keep_first(Header& header, std::string_view name) {
  bool had = false;
  std::erase_if(header.fields,
                [&](const Field& field) { return base::iequals(field.name(), name) && std::exchange(had, true); });
}

std::string mailbox(const Address& address, const std::string& name) {
  return name.empty() ? address.text() : phrase(name) + " <" + address.text() + '>';
}

}  // namespace

Result<Address> sender_of(const Header& header) {
  return first_of(header, {"Sender", "From"});
}

Result<Address> author_of(const Header& header) {
  return first_of(header, {"From"});
}

void enforce_author(Header& header, const Address& author, const std::string& name) {
  const std::string prefix = is_resent(header) ? "Resent-" : "";
  if (prefix.empty()) keep_first(header, "From");  // of Resent-From the others are older blocks'
  const Field* field = header.find(prefix + "From");
  if (!field) return;
  const std::string old(base::trim(field->value()));  // with its folding: no line becomes too long
  const auto had = parse_list(old);
  const bool same = had && had->size() == 1 && had->front().address.local() == author.local() &&
                    base::iequals(had->front().address.domain(), author.domain());
  if (same) return;
  const auto at = field - header.fields.data();
  Header replaced;
  replaced.append(prefix + "From", mailbox(author, name));
  header.fields[static_cast<std::size_t>(at)] = std::move(replaced.fields.front());
  if (prefix.empty() && !old.empty() && !header.has("Reply-To")) header.append("Reply-To", old);
}

void remove_bcc(Header& header) {
  header.remove("Bcc");
  header.remove("Resent-Bcc");
}

void add_missing(Header& header, const Missing& missing) {
  // What the original lacks is not ours to add when it is only sent on.
  const std::string prefix = is_resent(header) ? "Resent-" : "";
  Header added;
  const auto add = [&](const std::string& name, const std::string& value) {
    if (!value.empty() && !header.has(prefix + name)) added.append(prefix + name, value);
  };
  if (missing.author) add("From", mailbox(*missing.author, missing.author_name));
  add("Date", missing.date);
  add("Message-ID", missing.message_id);
  if (missing.to && prefix.empty() && !header.has("To") && !header.has("Cc")) {
    added.append("To", "undisclosed-recipients:;");
  }
  // A Resent- block goes in front of the one that there is.
  auto& fields = header.fields;
  fields.insert(prefix.empty() ? fields.end() : fields.begin(), added.fields.begin(), added.fields.end());
}

void qualify(Header& header, std::string_view domain) {
  for (Field& field : header.fields) {
    const std::string_view name = field.name();
    const bool has_addresses = std::any_of(address_fields.begin(), address_fields.end(),
                                           [&](std::string_view wanted) { return base::iequals(name, wanted); });
    if (!has_addresses) continue;
    const auto list = parse_list(field.value());
    if (!list) continue;
    const std::size_t offset = field.value_offset();
    for (auto mailbox = list->rbegin(); mailbox != list->rend(); ++mailbox) {  // from the end: offsets stay right
      if (mailbox->address.domain().empty()) field.raw.insert(offset + mailbox->end, "@" + std::string(domain));
    }
  }
}

}  // namespace pillarbox::mail
