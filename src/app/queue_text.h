// Queue text: a message of the queue as "mailq" and "pillarbox queue" print it.
#pragma once

#include <string>

#include "queue/spool.h"

namespace pillarbox::app {

// An object on one line.
std::string as_json(const queue::Listed& listed);

// Lines for people. others: to root, of another user's.
std::string as_text(const queue::Listed& listed, bool others);

}  // namespace pillarbox::app
