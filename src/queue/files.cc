#include "queue/files.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "queue/checksum.h"

namespace pillarbox::queue {
namespace {

constexpr std::size_t usual_head = 4096;  // octets, with some dozen recipients; one that is larger is read twice
constexpr std::size_t chunk_size = 65536;
constexpr const char* later_version = "was written by a later version";

class Content final : public base::Source {
 public:
  Content(std::shared_ptr<const base::UniqueFd> fd, std::shared_ptr<const Directory> directory, std::string id,
          std::uint64_t begin, std::uint64_t size)
      : fd_(std::move(fd)), directory_(std::move(directory)), id_(std::move(id)), at_(begin), left_(size) {}

  Result<std::size_t> read(std::span<char> out) override {
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), left_));
    const auto count = directory_->read_at(fd_->get(), out.first(size), static_cast<off_t>(at_), id_);
    // It was whole when it was locked. Whoever locks it again will see; for now nothing is said against the message.
    if (!count) return Error{Error::Kind::temporary, count.error().text};
    if (*count < size) {
      return Error{Error::Kind::temporary, directory_->path(id_) + ": the file was cut while it was read"};
    }
    at_ += size;
    left_ -= size;
    return size;
  }
  [[nodiscard]] std::optional<std::uint64_t> left() const override { return left_; }
  [[nodiscard]] bool mark() override {
    left_at_mark_ = left_;
    return true;
  }
  [[nodiscard]] bool back() override {
    if (!left_at_mark_) return false;
    at_ -= *left_at_mark_ - left_;
    left_ = *left_at_mark_;
    return true;
  }

 private:
  std::shared_ptr<const base::UniqueFd> fd_;
  std::shared_ptr<const Directory> directory_;
  std::string id_;
  std::uint64_t at_;
  std::uint64_t left_;
  std::optional<std::uint64_t> left_at_mark_;
};

}  // namespace

Result<Opened> read_head(const Directory& directory, int fd, const std::string& id) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return directory.unread(id, "can't be read", errno);
  const auto file_size = static_cast<std::uint64_t>(status.st_size);
  std::string text(static_cast<std::size_t>(std::min<std::uint64_t>(usual_head, file_size)), '\0');
  const auto start = directory.read_at(fd, text, 0, id);
  if (!start) return start.error();
  text.resize(*start);
  if (is_later_entry(text)) return Error{Error::Kind::unavailable, later_version};
  const auto size = head_size(text);
  if (!size) return size.error();
  const Error damaged{Error::Kind::data, "is no message of the queue: it has not the size that it says"};
  if (file_size < *size + trailer_size) return damaged;
  const std::size_t have = text.size();
  text.resize(*size);
  if (have < *size) {
    const auto rest = directory.read_at(fd, std::span(text).subspan(have), static_cast<off_t>(have), id);
    if (!rest) return rest.error();
    text.resize(have + *rest);
  }
  auto head = decode(text);
  if (!head) return head.error();
  if (head->content_size != file_size - *size - trailer_size) return damaged;
  if (head->entry.id != id) return Error{Error::Kind::data, "is no message of the queue: its name is another's"};
  if (head->entry.uid != status.st_uid) return Error{Error::Kind::data, "is no message of the queue: it is another's"};
  return Opened{*std::move(head), *size};
}

Result<void> check_sum(const Directory& directory, int fd, const std::string& id, const Opened& opened) {
  const std::uint64_t end = opened.begin + opened.head.content_size;
  Checksum checksum;
  std::vector<char> chunk(chunk_size);
  for (std::uint64_t at = 0; at < end;) {
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(chunk.size(), end - at));
    const auto count = directory.read_at(fd, std::span(chunk).first(size), static_cast<off_t>(at), id);
    if (!count) return count.error();
    if (*count < size) return Error{Error::Kind::data, "is no message of the queue: it was cut"};
    checksum.add({chunk.data(), size});
    at += size;
  }
  std::array<char, trailer_size> found{};
  const auto count = directory.read_at(fd, found, static_cast<off_t>(end), id);
  if (!count) return count.error();
  if (std::string_view(found.data(), *count) == trailer(checksum)) return {};
  return Error{Error::Kind::data, "is no message of the queue: its checksum is another"};
}

std::unique_ptr<base::Source> content_of(std::shared_ptr<const Directory> directory,
                                         std::shared_ptr<const base::UniqueFd> fd, const std::string& id,
                                         std::uint64_t begin, std::uint64_t size) {
  return std::make_unique<Content>(std::move(fd), std::move(directory), id, begin, size);
}

std::string state_name(const std::string& id) {
  return id + std::string(state_suffix);
}

Result<void> save_state(const std::shared_ptr<const Directory>& directory, const std::string& id, const State& state,
                        std::optional<Temporary> room) {
  auto file = room ? Result<Temporary>(*std::move(room)) : Temporary::make(directory);
  if (!file) return file.error();
  if (const auto written = file->write(encode(state)); !written) return written.error();
  if (const auto sealed = file->seal(); !sealed) return sealed.error();
  if (const auto replaced = file->replace(state_name(id)); !replaced) return replaced.error();
  return directory->sync();
}

Result<State> read_state(const Directory& directory, const std::string& id, std::size_t recipients,
                         std::string& warning) {
  const std::string name = state_name(id);
  const auto damaged = [&](const std::string& why) {
    warning = directory.path(name) + ": " + why + "; the message starts over";
    return State::fresh(recipients);
  };
  const auto fd = directory.open_own(name, O_RDONLY);
  if (!fd) return fd.error();
  if (!*fd && directory.taken(name))
    return Error{Error::Kind::unavailable, directory.path(name) + ": is no file of its owner's"};
  if (!*fd) return State::fresh(recipients);
  struct stat status {};
  if (::fstat((*fd)->get(), &status) != 0) return directory.unread(name, "can't be read", errno);
  const std::size_t most = 1024 + recipients * 1024;  // more than one can have
  std::string text(std::min(static_cast<std::size_t>(status.st_size), most + 1), '\0');
  const auto size = directory.read_at((*fd)->get(), text, 0, name);
  if (!size) return size.error();
  text.resize(*size);
  if (is_later_state(text)) return Error{Error::Kind::unavailable, directory.path(name) + ": " + later_version};
  if (text.size() > most) return damaged("has not the size of a state");
  auto state = decode_state(text, recipients);
  if (!state) return damaged(state.error().text);
  return state;
}

}  // namespace pillarbox::queue
