#include "app/words.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace pillarbox::app {
namespace {

// A password has 64 KiB at most, and as much may be told of a failure.
constexpr std::size_t longest_message = 1U << 18U;

}  // namespace

bool say(int socket, std::string_view message) {
  return ::send(socket, message.data(), message.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(message.size());
}

std::string hear(int socket) {
  std::string message(longest_message, '\0');
  ssize_t count = 0;
  do {
    count = ::recv(socket, message.data(), message.size(), 0);
  } while (count < 0 && errno == EINTR);
  message.resize(static_cast<std::size_t>(std::max<ssize_t>(count, 0)));  // within its capacity: nothing is copied
  return message;
}

}  // namespace pillarbox::app
