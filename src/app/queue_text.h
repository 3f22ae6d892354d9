// Queue text: a message of the queue as "mailq" and "pillarbox queue" print it.
#pragma once

#include <sys/types.h>

#include <string>

#include "queue/spool.h"

namespace pillarbox::app {

// An object on one line. waits: for a next try. rests: until when its account does, the epoch if it does not.
std::string as_json(const queue::Listed& listed, bool waits, queue::Time rests);
std::string as_json(const queue::Damaged& damaged, uid_t uid);
// Of one that can't be told: what is wrong with it.
std::string as_json(const std::string& id, const Error& error);
// With everybody's fate, and all of the content.
std::string as_json(const queue::Listed& listed, bool waits, const std::string& content);

// Lines for people. others: to root, of another user's.
std::string as_text(const queue::Listed& listed, bool waits, bool others, queue::Time rests = {});
std::string as_text(const queue::Damaged& damaged);
std::string as_text(const std::string& id, const Error& error);
// Those who are owed nothing any more, and why.
std::string fates(const queue::Listed& listed);

}  // namespace pillarbox::app
