// Dialogue: the ledger of a conversation. Every command and every reply line passes through it in order, whoever sends
// them; it knows the phase, says after each reply whether to go on, and keeps what became of each recipient. Trace,
// "-v" lines and timing are views of it.
//
// Secrets are struck out where they enter: what follows AUTH and its mechanism, each line of an AUTH exchange, and any
// echo of these in a reply. Only a trace that was asked to shows them.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/secret.h"
#include "smtp/failure.h"
#include "smtp/reply.h"
#include "smtp/view.h"

namespace pillarbox::smtp {

// What the conversation must keep to.
struct Terms {
  bool several_hosts = false;  // one after another: failures name theirs
  bool tls_wanted = false;
  bool tls_required = false;
  bool login = false;
  bool cleartext_login = false;              // allowed though the host is not the loopback
  std::vector<std::string> mechanisms = {};  // those that may be used, in upper case
  bool show_secrets = false;                 // to views; texts of failures are without them all the same
};

struct Recipient {
  std::optional<Reply> reply;

  [[nodiscard]] bool granted() const { return reply && reply->positive(); }
};

// What was said about one transaction.
struct Record {
  std::optional<std::uint64_t> size;  // of the message, or the least that it can have
  bool for_nobody = false;            // the message goes out though no recipient was granted
  std::vector<Recipient> recipients;
  std::size_t answered = 0;        // recipients, from the first on
  std::size_t awaited = 0;         // replies to its commands that are still to come
  int last_code = 0;               // of the latest reply
  bool go_ahead = false;           // DATA's 354
  bool heard = false;              // anything at all
  bool ended = false;              // the final dot or the last chunk was said
  bool chunked = false;            // it is said in chunks
  std::optional<Reply> accepted;   // the final dot's 2xx
  std::optional<Failure> failure;  // the first refusal of the whole

  [[nodiscard]] bool granted() const;  // a recipient was
  [[nodiscard]] bool granted_all() const;
  [[nodiscard]] bool crowded() const;  // a recipient was one too many
};

class Dialogue {
 public:
  enum class Next { go_on, stop };

  Dialogue(Terms terms, View& view) : terms_(std::move(terms)), view_(view) {}

  // SASL's names of the mechanisms that may be used.
  [[nodiscard]] const std::vector<std::string>& mechanisms() const { return terms_.mechanisms; }
  // Leaves out the one that was refused last. False: it is the only one that the server and we have.
  bool avoid_mechanism();

  // Text that must not be shown, should a server send it back.
  void conceal(std::string_view secret);

  // --- what happens, in order
  void connecting(std::string server);
  void resolved();  // the server's address, or the proxy's, is known
  void connected(std::string address, int port, bool loopback);
  void presented(const Presented& presented) { view_.presented(presented); }
  void secured(TlsInfo tls);
  // A transaction of so many recipients follows those at hand; its commands are said behind theirs, and its replies
  // heard behind theirs. begin forgets all before it.
  void begin_transaction(std::size_t recipients, std::optional<std::uint64_t> size);
  void add_transaction(std::size_t recipients, std::optional<std::uint64_t> size, bool for_nobody = false);
  void forget_transaction();  // the oldest; nothing may be awaited for it
  // A connection came to nothing before the transaction began; why is for the views. It is begun anew.
  void try_again(std::string_view why);
  // As it goes out, without its line end; returns what of it may be shown.
  std::string command(std::string_view line);
  Next reply_line(std::string_view line);  // as it comes in
  void body(std::string_view piece);
  void body_ended();
  // The login ends with a challenge that nothing is to be said to. False: it was none, or a refusal.
  bool give_up_challenge();
  void fail(Failure failure);  // what isn't seen in replies; the first failure counts
  // From now on the commands are somebody's own (a script's): replies are heard and shown, and judged by them.
  void hand_over();
  [[nodiscard]] bool handed_over() const { return handed_over_; }

  // --- what became of it
  [[nodiscard]] Phase phase() const { return phase_; }
  // A reply is complete and no command is out: the next write would be a new command.
  [[nodiscard]] bool settled() const { return awaited_.empty(); }
  // Somebody wants to see all of it.
  [[nodiscard]] bool watched() const { return view_.shows_dialogue(); }
  // The command whose reply is the next to come.
  [[nodiscard]] std::optional<Phase> awaited() const {
    return awaited_.empty() ? std::nullopt : std::optional(awaited_.front().phase);
  }
  // A message has been said to its end, and nobody knows yet whether it was taken.
  [[nodiscard]] bool awaits_acceptance() const;
  [[nodiscard]] std::size_t outstanding() const { return awaited_.size(); }  // commands without a reply
  [[nodiscard]] const Connection& connection() const { return connection_; }
  // The oldest transaction that was not forgotten, or one behind it; there must be one.
  [[nodiscard]] const Record& record(std::size_t behind = 0) const { return records_[behind]; }
  // What ended the connection, or the whole of the oldest transaction.
  [[nodiscard]] const std::optional<Failure>& failure() const;
  [[nodiscard]] const std::vector<Recipient>& recipients() const { return record().recipients; }
  [[nodiscard]] const std::optional<Reply>& accepted() const { return record().accepted; }
  // The last command's, once commands are somebody's own; code 0 until it has come.
  [[nodiscard]] const Reply& last_reply() const { return last_reply_; }
  [[nodiscard]] bool within_reply() const { return reader_.begun(); }
  // Why a message of that size need not be offered on the connection that stands.
  [[nodiscard]] std::optional<Failure> misfit(std::optional<std::uint64_t> size) const;

 private:
  Next read_reply(std::string_view line, const std::string& safe);
  Next judge(const Reply& reply);
  Next note_reply(const Reply& reply);
  Next judge_unasked(const Reply& reply);
  Next judge_hello(const Reply& reply);
  Next judge_login(const Reply& reply);
  Next judge_transaction(Record& record, Phase phase, const Reply& reply);
  void read_extensions(const Reply& reply);
  Next before_login();
  Next before_mail();
  Next break_off(std::string text);
  Next out_of_step(const Reply& reply);
  Next refuse(Phase phase, const Reply& reply);
  Next refuse(Record& record, Phase phase, const Reply& reply);
  [[nodiscard]] Record& record_of(std::uint64_t number);
  void await(Phase phase);
  void now_ready();
  [[nodiscard]] std::string redact(std::string_view line, bool answer);
  [[nodiscard]] std::string masked(std::string_view line) const;

  Terms terms_;
  View& view_;
  Connection connection_;
  Phase phase_ = Phase::connect;
  struct Awaited {
    Phase phase;
    std::uint64_t record;  // its number
  };
  std::deque<Awaited> awaited_;  // the commands whose replies are still to come
  ReplyReader reader_;
  bool ready_ = false;
  bool over_ = false;      // this connection was given up; what still comes on it means nothing
  bool starttls_ = false;  // offered, as libcurl reads it
  std::vector<std::string> offered_mechanisms_;
  std::string mechanism_;    // of the AUTH exchange at hand
  bool challenged_ = false;  // what is said next is no command, but an answer to a challenge
  int challenges_ = 0;
  std::string reason_;  // in a challenge's words, why a token is refused
  bool handed_over_ = false;
  Reply last_reply_;
  std::vector<base::Secret> concealed_;

  std::deque<Record> records_ = std::deque<Record>(1);
  std::uint64_t first_record_ = 0;  // its number
  std::optional<Failure> failure_;  // of the connection
};

}  // namespace pillarbox::smtp
