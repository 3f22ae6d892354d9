// The header of any input: the pieces it comes in make no difference, what is kept is well-formed and reads back as
// itself, and no Bcc survives its removal, wherever a server might look for one.
#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include "mail/header.h"
#include "mail/prepare.h"
#include "target.h"

using namespace pillarbox;

namespace {

constexpr std::size_t many = (1U << 20U) + 1;  // NULs, more than wait with their line

struct Parts {
  mail::Header header;
  std::string envelope_line;
  std::string body;
};

Parts scan(std::string_view text, std::size_t piece) {
  auto read = mail::read_header(std::make_unique<fuzz::Pieces>(text, piece), mail::Normaliser::Nul::drop);
  fuzz::check(read.has_value(), "a small input has a header");
  Parts parts{std::move(read->header), std::move(read->envelope_line), {}};
  auto body = base::read_all(*read->body, text.size());
  fuzz::check(body.has_value(), "the body is no longer than the input");
  parts.body = *std::move(body);
  std::erase(parts.body, '\0');  // some have gone before it began, if they were too many
  return parts;
}

void check_field(const mail::Field& field) {
  fuzz::check(!field.name().empty(), "a field has a name", field.raw);
  fuzz::check(fuzz::only_crlf(field.raw), "a field's lines end with CRLF", field.raw);
  fuzz::check(field.raw.find('\0') == std::string::npos, "a field has no NUL", field.raw);
  fuzz::check(mail::unfolded(field.value()).find_first_of("\r\n") == std::string::npos, "unfolded is one line",
              field.raw);
  for (std::size_t at = field.raw.find("\r\n"); at + 2 < field.raw.size(); at = field.raw.find("\r\n", at + 2)) {
    fuzz::check(base::is_blank(field.raw[at + 2]), "a field goes on after a blank only", field.raw);
  }
}

std::string normalised(const Parts& parts) {
  std::string out = parts.header.text();
  mail::Normaliser normaliser(mail::Normaliser::Part::body, mail::Normaliser::Nul::drop);
  fuzz::check(normaliser.feed(parts.body, out).has_value(), "NULs are dropped");
  normaliser.finish(out);
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t piece = 1 + data[0] % 16;
  std::string text(fuzz::text_of(data + 1, size - 1));
  // NULs count for nothing, however many they are.
  if (const std::size_t nul = text.find('\0'); data[0] == 255 && nul != std::string::npos) text.insert(nul, many, '\0');
  Parts whole = scan(text, text.size() + 1);
  const Parts cut = scan(text, piece);
  fuzz::check(
      whole.header.text() == cut.header.text() && whole.envelope_line == cut.envelope_line && whole.body == cut.body,
      "pieces make no difference", text);
  std::erase(text, '\0');
  fuzz::check(text.ends_with(whole.body), "the body is the input's end", text);
  for (const mail::Field& field : whole.header.fields) check_field(field);
  fuzz::check(scan(whole.header.text(), 100000).header.text() == whole.header.text(), "a header reads back", text);

  mail::remove_bcc(whole.header);
  mail::qualify(whole.header, "d.example");
  mail::add_missing(whole.header,
                    {.author = *mail::Address::parse("a@b.c"), .author_name = "A", .date = "now", .message_id = "<x>"});
  for (const mail::Field& field : whole.header.fields) check_field(field);
  const std::string out = normalised(whole);
  fuzz::check(fuzz::only_crlf(out), "only CRLF leaves", out);
  const Parts received = scan(out, out.size() + 1);
  fuzz::check(!received.header.has("Bcc") && !received.header.has("Resent-Bcc"), "no Bcc leaves", out);
  fuzz::check(received.header.text() == whole.header.text(), "what is received is what was sent", out);
  (void)mail::recipients_of(received.header, mail::Resent::first_block);
  (void)mail::sender_of(received.header);
  return 0;
}
