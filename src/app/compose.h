// Compose: what a caller of sendmail hands in becomes what leaves, by the rules of an account: the envelope, with
// aliases resolved and bare names completed; the header, without what must not leave and with what was missing; the
// body, read to its end.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/source.h"
#include "base/spool.h"
#include "base/system.h"
#include "config/aliases.h"
#include "config/settings.h"
#include "mail/header.h"
#include "mail/recode.h"
#include "mail/survey.h"
#include "smtp/work.h"

namespace pillarbox::app {

// What a command line, or an SMTP client, says of a message.
struct Request {
  std::optional<std::string> account = {};     // --account
  std::optional<std::string> sender = {};      // -f; "" and "<>" are the null sender
  std::optional<std::string> full_name = {};   // -F
  std::vector<std::string> recipients = {};    // each a list of addresses
  std::vector<smtp::RecipientDsn> asked = {};  // of each of these, if of any
  bool header_recipients = false;              // those of the header, too
  smtp::Dsn dsn = {};                          // before the account's
};

struct Submission {
  smtp::Transaction transaction;
  std::string message_id;
  std::uint64_t nuls_dropped = 0;  // before the message saw them: in the header, and in a body that is recoded
  mail::Recoding recoding = mail::Recoding::none;
  bool header_folded = false;
  std::vector<mail::Address> unreachable = {};  // besides the envelope's: their aliases name nobody
};

// The account whose mail this is: the one that is named, else by the sender's address, else by the From field.
Result<const config::Account*> choose_account(const Request& request, const mail::Header& header,
                                              const config::Settings& settings);

// Why that is its account, for people.
std::string why_chosen(const Request& request, const mail::Header& header, const config::Settings& settings);

// Why a recipient can't be reached who has an alias.
inline constexpr const char* names_nobody = "its alias names nobody who can be sent mail";

class Composer {
 public:
  // spool: for what is too large for memory. program: for warnings.
  Composer(const config::Account& account, base::SpoolFolder spool, std::string program, const base::System& system,
           const base::Clock& clock)
      : account_(account), spool_(std::move(spool)), program_(std::move(program)), system_(system), clock_(clock) {}

  // data (65) for an address or message that can't be sent, usage (64) without recipients, no_user (67) if the aliases
  // of all of them name nobody, io (74), cannot_create (73) or temporary (75) if the body can't be read or kept.
  Result<Submission> compose(const Request& request, mail::HeaderAndBody message) const;

  // The domain that bare names get.
  [[nodiscard]] std::string domain() const;
  struct Resolved {
    std::vector<mail::Address> recipients;
    std::vector<mail::Address> unreachable;  // who has an alias that names nobody
    // The places of these and of those among those who were wanted.
    std::vector<std::size_t> origins;
    std::vector<std::size_t> unreachable_origins;
  };
  // Aliases, then domains for the bare names that are left.
  [[nodiscard]] Result<Resolved> resolve(const std::vector<mail::Mailbox>& wanted,
                                         const config::Aliases& aliases) const;
  // The account's, with a warning for each line that is none. A file that can't be read is config (78) if one of those
  // who are wanted may have an alias, else a warning.
  [[nodiscard]] Result<config::Aliases> aliases(const std::vector<mail::Mailbox>& wanted) const;

 private:
  [[nodiscard]] Result<mail::ReversePath> envelope_sender(const Request& request) const;
  [[nodiscard]] std::vector<std::string> local_domains() const;  // in which names may have an alias
  [[nodiscard]] std::string author_name(const Request& request) const;
  // What a Message-ID ends in: the author's domain, or another that is not everybody's.
  [[nodiscard]] std::string id_domain(const mail::Address& author) const;
  [[nodiscard]] Result<std::unique_ptr<base::Source>> keep(base::Source& body, std::uint64_t head,
                                                           mail::Survey& survey) const;
  Result<void> complete(mail::Header& header, const Request& request, const mail::Address& author) const;
  [[nodiscard]] smtp::Dsn about_reports(smtp::Dsn dsn, const Resolved& resolved,
                                        const std::vector<smtp::RecipientDsn>& asked) const;

  const config::Account& account_;
  base::SpoolFolder spool_;
  std::string program_;
  const base::System& system_;
  const base::Clock& clock_;
};

}  // namespace pillarbox::app
