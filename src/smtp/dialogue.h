// Dialogue: the ledger of a conversation. Every command and every reply line passes through it in order, whoever sends
// them; it knows the phase, says after each reply whether to go on, and keeps what became of each recipient. Trace,
// "-v" lines and timing are views of it.
//
// Secrets are struck out where they enter: what follows AUTH and its mechanism, each line of an AUTH exchange, and any
// echo of these in a reply.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/secret.h"
#include "smtp/failure.h"
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
  base::Instant began = {};

  // An extension's parameters ("" if it has none), if it is offered.
  [[nodiscard]] std::optional<std::string> offers(std::string_view keyword) const;
};

// Who watches. Lines have no line end; nothing here is secret. Called from libcurl's callbacks: must not throw.
class View {
 public:
  virtual ~View() = default;
  virtual void command(std::string_view) {}
  virtual void reply_line(std::string_view) {}
  virtual void body(std::string_view) {}    // pieces of it, as they are written, line ends and stuffed dots included
  virtual void body_ended() {}              // the final dot
  virtual void note(std::string_view) {}    // what happened besides
  virtual void ready(const Connection&) {}  // greeted, secured, logged in: messages follow
};

// What the conversation must keep to.
struct Terms {
  bool tls_wanted = false;
  bool tls_required = false;
  bool login = false;
  bool cleartext_login = false;              // allowed though the host is not the loopback
  std::vector<std::string> mechanisms = {};  // those that may be used, in upper case
};

struct Recipient {
  std::optional<Reply> reply;
};

class Dialogue {
 public:
  enum class Next { go_on, stop };

  Dialogue(Terms terms, View& view) : terms_(std::move(terms)), view_(view) {}

  // Text that must not be shown, should a server send it back.
  void conceal(std::string_view secret);

  // --- what happens, in order
  void connecting(std::string server);
  void connected(std::string address, int port, bool loopback);
  void secured(TlsInfo tls);
  void begin_transaction(std::size_t recipients, std::optional<std::uint64_t> size);
  void command(std::string_view line);     // as it goes out, without its line end
  Next reply_line(std::string_view line);  // as it comes in
  void body(std::string_view piece);
  void body_ended();
  void fail(Failure failure);  // what isn't seen in replies; the first failure counts
  void disconnected();

  // --- what became of it
  [[nodiscard]] Phase phase() const { return phase_; }
  // A reply is complete and no command is out: the next write would be a new command.
  [[nodiscard]] bool settled() const { return awaited_.empty(); }
  // The command whose reply is the next to come.
  [[nodiscard]] std::optional<Phase> awaited() const {
    return awaited_.empty() ? std::nullopt : std::optional(awaited_.front());
  }
  [[nodiscard]] const Connection& connection() const { return connection_; }
  [[nodiscard]] const std::optional<Failure>& failure() const { return failure_; }
  [[nodiscard]] const std::vector<Recipient>& recipients() const { return recipients_; }
  [[nodiscard]] const std::optional<Reply>& accepted() const { return accepted_; }  // the dot's 2xx
  [[nodiscard]] bool heard_in_transaction() const { return heard_; }
  // Why a message of that size need not be offered on the connection that stands.
  [[nodiscard]] std::optional<Failure> misfit(std::optional<std::uint64_t> size) const;

 private:
  Next read_reply(std::string_view line, const std::string& safe);
  Next judge(const Reply& reply);
  Next judge_unasked(const Reply& reply);
  Next judge_hello(const Reply& reply);
  Next judge_login(const Reply& reply);
  Next judge_transaction(Phase phase, const Reply& reply);
  void read_extensions(const Reply& reply);
  Next before_login();
  Next before_mail();
  Next break_off(std::string text);
  Next refuse(Phase phase, const Reply& reply, Next next);
  [[nodiscard]] std::string redact_command(std::string_view line);
  [[nodiscard]] std::string masked(std::string_view line) const;

  Terms terms_;
  View& view_;
  Connection connection_;
  Phase phase_ = Phase::connect;
  std::deque<Phase> awaited_;  // the commands whose replies are still to come
  ReplyReader reader_;
  bool ready_ = false;
  bool over_ = false;      // this connection was given up; what still comes on it means nothing
  bool starttls_ = false;  // offered, as libcurl reads it
  std::vector<std::string> offered_mechanisms_;
  std::string mechanism_;  // of the AUTH exchange at hand
  int challenges_ = 0;
  std::vector<base::Secret> concealed_;

  std::optional<std::uint64_t> size_;
  std::vector<Recipient> recipients_;
  std::size_t answered_ = 0;  // recipients
  std::optional<Reply> accepted_;
  std::optional<Failure> failure_;
  bool heard_ = false;
};

}  // namespace pillarbox::smtp
