#include "base/spool.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <string_view>
#include <system_error>

#include "base/unique_fd.h"

namespace pillarbox::base {
namespace {

Error failure(const std::string& path, int error) {
  const bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;
  const auto kind = full ? Error::Kind::temporary : error == EIO ? Error::Kind::io : Error::Kind::cannot_create;
  return {kind, path + ": can't be written: " + std::generic_category().message(error)};
}

Result<void> write_all(int fd, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return failure(path, errno);
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return {};
}

// NFS and some others have no files without a name; there it is lost at once.
UniqueFd unnamed_file(const std::string& directory) {
  UniqueFd file(::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (file || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)) return file;
  std::string name = directory + "/spool.XXXXXX";
  file = UniqueFd(::mkostemp(name.data(), O_CLOEXEC));
  if (file && ::unlink(name.c_str()) != 0) return {};
  return file;
}

}  // namespace

Result<std::unique_ptr<Source>> spool(Source& source, const SpoolFolder& folder, std::uint64_t most,
                                      std::size_t in_memory) {
  std::string memory;
  std::string directory;
  UniqueFd file;
  std::array<char, 65536> chunk;
  for (;;) {
    const auto count = source.read(chunk);
    if (!count) return count.error();
    if (*count == 0) break;
    if (*count > most) return Error{Error::Kind::data, "there is more than may be kept"};
    most -= *count;
    if (!file && memory.size() + *count > in_memory) {
      auto found = folder();
      if (!found) return found.error();
      directory = *std::move(found);
      file = unnamed_file(directory);
      if (!file) return failure(directory, errno);
      if (const auto written = write_all(file.get(), memory, directory); !written) return written.error();
      memory = {};
    }
    if (!file) {
      memory.append(chunk.data(), *count);
    } else if (const auto written = write_all(file.get(), {chunk.data(), *count}, directory); !written) {
      return written.error();
    }
  }
  if (!file) return std::unique_ptr<Source>(std::make_unique<MemorySource>(std::move(memory)));
  if (::lseek(file.get(), 0, SEEK_SET) < 0) return failure(directory, errno);
  return std::unique_ptr<Source>(std::make_unique<FileSource>(std::move(file), directory));
}

}  // namespace pillarbox::base
