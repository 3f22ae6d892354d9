// Directory: the one door of the queue to the disk: an opened directory that is one user's and that nobody else may
// write to, and files in it that are there whole or not at all.
//
// Names are relative to it and have no slash. What is given as ours is a regular file of that user, never a link that
// was followed. Every error names its path: temporary (75) if that passes (a full disk or quota, too few descriptors or
// too little memory), io (74) if the device failed or what is there can't be read, cannot_create (73) otherwise.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "queue/place.h"

namespace pillarbox::queue {

class Directory {
 public:
  // As Spool::open.
  static Result<std::optional<Directory>> open(const std::string& place, uid_t uid, Access access);
  // As Spool::at.
  static Result<Directory> at(const std::string& place, const std::string& name, uid_t uid, Access access);

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] uid_t owner() const { return uid_; }
  [[nodiscard]] std::string path(const std::string& name) const { return path_ + '/' + name; }
  [[nodiscard]] Error error(const std::string& name, const char* what, int number) const;
  // The same of what is there, and has to be read.
  [[nodiscard]] Error unread(const std::string& name, const char* what, int number) const;

  [[nodiscard]] Result<void> check_writable() const;
  // The names that are wanted, in no order.
  using Wanted = bool (*)(std::string_view name);
  [[nodiscard]] Result<std::vector<std::string>> names(Wanted wanted) const;
  // What a name leads to, if that is ours; nothing if it is not or there is none.
  [[nodiscard]] std::optional<struct stat> own(const std::string& name) const;
  [[nodiscard]] bool taken(const std::string& name) const;  // by whatever; also where that can't be seen
  // A name is one of the file that is open there, and that is ours.
  [[nodiscard]] bool leads_to(const std::string& name, int fd) const;
  // Opens what is ours; nothing if it is not, or there is none.
  [[nodiscard]] Result<std::optional<base::UniqueFd>> open_own(const std::string& name, int flags) const;
  // Fills out as far as the file goes from there.
  [[nodiscard]] Result<std::size_t> read_at(int fd, std::span<char> out, off_t at, const std::string& name) const;

  // ENOENT is no error.
  Result<void> remove(const std::string& name) const;
  // Durable is what was done in here before it.
  Result<void> sync() const;
  // A folder in this one; made if it is missing.
  [[nodiscard]] Result<Directory> below(const std::string& name) const;
  // The same; nothing if it is missing.
  [[nodiscard]] Result<std::optional<Directory>> found_below(const std::string& name) const;
  // Moves to another one; durable there, but gone from here only with the next sync().
  Result<void> move(const std::string& name, const Directory& to, const std::string& new_name) const;
  // Makes an empty file, if there is nothing under that name.
  Result<void> touch(const std::string& name) const;

 private:
  friend class Temporary;
  Directory(base::UniqueFd fd, std::string path, uid_t uid, Access access)
      : fd_(std::move(fd)), path_(std::move(path)), uid_(uid), access_(access) {}
  static Result<Directory> enter(int place, const std::string& name, const std::string& path, uid_t uid, Access access);
  [[nodiscard]] bool is_ours(const struct stat& status) const;  // a file, and its owner's

  base::UniqueFd fd_;
  std::string path_;
  uid_t uid_;
  Access access_;  // to what is found below it, too
};

// A file that is being written, under a name of its own: "tmp." and a random word. It has a name, and is no O_TMPFILE,
// because that needs /proc to be given one, is not to be had on every file system, and can't replace a file; what is
// left of a process that was killed is swept. It is locked, so that no runner takes what may yet be taken back.
class Temporary {
 public:
  static constexpr std::string_view prefix = "tmp.";

  static Result<Temporary> make(std::shared_ptr<const Directory> directory);
  Temporary(Temporary&& other) noexcept = default;
  Temporary& operator=(Temporary&&) = delete;
  ~Temporary();  // removes it, unless it has got another name

  // Room on the device for so many bytes, whatever else is written there meanwhile.
  Result<void> reserve(std::size_t bytes);
  Result<void> write(std::string_view bytes);
  // What was written, and no room besides, is on the device when it returns.
  Result<void> seal();
  // Gives it a name instead of its own, whatever had that before. Durable with the directory's next sync().
  Result<void> replace(const std::string& name);
  // Gives it a name instead of its own; false if that is taken. Not durable, not even gone from its own name, if it
  // fails.
  Result<bool> publish(const std::string& name);

 private:
  Temporary(std::shared_ptr<const Directory> directory, std::string name, base::UniqueFd fd)
      : directory_(std::move(directory)), name_(std::move(name)), fd_(std::move(fd)) {}

  std::shared_ptr<const Directory> directory_;  // null: moved from
  std::string name_;                            // "": it has another one
  base::UniqueFd fd_;
  off_t size_ = 0;
  bool roomy_ = false;  // more was reserved than was written, perhaps
};

}  // namespace pillarbox::queue
