#include "queue/spool.h"

#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
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

bool is_temporary(std::string_view name) {
  return name.starts_with(Temporary::prefix);
}

bool is_state_name(std::string_view name) {
  return name.ends_with(state_suffix) && is_id(name.substr(0, name.size() - state_suffix.size()));
}

bool is_fresh(const State& state) {
  const auto untouched = [](const RecipientState& each) {
    return each.progress == Progress::owed && each.reply.empty() && each.status.empty();
  };
  return state.tries == 0 && state.next == Time() && !state.last && state.reply.empty() &&
         std::all_of(state.recipients.begin(), state.recipients.end(), untouched);
}

// To a folder below; with its state, as far as it has one. Each step is durable before the next, so that a message is
// never without its state in the queue.
Result<void> move_aside(const Directory& directory, const std::string& id, const std::string& folder) {
  const auto to = directory.below(folder);
  if (!to) return to.error();
  const std::string name = to->taken(id) ? id + '.' + base::random_word() : id;
  if (const auto moved = directory.move(id, *to, name); !moved) return moved.error();
  if (const auto synced = directory.sync(); !synced) return synced.error();
  if (!directory.own(state_name(id))) return {};
  return directory.move(state_name(id), *to, state_name(name));
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

Result<std::string> NewEntry::commit(const State& state) {
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
  const auto published = impl_->file.publish(id);
  if (!published) return roll_back(published.error());
  if (!*published && directory.own(id)) return made_before();
  if (!*published) return roll_back(directory.error(id, "can't be made", EEXIST));
  if (const auto synced = directory.sync(); !synced) {
    (void)directory.remove(id);  // the message before its state, as ever
    return roll_back(synced.error());
  }
  return id;
}

// --- A locked entry

struct Locked::Impl {
  std::shared_ptr<const Directory> directory;
  std::shared_ptr<const base::UniqueFd> fd;
  Entry entry;
  State state;
  std::uint64_t begin;
  std::uint64_t size;
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

std::uint64_t Locked::size() const {
  return impl_->size;
}

std::unique_ptr<base::Source> Locked::content() const {
  return content_of(impl_->directory, impl_->fd, impl_->entry.id, impl_->begin, impl_->size);
}

Result<void> Locked::save(const State& state) {
  if (state.recipients.size() != impl_->entry.envelope.recipients().size()) {
    return Error{Error::Kind::internal, "a state of other recipients"};
  }
  if (const auto saved = save_state(impl_->directory, impl_->entry.id, state); !saved) return saved.error();
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
  return move_aside(*impl_->directory, impl_->entry.id, "failed");
}

// --- The spool

struct Spool::Impl {
  std::shared_ptr<const Directory> directory;

  // Locks what a name leads to, if it is still that when it is locked.
  Result<std::optional<base::UniqueFd>> lock(const std::string& id, std::vector<std::string>& warnings) const;
  bool has_one_name(int fd) const;
  Result<Opened> examine(int fd, const std::string& id) const;
};

Spool::Spool(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Spool::Spool(Spool&&) noexcept = default;
Spool& Spool::operator=(Spool&&) noexcept = default;
Spool::~Spool() = default;

Result<std::optional<Spool>> Spool::open(const std::string& place, uid_t uid, bool make, bool shared_place) {
  auto directory = Directory::open(place, uid, make, shared_place);
  if (!directory) return directory.error();
  if (!*directory) return std::optional<Spool>();
  auto impl = std::make_unique<Impl>(Impl{std::make_shared<const Directory>(**std::move(directory))});
  return std::optional(Spool(std::move(impl)));
}

Result<Spool> Spool::at(const std::string& place, const std::string& name, uid_t uid) {
  auto directory = Directory::at(place, name, uid);
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

Result<std::vector<std::string>> Spool::ids() const {
  auto names = impl_->directory->names(is_id);
  if (!names) return names.error();
  std::sort(names->begin(), names->end());
  return names;
}

std::optional<Listed> Spool::look(const std::string& id) const {
  const Directory& directory = *impl_->directory;
  if (!is_id(id)) return std::nullopt;
  const auto fd = directory.open_own(id, O_RDONLY);
  if (!fd || !*fd) return std::nullopt;
  auto opened = read_head(directory, (*fd)->get(), id);
  if (!opened) return std::nullopt;
  std::string ignored;
  State state = read_state(directory, id, opened->head.entry.envelope.recipients().size(), ignored);
  return Listed{std::move(opened->head.entry), std::move(state), opened->head.content_size};
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

Result<Opened> Spool::Impl::examine(int fd, const std::string& id) const {
  auto opened = read_head(*directory, fd, id);
  if (!opened) return opened;
  if (const auto whole = check_sum(*directory, fd, id, *opened); !whole) return whole.error();
  return opened;
}

Result<std::optional<Locked>> Spool::lock(const std::string& id, std::vector<std::string>& warnings) {
  const Directory& directory = *impl_->directory;
  auto fd = impl_->lock(id, warnings);
  if (!fd) return fd.error();
  if (!*fd) return std::optional<Locked>();
  auto opened = impl_->examine((*fd)->get(), id);
  if (!opened && is_of_later_version(directory, (*fd)->get(), id)) {
    warnings.push_back(directory.path(id) + ": was written by a later version; left alone");
    return std::optional<Locked>();
  }
  if (!opened && opened.error().kind != Error::Kind::data) return opened.error();
  if (!opened) {
    std::string text = directory.path(id) + ": " + opened.error().text;
    const auto moved = move_aside(directory, id, "corrupt");
    text += moved ? "; it was moved to corrupt/" : "; " + moved.error().text;
    return Error{Error::Kind::data, text};
  }
  std::string warning;
  State state = read_state(directory, id, opened->head.entry.envelope.recipients().size(), warning);
  if (!warning.empty()) warnings.push_back(warning);
  Locked locked(
      std::unique_ptr<Locked::Impl>(new Locked::Impl{.directory = impl_->directory,
                                                     .fd = std::make_shared<const base::UniqueFd>(**std::move(fd)),
                                                     .entry = std::move(opened->head.entry),
                                                     .state = std::move(state),
                                                     .begin = opened->begin,
                                                     .size = opened->head.content_size}));
  return std::optional(std::move(locked));
}

void Spool::sweep(Time now) const {
  const auto names =
      impl_->directory->names([](std::string_view name) { return is_temporary(name) || is_state_name(name); });
  if (!names) return;
  for (const std::string& name : *names) {
    if (!is_temporary(name) && impl_->directory->taken(name.substr(0, name.size() - state_suffix.size()))) continue;
    const auto status = impl_->directory->own(name);
    const auto limit = std::chrono::system_clock::to_time_t(now - leftover_age);
    if (status && status->st_mtime < limit) (void)impl_->directory->remove(name);
  }
}

Result<void> Spool::announce() const {
  return impl_->directory->touch("new");
}

void Spool::heard() const {
  if (impl_->directory->own("new")) (void)impl_->directory->remove("new");
}

}  // namespace pillarbox::queue
