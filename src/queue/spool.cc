#include "queue/spool.h"

#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <ctime>
#include <new>
#include <span>
#include <utility>

#include "base/system.h"
#include "base/text.h"
#include "queue/checksum.h"
#include "queue/directory.h"
#include "queue/files.h"

namespace pillarbox::queue {
namespace {

constexpr std::chrono::hours leftover_age{1};
constexpr std::size_t longest_message_id = 998;
constexpr std::size_t chunk_size = 65536;
constexpr const char* failed_folder = "failed";
constexpr const char* corrupt_folder = "corrupt";

bool is_temporary(std::string_view name) {
  return name.starts_with(Temporary::prefix);
}

bool is_state_name(std::string_view name) {
  return name.ends_with(state_suffix) && is_id(name.substr(0, name.size() - state_suffix.size()));
}

// All of a file is read: what stands before its content, if it is a message.
Result<Opened> examine(const Directory& directory, int fd, const std::string& id) {
  auto opened = read_head(directory, fd, id);
  if (!opened) return opened;
  if (const auto whole = check_sum(directory, fd, id, *opened); !whole) return whole.error();
  return opened;
}

// What is wrong with a file, with its path, which the errors of reading it have.
Error about(const Directory& directory, const std::string& id, const Error& error) {
  const bool unread = error.kind == Error::Kind::io || error.kind == Error::Kind::temporary;
  return unread ? error : Error{error.kind, directory.path(id) + ": " + error.text};
}

// A message that was moved aside, where its name was free and where it was not.
bool is_aside_name(std::string_view name) {
  return is_id(name.substr(0, name.find('.'))) && !name.ends_with(state_suffix);
}

bool is_fresh(const State& state) {
  const auto untouched = [](const RecipientState& each) {
    return each.progress == Progress::owed && each.reply.empty() && each.status.empty();
  };
  return state.tries == 0 && state.next == Time() && !state.last && state.reply.empty() &&
         std::all_of(state.recipients.begin(), state.recipients.end(), untouched);
}

// To a folder of the queue's; with its state, as far as it has one. Each step is durable before the next, so that a
// message is never without its state in the queue.
Result<void> move_aside(const Directory& directory, const Directory& queue, const std::string& id, const char* folder) {
  const auto to = queue.below(folder);
  if (!to) return to.error();
  const std::string name = to->taken(id) ? id + '.' + base::random_word() : id;
  if (const auto moved = directory.move(id, *to, name); !moved) return moved.error();
  if (const auto synced = directory.sync(); !synced) return synced.error();
  if (!directory.own(state_name(id))) return {};
  return directory.move(state_name(id), *to, state_name(name));
}

// Takes away what was left there before that moment.
void sweep_in(const Directory& directory, std::time_t limit) {
  const auto names = directory.names([](std::string_view name) { return is_temporary(name) || is_state_name(name); });
  if (!names) return;
  for (const std::string& name : *names) {
    if (!is_temporary(name) && directory.taken(name.substr(0, name.size() - state_suffix.size()))) continue;
    const auto status = directory.own(name);
    if (!status || status->st_mtime >= limit) continue;
    const auto file = directory.open_own(name, O_RDWR);
    if (!file || !*file || ::flock((*file)->get(), LOCK_EX | LOCK_NB) != 0) continue;  // its writer is at work
    (void)directory.remove(name);
  }
}

// What a log shows of it; a field of any length or content is no reason to refuse a message.
std::string kept_message_id(std::string_view text) {
  if (text.size() > longest_message_id) text = {};
  return base::has_control(text) ? "" : std::string(text);
}

}  // namespace

// --- A new entry

struct NewEntry::Impl {
  std::shared_ptr<const Directory> directory;
  std::string id;
  std::size_t recipients;
  std::uint64_t left;  // bytes of the content that are still to be written
  Checksum checksum;
  Temporary file;

  Result<void> write(std::string_view bytes) {
    checksum.add(bytes);
    return file.write(bytes);
  }
};

NewEntry::NewEntry(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
NewEntry::NewEntry(NewEntry&&) noexcept = default;
NewEntry::~NewEntry() = default;

Result<void> NewEntry::write(base::Source& content) {
  std::vector<char> chunk(chunk_size);
  for (;;) {
    const auto count = content.read(chunk);
    if (!count) return count.error();
    if (*count == 0) return {};
    if (*count > impl_->left) return Error{Error::Kind::io, "there is more of the message than was said"};
    impl_->left -= *count;
    if (const auto written = impl_->write({chunk.data(), *count}); !written) return written.error();
  }
}

Result<std::string> NewEntry::commit(const State& state, const std::function<bool()>& stopped) {
  const Directory& directory = *impl_->directory;
  const std::string& id = impl_->id;
  if (impl_->left > 0) return Error{Error::Kind::io, "there is less of the message than was said"};
  if (state.recipients.size() != impl_->recipients) return Error{Error::Kind::internal, "a state of other recipients"};
  const auto made_before = [&]() -> Result<std::string> {
    // A notification, by a process that may not have come to this.
    if (const auto synced = directory.sync(); !synced) return synced.error();
    return id;
  };
  if (directory.own(id)) return made_before();
  if (const auto written = impl_->file.write(trailer(impl_->checksum)); !written) return written.error();
  if (const auto sealed = impl_->file.seal(); !sealed) return sealed.error();

  // The state first: no crash may leave a message whose accepted recipients seem to be owed.
  const bool stateful = !is_fresh(state);
  const auto roll_back = [&](const Error& error) {
    if (stateful) (void)directory.remove(state_name(id));
    return error;
  };
  if (stateful) {
    if (const auto saved = save_state(impl_->directory, id, state); !saved) return roll_back(saved.error());
  }
  if (stopped && stopped()) return roll_back({Error::Kind::temporary, "a signal has come"});
  Result<std::string> done = id;  // nothing may fail for want of memory once it is there
  const auto published = impl_->file.publish(id);
  if (!published) return roll_back(published.error());
  if (!*published && directory.own(id)) return made_before();
  if (!*published) return roll_back(directory.error(id, "can't be made", EEXIST));
  if (const auto synced = directory.sync(); !synced) {
    (void)directory.remove(id);  // the message before its state, as ever
    return roll_back(synced.error());
  }
  return done;
}

// --- A locked entry

namespace {

// Room for states that was not needed: the next message has it, so that a run makes it seldom.
using Rooms = std::vector<Temporary>;

}  // namespace

struct Locked::Impl {
  std::shared_ptr<const Directory> directory;
  std::shared_ptr<const Directory> home;  // the queue, if the directory is its failed/
  std::shared_ptr<const base::UniqueFd> fd;
  Entry entry;
  State state;
  std::uint64_t begin;
  std::uint64_t size;
  std::shared_ptr<Rooms> rooms;
  std::optional<Temporary> room = {};

  ~Impl() {
    if (!room) return;
    try {
      rooms->push_back(*std::move(room));
    } catch (const std::bad_alloc&) {  // then it is removed
    }
  }
};

Locked::Locked(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Locked::Locked(Locked&&) noexcept = default;
Locked::~Locked() = default;

const Entry& Locked::entry() const {
  return impl_->entry;
}

const State& Locked::state() const {
  return impl_->state;
}

std::unique_ptr<base::Source> Locked::content() const {
  return content_of(impl_->directory, impl_->fd, impl_->entry.id, impl_->begin, impl_->size);
}

Result<void> Locked::reserve(std::size_t tried) {
  Rooms& rooms = *impl_->rooms;
  auto room = rooms.empty() ? Temporary::make(impl_->directory) : Result<Temporary>(std::move(rooms.back()));
  if (!rooms.empty()) rooms.pop_back();
  auto reserved = room ? room->reserve(room_for(impl_->state, tried)) : Result<void>(room.error());
  if (!reserved) return reserved;
  impl_->room.emplace(*std::move(room));
  return {};
}

Result<void> Locked::save(const State& state) {
  if (state.recipients.size() != impl_->entry.envelope.recipients().size()) {
    return Error{Error::Kind::internal, "a state of other recipients"};
  }
  auto room = std::exchange(impl_->room, std::nullopt);
  if (auto saved = save_state(impl_->directory, impl_->entry.id, state, std::move(room)); !saved) return saved;
  impl_->state = state;
  return {};
}

// The message first, durably: a message without its state would be sent again, a state without a message is swept.
Result<void> Locked::remove() {
  const Directory& directory = *impl_->directory;
  if (const auto removed = directory.remove(impl_->entry.id); !removed) return removed.error();
  if (const auto synced = directory.sync(); !synced) return synced.error();
  return directory.remove(state_name(impl_->entry.id));
}

Result<void> Locked::set_aside() {
  return move_aside(*impl_->directory, *impl_->directory, impl_->entry.id, failed_folder);
}

// The state first: no crash may leave a message in the queue whose accepted recipients seem to be owed.
Result<void> Locked::put_back(const State& state) {
  const std::string& id = impl_->entry.id;
  if (!impl_->home) return Error{Error::Kind::internal, "it is in the queue"};
  if (impl_->home->taken(id)) return impl_->home->error(id, "can't be made", EEXIST);
  Result<void> done = save_state(impl_->home, id, state);
  if (done) done = impl_->directory->move(id, *impl_->home, id);
  if (!done && !impl_->home->taken(id)) (void)impl_->home->remove(state_name(id));
  if (!done) return done;
  if (const auto synced = impl_->directory->sync(); !synced) return synced.error();
  return impl_->directory->remove(state_name(id));
}

// --- The spool

struct Spool::Impl {
  std::shared_ptr<const Directory> directory;
  std::shared_ptr<const Directory> home = {};  // as Locked's
  std::shared_ptr<Rooms> rooms = std::make_shared<Rooms>();

  // Locks what a name leads to, if it is still that when it is locked.
  Result<std::optional<base::UniqueFd>> lock(const std::string& id, std::vector<std::string>& warnings) const;
  bool has_one_name(int fd) const;
  Result<std::optional<Listed>> listed(Opened opened) const;
};

Spool::Spool(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Spool::Spool(Spool&&) noexcept = default;
Spool& Spool::operator=(Spool&&) noexcept = default;
Spool::~Spool() = default;

Result<std::optional<Spool>> Spool::open(const std::string& place, uid_t uid, Access access) {
  auto directory = Directory::open(place, uid, access);
  if (!directory) return directory.error();
  if (!*directory) return std::optional<Spool>();
  auto impl = std::make_unique<Impl>(Impl{std::make_shared<const Directory>(**std::move(directory))});
  return std::optional(Spool(std::move(impl)));
}

Result<Spool> Spool::at(const std::string& place, const std::string& name, uid_t uid, Access access) {
  auto directory = Directory::at(place, name, uid, access);
  if (!directory) return directory.error();
  return Spool(std::make_unique<Impl>(Impl{std::make_shared<const Directory>(*std::move(directory))}));
}

const std::string& Spool::path() const {
  return impl_->directory->path();
}

Result<NewEntry> Spool::begin(Entry entry, std::uint64_t content_size) {
  if (entry.id.empty()) entry.id = new_id(entry.arrived);
  entry.message_id = kept_message_id(entry.message_id);
  const std::string head = encode(entry, content_size);
  // Nothing is taken that would not be taken for a message later.
  if (const auto read = decode(head); !read)
    return Error{Error::Kind::data, "can't be queued: it " + read.error().text};
  if (entry.uid != impl_->directory->owner()) return Error{Error::Kind::internal, "another user's queue"};
  auto file = Temporary::make(impl_->directory);
  if (!file) return file.error();
  NewEntry made(std::unique_ptr<NewEntry::Impl>(new NewEntry::Impl{.directory = impl_->directory,
                                                                   .id = entry.id,
                                                                   .recipients = entry.envelope.recipients().size(),
                                                                   .left = content_size,
                                                                   .checksum = {},
                                                                   .file = *std::move(file)}));
  if (const auto written = made.impl_->write(head); !written) return written.error();
  return made;
}

Result<void> Spool::check_writable() const {
  return impl_->directory->check_writable();
}

Result<std::vector<std::string>> Spool::ids() const {
  auto names = impl_->directory->names(is_id);
  if (!names) return names.error();
  std::sort(names->begin(), names->end());
  return names;
}

Result<std::optional<Listed>> Spool::look(const std::string& id) const {
  const Directory& directory = *impl_->directory;
  std::optional<Listed> none;
  if (!is_id(id)) return none;
  const auto fd = directory.open_own(id, O_RDONLY);
  if (!fd) return fd.error();
  if (!*fd) return none;
  auto opened = read_head(directory, (*fd)->get(), id);
  if (!opened) return about(directory, id, opened.error());
  return impl_->listed(*std::move(opened));
}

Result<std::optional<Shown>> Spool::show(const std::string& id) const {
  const auto& directory = impl_->directory;
  std::optional<Shown> none;
  if (!is_id(id)) return none;
  auto fd = directory->open_own(id, O_RDONLY);
  if (!fd) return fd.error();
  if (!*fd) return none;
  auto opened = examine(*directory, (*fd)->get(), id);
  if (!opened) return about(*directory, id, opened.error());
  auto content = content_of(directory, std::make_shared<const base::UniqueFd>(**std::move(fd)), id, opened->begin,
                            opened->head.content_size);
  auto listed = impl_->listed(*std::move(opened));
  if (!listed) return listed.error();
  return std::optional(Shown{**std::move(listed), std::move(content)});
}

Result<std::optional<Listed>> Spool::Impl::listed(Opened opened) const {
  Entry& entry = opened.head.entry;
  std::string ignored;
  auto state = read_state(*directory, entry.id, entry.envelope.recipients().size(), ignored);
  if (!state) return state.error();
  return std::optional(Listed{std::move(entry), *std::move(state), opened.head.content_size});
}

Result<std::optional<base::UniqueFd>> Spool::Impl::lock(const std::string& id,
                                                        std::vector<std::string>& warnings) const {
  std::optional<base::UniqueFd> none;
  if (!is_id(id) || !directory->taken(id)) return none;
  // For writing, though nothing is written: an exclusive lock over NFS asks for that.
  auto opened = directory->open_own(id, O_RDWR);
  if (!opened) return opened.error();
  if (!*opened) {
    if (directory->taken(id)) warnings.push_back(directory->path(id) + ": is no file of its owner's; left alone");
    return none;
  }
  const int fd = (*opened)->get();
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return none;
    return directory->error(id, "can't be locked", errno);
  }
  if (!directory->leads_to(id, fd)) return none;
  if (!has_one_name(fd)) {
    warnings.push_back(directory->path(id) + ": has another name as well; left alone");
    return none;
  }
  return std::move(*opened);
}

// A writer has the lock until it has taken the temporary name away: whoever finds both, and the lock free, does it for
// one that was killed.
bool Spool::Impl::has_one_name(int fd) const {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return false;
  if (status.st_nlink == 1) return true;
  const auto names = directory->names(is_temporary);
  if (!names) return false;
  for (const std::string& name : *names) {
    if (directory->leads_to(name, fd)) (void)directory->remove(name);
  }
  return ::fstat(fd, &status) == 0 && status.st_nlink == 1;
}

Result<std::optional<Locked>> Spool::lock(const std::string& id, std::vector<std::string>& warnings) {
  const Directory& directory = *impl_->directory;
  auto fd = impl_->lock(id, warnings);
  if (!fd) return fd.error();
  if (!*fd) return std::optional<Locked>();
  auto opened = examine(directory, (*fd)->get(), id);
  const auto left_alone = [&](const Error& error) {
    warnings.push_back(error.text + "; the message is left alone");
    return std::optional<Locked>();
  };
  if (!opened && opened.error().kind == Error::Kind::data) {
    std::string text = directory.path(id) + ": " + opened.error().text;
    const auto moved = move_aside(directory, impl_->home ? *impl_->home : directory, id, corrupt_folder);
    text += moved ? "; it was moved to corrupt/" : "; " + moved.error().text;
    return Error{Error::Kind::data, text};
  }
  if (!opened && opened.error().kind == Error::Kind::unavailable)
    return left_alone(about(directory, id, opened.error()));
  if (!opened) return opened.error();
  std::string warning;
  auto state = read_state(directory, id, opened->head.entry.envelope.recipients().size(), warning);
  if (!state && state.error().kind == Error::Kind::unavailable) return left_alone(state.error());
  if (!state) return state.error();
  if (!warning.empty()) warnings.push_back(warning);
  Locked locked(
      std::unique_ptr<Locked::Impl>(new Locked::Impl{.directory = impl_->directory,
                                                     .home = impl_->home,
                                                     .fd = std::make_shared<const base::UniqueFd>(**std::move(fd)),
                                                     .entry = std::move(opened->head.entry),
                                                     .state = *std::move(state),
                                                     .begin = opened->begin,
                                                     .size = opened->head.content_size,
                                                     .rooms = impl_->rooms}));
  return std::optional(std::move(locked));
}

Result<std::optional<Spool>> Spool::failed() const {
  auto found = impl_->directory->found_below(failed_folder);
  if (!found) return found.error();
  if (!*found) return std::optional<Spool>();
  auto impl = std::make_unique<Impl>(
      Impl{.directory = std::make_shared<const Directory>(**std::move(found)), .home = impl_->directory});
  return std::optional(Spool(std::move(impl)));
}

Result<std::vector<Damaged>> Spool::corrupt() const {
  std::vector<Damaged> all;
  const auto found = impl_->directory->found_below(corrupt_folder);
  if (!found) return found.error();
  if (!*found) return all;
  auto names = (*found)->names(is_aside_name);
  if (!names) return names.error();
  std::sort(names->begin(), names->end());
  for (const std::string& name : *names) {
    const auto fd = (*found)->open_own(name, O_RDONLY);
    const auto status = (*found)->own(name);
    if (!fd || !*fd || !status) continue;
    const auto opened = examine(**found, (*fd)->get(), name.substr(0, name.find('.')));
    all.push_back({name, static_cast<std::uint64_t>(status->st_size), opened ? "" : opened.error().text});
  }
  return all;
}

Result<bool> Spool::remove_corrupt(const std::string& name) const {
  const auto found = impl_->directory->found_below(corrupt_folder);
  if (!found) return found.error();
  if (!*found || !is_aside_name(name) || name.find('/') != std::string::npos || !(*found)->own(name)) return false;
  if (const auto removed = (*found)->remove(name); !removed) return removed.error();
  if (!(*found)->own(state_name(name))) return true;
  if (const auto removed = (*found)->remove(state_name(name)); !removed) return removed.error();
  return true;
}

void Spool::sweep(Time now) const {
  const auto limit = std::chrono::system_clock::to_time_t(now - leftover_age);
  sweep_in(*impl_->directory, limit);
  const auto failed = impl_->directory->found_below(failed_folder);  // a removal may have been killed there, too
  if (failed && *failed) sweep_in(**failed, limit);
}

Result<void> Spool::announce() const {
  return impl_->directory->touch("new");
}

void Spool::heard() const {
  if (impl_->directory->own("new")) (void)impl_->directory->remove("new");
}

}  // namespace pillarbox::queue
