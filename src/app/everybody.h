// Everybody: root's run of the queues of all users in a place. Each has a child of its own, which takes on the user's
// identity for good, then makes itself undumpable, and only then gets a secret, from its parent and through a socket.
// Root opens and reads nothing of a user's.
//
// It sends what goes by the system's configuration: mail by an account of a user's own waits for a run of its owner.
#pragma once

#include <string>
#include <vector>

#include "app/delivery.h"
#include "base/held_signals.h"
#include "base/system.h"
#include "base/unique_fd.h"
#include "config/settings.h"
#include "smtp/driver.h"

namespace pillarbox::app {

// What all the children work by.
struct Errand {
  config::Settings& settings;  // the system's; a child forgets the passwords in them
  Selection selection;
  smtp::Driver driver;
  bool verbose;            // the dialogue on standard output
  std::string program;     // for complaints
  base::UniqueFd own_run;  // a Trier's other end: that of root's own run, which goes on at the same time
};

// What is wrong with a place, or with a user's queue, is a complaint: the others are served. False: what there was to
// say on standard output could not be written.
bool run_everybody(const std::vector<std::string>& places, Errand errand, base::HeldSignals& signals,
                   const base::System& system, const base::Clock& clock);

}  // namespace pillarbox::app
