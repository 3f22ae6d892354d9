// Words between the processes of root's run, by a socket of the kind SOCK_SEQPACKET.
#pragma once

#include <string>
#include <string_view>

namespace pillarbox::app {

bool say(int socket, std::string_view message);

// One message; "" at the end. It may hold a secret.
std::string hear(int socket);

}  // namespace pillarbox::app
