#include "base/syslog.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include "base/clock.h"
#include "base/text.h"
#include "base/unique_fd.h"

namespace pillarbox::base {
namespace {

constexpr std::size_t longest_tag = 32;
constexpr std::size_t always_fits = 8192;  // bytes of a datagram, and as much as most daemons keep of a line

std::string tag_of(const Syslog& syslog) {
  std::string tag = syslog.tag.substr(0, longest_tag);
  for (char& c : tag) {
    if (is_control(c) || !is_ascii(c) || c == ' ' || c == ':' || c == '[' || c == ']') c = '_';
  }
  return tag.empty() ? Syslog().tag : tag;
}

UniqueFd connect_to(const std::string& path, int type) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    return {};
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  UniqueFd fd(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
  const timeval patience{.tv_sec = 1, .tv_usec = 0};
  if (!fd || ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) != 0) return {};
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return {};
  return fd;
}

bool send_whole(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

}  // namespace

Result<void> send_to_syslog(const Syslog& syslog, int priority, std::string_view line,
                            std::chrono::system_clock::time_point now) {
  const std::string text = "<" + std::to_string(priority) + ">" + rfc3164_date(now) + " " + tag_of(syslog) + "[" +
                           std::to_string(::getpid()) + "]: " + std::string(line);
  bool sent = false;
  if (const UniqueFd datagrams = connect_to(syslog.socket, SOCK_DGRAM)) {
    sent = send_whole(datagrams.get(), text);
    if (!sent && errno == EMSGSIZE) sent = send_whole(datagrams.get(), std::string_view(text).substr(0, always_fits));
  } else if (errno == EPROTOTYPE) {
    const UniqueFd stream = connect_to(syslog.socket, SOCK_STREAM);
    sent = stream && send_whole(stream.get(), text + '\0');  // which ends a line there
  }
  if (sent) return {};
  return Error{Error::Kind::io, syslog.socket + ": " + std::generic_category().message(errno)};
}

}  // namespace pillarbox::base
