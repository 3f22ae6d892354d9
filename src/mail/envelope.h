// Envelope: from whom, to whom (RFC 5321 section 2.3.1). It always has a recipient, and each only once: the local part
// compared exactly, the domain without regard to case.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "mail/address.h"

namespace pillarbox::mail {

// Where bounces go: MAIL FROM's argument. Without an address it is the null sender, "<>".
class ReversePath {
 public:
  ReversePath() = default;
  explicit ReversePath(Address address) : address_(std::move(address)) {}
  // An address, or "" or "<>" for the null sender.
  static Result<ReversePath> parse(std::string_view text);

  [[nodiscard]] bool is_null() const { return !address_; }
  [[nodiscard]] const std::optional<Address>& address() const { return address_; }
  [[nodiscard]] std::string path() const { return address_ ? address_->path() : "<>"; }

 private:
  std::optional<Address> address_;
};

class Envelope {
 public:
  // usage (64) if there is no recipient.
  static Result<Envelope> make(ReversePath sender, const std::vector<Address>& recipients);

  [[nodiscard]] const ReversePath& sender() const { return sender_; }
  [[nodiscard]] const std::vector<Address>& recipients() const { return recipients_; }
  [[nodiscard]] bool needs_smtputf8() const;  // RFC 6531

 private:
  Envelope(ReversePath sender, std::vector<Address> recipients)
      : sender_(std::move(sender)), recipients_(std::move(recipients)) {}

  ReversePath sender_;
  std::vector<Address> recipients_;
};

}  // namespace pillarbox::mail
