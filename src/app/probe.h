// Probe: a message that says where it comes from, for --probe.
#pragma once

#include <string>

#include "app/task.h"
#include "base/clock.h"
#include "base/system.h"
#include "mail/envelope.h"

namespace pillarbox::app {

// A whole message in ASCII with LF line ends. From is the envelope's sender, or the user at this host for the null
// sender. It names the options that were given, and of their values those only that the receiving server sees anyway.
std::string probe_message(const Task& task, const smtp::Endpoint& endpoint, const mail::Envelope& envelope,
                          const base::System& system, const base::Clock& clock);

}  // namespace pillarbox::app
