// Disk: what stands between the queue's code and the kernel in its unit tests. The linker puts it there (--wrap), so
// that no call goes around it and the product has no seam for it. It makes one call fail, records what was done to a
// folder, and says what a crash may leave of that.
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace pillarbox::queue::test {

// Calls that can fail: "openat", "write", "fsync", "close", "linkat", "renameat", "unlinkat", "mkdirat", "fchmod",
// "flock", "posix_fallocate".
struct Fault {
  std::string call;
  unsigned number = 0;  // the first is 1
  int error = 0;        // an errno; 0: half of it is written, which is no error
};

// A model, and no file system: what was not synced, content or name, may be there after a crash or not, each by itself;
// only a rename happens as a whole, and a sync of either folder makes it durable.
class Disk {
 public:
  Disk();
  Disk(const Disk&) = delete;
  Disk& operator=(const Disk&) = delete;
  ~Disk();

  void fail(Fault fault) { fault_ = std::move(fault); }
  [[nodiscard]] bool has_failed() const { return failed_; }
  [[nodiscard]] bool content_is_doubtful() const { return doubtful_; }  // the close of a file that was written failed
  void note_failure() { failed_ = true; }                               // of another Disk that stood in for a while
  // Called before each call but its own: what somebody else may do just then.
  using Watcher = std::function<void(const std::string& call, int fd, const std::string& name)>;
  void watch(Watcher watcher) { watcher_ = std::move(watcher); }
  // Something was promised here: later crashes must keep it.
  void mark(int phase);

  using Name = std::pair<ino_t, std::string>;  // a folder, and a name in it
  struct Crash {
    int phase;
    std::map<Name, std::string> files;
  };
  // Every state that a crash after each of the recorded calls may leave.
  [[nodiscard]] std::vector<Crash> crashes() const;
  // What is left if the power goes now and nothing is there that was not synced.
  [[nodiscard]] Crash last() const;

  // For the wrapped calls.
  struct Event {
    enum class Kind { create, write, sync_file, sync_folder, link, rename, unlink, mark } kind;
    unsigned file = 0;
    Name name = {};
    Name from = {};  // of a rename
    std::string bytes = {};
    int phase = 0;
  };
  std::optional<int> decide(const std::string& call, int fd, const char* name);  // the error to give, if so
  void created(int folder, const std::string& name, int fd);
  void written(int fd, std::string bytes);
  void synced(int fd);
  void closed(int fd);
  void linked(int from_folder, const std::string& from, int to_folder, const std::string& to, bool renamed);
  void unlinked(int folder, const std::string& name);

 private:
  Fault fault_;
  Watcher watcher_;
  bool failed_ = false;
  bool doubtful_ = false;
  Disk* before_ = nullptr;  // which stands there again after this one
  std::map<std::string, unsigned> calls_;
  std::vector<Event> events_;
  std::map<int, unsigned> open_;    // descriptors of files that are written
  std::map<Name, unsigned> names_;  // as they are now
  unsigned files_ = 0;
};

}  // namespace pillarbox::queue::test
