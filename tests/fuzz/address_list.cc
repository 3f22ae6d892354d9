// Address lists as headers and command lines have them: whatever comes, an address that is accepted can be put into a
// command as it is, reads back as itself, and its domain can be inserted where its mailbox says.
#include "mail/address.h"
#include "mail/prepare.h"
#include "target.h"

using namespace pillarbox;

namespace {

void check_address(const mail::Address& address) {
  fuzz::check(!address.local().empty(), "there is a local part");
  fuzz::check(!fuzz::has_control(address.path()), "no control byte reaches a command", address.path());
  fuzz::check(base::is_ascii(address.domain()), "the domain is ASCII", address.domain());
  fuzz::check(address.domain().find_first_of(" <>\"\\,;") == std::string::npos, "the domain has no marks",
              address.domain());
  for (const std::string& text : {address.text(), address.path()}) {
    const auto again = mail::Address::parse(text);
    fuzz::check(again.has_value(), "it reads back", text);
    fuzz::check(again->text() == address.text(), "it reads back as itself", text);
  }
}

constexpr std::string_view domain = "d.example";
constexpr std::size_t longest = 320;  // bytes of an address

void check_qualified(std::string_view text, std::size_t mailboxes) {
  mail::Header header;
  header.append("To", text);
  mail::qualify(header, domain);
  const auto list = mail::recipients_of(header, mail::Resent::first_block);
  fuzz::check(list.has_value(), "a qualified list is a list", header.text());
  fuzz::check(list->size() == mailboxes, "of as many", header.text());
  for (const mail::Mailbox& each : *list) fuzz::check(!each.address.domain().empty(), "with domains", header.text());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  const auto list = mail::parse_list(text);
  if (!list) {
    fuzz::check(list.error().kind == Error::Kind::data, "a refused list is data");
    fuzz::check(!fuzz::has_control(list.error().text), "an error is one line", list.error().text);
    fuzz::check(list.error().text.size() < 2000, "an error is short");
    return 0;
  }
  std::size_t before = 0;
  bool fits = true;  // with the domain
  for (const mail::Mailbox& mailbox : *list) {
    check_address(mailbox.address);
    fits = fits && mailbox.address.text().size() + 1 + domain.size() <= longest;
    fuzz::check(before <= mailbox.begin && mailbox.begin < mailbox.end && mailbox.end <= text.size(),
                "offsets are in order");
    before = mailbox.end;
    const std::string name = mail::phrase(mailbox.display_name) + " <a@b.c>";
    const auto again = mail::parse_list(name);
    fuzz::check(again.has_value() && again->size() == 1, "a display name reads back", name);
  }
  // A field ends where its line does, so a list that ends within folding is not one any more.
  if (fits && !text.empty() && text.find_first_of("\r\n") == std::string_view::npos)
    check_qualified(text, list->size());
  return 0;
}
