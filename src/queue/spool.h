// Spool: the directory of one user's queue. What is committed is on disk, fsynced, under its final name, in an fsynced
// directory; what is not committed leaves nothing behind. Everything is relative to the opened directory; symbolic
// links, FIFOs, and files of other owners are never followed, read or removed.
//
//   <id>        messages, 0600
//   <id>.state  their state, 0600
//   tmp.*       what is being written
//   new         made for root's path unit, removed by its runner
//   corrupt/    files that are no message
//   failed/     messages that can't be bounced
//
// Errors: cannot_create (73) naming the path where the place can't be made, written or trusted; temporary (75) if the
// disk or a quota is full; io (74) if the device failed. A failed fsync is never tried again and believed.
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/source.h"
#include "base/unique_fd.h"
#include "queue/entry.h"
#include "queue/place.h"
#include "queue/state.h"

namespace pillarbox::queue {

// A message being put into the queue: removed again unless it is committed.
class NewEntry {
 public:
  NewEntry(NewEntry&&) noexcept;
  NewEntry& operator=(NewEntry&&) = delete;
  ~NewEntry();

  // The content, to its end; once.
  Result<void> write(base::Source& content);
  // With a state if some recipients are done already. After it the message is safe. stopped is asked when all but the
  // message's name is written, which may take long: where it says so, nothing is left, and it is temporary (75).
  Result<std::string> commit(const State& state, const std::function<bool()>& stopped = {});  // its id

 private:
  friend class Spool;
  struct Impl;
  explicit NewEntry(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// An entry that is ours alone while this lives: flock(2) on the message file, whose name led to it when it was locked.
class Locked {
 public:
  Locked(Locked&&) noexcept;
  Locked& operator=(Locked&&) = delete;
  ~Locked();

  [[nodiscard]] const Entry& entry() const;
  [[nodiscard]] const State& state() const;
  [[nodiscard]] std::unique_ptr<base::Source> content() const;  // from its start; rewindable
  // Room for the state that an attempt for so many recipients comes to: a server is asked for nothing that could not be
  // noted. Gone with the spool, if it is not needed.
  Result<void> reserve(std::size_t tried);
  // Durable when it returns.
  Result<void> save(const State& state);
  Result<void> remove();
  Result<void> set_aside();                   // to failed/, with its state
  Result<void> put_back(const State& state);  // from there into the queue, with another state

 private:
  friend class Spool;
  struct Impl;
  explicit Locked(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

struct Listed {
  Entry entry;
  State state;
  std::uint64_t size = 0;
};

// A message to be looked at, and its content.
struct Shown {
  Listed listed;
  std::unique_ptr<base::Source> content;
};

// A file in corrupt/.
struct Damaged {
  std::string name;        // the id under which it was, perhaps with a dot and a word behind it
  std::uint64_t size = 0;  // bytes
  std::string why = {};    // it is no message; "" if it is one by now
};

class Spool {
 public:
  // The directory of that user below a place. A place is made 1733 if it is for everybody (root's), else 0700, the
  // user's directory 0700, whatever the umask. Where somebody else has taken the user's name, "<uid>-<random>" is made
  // or found: what counts is the owner. Nothing if it is not there and not to be made.
  static Result<std::optional<Spool>> open(const std::string& place, uid_t uid, Access access);

  // The directory of that name there, which must be the user's.
  static Result<Spool> at(const std::string& place, const std::string& name, uid_t uid, Access access);

  Spool(Spool&&) noexcept;
  Spool& operator=(Spool&&) noexcept;
  ~Spool();

  [[nodiscard]] const std::string& path() const;

  // An id is given here, unless the entry has one (a notification's): if that is in the queue already, commit() adds
  // nothing and succeeds. The size is the content's. data (65) if the entry is not to be read back as it is.
  Result<NewEntry> begin(Entry entry, std::uint64_t content_size);

  // Whether anything could be noted here; temporary (75) if not, as on a file system that is read-only.
  [[nodiscard]] Result<void> check_writable() const;
  // Ids of what may be messages, the oldest first; nothing is opened.
  [[nodiscard]] Result<std::vector<std::string>> ids() const;
  // Without a lock and without a look at the content: for listings. Nothing if it has gone, or is no file of ours. data
  // (65) if it is no message, unavailable (69) if it or its state is of a later version, io (74) if it can't be read.
  [[nodiscard]] Result<std::optional<Listed>> look(const std::string& id) const;
  // The same with the content, all of which is read to compare the checksum.
  [[nodiscard]] Result<std::optional<Shown>> show(const std::string& id) const;
  // All of it is read, and its checksum compared. Nothing if somebody else has it or it has gone, or if it is not to be
  // touched: a link, a FIFO, another owner's, a later version's, or one with such a thing under its state's name; a
  // file that is no message goes to corrupt/, and data (65) says so. A state that is missing or damaged is fresh; for
  // one that can't be read, or is of a later version, the message is left alone.
  // warnings has a line on each of these but for a missing state, which a message that was not tried yet has not.
  Result<std::optional<Locked>> lock(const std::string& id, std::vector<std::string>& warnings);

  // failed/ as a queue of its own, with the same corrupt/. Nothing if there is none.
  [[nodiscard]] Result<std::optional<Spool>> failed() const;
  // What lies in corrupt/, by name.
  [[nodiscard]] Result<std::vector<Damaged>> corrupt() const;
  // False if there is no such file in it.
  [[nodiscard]] Result<bool> remove_corrupt(const std::string& name) const;

  // Removes temporary files that nobody writes, and states without a message, that are older than an hour; in failed/,
  // too.
  void sweep(Time now) const;
  // Makes <uid>/new, or removes it.
  Result<void> announce() const;
  void heard() const;

 private:
  struct Impl;
  explicit Spool(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace pillarbox::queue
