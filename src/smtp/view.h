// View: who watches a conversation. The trace, the "-v" lines, the waterfall and the progress bar are views; nothing
// else prints what is said.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "smtp/certificate.h"
#include "smtp/reply.h"

namespace pillarbox::smtp {

struct TlsInfo {
  std::string version;  // "TLSv1.3"
  std::string cipher;
  bool verified = false;
};

struct Connection {
  std::string server;   // as it was asked for
  std::string address;  // numeric
  int port = 0;
  bool loopback = false;
  std::optional<TlsInfo> tls = {};
  std::string auth = {};                     // the mechanism that was accepted
  std::vector<std::string> extensions = {};  // "SIZE 1000", as EHLO's reply has them (RFC 5321 section 4.1.1.1)
  base::Instant began = {};                  // before the name was looked up

  // An extension's parameters ("" if it has none), if it is offered.
  [[nodiscard]] std::optional<std::string> offers(std::string_view keyword) const;
};

// Lines have no line end, and nothing here is secret. Called from libcurl's callbacks.
class View {
 public:
  virtual ~View() = default;
  // Every line is of interest, the last one too.
  [[nodiscard]] virtual bool shows_dialogue() const { return false; }
  virtual void connecting(std::string_view /*server*/) {}  // its name is looked up
  virtual void resolved() {}                               // and is known; a proxy's, if there is one
  virtual void connected(const Connection& /*connection*/) {}
  virtual void trying_again(std::string_view /*why*/) {}     // by another host, or another mechanism
  virtual void presented(const Presented& /*presented*/) {}  // in the handshake, and perhaps refused for it
  virtual void secured(const Connection& /*connection*/) {}  // by TLS
  virtual void ready(const Connection& /*connection*/) {}    // greeted, secured, logged in: messages follow
  virtual void command(std::string_view /*line*/) {}
  virtual void reply_line(std::string_view /*line*/) {}
  virtual void replied(const Reply& /*reply*/) {}   // its last line has come
  virtual void body(std::string_view /*piece*/) {}  // as it is written, line ends and stuffed dots included
  virtual void body_ended() {}                      // the final dot
};

// Several views, told in their order.
class Views final : public View {
 public:
  explicit Views(std::vector<View*> views) : views_(std::move(views)) {}

  [[nodiscard]] bool shows_dialogue() const override {
    return std::any_of(views_.begin(), views_.end(), [](const View* view) { return view->shows_dialogue(); });
  }
  void connecting(std::string_view server) override { tell(&View::connecting, server); }
  void resolved() override { tell(&View::resolved); }
  void connected(const Connection& connection) override { tell(&View::connected, connection); }
  void trying_again(std::string_view why) override { tell(&View::trying_again, why); }
  void presented(const Presented& presented) override { tell(&View::presented, presented); }
  void secured(const Connection& connection) override { tell(&View::secured, connection); }
  void ready(const Connection& connection) override { tell(&View::ready, connection); }
  void command(std::string_view line) override { tell(&View::command, line); }
  void reply_line(std::string_view line) override { tell(&View::reply_line, line); }
  void replied(const Reply& reply) override { tell(&View::replied, reply); }
  void body(std::string_view piece) override { tell(&View::body, piece); }
  void body_ended() override { tell(&View::body_ended); }

 private:
  template <class Method, class... Facts>
  void tell(Method method, const Facts&... facts) {
    for (View* view : views_) (view->*method)(facts...);
  }

  std::vector<View*> views_;
};

}  // namespace pillarbox::smtp
