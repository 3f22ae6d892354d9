// Dry run: what would be sent, shown: "account: NAME (why)", "from: <address>", "to: <address>, ...", an empty line and
// the message as it would leave, but that its lines end with LF.
#pragma once

#include <string>

#include "base/result.h"
#include "smtp/work.h"

namespace pillarbox::app {

// On standard output; io (74) if it can't be written. The message is read to its end.
Result<void> print_dry_run(const std::string& account, const std::string& why, smtp::Transaction& transaction);

}  // namespace pillarbox::app
