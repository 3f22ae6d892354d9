#include "smtp/channel.h"

#include <poll.h>

#include <algorithm>
#include <array>
#include <chrono>

#include "smtp/socket.h"

namespace pillarbox::smtp {
namespace {

constexpr std::size_t longest_line = 65536;  // of a reply

}  // namespace

bool Channel::put(std::string_view octets) {
  while (!octets.empty()) {
    if (begin_ == end_) begin_ = end_ = 0;
    if (end_ == out_.size() && !flush()) return false;
    if (end_ == out_.size()) continue;
    const std::size_t count = std::min(octets.size(), out_.size() - end_);
    octets.copy(out_.data() + end_, count);
    end_ += count;
    octets.remove_prefix(count);
  }
  return true;
}

bool Channel::settle() {
  if (!flush()) return false;
  while (!session_.dialogue_.settled()) {
    if (!listen()) return false;
  }
  return true;
}

bool Channel::await_reply() {
  return flush() && listen();
}

// Until something was heard.
bool Channel::listen() {
  for (;;) {
    const Step step = read();
    if (step != Step::blocked) return step == Step::done;
    if (!wait(false)) return false;
  }
}

bool Channel::hear() {
  if (!flush()) return false;
  for (;;) {
    const Step step = read();
    if (step != Step::done) return step == Step::blocked;
  }
}

// Receives until there is nothing, sends, and when neither goes on waits for either.
bool Channel::flush() {
  if (begin_ < end_) session_.progress();
  while (begin_ < end_) {
    if (session_.stopped()) return over(Failure::Cause::stopped);
    const Step heard = read();
    if (heard == Step::over) return false;
    if (heard == Step::done) continue;
    const Step said = write();
    if (said == Step::over) return false;
    if (said == Step::blocked && !wait(true)) return false;
  }
  begin_ = end_ = 0;
  return true;
}

Channel::Step Channel::write() {
  std::size_t count = 0;
  const CURLcode code = curl_easy_send(session_.easy_.get(), out_.data() + begin_, end_ - begin_, &count);
  if (code == CURLE_AGAIN) return Step::blocked;
  if (code != CURLE_OK) {
    // What the server had said before it closed can still be read, an acceptance perhaps.
    Step step = Step::done;
    while (step == Step::done) step = read();
    return over(Failure::Cause::lost), Step::over;
  }
  begin_ += count;
  session_.progress(count);
  return Step::done;
}

Channel::Step Channel::read() {
  std::array<char, 16384> piece;
  std::size_t count = 0;
  const CURLcode code = curl_easy_recv(session_.easy_.get(), piece.data(), piece.size(), &count);
  if (code == CURLE_AGAIN) return Step::blocked;
  if (code != CURLE_OK || count == 0) return over(Failure::Cause::lost), Step::over;
  return take({piece.data(), count}) ? Step::done : Step::over;
}

// Time passes for silence only: a server that dribbles a reply gains none by it.
bool Channel::wait(bool to_write) {
  using std::chrono::milliseconds;
  const auto begun = base::Instant::clock::now();
  const auto left = std::chrono::duration_cast<milliseconds>(session_.deadline() - begun);
  if (session_.stopped()) return over(Failure::Cause::stopped);
  if (left.count() < 0) return over(Failure::Cause::timeout);
  if (!to_write) acknowledge_quickly(descriptor());
  const auto events = static_cast<short>(to_write ? POLLIN | POLLOUT : POLLIN);
  const int signals = session_.signals_ ? session_.signals_->descriptor() : -1;
  std::array<pollfd, 2> watched = {{{descriptor(), events, 0}, {signals, POLLIN, 0}}};
  ::poll(watched.data(), watched.size(), static_cast<int>(std::min<milliseconds::rep>(left.count() + 1, 1000)));
  session_.waited_ += base::Instant::clock::now() - begun;
  return true;
}

bool Channel::take(std::string_view octets) {
  while (!octets.empty()) {
    const std::size_t lf = octets.find('\n');
    const bool whole = lf != std::string_view::npos;
    const std::string_view piece = octets.substr(0, whole ? lf + 1 : lf);
    line_ += piece;
    octets.remove_prefix(piece.size());
    if (line_.size() > longest_line) return over(Failure::Cause::protocol, "a reply of more than 64 KiB");
    if (!whole) break;
    const std::string line = std::exchange(line_, {});
    if (session_.dialogue_.reply_line(line) == Dialogue::Next::stop) {
      session_.drop_connections();
      return false;
    }
    if (!session_.dialogue_.within_reply()) session_.progress();
  }
  return true;
}

bool Channel::over(Failure::Cause cause, std::string text) {
  Dialogue& dialogue = session_.dialogue_;
  dialogue.fail({.cause = cause, .phase = dialogue.awaited().value_or(dialogue.phase()), .text = std::move(text)});
  session_.drop_connections();
  return false;
}

}  // namespace pillarbox::smtp
