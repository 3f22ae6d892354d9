#include "mail/envelope.h"

#include <algorithm>
#include <unordered_set>

#include "base/text.h"

namespace pillarbox::mail {

Result<ReversePath> ReversePath::parse(std::string_view text) {
  const std::string_view bare = base::trim(text);
  if (bare == text && (bare.empty() || bare == "<>")) return ReversePath();
  auto address = Address::parse(text);
  if (!address) return address.error();
  return ReversePath(*std::move(address));
}

Result<Envelope> Envelope::make(ReversePath sender, const std::vector<Address>& recipients) {
  if (recipients.empty()) return Error{Error::Kind::usage, "there are no recipients"};
  std::vector<Address> unique;
  std::unordered_set<std::string> seen;
  for (const Address& recipient : recipients) {
    if (seen.insert(recipient.key()).second) unique.push_back(recipient);
  }
  return Envelope(std::move(sender), std::move(unique));
}

bool Envelope::needs_smtputf8() const {
  return (sender_.address() && sender_.address()->needs_smtputf8()) ||
         std::any_of(recipients_.begin(), recipients_.end(), [](const Address& a) { return a.needs_smtputf8(); });
}

}  // namespace pillarbox::mail
