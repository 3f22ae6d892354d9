// A script of SMTP lines against a server that says anything, on a real connection: lines of the input up to a first
// "===" are the script's; what follows are the server's answers, each up to a line "---", one for whatever it hears.
// Neither may keep the other for good, and nothing is said once the conversation is over.
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <deque>
#include <mutex>
#include <thread>

#include "base/unique_fd.h"
#include "smtp/script.h"
#include "smtp/session.h"
#include "target.h"

using namespace pillarbox;
using namespace std::chrono_literals;

namespace {

// Serves one connection after another, each by the answers that were set last.
class Server {
 public:
  Server() : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const name = reinterpret_cast<sockaddr*>(&address);
    const bool listens = ::bind(listener_.get(), name, size) == 0 && ::listen(listener_.get(), 16) == 0 &&
                         ::getsockname(listener_.get(), name, &size) == 0;
    fuzz::check(listens, "there is a server");
    port_ = ntohs(address.sin_port);
    std::thread([this] { serve(); }).detach();
  }

  [[nodiscard]] int port() const { return port_; }
  void answer_with(std::deque<std::string> answers) {
    const std::lock_guard lock(mutex_);
    answers_ = std::move(answers);
  }

 private:
  void serve() {
    for (;;) {
      const base::UniqueFd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      std::unique_lock lock(mutex_);
      std::deque<std::string> answers = answers_;
      lock.unlock();
      std::array<char, 65536> heard;
      do {
        if (answers.empty()) break;
        ::send(client.get(), answers.front().data(), answers.front().size(), MSG_NOSIGNAL);
        answers.pop_front();
      } while (::recv(client.get(), heard.data(), heard.size(), 0) > 0);
    }
  }

  base::UniqueFd listener_;
  int port_ = 0;
  std::mutex mutex_;
  std::deque<std::string> answers_;
};

class Watcher final : public smtp::View {
 public:
  void command(std::string_view line) override {
    fuzz::check(line.find('\n') == std::string_view::npos, "a command is one line", line);
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  static Server* const server = new Server;  // its thread outlives everything
  constexpr std::string_view divider = "\n===\n";
  const std::string_view text = fuzz::text_of(data, size);
  const std::size_t end = std::min(text.find(divider), text.size());
  std::string_view rest = text.substr(std::min(end + divider.size(), text.size()));
  std::deque<std::string> answers;
  while (!rest.empty()) {
    const std::size_t stop = std::min(rest.find("---\n"), rest.size());
    answers.emplace_back(rest.substr(0, stop));
    rest.remove_prefix(std::min(stop + 4, rest.size()));
  }
  server->answer_with(std::move(answers));

  Watcher view;
  smtp::Endpoint endpoint{.host = "127.0.0.1", .port = server->port(), .helo = "fuzz.example"};
  endpoint.tls.mode = smtp::TlsMode::none;
  endpoint.timeouts = {.connect = 2s, .reply = 20ms, .data = 20ms, .quit = 20ms};
  auto session = smtp::Session::make(std::move(endpoint), view);
  fuzz::check(session.has_value(), "a session can be made");
  if (!(*session)->open()) {
    fuzz::check((*session)->dialogue().failure().has_value(), "what kept it from opening is known", text);
    return 0;
  }
  (*session)->dialogue().hand_over();
  smtp::Script script(**session, data[0] % 2 == 0);
  Result<void> played;
  for (const std::string_view line : base::split(text.substr(0, end), '\n')) {
    played = script.play(std::string(line));
    if (!played) break;
  }
  if (played) played = script.finish();
  if (!played) {
    script.leave();
    const auto& error = played.error();
    fuzz::check(error.text.starts_with("line "), "what went wrong has its place", error.text);
    fuzz::check(error.text.find('\n') == std::string::npos, "what went wrong is told in one line", error.text);
  }
  return 0;
}
