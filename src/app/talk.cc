#include "app/talk.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <optional>
#include <system_error>
#include <vector>

#include "base/unique_fd.h"
#include "smtp/outcome.h"
#include "smtp/script.h"

namespace pillarbox::app {
namespace {

constexpr std::size_t longest_line = 1U << 20U;

// Lines from a descriptor. Between two of them the server may speak, so the wait is for both.
class Lines {
 public:
  explicit Lines(int fd) : fd_(fd) {}

  // The next line without its line end, or nothing at the end.
  Result<std::optional<std::string>> next(smtp::Script& script) {
    for (;;) {
      const std::size_t end = buffer_.find('\n');
      if (end != std::string::npos) return take(end, end + 1);
      if (ended_ && buffer_.empty()) return std::optional<std::string>();
      if (ended_) return take(buffer_.size(), buffer_.size());
      if (buffer_.size() > longest_line) return Error{Error::Kind::data, "a line is longer than 1 MiB"};
      if (auto more = wait(script); !more) return more.error();
      if (auto more = read(); !more) return more.error();
    }
  }

 private:
  std::optional<std::string> take(std::size_t end, std::size_t next) {
    std::string line = buffer_.substr(0, end);
    buffer_.erase(0, next);
    if (line.ends_with('\r')) line.pop_back();
    return line;
  }

  Result<void> wait(smtp::Script& script) {
    for (;;) {
      std::array<pollfd, 2> watched = {{{fd_, POLLIN, 0}, {script.over() ? -1 : script.descriptor(), POLLIN, 0}}};
      if (::poll(watched.data(), watched.size(), -1) < 0 && errno != EINTR) return {};
      if (watched[1].revents != 0) {
        if (auto heard = script.hear(); !heard) return heard;
      }
      if (watched[0].revents != 0) return {};
    }
  }

  Result<void> read() {
    std::vector<char> piece(65536);
    ssize_t count = 0;
    do {
      count = ::read(fd_, piece.data(), piece.size());
    } while (count < 0 && errno == EINTR);
    if (count < 0) return Error{Error::Kind::io, "can't be read: " + std::generic_category().message(errno)};
    ended_ = count == 0;
    buffer_.append(piece.data(), static_cast<std::size_t>(count));
    return {};
  }

  int fd_;
  std::string buffer_;
  bool ended_ = false;
};

Result<void> play(smtp::Script& script, Lines& lines, bool terminal) {
  for (;;) {
    if (terminal && script.over()) return script.finish();  // nobody waits for a Ctrl-D
    auto line = lines.next(script);
    if (!line) return std::move(line).error();
    if (!*line) return script.finish();
    if (auto played = script.play(**line); !played) return played;
  }
}

}  // namespace

Result<void> talk(smtp::Session& session, const std::string& file) {
  const bool standard = file == "-";
  const std::string name = standard ? "the script" : file;
  const base::UniqueFd opened(standard ? -1 : ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!standard && !opened) {
    return Error{Error::Kind::no_input, file + ": " + std::generic_category().message(errno)};
  }
  const int fd = standard ? STDIN_FILENO : opened.get();
  if (!session.open()) {
    const smtp::Verdict verdict = smtp::ending_of(session.dialogue());
    return Error{verdict.kind, verdict.text};
  }
  session.dialogue().hand_over();
  const bool terminal = ::isatty(fd) == 1;
  smtp::Script script(session, !terminal);
  Lines lines(fd);
  auto played = play(script, lines, terminal);
  if (played) return played;
  script.leave();
  return std::move(played).error().in(name);
}

}  // namespace pillarbox::app
