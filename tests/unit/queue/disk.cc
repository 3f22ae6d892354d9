#include "disk.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <set>

namespace pillarbox::queue::test {
namespace {

Disk* disk = nullptr;

ino_t inode(int fd) {
  struct stat status {};
  return ::fstat(fd, &status) == 0 ? status.st_ino : 0;
}

bool is_folder(int fd) {
  struct stat status {};
  return ::fstat(fd, &status) == 0 && S_ISDIR(status.st_mode);
}

// What is on the disk for sure, and what may be.
struct Model {
  struct File {
    std::string synced;
    std::string written;
  };
  std::map<unsigned, File> files;
  std::map<Disk::Name, unsigned> names;  // synced
  std::vector<Disk::Event> pending;      // changes of names that were not
  int phase = 0;

  static void change(std::map<Disk::Name, unsigned>& in, const Disk::Event& event) {
    if (event.kind == Disk::Event::Kind::rename) in.erase(event.from);
    if (event.kind == Disk::Event::Kind::unlink) {
      in.erase(event.name);
    } else {
      in[event.name] = event.file;
    }
  }

  void apply(const Disk::Event& event) {
    using Kind = Disk::Event::Kind;
    switch (event.kind) {
      case Kind::write:
        files[event.file].written += event.bytes;
        break;
      case Kind::sync_file:
        files[event.file].synced = files[event.file].written;
        break;
      case Kind::mark:
        phase = event.phase;
        break;
      case Kind::create:
      case Kind::link:
      case Kind::rename:
      case Kind::unlink:
        pending.push_back(event);
        break;
      case Kind::sync_folder: {
        const auto concerned = [&](const Disk::Event& each) {
          return each.name.first == event.name.first || each.from.first == event.name.first;
        };
        for (const Disk::Event& each : pending) {
          if (concerned(each)) change(names, each);
        }
        std::erase_if(pending, concerned);
        break;
      }
    }
  }

  // Those of the pending changes happened whose bit is set; of the content that much.
  [[nodiscard]] Disk::Crash crash(unsigned happened, int content) const {
    std::map<Disk::Name, unsigned> there = names;
    for (std::size_t i = 0; i < pending.size(); ++i) {
      if ((happened >> i & 1U) != 0) change(there, pending[i]);
    }
    Disk::Crash out{phase, {}};
    for (const auto& [name, number] : there) {
      const auto found = files.find(number);
      if (found == files.end()) {
        out.files[name] = "";
        continue;
      }
      const File& file = found->second;
      const std::size_t more = file.written.size() - file.synced.size();
      out.files[name] = file.written.substr(0, file.synced.size() + more * static_cast<std::size_t>(content) / 2);
    }
    return out;
  }
};

}  // namespace

Disk::Disk() : before_(disk) {
  disk = this;
}

Disk::~Disk() {
  disk = before_;
}

void Disk::mark(int phase) {
  events_.push_back({.kind = Event::Kind::mark, .phase = phase});
}

std::vector<Disk::Crash> Disk::crashes() const {
  std::vector<Crash> out;
  Model model;
  for (const Event& event : events_) {
    model.apply(event);
    for (unsigned happened = 0; happened < 1U << std::min<std::size_t>(model.pending.size(), 8); ++happened) {
      for (int content = 0; content <= 2; ++content) {
        Crash crash = model.crash(happened, content);
        const bool seen = std::any_of(out.begin(), out.end(), [&](const Crash& other) {
          return other.phase == crash.phase && other.files == crash.files;
        });
        if (!seen) out.push_back(std::move(crash));
      }
    }
  }
  return out;
}

Disk::Crash Disk::last() const {
  Model model;
  for (const Event& event : events_) model.apply(event);
  return model.crash(0, 0);
}

std::optional<int> Disk::decide(const std::string& call, int fd, const char* name) {
  if (const Watcher watcher = std::exchange(watcher_, {})) {
    watcher(call, fd, name);
    watcher_ = watcher;
  }
  const unsigned number = ++calls_[call];
  if (call != fault_.call || number != fault_.number) return std::nullopt;
  failed_ = true;
  doubtful_ = call == "close" && open_.contains(fd) && fault_.error != EINTR;
  return fault_.error;
}

void Disk::created(int folder, const std::string& name, int fd) {
  const unsigned file = ++files_;
  open_[fd] = file;
  names_[{inode(folder), name}] = file;
  events_.push_back({.kind = Event::Kind::create, .file = file, .name = {inode(folder), name}});
}

void Disk::written(int fd, std::string bytes) {
  if (open_.contains(fd)) events_.push_back({.kind = Event::Kind::write, .file = open_[fd], .bytes = std::move(bytes)});
}

void Disk::synced(int fd) {
  if (is_folder(fd)) events_.push_back({.kind = Event::Kind::sync_folder, .name = {inode(fd), ""}});
  if (open_.contains(fd)) events_.push_back({.kind = Event::Kind::sync_file, .file = open_[fd]});
}

void Disk::closed(int fd) {
  open_.erase(fd);
}

void Disk::linked(int from_folder, const std::string& from, int to_folder, const std::string& to, bool renamed) {
  const Name old{inode(from_folder), from};
  const Name name{inode(to_folder), to};
  const unsigned file = names_[old];
  names_[name] = file;
  if (renamed) names_.erase(old);
  if (renamed) {
    events_.push_back({.kind = Event::Kind::rename, .file = file, .name = name, .from = old});
  } else {
    events_.push_back({.kind = Event::Kind::link, .file = file, .name = name});
  }
}

void Disk::unlinked(int folder, const std::string& name) {
  names_.erase({inode(folder), name});
  events_.push_back({.kind = Event::Kind::unlink, .name = {inode(folder), name}});
}

// --- The calls, as the linker finds them.

extern "C" {
// NOLINTBEGIN(bugprone-reserved-identifier): the linker's names
int __real_openat(int folder, const char* path, int flags, ...);
int __real___openat_2(int folder, const char* path, int flags);
ssize_t __real_write(int fd, const void* bytes, size_t size);
int __real_fsync(int fd);
int __real_close(int fd);
int __real_linkat(int from_folder, const char* from, int to_folder, const char* to, int flags);
int __real_renameat(int from_folder, const char* from, int to_folder, const char* to);
int __real_unlinkat(int folder, const char* path, int flags);
int __real_mkdirat(int folder, const char* path, mode_t mode);
int __real_fchmod(int fd, mode_t mode);
int __real_flock(int fd, int operation);
int __real_posix_fallocate(int fd, off_t offset, off_t size);

static bool fails(const char* call, int fd, const char* name = "") {
  const auto error = disk ? disk->decide(call, fd, name) : std::nullopt;
  if (error) errno = *error;
  return error.has_value();
}

int __wrap_openat(int folder, const char* path, int flags, ...) {
  mode_t mode = 0;
  if ((flags & O_CREAT) != 0) {
    va_list rest;
    va_start(rest, flags);
    mode = va_arg(rest, mode_t);
    va_end(rest);
  }
  if (fails("openat", folder, path)) return -1;
  const int fd = __real_openat(folder, path, flags, mode);
  if (disk && fd >= 0 && (flags & O_CREAT) != 0) disk->created(folder, path, fd);
  return fd;
}

// What hardening makes of it where the flags are not known beforehand.
int __wrap___openat_2(int folder, const char* path, int flags) {
  return fails("openat", folder, path) ? -1 : __real___openat_2(folder, path, flags);
}

ssize_t __wrap_write(int fd, const void* bytes, size_t size) {
  const auto error = disk ? disk->decide("write", fd, "") : std::nullopt;
  if (error && *error != 0) {
    errno = *error;
    return -1;
  }
  if (error) size = (size + 1) / 2;
  const ssize_t count = __real_write(fd, bytes, size);
  if (disk && count > 0) disk->written(fd, {static_cast<const char*>(bytes), static_cast<size_t>(count)});
  return count;
}

int __wrap_fsync(int fd) {
  if (fails("fsync", fd)) return -1;
  if (!disk) return __real_fsync(fd);
  disk->synced(fd);  // the model's word is enough, and the device is slow
  return 0;
}

// It is closed even so, as Linux does it.
int __wrap_close(int fd) {
  const bool failed = fails("close", fd);
  const int error = errno;
  if (disk) disk->closed(fd);
  const int done = __real_close(fd);
  if (failed) errno = error;
  return failed ? -1 : done;
}

int __wrap_linkat(int from_folder, const char* from, int to_folder, const char* to, int flags) {
  if (fails("linkat", to_folder, to)) return -1;
  const int done = __real_linkat(from_folder, from, to_folder, to, flags);
  if (disk && done == 0) disk->linked(from_folder, from, to_folder, to, false);
  return done;
}

int __wrap_renameat(int from_folder, const char* from, int to_folder, const char* to) {
  if (fails("renameat", to_folder, to)) return -1;
  const int done = __real_renameat(from_folder, from, to_folder, to);
  if (disk && done == 0) disk->linked(from_folder, from, to_folder, to, true);
  return done;
}

int __wrap_unlinkat(int folder, const char* path, int flags) {
  if (fails("unlinkat", folder, path)) return -1;
  const int done = __real_unlinkat(folder, path, flags);
  if (disk && done == 0) disk->unlinked(folder, path);
  return done;
}

int __wrap_mkdirat(int folder, const char* path, mode_t mode) {
  return fails("mkdirat", folder, path) ? -1 : __real_mkdirat(folder, path, mode);
}

int __wrap_fchmod(int fd, mode_t mode) {
  return fails("fchmod", fd) ? -1 : __real_fchmod(fd, mode);
}

int __wrap_flock(int fd, int operation) {
  return fails("flock", fd) ? -1 : __real_flock(fd, operation);
}

int __wrap_posix_fallocate(int fd, off_t offset, off_t size) {
  return fails("posix_fallocate", fd) ? errno : __real_posix_fallocate(fd, offset, size);
}
// NOLINTEND(bugprone-reserved-identifier)
}

}  // namespace pillarbox::queue::test
