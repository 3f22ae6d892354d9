// Socket: what a connected TCP socket tells of the other end, without taking a byte of what libcurl is to read.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <optional>
#include <string>

namespace pillarbox::smtp {

// 127/8, ::1, ::ffff:127/8: what is said there leaves the host by no wire.
bool is_loopback(const sockaddr_storage& address);

struct Peer {
  std::string address;  // numeric
  int port = 0;
  bool loopback = false;
};

// The other end, once there is one.
std::optional<Peer> peer_of(int socket);

// What could be read at this moment. "end": the other side has closed, or reset, and nothing is left to read.
enum class Waiting { nothing, bytes, end };
Waiting waiting(int socket);

// The bytes that the kernel has taken in on this connection (FIN counts as one), read or not; nothing where it can't
// say.
std::optional<std::uint64_t> bytes_received(int socket);

// Has what comes next acknowledged at once. A server that writes its reply in two pieces would wait for that otherwise
// (Nagle's algorithm against delayed acknowledgement, 40 ms). The kernel forgets it after a while.
void acknowledge_quickly(int socket);

}  // namespace pillarbox::smtp
