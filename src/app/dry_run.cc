#include "app/dry_run.h"

#include <cstdio>
#include <vector>

#include "app/report.h"
#include "base/text.h"

namespace pillarbox::app {

Result<void> print_dry_run(const std::string& account, const std::string& why, smtp::Transaction& transaction) {
  std::string text = "account: " + base::visible(account) + " (" + base::visible(why) +
                     ")\nfrom: " + transaction.envelope.sender().path() + "\nto: ";
  const auto& recipients = transaction.envelope.recipients();
  for (const mail::Address& recipient : recipients) {
    text += (&recipient == &recipients.front() ? "" : ", ") + recipient.path();
  }
  text += "\n\n";
  std::vector<char> piece(65536);
  for (;;) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    const auto count = transaction.message.read(piece);
    if (!count) return count.error();
    if (*count == 0) break;
    text.assign(piece.data(), *count);
    std::erase(text, '\r');  // of the line ends; there is no other
  }
  return flush_output();
}

}  // namespace pillarbox::app
