// Address: a mailbox as the envelope has it (RFC 5321 section 4.1.2), and lists of them as headers and people write
// them (RFC 5322 section 3.4, with the obsolete forms of section 4.4).
//
// An Address can't hold CR, LF, NUL or another control character, is never empty and never longer than 320 bytes, so
// it can be put into a command as it is. Its domain is ASCII (an internationalised one is kept as A-labels, RFC 5890),
// or empty where only a login was given. Its local part is in the shortest quoting that RFC 5321 allows.
// Every error is data (65) and names the text that was refused.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace pillarbox::mail {

class Address {
 public:
  // One address, alone or in angle brackets: "a@b", "<a@b>", "a". Blanks and comments around it are no harm.
  static Result<Address> parse(std::string_view text);

  // From its parts: the local part without quoting, the domain in any script, "[literal]" or empty.
  static Result<Address> make(std::string_view local, std::string_view domain);

  [[nodiscard]] const std::string& local() const { return local_; }    // as it goes on the wire: quoted if it must be
  [[nodiscard]] const std::string& domain() const { return domain_; }  // "" for a bare name
  [[nodiscard]] std::string text() const;                              // "a@b", or "a"
  [[nodiscard]] std::string path() const;                              // "<a@b>": what follows MAIL FROM: and RCPT TO:
  // The same for every way to write a mailbox: the local part exactly, the domain without regard to case.
  [[nodiscard]] std::string key() const;
  [[nodiscard]] bool needs_smtputf8() const;  // RFC 6531: the local part is not ASCII

  // The same with a domain, if it has none.
  [[nodiscard]] Result<Address> qualified(std::string_view domain) const;

 private:
  Address(std::string local, std::string domain) : local_(std::move(local)), domain_(std::move(domain)) {}

  std::string local_;
  std::string domain_;
};

// A mailbox in a list, and where it stands there.
struct Mailbox {
  Address address;
  std::string display_name;  // without quoting; "" if there is none
  std::size_t begin;         // the offsets of the local part in the list's text: a domain that is missing is
  std::size_t end;           // put in at end
  bool escaped;              // written with a backslash in front, as in "\\root": not to be taken for an alias
  bool grouped = false;      // behind "Team:"
};

// The A-label form (RFC 5890) of a domain in any script, or "" if it has none.
std::string to_ascii(std::string_view domain);

// All mailboxes of an address list, those in groups as well, in order. Empty elements, comments, routes and folding
// (a line end before a blank) are skipped; a line end that is no folding is refused.
Result<std::vector<Mailbox>> parse_list(std::string_view text);

// The display name as a header has it: as it is, or as a quoted string, or in encoded words (RFC 2047), a line each, if
// it is long or not ASCII. Control characters in it become blanks.
std::string phrase(std::string display_name);

}  // namespace pillarbox::mail
