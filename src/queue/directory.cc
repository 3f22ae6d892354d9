#include "queue/directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "base/disk.h"
#include "base/system.h"

namespace pillarbox::queue {
namespace {

constexpr mode_t ours_alone = 0700;
constexpr mode_t not_durable_yet = 0500;

Error disk_error(const std::string& path, const std::string& what, int number) {
  return base::disk_error(path + ": " + what, number);
}

base::UniqueFd open_directory(int at, const std::string& path, int flags) {
  return base::UniqueFd(::openat(at, path.c_str(), O_DIRECTORY | O_CLOEXEC | flags));
}

// A new folder is durable when its parent is. One that may be written but not read (a place of mode 1733) can't be
// opened for fsync: then all of the file system is synced, once in a user's life.
Result<void> sync_new(int at, const std::string& name, const std::string& path) {
  const base::UniqueFd parent = open_directory(at, base::folder_of(name), O_RDONLY);
  if (parent) {
    if (::fsync(parent.get()) != 0) return disk_error(path, "can't be synced", errno);
    return {};
  }
  const base::UniqueFd made = open_directory(at, name, O_RDONLY | O_NOFOLLOW);
  if (!made || ::syncfs(made.get()) != 0) return disk_error(path, "can't be synced", errno);
  return {};
}

// Makes one folder with exactly that mode, whatever the umask; until it is durable it has the other one, if any. False:
// it was there.
Result<bool> make_folder(int at, const std::string& name, const std::string& path, mode_t mode,
                         std::optional<mode_t> before = {}) {
  if (::mkdirat(at, name.c_str(), before.value_or(ours_alone)) != 0) {
    if (errno == EEXIST) return false;
    return disk_error(path, "can't be made", errno);
  }
  const auto change = [&](mode_t to) -> Result<void> {
    if (::fchmodat(at, name.c_str(), to, 0) == 0) return {};
    return disk_error(path, "can't be made", errno);
  };
  Result<void> done = before ? Result<void>() : change(mode);  // no umask of ours takes from before
  if (done) done = sync_new(at, name, path);
  if (done && before) done = change(mode);
  if (done) return true;
  ::unlinkat(at, name.c_str(), AT_REMOVEDIR);  // else the next one to come would take it for durable
  return done.error();
}

// The place and its parents.
Result<void> make_place(std::string path, mode_t mode) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0) return {};
  for (std::size_t slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1)) {
    const std::string parent = path.substr(0, slash);
    if (::stat(parent.c_str(), &status) == 0) continue;
    if (const auto made = make_folder(AT_FDCWD, parent, parent, ours_alone); !made) return made.error();
  }
  if (const auto made = make_folder(AT_FDCWD, path, path, mode); !made) return made.error();
  return {};
}

enum class Whose { nobody, ours, others };

Whose whose(int place, const std::string& name, uid_t uid) {
  struct stat status {};
  if (::fstatat(place, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
    return errno == ENOENT ? Whose::nobody : Whose::ours;  // who opens it is told what is wrong
  }
  return S_ISDIR(status.st_mode) && status.st_uid == uid ? Whose::ours : Whose::others;
}

// The names in a directory that may be read. The others are not even held: there may be a hundred thousand.
Result<std::vector<std::string>> list(int at, const std::string& path, Directory::Wanted wanted) {
  base::UniqueFd fd = open_directory(at, ".", O_RDONLY);  // one more, for it has a position
  if (!fd) return disk_error(path, "can't be read", errno);
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(fd.get()), ::closedir);
  if (!stream) return disk_error(path, "can't be read", errno);
  (void)fd.release();
  std::vector<std::string> names;
  for (;;) {
    errno = 0;
    const dirent* const entry = ::readdir(stream.get());
    if (!entry && errno != 0) return disk_error(path, "can't be read", errno);
    if (!entry) return names;
    if (wanted(entry->d_name)) names.emplace_back(entry->d_name);
  }
}

// Under what name this user has a directory, or may make one: another one where somebody has taken the uid. In a place
// that can't be read (mode 1733) an earlier one of the latter kind is not found again; root's runner finds all of them.
std::string name_for(int place, const std::string& path, uid_t uid) {
  std::string name = std::to_string(uid);
  if (whose(place, name, uid) != Whose::others) return name;
  auto names = list(place, path, [](std::string_view other) { return other.find('-') != std::string_view::npos; });
  if (names) {
    std::sort(names->begin(), names->end());
    for (const std::string& other : *names) {
      if (other.starts_with(name + '-') && whose(place, other, uid) == Whose::ours) return other;
    }
  }
  return name + '-' + base::random_word();
}

}  // namespace

Result<std::optional<Directory>> Directory::open(const std::string& place, uid_t uid, Access access) {
  const bool make = access == Access::make || access == Access::make_shared;
  if (make) {
    const mode_t mode = access == Access::make_shared ? 01733 : ours_alone;
    if (const auto made = make_place(place, mode); !made) return made.error();
  }
  // Users may not read a shared place, so it is opened as a path only.
  const base::UniqueFd at = open_directory(AT_FDCWD, place, O_PATH);
  if (!at && errno == ENOENT && !make) return std::optional<Directory>();
  if (!at) return disk_error(place, "can't be opened", errno);
  const std::string name = name_for(at.get(), place, uid);
  const std::string path = place + '/' + name;
  if (whose(at.get(), name, uid) == Whose::nobody) {
    if (!make || uid != ::geteuid()) return std::optional<Directory>();
    if (const auto made = make_folder(at.get(), name, path, ours_alone, not_durable_yet); !made) return made.error();
  }
  auto entered = enter(at.get(), name, path, uid, access);
  if (!entered) return entered.error();
  return std::optional(*std::move(entered));
}

Result<Directory> Directory::at(const std::string& place, const std::string& name, uid_t uid, Access access) {
  const base::UniqueFd folder = open_directory(AT_FDCWD, place, O_PATH);
  if (!folder) return disk_error(place, "can't be opened", errno);
  return enter(folder.get(), name, place + '/' + name, uid, access);
}

Result<Directory> Directory::enter(int place, const std::string& name, const std::string& path, uid_t uid,
                                   Access access) {
  base::UniqueFd fd = open_directory(place, name, O_RDONLY | O_NOFOLLOW);
  struct stat status {};
  if (!fd || ::fstat(fd.get(), &status) != 0) return disk_error(path, "can't be opened", errno);
  if (status.st_uid != uid) return Error{Error::Kind::cannot_create, path + ": belongs to somebody else"};
  const bool ours = uid == ::geteuid() && access != Access::look;
  if (ours && (status.st_mode & 0777U) != ours_alone) {  // whoever makes it may not have synced it yet
    if (const auto synced = sync_new(place, name, path); !synced) return synced.error();
    if (::fchmod(fd.get(), ours_alone) != 0) return disk_error(path, "can't be made private", errno);
  }
  if ((status.st_mode & 022U) != 0 && uid != ::geteuid()) {
    return Error{Error::Kind::cannot_create, path + ": others may write to it"};
  }
  return Directory(std::move(fd), path, uid, access);
}

Error Directory::error(const std::string& name, const char* what, int number) const {
  return disk_error(path(name), what, number);
}

Error Directory::unread(const std::string& name, const char* what, int number) const {
  Error found = error(name, what, number);
  if (found.kind != Error::Kind::temporary) found.kind = Error::Kind::io;
  return found;
}

Result<void> Directory::check_writable() const {
  if (::faccessat(fd_.get(), ".", W_OK, AT_EACCESS) == 0) return {};
  return Error{Error::Kind::temporary, disk_error(path_, "can't be changed", errno).text};
}

Result<std::vector<std::string>> Directory::names(Wanted wanted) const {
  return list(fd_.get(), path_, wanted);
}

std::optional<struct stat> Directory::own(const std::string& name) const {
  struct stat status {};
  if (::fstatat(fd_.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0 || !is_ours(status)) return std::nullopt;
  return status;
}

bool Directory::is_ours(const struct stat& status) const {
  return S_ISREG(status.st_mode) && status.st_uid == uid_;
}

bool Directory::taken(const std::string& name) const {
  struct stat status {};
  return ::fstatat(fd_.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

bool Directory::leads_to(const std::string& name, int fd) const {
  struct stat status {};
  const auto there = own(name);
  return there && ::fstat(fd, &status) == 0 && status.st_dev == there->st_dev && status.st_ino == there->st_ino;
}

Result<std::optional<base::UniqueFd>> Directory::open_own(const std::string& name, int flags) const {
  std::optional<base::UniqueFd> none;
  struct stat status {};
  if (::fstatat(fd_.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return none;
    return unread(name, "can't be looked at", errno);
  }
  if (!is_ours(status)) return none;  // a FIFO or a device is not even opened
  base::UniqueFd fd(::openat(fd_.get(), name.c_str(), flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
  if (!fd && (errno == ENOENT || errno == ELOOP)) return none;
  if (!fd) return unread(name, "can't be opened", errno);
  if (::fstat(fd.get(), &status) != 0 || !is_ours(status)) return none;
  return std::optional(std::move(fd));
}

Result<std::size_t> Directory::read_at(int fd, std::span<char> out, off_t at, const std::string& name) const {
  std::size_t have = 0;
  while (have < out.size()) {
    const ssize_t count = ::pread(fd, out.data() + have, out.size() - have, at + static_cast<off_t>(have));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return unread(name, "can't be read", errno);
    if (count == 0) break;
    have += static_cast<std::size_t>(count);
  }
  return have;
}

Result<void> Directory::remove(const std::string& name) const {
  if (::unlinkat(fd_.get(), name.c_str(), 0) == 0 || errno == ENOENT) return {};
  return error(name, "can't be removed", errno);
}

Result<void> Directory::sync() const {
  if (::fsync(fd_.get()) == 0) return {};
  return disk_error(path_, "can't be synced", errno);
}

Result<Directory> Directory::below(const std::string& name) const {
  const auto made = make_folder(fd_.get(), name, path(name), ours_alone, not_durable_yet);
  if (!made) return made.error();
  return enter(fd_.get(), name, path(name), uid_, Access::make);
}

Result<std::optional<Directory>> Directory::found_below(const std::string& name) const {
  if (!taken(name)) return std::optional<Directory>();
  auto entered = enter(fd_.get(), name, path(name), uid_, access_);
  if (!entered) return entered.error();
  return std::optional(*std::move(entered));
}

Result<void> Directory::move(const std::string& name, const Directory& to, const std::string& new_name) const {
  if (::renameat(fd_.get(), name.c_str(), to.fd_.get(), new_name.c_str()) != 0) {
    return error(name, "can't be moved", errno);
  }
  return to.sync();
}

Result<void> Directory::touch(const std::string& name) const {
  const base::UniqueFd fd(
      ::openat(fd_.get(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (fd || errno == EEXIST) return {};
  return error(name, "can't be made", errno);
}

Result<Temporary> Temporary::make(std::shared_ptr<const Directory> directory) {
  std::string name = std::string(prefix) + base::random_word();
  base::UniqueFd fd(
      ::openat(directory->fd_.get(), name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd) return directory->error(name, "can't be made", errno);
  Temporary made(std::move(directory), std::move(name), std::move(fd));
  if (::fchmod(made.fd_.get(), 0600) != 0) return made.directory_->error(made.name_, "can't be made", errno);
  (void)::flock(made.fd_.get(), LOCK_EX | LOCK_NB);  // where there are no locks, no runner will have one either
  return made;
}

Temporary::~Temporary() {
  if (!directory_ || name_.empty()) return;
  if (!directory_->remove(name_)) (void)directory_->remove(name_);  // a signal, or whatever passes
}

Result<void> Temporary::reserve(std::size_t bytes) {
  int number = EINTR;
  while (number == EINTR) number = ::posix_fallocate(fd_.get(), 0, static_cast<off_t>(bytes));
  if (number != 0) return directory_->error(name_, "can't be written", number);
  roomy_ = true;
  return {};
}

Result<void> Temporary::write(std::string_view bytes) {
  if (!base::write_all(fd_.get(), bytes)) return directory_->error(name_, "can't be written", errno);
  size_ += static_cast<off_t>(bytes.size());
  return {};
}

Result<void> Temporary::seal() {
  if (roomy_ && ::ftruncate(fd_.get(), size_) != 0) return directory_->error(name_, "can't be written", errno);
  if (::fsync(fd_.get()) != 0) return directory_->error(name_, "can't be synced", errno);
  // Some file systems tell of a failure at close only. A second descriptor keeps the lock meanwhile.
  base::UniqueFd second(::fcntl(fd_.get(), F_DUPFD_CLOEXEC, 0));
  if (!second) return directory_->error(name_, "can't be written", errno);
  const bool closed = ::close(fd_.release()) == 0 || errno == EINTR;
  const int number = errno;
  fd_ = std::move(second);
  if (!closed) return directory_->error(name_, "can't be written", number);
  return {};
}

Result<void> Temporary::replace(const std::string& name) {
  const int at = directory_->fd_.get();
  if (::renameat(at, name_.c_str(), at, name.c_str()) != 0) return directory_->error(name, "can't be made", errno);
  name_.clear();
  return {};
}

Result<bool> Temporary::publish(const std::string& name) {
  const int at = directory_->fd_.get();
  if (::linkat(at, name_.c_str(), at, name.c_str(), 0) != 0) {
    const int number = errno;
    // Over NFS a reply may be lost and the call be made twice: then the name is taken by this very file.
    if (!directory_->leads_to(name, fd_.get())) {
      if (number == EEXIST) return false;
      return directory_->error(name, "can't be made", number);
    }
  }
  if (const auto removed = directory_->remove(name_); !removed) {
    (void)directory_->remove(name);
    return removed.error();
  }
  name_.clear();
  return true;
}

}  // namespace pillarbox::queue
