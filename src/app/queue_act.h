// Queue act: "pillarbox queue show|retry|remove": what is done by hand with a message, wherever in its user's directory
// it is: waiting, failed, or damaged. Root may name anybody's.
#pragma once

#include <string>
#include <vector>

#include "app/queue_call.h"

namespace pillarbox::app {

enum class Act {
  show,    // without a lock: nobody is waited for
  retry,   // due at once; one that has failed is back in the queue
  remove,  // durable
};

struct Chosen {
  std::vector<std::string> ids = {};
  bool all = false;  // instead of ids: of that part, all of the caller's own
  Part part = Part::queue;
};

// The exit code.
int act_on(const QueueCall& call, Act act, const Chosen& chosen, const base::System& system);

}  // namespace pillarbox::app
