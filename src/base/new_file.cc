#include "base/new_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "base/disk.h"
#include "base/unique_fd.h"

namespace pillarbox::base {
namespace {

// A name that is gone when its owner is, unless it was given up.
class Temporary {
 public:
  explicit Temporary(const std::string& beside) : name_(beside + ".XXXXXX"), fd_(::mkostemp(name_.data(), O_CLOEXEC)) {}
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;
  ~Temporary() {
    if (fd_ && there_) ::unlink(name_.c_str());
  }

  [[nodiscard]] int fd() const { return fd_.get(); }
  // False: errno says why.
  bool rename(const std::string& path, bool replace) {
    there_ = ::renameat2(AT_FDCWD, name_.c_str(), AT_FDCWD, path.c_str(), replace ? 0 : RENAME_NOREPLACE) != 0;
    return !there_;
  }

 private:
  std::string name_;
  UniqueFd fd_;
  bool there_ = true;
};

}  // namespace

Result<void> write_new_file(const std::string& path, std::string_view content, bool replace) {
  const UniqueFd folder(::open(folder_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder) return disk_error(path, errno);
  Temporary file(path);
  if (file.fd() < 0) return disk_error(path, errno);
  if (!write_all(file.fd(), content) || ::fsync(file.fd()) != 0) return disk_error(path, errno);
  if (!file.rename(path, replace)) return disk_error(path, errno);
  if (::fsync(folder.get()) == 0) return {};
  const int number = errno;
  if (!replace) ::unlink(path.c_str());
  return disk_error(path, number);
}

Result<void> make_folders(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return {};
  if (errno != ENOENT || path.find('/') == std::string::npos) return disk_error(path, errno);
  if (auto above = make_folders(folder_of(path)); !above) return above;
  return ::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST ? Result<void>() : disk_error(path, errno);
}

}  // namespace pillarbox::base
