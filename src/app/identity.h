// Identity: root as another user, in a child, for good.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "queue/place.h"

namespace pillarbox::app {

// Takes on a user's ids and groups; there is no way back. False, and errno, if it can't be.
bool become(const queue::Resident& user);

// Does something as that user, in a child that nobody may look into, and waits for its end: five minutes, in which what
// it writes is read. What it returned, or nothing if it came to nothing, with a complaint under that name. Standard
// output and error are the caller's.
std::optional<std::uint64_t> as_user(const queue::Resident& user, const std::string& program,
                                     const std::function<std::uint64_t()>& action);

// How a child that has hung up ended, as waitpid(2) has it; nothing if that can't be had within seconds. It has more to
// close, and a file system of its user's may keep it from that.
std::optional<int> end_of(pid_t child);

// Whether a child stands still, as its user may have it do: there is no use in waiting for it.
bool is_stopped(pid_t child);

// For root, the other users with a folder in a place of queues; for everybody else there is nobody.
std::vector<queue::Resident> other_users(const std::string& place, const std::string& program);

}  // namespace pillarbox::app
