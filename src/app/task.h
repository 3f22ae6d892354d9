// Task: what smtp's command line asks for, checked and with every default filled in. Nothing was connected or sent, and
// no message was read; what was fetched is the password, and with --account the configuration.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "app/console.h"
#include "app/options.h"
#include "base/result.h"
#include "base/system.h"
#include "mail/address.h"
#include "mail/envelope.h"
#include "smtp/driver.h"
#include "smtp/endpoint.h"

namespace pillarbox::app {

struct Task {
  enum class Work {
    messages,  // each file is one
    mboxes,    // each file holds some
    probe,     // one of our own making
    talk,      // the file is a script
  };
  Work work = Work::messages;
  smtp::Endpoint endpoint;
  std::vector<std::string> files;  // "-": standard input
  bool from_header = false;
  std::optional<mail::ReversePath> sender;
  std::vector<mail::Address> recipients;
  bool abort_on_reject = false;
  bool continue_on_reject = false;
  smtp::Dsn dsn;
  smtp::Driver driver = smtp::Driver::automatic;
  bool disconnect = false;
  bool raw = false;
  bool received = false;
  Console::Wanted output;
  bool timing = false;
  unsigned jobs = 1;                      // connections at a time
  std::vector<std::string> option_names;  // those that were given
};

// The options of smtp, for the parser and for --help.
std::span<const Option> smtp_options();

// usage (64) for what contradicts itself or can't be; config (78) and no_permission (77) from --account and passwords.
Result<Task> read_task(Options& options, const base::System& system);

}  // namespace pillarbox::app
