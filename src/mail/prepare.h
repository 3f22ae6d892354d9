// What a submitted message's header becomes (RFC 6409 section 8): recipients are taken from it, what must not leave is
// dropped, what is missing is added, bare names get a domain. Pure: names, dates and ids are given.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "mail/address.h"
#include "mail/envelope.h"
#include "mail/header.h"
#include "mail/recode.h"
#include "mail/survey.h"

namespace pillarbox::mail {

// Which Resent- fields count: every one, as every sendmail has it, or those of the first block (RFC 5322 section 3.6.6:
// each resending puts its block in front, so that the others are done with).
enum class Resent { all, first_block };

// The mailboxes of To, Cc and Bcc; where there is a Resent-To, -Cc or -Bcc only theirs.
Result<std::vector<Mailbox>> recipients_of(const Header& header, Resent resent);

// The sender that the header names: Sender, else From's first mailbox, or their Resent- forms of the first block if
// there is one. data (65) if there is none.
Result<Address> sender_of(const Header& header);

// Whom the header names as its author: From's first mailbox, or Resent-From's. data (65) if there is none.
Result<Address> author_of(const Header& header);

// Makes that address the author, and keeps the one that was as Reply-To unless there is such a field. An author with
// the address already stays as it is. Of several From fields, of which RFC 5322 allows one, the first remains.
void enforce_author(Header& header, const Address& author, const std::string& name);

// True if a Resent-To, Resent-Cc or Resent-Bcc is there.
bool is_resent(const Header& header);

// Bcc and Resent-Bcc, the secret recipients.
void remove_bcc(Header& header);

// What a submission adds where it is missing. Empty values are not used.
struct Missing {
  std::optional<Address> author = {};  // From's address
  std::string author_name = {};        // From's display name, "" for none
  std::string date = {};               // RFC 5322
  std::string message_id = {};         // with its angle brackets
  bool to = true;                      // "To: undisclosed-recipients:;" where there is neither To nor Cc
};
void add_missing(Header& header, const Missing& missing);
// Whether it would add From, or the Resent-From of a message that is sent on.
bool lacks_author(const Header& header);

// Puts "@domain" behind each bare name in the fields that hold addresses. A field that can't be parsed stays as it is.
void qualify(Header& header, std::string_view domain);

// How a body has to be recoded, with the fields that say so. Lines of more than 998 bytes go as quoted-printable where
// the header names no encoding and the body has no parts (RFC 2045 section 6.4), else folded. Text in UTF-8 of which
// the header says nothing is labelled.
Recoding prepare_body(Header& header, const Survey& survey);

// Folds lines of more than 998 bytes, at blanks where there are any, else behind an address of a list; tells whether
// there was one.
bool fold_long_lines(Header& header);

}  // namespace pillarbox::mail
