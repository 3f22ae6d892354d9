#include "base/disk.h"

#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace pillarbox::base {
namespace {

Error::Kind kind_of(int number) {
  switch (number) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EINTR:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOLCK:
      return Error::Kind::temporary;
    case EIO:
      return Error::Kind::io;
    default:
      return Error::Kind::cannot_create;
  }
}

}  // namespace

Error disk_error(const std::string& what, int number) {
  return {kind_of(number), what + ": " + std::generic_category().message(number)};
}

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace pillarbox::base
