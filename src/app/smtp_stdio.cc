#include "app/smtp_stdio.h"

#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "app/report.h"
#include "mail/dots.h"

namespace pillarbox::app {
namespace {

// What was read and is not taken yet.
class Input {
 public:
  explicit Input(base::Source& source) : source_(source) {}

  struct Line {
    std::string text;  // without its line end
    bool crlf = false;
  };

  // Nothing at the end of the input; a line without an end is none. Of a line that is too long, enough to see that.
  Result<std::optional<Line>> line() {
    Line line;
    for (;;) {
      const auto here = more();
      if (!here) return here.error();
      if (here->empty()) return std::optional<Line>();
      const std::size_t lf = here->find('\n');
      line.text += here->substr(0, lf);
      const bool whole = lf != std::string_view::npos;
      take(whole ? lf + 1 : here->size());
      if (line.text.size() > SmtpServer::longest_command) line.text.resize(SmtpServer::longest_command);
      if (!whole) continue;
      line.crlf = line.text.ends_with('\r');
      if (line.crlf) line.text.pop_back();
      return std::optional(std::move(line));
    }
  }

  // What is there, at least a byte; nothing at the end.
  Result<std::string_view> more() {
    if (at_ == end_) {
      const auto count = source_.read(buffer_);
      if (!count) return count.error();
      at_ = 0;
      end_ = *count;
    }
    return std::string_view(buffer_.data() + at_, end_ - at_);
  }

  void take(std::size_t count) { at_ += count; }

 private:
  base::Source& source_;
  std::vector<char> buffer_ = std::vector<char>(65536);
  std::size_t at_ = 0;
  std::size_t end_ = 0;
};

// The message behind a 354, and what became of the reading.
class Data {
 public:
  Data(Input& input, mail::DotUnstuffer::LineEnd line_end) : input_(input), dots_(line_end) {}

  Result<std::size_t> read(std::span<char> out) {
    while (at_ == text_.size() && !dots_.ended()) {
      if (const auto more = refill(); !more) return more.error();
    }
    const std::size_t count = std::min(out.size(), text_.size() - at_);
    std::memcpy(out.data(), text_.data() + at_, count);
    at_ += count;
    return count;
  }

  [[nodiscard]] bool whole() const { return dots_.ended(); }
  // Why it is not, unless the input has ended.
  [[nodiscard]] const std::optional<Error>& trouble() const { return trouble_; }

 private:
  Result<void> refill() {
    const auto more = trouble_ ? Result<std::string_view>(*trouble_) : input_.more();
    if (!more) trouble_ = more.error();
    // Not temporary: it is not to be kept for later.
    if (!more) return Error{Error::Kind::io, more.error().text};
    if (more->empty()) return Error{Error::Kind::io, "the input ended before the final dot"};
    text_.clear();
    at_ = 0;
    input_.take(dots_.feed(*more, text_));
    return {};
  }

  Input& input_;
  mail::DotUnstuffer dots_;
  std::string text_;
  std::size_t at_ = 0;
  std::optional<Error> trouble_;
};

class DataSource final : public base::Source {
 public:
  explicit DataSource(Data& data) : data_(data) {}
  Result<std::size_t> read(std::span<char> out) override { return data_.read(out); }

 private:
  Data& data_;
};

// The end of a session whose input failed.
int give_up(const Error& error, const SmtpWrite& write) {
  const bool silence = error.kind == Error::Kind::temporary;
  write(wire_text({421, {(silence ? "4.4.2 " : "4.3.0 ") + error.text}}));
  return silence ? 0 : exit_code(error.kind);
}

}  // namespace

int serve_smtp(base::Source& source, SmtpServer server, const SmtpWrite& write, const SmtpSubmit& submit) {
  const int unheard = exit_code(Error::Kind::io);
  Input input(source);
  if (!write(wire_text(server.greeting()))) return unheard;
  while (!server.ended()) {
    const auto line = input.line();
    if (!line) return give_up(line.error(), write);
    if (!*line) return 0;
    const smtp::Reply reply = server.command((*line)->text);
    if (!write(wire_text(reply))) return unheard;
    if (!reply.intermediate()) continue;
    // The text's lines end as the command's.
    Data data(input, (*line)->crlf ? mail::DotUnstuffer::LineEnd::crlf : mail::DotUnstuffer::LineEnd::lf);
    const smtp::Reply outcome = submit(server.take(), std::make_unique<DataSource>(data));
    DataSource rest(data);  // of a message that was refused before its end
    base::drain(rest);
    if (data.trouble()) return give_up(*data.trouble(), write);
    if (!data.whole()) return 0;
    if (!write(wire_text(outcome))) return unheard;
  }
  return 0;
}

Result<std::size_t> PatientSource::read(std::span<char> out) {
  pollfd wanted{.fd = fd_, .events = POLLIN, .revents = 0};
  int ready = 0;
  do {
    ready = ::poll(&wanted, 1, static_cast<int>(patience_.count()));
  } while (ready < 0 && errno == EINTR);
  if (ready == 0) return Error{Error::Kind::temporary, "nothing came for too long"};
  return source_.read(out);
}

Result<int> serve_stdio(SmtpServer server, const SmtpSubmit& submit) {
  struct stat status {};
  if (::fstat(STDIN_FILENO, &status) == 0 && S_ISSOCK(status.st_mode)) {
    return Error{Error::Kind::usage, "-bs: standard input is a socket, and this is no network server"};
  }
  PatientSource input(STDIN_FILENO, std::chrono::minutes(5));
  const auto write = [](std::string_view text) {
    while (!text.empty()) {
      const ssize_t count = ::write(STDOUT_FILENO, text.data(), text.size());
      if (count < 0 && errno != EINTR) return false;
      if (count > 0) text.remove_prefix(static_cast<std::size_t>(count));
    }
    return true;
  };
  return serve_smtp(input, std::move(server), write, submit);
}

}  // namespace pillarbox::app
