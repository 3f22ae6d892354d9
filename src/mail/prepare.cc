#include "mail/prepare.h"

#include <algorithm>
#include <array>
#include <iterator>
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

bool is_once_a_block(std::string_view short_name) {
  constexpr std::array<std::string_view, 4> once = {"from", "sender", "date", "message-id"};
  return std::find(once.begin(), once.end(), short_name) != once.end();
}

// The fields of the first Resent- block, without the "Resent-" of their names. Trace fields are above a block, and one
// that comes later ends it, as does a field that the block can have only once; other fields may stand in it.
std::vector<std::pair<std::string, const Field*>> first_resent_block(const Header& header) {
  std::vector<std::pair<std::string, const Field*>> block;
  for (const Field& field : header.fields) {
    const std::string name = base::lower(field.name());
    if (!block.empty() && (name == "received" || name == "return-path")) break;
    if (!name.starts_with("resent-")) continue;
    const std::string short_name = name.substr(7);
    const bool again = is_once_a_block(short_name) && std::any_of(block.begin(), block.end(), [&](const auto& had) {
                         return had.first == short_name;
                       });
    if (again) break;
    block.emplace_back(short_name, &field);
  }
  return block;
}

// A field of what the message is now: of its first Resent- block where it is sent on. The name is without "Resent-".
const Field* find_own(const Header& header, std::string_view name) {
  if (!is_resent(header)) return header.find(name);
  const auto block = first_resent_block(header);
  const auto found =
      std::find_if(block.begin(), block.end(), [&](const auto& entry) { return base::iequals(entry.first, name); });
  return found == block.end() ? nullptr : found->second;
}

Result<std::vector<Mailbox>> mailboxes(const Field& field) {
  auto list = parse_list(field.value());
  if (!list) return std::move(list).error().in("field " + std::string(field.name()));
  return list;
}

Result<void> append_mailboxes(const Field& field, std::vector<Mailbox>& out) {
  auto list = mailboxes(field);
  if (!list) return list.error();
  std::move(list->begin(), list->end(), std::back_inserter(out));
  return {};
}

}  // namespace

bool is_resent(const Header& header) {
  return std::any_of(recipient_fields.begin(), recipient_fields.end(),
                     [&](std::string_view name) { return header.has("Resent-" + std::string(name)); });
}

Result<std::vector<Mailbox>> recipients_of(const Header& header, Resent resent) {
  std::vector<Mailbox> recipients;
  if (is_resent(header) && resent == Resent::first_block) {
    for (const auto& [name, field] : first_resent_block(header)) {
      if (!is_recipient_field(name)) continue;
      if (const auto added = append_mailboxes(*field, recipients); !added) return added.error();
    }
    return recipients;
  }
  const std::string_view prefix = is_resent(header) ? "Resent-" : "";
  for (const Field& field : header.fields) {
    if (!base::istarts_with(field.name(), prefix) || !is_recipient_field(field.name().substr(prefix.size()))) continue;
    if (const auto added = append_mailboxes(field, recipients); !added) return added.error();
  }
  return recipients;
}

namespace {

// The first mailbox of the first of these fields that is there.
Result<Address> first_of(const Header& header, std::initializer_list<std::string_view> names) {
  std::string missing;
  for (const std::string_view name : names) {
    missing +=
        (missing.empty() ? "no " : " and no ") + std::string(is_resent(header) ? "Resent-" : "") + std::string(name);
    const Field* field = find_own(header, name);
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
  if (name.empty()) return address.text();
  const std::string words = phrase(name);
  const std::string path = address.path();
  // A line with an encoded word has 76 characters at most (RFC 2047 section 2); "Resent-From: " may stand in front.
  const std::size_t last_line = words.size() - (words.rfind('\n') + 1) + 13;
  const bool fold = words.starts_with("=?") && last_line + 1 + path.size() > 76;
  return words + (fold ? "\r\n " : " ") + path;
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
  const Field* field = find_own(header, "From");
  if (!field && !prefix.empty()) add_missing(header, {.author = author, .author_name = name});
  if (!field) return;
  const std::string old(base::trim(field->value()));  // with its folding: no line becomes too long
  const auto had = parse_list(old);
  if (had && had->size() == 1 && had->front().address.key() == author.key()) return;
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

bool lacks_author(const Header& header) {
  return find_own(header, "From") == nullptr;
}

void add_missing(Header& header, const Missing& missing) {
  // What the original lacks is not ours to add when it is only sent on.
  const std::string prefix = is_resent(header) ? "Resent-" : "";
  Header added;
  const auto add = [&](const std::string& name, const std::string& value) {
    if (!value.empty() && !find_own(header, name)) added.append(prefix + name, value);
  };
  if (missing.author) add("From", mailbox(*missing.author, missing.author_name));
  add("Date", missing.date);
  add("Message-ID", missing.message_id);
  if (missing.to && prefix.empty() && !header.has("To") && !header.has("Cc")) {
    added.append("To", "undisclosed-recipients:;");
  }
  // What a block lacks goes in front of it: between the two there must be no trace field.
  auto& fields = header.fields;
  const auto place = prefix.empty() ? fields.end() : std::find_if(fields.begin(), fields.end(), [](const Field& field) {
    return base::istarts_with(field.name(), "Resent-");
  });
  fields.insert(place, added.fields.begin(), added.fields.end());
}

void qualify(Header& header, std::string_view domain) {
  for (Field& field : header.fields) {
    const std::string_view name = field.name();
    const bool has_addresses = std::any_of(address_fields.begin(), address_fields.end(),
                                           [&](std::string_view wanted) { return base::iequals(name, wanted); });
    if (!has_addresses) continue;
    const auto list = parse_list(field.value());
    if (!list) continue;
    const std::string_view old = field.raw;
    const std::size_t offset = field.value_offset();
    std::string raw;
    std::size_t at = 0;
    const auto copy_until = [&](std::size_t end) {
      raw += old.substr(at, end - at);
      at = end;
    };
    for (const Mailbox& mailbox : *list) {
      copy_until(offset + mailbox.begin);
      if (mailbox.escaped) {  // for whoever reads the aliases: no backslash stands outside quotes in a header
        raw += mailbox.address.local();
        at = offset + mailbox.end;
      }
      copy_until(offset + mailbox.end);
      if (mailbox.address.domain().empty()) raw.append("@").append(domain);
    }
    copy_until(old.size());
    field.raw = std::move(raw);
  }
}

namespace {

// A body that is made of parts, which may have encodings of their own, has none itself.
bool has_parts(const Header& header) {
  const Field* type = header.find("Content-Type");
  const std::string value = type ? unfolded(type->value()) : "";
  return base::istarts_with(value, "multipart/") || base::istarts_with(value, "message/");
}

std::string charset_of(const Survey& survey) {
  if (!survey.has_8bit()) return "US-ASCII";
  return survey.is_utf8() ? "UTF-8" : "unknown-8bit";  // RFC 1428
}

}  // namespace

Recoding prepare_body(Header& header, const Survey& survey) {
  const bool encoded = header.has("Content-Transfer-Encoding");
  const bool labelled = encoded || header.has("Content-Type") || header.has("MIME-Version");
  const bool too_long = survey.longest_line() > longest_line;
  if (too_long && (encoded || has_parts(header))) return Recoding::fold;
  // What is only sent on is labelled by whoever wrote it.
  const bool bare_text = survey.has_8bit() && survey.is_utf8() && !labelled && !is_resent(header);
  if (!too_long && !bare_text) return Recoding::none;
  if (!header.has("MIME-Version")) header.append("MIME-Version", "1.0");
  if (!header.has("Content-Type")) header.append("Content-Type", "text/plain; charset=" + charset_of(survey));
  header.append("Content-Transfer-Encoding", too_long ? "quoted-printable" : "8bit");
  return too_long ? Recoding::quoted_printable : Recoding::none;
}

namespace {

// Of more blanks than that, a line that is too long keeps one, and of those at its end none: no fold is to make a line
// of nothing but blanks.
constexpr std::size_t longest_gap = 100;

std::string with_short_gaps(std::string_view text) {
  const std::size_t last = text.find_last_not_of(" \t");
  if (last == std::string_view::npos) return " ";
  text = text.substr(0, last + 1);
  std::string out;
  while (!text.empty()) {
    const std::size_t blanks = std::min(text.find_first_not_of(" \t"), text.size());
    out += text.substr(0, blanks > longest_gap ? 1 : blanks);
    text.remove_prefix(blanks);
    const std::size_t rest = std::min(text.find_first_of(" \t"), text.size());
    out += text.substr(0, rest);
    text.remove_prefix(rest);
  }
  return out;
}

// Tells quoted strings (RFC 5322 section 3.2.4) from what is around them.
class Quotes {
 public:
  // Takes the next character. True if it is outside.
  bool outside(char c) {
    const bool special = !std::exchange(escaped_, false);
    escaped_ = special && quoted_ && c == '\\';
    if (special && c == '"') quoted_ = !quoted_;
    return !quoted_;
  }

 private:
  bool quoted_ = false;
  bool escaped_ = false;
};

// Between two characters, and outside an encoded word that has text in front of it; text: where that begins.
std::size_t character_edge(std::string_view line, std::size_t text) {
  std::size_t end = longest_line;
  while (end > longest_line - 3 && (static_cast<unsigned char>(line[end]) & 0xC0) == 0x80) --end;
  const std::size_t word = line.rfind("=?", end - 1);
  if (word == std::string_view::npos || word <= text) return end;
  line = line.substr(0, word + longest_line);  // what no line can hold is cut where it must be
  // Behind its charset and its encoding (RFC 2047 section 2) its text ends it.
  const std::size_t charset_end = line.find('?', word + 2);
  const std::size_t encoding_end =
      charset_end == std::string_view::npos ? charset_end : line.find('?', charset_end + 1);
  const std::size_t close = encoding_end == std::string_view::npos ? encoding_end : line.find("?=", encoding_end + 1);
  return close != std::string_view::npos && close + 2 > end ? word : end;
}

// Where to end a line that is too long: before a blank behind its beginning, else behind an element of a list, else
// between two characters. quotes: as they are where the line begins.
std::size_t fold_point(std::string_view line, std::size_t beginning, Quotes quotes) {
  const std::size_t text = line.find_first_not_of(" \t", beginning);
  const std::size_t blank = line.find_last_of(" \t", longest_line);
  if (blank != std::string_view::npos && text < blank) return blank;
  std::size_t element_end = 0;
  for (std::size_t i = 0; i < longest_line; ++i) {
    if (quotes.outside(line[i]) && i >= beginning && (line[i] == ',' || line[i] == '>')) element_end = i + 1;
  }
  return element_end > 0 ? element_end : character_edge(line, text);
}

// A line of a field, without its line end; beginning is where its text begins.
std::string folded(std::string line, std::size_t beginning) {
  std::string out;
  Quotes quotes;
  std::size_t at = 0;
  while (line.size() - at > longest_line) {
    const std::string_view rest = std::string_view(line).substr(at);
    const std::size_t end = fold_point(rest, beginning, quotes);
    for (const char c : rest.substr(0, end)) (void)quotes.outside(c);
    out.append(rest.substr(0, end)).append("\r\n");
    at += end;
    if (!base::is_blank(line[at])) line[--at] = ' ';  // over what is out already
    beginning = 0;
  }
  return out.append(line, at).append("\r\n");
}

}  // namespace

bool fold_long_lines(Header& header) {
  bool any = false;
  for (Field& field : header.fields) {
    const auto lines = base::split(field.raw, '\n');
    if (std::all_of(lines.begin(), lines.end(), [](auto line) { return line.size() <= longest_line + 1; })) continue;
    any = true;
    std::string raw;
    for (std::string_view line : lines) {
      line = line.substr(0, line.find('\r'));
      if (line.empty()) continue;  // behind the last line end
      const bool first = raw.empty();
      // Without blanks before the colon: no line may end there.
      const std::string start = first ? std::string(field.name()) + ':' : "";
      if (first) line.remove_prefix(field.value_offset());
      raw += line.size() + start.size() <= longest_line ? start + std::string(line) + "\r\n"
                                                        : folded(start + with_short_gaps(line), start.size());
    }
    field.raw = std::move(raw);
  }
  return any;
}

}  // namespace pillarbox::mail
