// Passed descriptors: an open file from one process to another, by a socket of the Unix family (unix(7), SCM_RIGHTS),
// and a copy of what it holds that a path leads to.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "base/unique_fd.h"

namespace pillarbox::base {

// One message on a SOCK_SEQPACKET socket, with the descriptor or without one.
bool pass(int socket, const UniqueFd& fd);

// The next such message's; none if it has none, or if nothing comes.
UniqueFd take_passed(int socket);

// What is read from a file of at most that many octets, in memory that has no name (memfd_create(2)), with its owner's
// rights only. Nothing, and errno, if it can't be had.
std::optional<UniqueFd> copy_in_memory(const UniqueFd& from, std::size_t at_most);

// By which the process itself can open it: what wants a path, reads it from the beginning.
std::string path_of(const UniqueFd& fd);

}  // namespace pillarbox::base
