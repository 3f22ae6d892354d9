// Channel: the connection that libcurl has opened, secured and logged in on, for us to speak on.
//
// What is put in leaves in order; replies are heard while it leaves, so that neither side can block the other, and each
// goes through the session's dialogue. Functions that return false say that the conversation is over: the dialogue has
// the failure, and nothing more is written. A reply is waited for as long as the endpoint's timeouts say.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "smtp/session.h"

namespace pillarbox::smtp {

class Channel {
 public:
  // The session's connection must have been opened, and must outlive the channel.
  explicit Channel(Session& session) : session_(session) {}

  // Takes octets to send. They leave when 64 KiB have come together, or at the next settle() or hear().
  bool put(std::string_view octets);
  // A message's envelope is about to be put in.
  void begin_envelope() {
    session_.begun_ = base::Instant::clock::now();
    session_.begin_body();  // which follows, perhaps in the same piece
  }
  // Until all has left and each command has its reply.
  bool settle();
  // Until all has left and something more was heard.
  bool await_reply();
  // Until all has left; then what the server has said without being asked, without waiting for it.
  bool hear();

  // Breaks off: nothing more leaves, whatever was put in.
  void drop() { session_.drop_connections(); }
  // The end of the connection; of no use any more.
  void close() { session_.let_go(); }

  [[nodiscard]] int descriptor() const { return session_.socket(); }

 private:
  enum class Step { done, blocked, over };

  bool flush();
  bool listen();
  Step write();
  Step read();
  bool wait(bool to_write);
  bool take(std::string_view octets);
  bool over(Failure::Cause cause, std::string text = {});

  Session& session_;
  // TLS wants a piece that was blocked again at the same place: it stays where it is until it has left.
  std::vector<char> out_ = std::vector<char>(65536);
  std::size_t begin_ = 0, end_ = 0;  // of what waits to leave
  std::string line_;                 // of a reply, as far as it has come
};

}  // namespace pillarbox::smtp
