#include "base/spool.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <vector>

#include "base/disk.h"
#include "base/unique_fd.h"

namespace pillarbox::base {
namespace {

Error failure(const std::string& path, int number) {
  return disk_error(path + ": can't be written", number);
}

// NFS and some others have no files without a name; there it is lost at once. The name is one that the queue's sweep
// knows, should the process be killed in between.
UniqueFd unnamed_file(const std::string& directory) {
  UniqueFd file(::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (file || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)) return file;
  std::string name = directory + '/' + "tmp.XXXXXX";
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
  std::vector<char> chunk(65536);
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
      if (!write_all(file.get(), memory)) return failure(directory, errno);
      memory = {};
    }
    if (!file) {
      memory.append(chunk.data(), *count);
    } else if (!write_all(file.get(), {chunk.data(), *count})) {
      return failure(directory, errno);
    }
  }
  if (!file) return std::unique_ptr<Source>(std::make_unique<MemorySource>(std::move(memory)));
  if (::lseek(file.get(), 0, SEEK_SET) < 0) return failure(directory, errno);
  return std::unique_ptr<Source>(std::make_unique<FileSource>(std::move(file), directory));
}

}  // namespace pillarbox::base
