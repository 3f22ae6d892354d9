#include "base/source.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

namespace pillarbox::base {
namespace {

std::string reason(int error) {
  return std::generic_category().message(error);
}

// What is left of a regular file, from where its descriptor stands; nothing for what has no size, such as a pipe, and
// for what has none to tell (the files of /proc).
std::optional<std::uint64_t> remaining(int fd) {
  struct stat status {};
  if (::fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size == 0) return std::nullopt;
  const off_t here = ::lseek(fd, 0, SEEK_CUR);
  if (here < 0) return std::nullopt;
  return here < status.st_size ? static_cast<std::uint64_t>(status.st_size - here) : 0;
}

// Until a descriptor whose reads do not wait has something; it may be another's, who made it so. False, and errno, if
// it can't be waited for.
bool wait_for(int fd) {
  pollfd wanted{.fd = fd, .events = POLLIN, .revents = 0};
  return ::poll(&wanted, 1, -1) >= 0 || errno == EINTR;
}

}  // namespace

FileSource::FileSource(UniqueFd fd, std::string name)
    : owned_(std::move(fd)), fd_(owned_.get()), name_(std::move(name)), left_(remaining(fd_)) {}

FileSource::FileSource(int borrowed, std::string name) : fd_(borrowed), name_(std::move(name)), left_(remaining(fd_)) {}

Result<std::size_t> FileSource::read(std::span<char> out) {
  if (left_) out = out.first(static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), *left_)));
  if (out.empty()) return std::size_t{0};
  ssize_t count = 0;
  do {
    count = ::read(fd_, out.data(), out.size());
  } while (count < 0 && (errno == EINTR || (errno == EAGAIN && wait_for(fd_))));
  if (count < 0) return Error{Error::Kind::io, name_ + ": can't be read: " + reason(errno)};
  if (left_ && count == 0) return Error{Error::Kind::io, name_ + ": the file was cut while it was read"};
  if (left_) *left_ -= static_cast<std::uint64_t>(count);
  return static_cast<std::size_t>(count);
}

bool FileSource::mark() {
  left_at_mark_ = left_;
  return left_at_mark_.has_value();
}

bool FileSource::back() {
  if (!left_at_mark_ || !left_) return false;
  const auto distance = static_cast<off_t>(*left_at_mark_ - *left_);
  if (::lseek(fd_, -distance, SEEK_CUR) < 0) return false;
  left_ = left_at_mark_;
  return true;
}

Result<std::size_t> MemorySource::read(std::span<char> out) {
  const std::size_t count = std::min(out.size(), content_.size() - at_);
  std::memcpy(out.data(), content_.data() + at_, count);
  at_ += count;
  return count;
}

bool MemorySource::mark() {
  mark_ = at_;
  return true;
}

bool MemorySource::back() {
  at_ = mark_;
  return true;
}

Result<std::size_t> PrefixedSource::read(std::span<char> out) {
  auto count = prefix_.read(out);
  if (*count > 0) return count;
  return rest_->read(out);
}

std::optional<std::uint64_t> PrefixedSource::left() const {
  const auto rest = rest_->left();
  return rest ? std::optional(*prefix_.left() + *rest) : std::nullopt;
}

Result<std::size_t> KeptSource::read(std::span<char> out) {
  auto count = source_->read(out);
  if (!count || out.empty()) return count;
  if (*count == 0) {
    whole_ = limit_ > 0;
  } else if (kept_.size() + *count <= limit_) {
    kept_.append(out.data(), *count);
  } else {
    limit_ = 0;
    kept_ = {};
  }
  return count;
}

bool KeptSource::back() {
  if (!std::exchange(whole_, false)) return false;
  source_ = std::make_unique<MemorySource>(std::exchange(kept_, {}));
  return true;
}

Result<std::unique_ptr<Source>> open_source(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!fd) return Error{Error::Kind::no_input, path + ": can't be opened: " + reason(errno)};
  struct stat status {};
  if (::fstat(fd.get(), &status) == 0 && S_ISDIR(status.st_mode)) {
    return Error{Error::Kind::no_input, path + ": is a directory"};
  }
  return std::unique_ptr<Source>(std::make_unique<FileSource>(std::move(fd), path));
}

void drain(Source& source, std::uint64_t most) noexcept {
  std::array<char, 16384> waste;
  for (std::uint64_t drained = 0; drained <= most;) {
    const auto count = source.read(waste);
    if (!count || *count == 0) return;
    drained += *count;
  }
}

Result<std::string> read_all(Source& source, std::size_t limit) {
  std::string content;
  std::array<char, 16384> chunk;
  for (;;) {
    const auto count = source.read(chunk);
    if (!count) return count.error();
    if (*count == 0) return content;
    content.append(chunk.data(), *count);
    if (content.size() > limit) return Error{Error::Kind::data, "is larger than " + std::to_string(limit) + " bytes"};
  }
}

}  // namespace pillarbox::base
