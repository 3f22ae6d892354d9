#include "base/passed_fd.h"

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/secret.h"

namespace pillarbox::base {
namespace {

// Room for one descriptor, as cmsg(3) wants it.
union Control {
  std::array<char, CMSG_SPACE(sizeof(int))> octets{};
  cmsghdr aligned;
};

}  // namespace

bool pass(int socket, const UniqueFd& fd) {
  char octet = '.';
  iovec text{&octet, 1};
  Control control;
  msghdr message{};
  message.msg_iov = &text;
  message.msg_iovlen = 1;
  if (fd) {
    message.msg_control = control.octets.data();
    message.msg_controllen = control.octets.size();
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    const int number = fd.get();
    std::memcpy(CMSG_DATA(header), &number, sizeof number);
  }
  return ::sendmsg(socket, &message, MSG_NOSIGNAL) == 1;
}

UniqueFd take_passed(int socket) {
  char octet = 0;
  iovec text{&octet, 1};
  Control control;
  msghdr message{};
  message.msg_iov = &text;
  message.msg_iovlen = 1;
  message.msg_control = control.octets.data();
  message.msg_controllen = control.octets.size();
  ssize_t count = 0;
  do {
    count = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  } while (count < 0 && errno == EINTR);
  const cmsghdr* const header = count == 1 ? CMSG_FIRSTHDR(&message) : nullptr;
  if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) return {};
  int number = -1;
  std::memcpy(&number, CMSG_DATA(header), sizeof number);
  return UniqueFd(number);
}

std::optional<UniqueFd> copy_in_memory(const UniqueFd& from, std::size_t at_most) {
  UniqueFd copy(::memfd_create("copy", MFD_CLOEXEC));
  if (!copy || ::fchmod(copy.get(), S_IRUSR) != 0) return std::nullopt;
  std::string piece(4096, '\0');
  std::size_t size = 0;
  bool whole = false;
  while (size <= at_most) {
    const ssize_t count = ::read(from.get(), piece.data(), piece.size());
    if (count < 0 && errno == EINTR) continue;
    whole = count == 0;
    if (count <= 0 || ::write(copy.get(), piece.data(), static_cast<std::size_t>(count)) != count) break;
    size += static_cast<std::size_t>(count);
  }
  wipe(piece);  // it may be a key
  if (whole) return copy;
  if (size > at_most) errno = EFBIG;
  return std::nullopt;
}

std::string path_of(const UniqueFd& fd) {
  return "/proc/self/fd/" + std::to_string(fd.get());
}

}  // namespace pillarbox::base
