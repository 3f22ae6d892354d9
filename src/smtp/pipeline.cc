#include "smtp/pipeline.h"

#include <algorithm>
#include <deque>
#include <span>
#include <utility>
#include <vector>

#include "mail/dots.h"
#include "mail/xtext.h"
#include "smtp/channel.h"

namespace pillarbox::smtp {
namespace {

constexpr std::size_t chunk_size = 1U << 18U;         // bytes of a BDAT
constexpr std::size_t most_in_flight = 64;            // messages
constexpr std::size_t most_outstanding = 512;         // commands
constexpr std::uint64_t most_unanswered = 4U << 20U;  // bytes
constexpr int resets_behind = 2;                      // the last message in chunks

std::string original_recipient(const mail::Address& address) {
  return address.needs_smtputf8() ? "utf-8;" + mail::utf8_xtext(address.text())
                                  : "rfc822;" + mail::xtext(address.text());
}

// A message that was taken on, and what has left of it.
struct Item {
  explicit Item(Transaction taken)
      : transaction(std::move(taken)),
        known_size(transaction.message.known_size()),
        may_hold_8bit(transaction.message.may_hold_8bit()),
        crowded(transaction.divisible()) {}

  Transaction transaction;
  std::optional<std::uint64_t> known_size;
  bool may_hold_8bit;
  bool crowded;  // as far as is known: the server may not have room for all recipients
  base::Instant began = base::Instant::clock::now();
  std::optional<Verdict> verdict = {};  // reached without the server
  bool recorded = false;                // the dialogue has a record of it
  bool complete = false;                // all of it was put on its way
  bool begun = false;                   // some of its body, which can't be taken back
  bool chunked = false;                 // by BDAT, of which the server had taken the first octet
  bool sealed = false;                  // the replies behind its own need not be waited for
  bool tried = false;                   // it has come back once
  std::uint64_t size = 0;               // put on its way
  std::string kept = {};                // read of it when it came back
  bool ended = false;                   // there is nothing behind what was read
};

// What was read of the message at hand and is not yet on its way. One buffer for all messages, one after another.
class Piece {
 public:
  void begin(Item& item) {
    begin_ = end_ = 0;
    room(item.kept.size());
    end_ = item.kept.copy(octets_.data(), item.kept.size());
  }

  [[nodiscard]] std::string_view text() const { return {octets_.data() + begin_, end_ - begin_}; }
  void remove_prefix(std::size_t count) { begin_ += count; }
  void put_back(std::size_t count) { begin_ -= count; }

  // Has so much of the message at hand, or all that is left of it, unless it can't be read.
  std::optional<Failure> fill(Item& item, std::size_t enough) {
    while (!item.ended && end_ - begin_ < enough) {
      room(chunk_size);
      const auto count = item.transaction.message.read(std::span(octets_).subspan(end_));
      if (!count) {
        return Failure{.cause = Failure::Cause::source,
                       .phase = Phase::body,
                       .text = count.error().text,
                       .kind = count.error().kind};
      }
      end_ += *count;
      item.ended = *count == 0;
    }
    return std::nullopt;
  }

 private:
  // Has space for so much behind what is there.
  void room(std::size_t count) {
    if (octets_.size() - end_ >= count) return;
    std::copy(octets_.begin() + static_cast<std::ptrdiff_t>(begin_),
              octets_.begin() + static_cast<std::ptrdiff_t>(end_), octets_.begin());
    end_ -= std::exchange(begin_, 0);
    if (octets_.size() - end_ < count) octets_.resize(end_ + count);
  }

  std::vector<char> octets_;
  std::size_t begin_ = 0, end_ = 0;
};

class Pipeline {
 public:
  Pipeline(Session& session, Work& work, bool disconnect)
      : session_(session), dialogue_(session.dialogue()), work_(work), disconnect_(disconnect) {}

  void run() {
    while (auto item = take()) {
      if (!channel_ && !item->verdict && !connect(*item)) continue;
      send(*std::move(item));
      if (disconnect_) close();
    }
    close();
  }

 private:
  // The next message: one that has come back, else a new one, as long as there is any.
  std::optional<Item> take() {
    // Nobody's outcome waits for somebody who writes slowly, nor QUIT for recipients that come again.
    if (again_.empty() && (!work_.ready() || (work_.last() && doubtful()))) settle();
    while (again_.empty()) {
      if (auto transaction = work_.next()) {
        many_ = many_ || !work_.last();
        return Item(*std::move(transaction));
      }
      if (flight_.empty()) return std::nullopt;
      settle();  // what is under way may owe further recipients, though nobody had thought that it was the last
    }
    Item item = std::move(again_.front());
    again_.pop_front();
    return item;
  }

  // Some recipients may come again.
  [[nodiscard]] bool doubtful() const {
    return std::any_of(flight_.begin(), flight_.end(), [](const Item& item) { return item.crowded; });
  }

  bool connect(Item& item) {
    auto verdict = work_.given_up();
    if (!verdict && session_.open()) {
      dialogue_.forget_transaction();  // the connection's own
      channel_.emplace(session_);
      reused_ = needs_rset_ = proven_ = does_chunks_ = false;
      const Connection& connection = dialogue_.connection();
      grouping_ = !no_groups_ && connection.offers("PIPELINING").has_value();
      streaming_ = grouping_ && !no_chunks_ && connection.offers("CHUNKING").has_value() && !disconnect_;
      return true;
    }
    if (!verdict) verdict = ending_of(dialogue_);
    Outcome outcome = untried(item.transaction.envelope.recipients().size(), *verdict);
    outcome.time = base::Instant::clock::now() - item.began;
    work_.done(item.transaction, outcome);
    return false;
  }

  void send(Item item) {
    if (!item.verdict) {
      if (const auto failure = misfit(item)) item.verdict = judge(*failure);
    }
    if (item.verdict) {
      flight_.push_back(std::move(item));
      finish();
      return;
    }
    if (dialogue_.settled() && !channel_->hear()) {
      if (reused_) {
        again_.push_front(std::move(item));
      } else {
        item.verdict = ending_of(dialogue_);
        flight_.push_back(std::move(item));
      }
      lost();
      return;
    }
    const auto size = item.known_size;
    // A chunk is announced with its size, so a writer that takes its time is read by DATA.
    const mail::Message& offered = item.transaction.message;
    const bool chunks =
        streaming_ && many_ && (size ? *size > 0 : offered.prompt()) && !item.transaction.continue_on_reject;
    // Who waits for replies to this one must not wait for those before it.
    if ((!chunks || item.transaction.abort_on_reject) && unsealed() && !settle()) {
      again_.push_back(std::move(item));
      return;
    }
    channel_->begin_envelope();
    dialogue_.add_transaction(item.transaction.envelope.recipients().size(), size, item.transaction.continue_on_reject);
    item.recorded = true;
    flight_.push_back(std::move(item));
    piece_.begin(flight_.back());
    mail::Message& message = flight_.back().transaction.message;
    if (chunks) {
      if (message.untouched() && does_chunks_) {
        (void)message.mark();
      } else if (message.untouched()) {
        message.keep();
      }
      stream();
    } else {
      group();
    }
    if (channel_) finish();
  }

  [[nodiscard]] std::optional<Failure> misfit(const Item& item) const {
    if (item.transaction.envelope.needs_smtputf8() && !dialogue_.connection().offers("SMTPUTF8")) {
      return Failure{.cause = Failure::Cause::unsupported,
                     .phase = Phase::mail,
                     .text = "an address is not ASCII, and the server does not offer SMTPUTF8",
                     .kind = Error::Kind::data};
    }
    return dialogue_.misfit(item.transaction.message.least_size());
  }

  // --- commands

  bool say(const std::string& command) {
    dialogue_.command(command);
    return channel_->put(command + "\r\n") || lost();
  }

  bool settle() {
    if (!channel_) return false;
    if (Item* const item = unsealed(); item && !seal(*item)) return false;
    while (!dialogue_.settled()) {
      if (!channel_->await_reply()) return lost();
      if (!finish()) return false;
    }
    return finish();
  }

  // The newest message in flight was said in chunks, and there is nothing behind it yet.
  [[nodiscard]] Item* unsealed() {
    const auto newest = std::find_if(flight_.rbegin(), flight_.rend(), [](const Item& item) { return item.recorded; });
    return newest != flight_.rend() && newest->chunked && newest->complete && !newest->sealed ? &*newest : nullptr;
  }

  bool seal(Item& item) {
    item.sealed = true;
    for (int i = 0; i < resets_behind; ++i) {
      if (!say("RSET")) return false;
    }
    return true;
  }

  // For a server that wants to be heard after each command.
  bool in_step() { return grouping_ || settle(); }

  [[nodiscard]] std::string mail_command(const Item& item) const {
    const Transaction& transaction = item.transaction;
    const Connection& connection = dialogue_.connection();
    std::string command = "MAIL FROM:" + transaction.envelope.sender().path();
    if (item.known_size && connection.offers("SIZE")) command += " SIZE=" + std::to_string(*item.known_size);
    if (item.may_hold_8bit && connection.offers("8BITMIME")) command += " BODY=8BITMIME";
    if (transaction.envelope.needs_smtputf8()) command += " SMTPUTF8";
    if (!connection.offers("DSN")) return command;
    const Dsn& dsn = transaction.dsn;
    if (!dsn.returned.empty()) command += " RET=" + dsn.returned;
    if (!dsn.envelope_id.empty()) command += " ENVID=" + mail::xtext(dsn.envelope_id);
    return command;
  }

  [[nodiscard]] std::string rcpt_command(const mail::Address& recipient, const Dsn& dsn) const {
    std::string command = "RCPT TO:" + recipient.path();
    if (!dialogue_.connection().offers("DSN")) return command;
    const auto [notify, original] = dsn.about(recipient);
    if (!notify.empty()) command += " NOTIFY=" + notify;
    if (!original.empty()) return command + " ORCPT=" + original;
    return notify.empty() ? command : command + " ORCPT=" + original_recipient(recipient);
  }

  // MAIL and RCPT. False if the transaction ends here: decided, or the connection lost.
  bool say_envelope() {
    if (std::exchange(needs_rset_, false) && !(say("RSET") && in_step())) return false;
    const Transaction& transaction = flight_.back().transaction;
    if (!say(mail_command(flight_.back())) || !in_step()) return false;
    if (!grouping_ && dialogue_.record().failure) return give_up();
    for (const mail::Address& recipient : transaction.envelope.recipients()) {
      if (!say(rcpt_command(recipient, transaction.dsn)) || !in_step()) return false;
    }
    if (grouping_ && !transaction.abort_on_reject) return true;
    if (!settle()) return false;
    const Record& record = dialogue_.record();
    const bool enough =
        transaction.abort_on_reject ? record.granted_all() : record.granted() || transaction.continue_on_reject;
    return record.failure || !enough ? give_up() : true;
  }

  // The transaction comes to nothing more; the server must forget what it has of it.
  bool give_up() {
    flight_.back().complete = true;
    needs_rset_ = true;
    finish();
    return false;
  }

  // --- DATA

  void group() {
    if (!say_envelope() || !say("DATA") || !settle()) return;
    // All before it is decided now, so the oldest is this one.
    Item& item = flight_.back();
    const Record& record = dialogue_.record();
    if (record.go_ahead && record.failure) return break_off();  // whose message would it be?
    if (!record.go_ahead) {
      give_up();
      return;
    }
    item.crowded = item.crowded && record.crowded();
    if (record.granted() || item.transaction.continue_on_reject) {
      if (!say_body(item)) return;
    }
    dialogue_.body_ended();
    if (!channel_->put(".\r\n")) {
      lost();
      return;
    }
    item.complete = true;
    if (!grouping_) settle();
  }

  bool say_body(Item& item) {
    mail::DotStuffer stuffer;
    item.begun = true;
    dialogue_.body({});
    const auto sink = [&](std::string_view text) {
      dialogue_.body(text);
      return channel_->put(text);
    };
    // What a writer has written leaves before more of it is waited for, and what the server says to it is heard.
    const bool paced = !item.transaction.message.prompt();
    for (;;) {
      const std::string_view text = piece_.text();
      item.size += text.size();
      if (!stuffer.feed(text, sink) || (paced && !channel_->hear())) return lost();
      piece_.remove_prefix(text.size());
      if (item.ended) return true;
      if (auto failure = piece_.fill(item, 1)) {
        dialogue_.fail(*std::move(failure));
        channel_->drop();
        return lost();
      }
    }
  }

  // --- BDAT

  void stream() {
    if (!say_envelope()) return;
    if (!proven_ && !prove()) return;
    Item& item = flight_.back();
    item.begun = item.chunked = true;
    for (bool last = false; !last;) {
      if (const auto failure = piece_.fill(item, chunk_size + 1)) {
        item.verdict = judge(*failure);
        break;  // between two chunks: RSET makes the server forget
      }
      last = item.ended && piece_.text().size() <= chunk_size;
      if (!say_chunk(item, std::min(piece_.text().size(), chunk_size), last) || !finish()) return;
    }
    item.complete = true;
    item.transaction.message.release();
    if (!say("RSET")) return;
    keep_window();
  }

  bool say_chunk(Item& item, std::size_t size, bool last) {
    if (!say("BDAT " + std::to_string(size) + (last ? " LAST" : ""))) return false;
    const std::string_view text = piece_.text().substr(0, size);
    piece_.remove_prefix(size);
    item.size += size;
    dialogue_.body(text);
    return channel_->put(text) || lost();
  }

  // The first message of a session: does the server mean its CHUNKING?
  bool prove() {
    Item& item = flight_.back();
    if (const auto failure = piece_.fill(item, chunk_size + 1)) {
      item.verdict = judge(*failure);
      return give_up();
    }
    if (!say_chunk(item, 1, false) || !settle()) return false;
    const Record& record = dialogue_.record();
    // Without a recipient 503 is what a server says that means it.
    no_chunks_ = knows_no_chunks(record.last_code) || (record.last_code == 503 && record.granted());
    if (no_chunks_) {
      if (record.granted() && !mail_refused(record)) {
        come_back();
      } else {
        break_off();
      }
      return false;
    }
    if (!record.granted()) return give_up();
    if (record.failure) {  // did it read the octet?
      break_off();
      return false;
    }
    proven_ = true;
    return true;
  }

  static bool knows_no_chunks(int code) { return code == 500 || code == 502 || code == 504; }

  // A chunk was, by a server that had taken the first octet and has never taken a whole message so.
  [[nodiscard]] bool refused_chunk(const Item& item) const {
    const auto& failure = dialogue_.record().failure;
    const bool by_reply = failure && failure->reply && (failure->phase == Phase::chunk || failure->phase == Phase::dot);
    return by_reply && item.chunked && !does_chunks_ &&
           (knows_no_chunks(failure->reply->code) || failure->reply->code == 503);
  }

  // The oldest meets the server again without chunks. What the server has made of those behind it, nobody knows: it may
  // have read their bodies as commands, and what it says to them are no answers. Always false.
  bool step_down() {
    no_chunks_ = true;
    const Failure failure{.cause = Failure::Cause::lost,
                          .phase = Phase::dot,
                          .text = "it refuses chunks (" + std::to_string(dialogue_.record().failure->reply->code) +
                                  ") after it had taken one"};
    channel_->drop();
    const Item* const again = start_over(flight_.front()) ? &flight_.front() : nullptr;
    if (!again) tell(flight_.front());
    for (Item& item : flight_) {
      if (item.recorded) dialogue_.forget_transaction();
      if (item.begun && !item.verdict) item.verdict = judge(failure);
      if (!item.begun && &item != again) keep(item);
      item.complete = item.recorded = false;
    }
    again_.insert(again_.begin(), std::make_move_iterator(flight_.begin()), std::make_move_iterator(flight_.end()));
    flight_.clear();
    let_go();
    return false;
  }

  static bool start_over(Item& item) {
    mail::Message& message = item.transaction.message;
    if (!message.rewind() || !message.prime()) return false;
    item.begun = item.chunked = item.ended = false;
    item.size = 0;
    item.kept.clear();
    return true;
  }

  static bool mail_refused(const Record& record) { return record.failure && record.failure->phase == Phase::mail; }

  // The transaction has failed, and nobody knows what the server would make of the next command.
  void break_off() {
    flight_.back().complete = true;
    if (!finish()) return;
    channel_->drop();
    let_go();
  }

  // The byte that was sent may stand before the next command: this connection is of no use any more.
  void come_back() {
    keep(flight_.back());
    Item item = std::move(flight_.back());
    item.recorded = false;
    flight_.pop_back();
    dialogue_.forget_transaction();
    channel_->drop();
    let_go();
    again_.push_front(std::move(item));
  }

  // The first octet, if it had been sent, will be sent again.
  void keep(Item& item) {
    if (&item != &flight_.back()) return;  // of which nothing was read ahead
    piece_.put_back(static_cast<std::size_t>(std::exchange(item.size, 0)));
    item.kept = piece_.text();
  }

  void keep_window() {
    const auto unanswered = [this] {
      std::uint64_t bytes = 0;
      for (const Item& item : flight_) bytes += item.size;
      return bytes;
    };
    if (!finish()) return;
    while (flight_.size() > 1 && (flight_.size() > most_in_flight || dialogue_.outstanding() > most_outstanding ||
                                  unanswered() > most_unanswered)) {
      if (!channel_->await_reply()) {
        lost();
        return;
      }
      if (!finish()) return;
    }
  }

  // --- what came of it

  // Tells of those whose replies are all there. False if the connection was given up for what they say.
  bool finish() {
    while (!flight_.empty()) {
      Item& item = flight_.front();
      if (item.recorded && refused_chunk(item)) return step_down();
      if (item.recorded && (!item.complete || dialogue_.record().awaited > 0 || !is_firm(item))) return true;
      reused_ = reused_ || item.recorded;
      does_groups_ = does_groups_ || (item.recorded && grouping_);
      tell(item);
    }
    return true;
  }

  // Whether the oldest has been answered for good. If one reply too many came among those before it, its own is still
  // to come, among those to what is behind it: there it won't fit (Dialogue::out_of_step).
  [[nodiscard]] bool is_firm(const Item& oldest) const {
    if (!oldest.chunked || oldest.sealed) return true;
    const auto next = std::find_if(flight_.begin() + 1, flight_.end(), [](const Item& item) { return item.recorded; });
    return next != flight_.end() && next->complete && dialogue_.record(1).awaited == 0;
  }

  void tell(Item& item) {
    Outcome outcome = item.verdict ? untried(item.transaction.envelope.recipients().size(), *item.verdict)
                                   : outcome_of(dialogue_, item.size);
    does_chunks_ = does_chunks_ || (item.chunked && outcome.accepted);
    outcome.size = item.size;
    outcome.time = base::Instant::clock::now() - item.began;
    if (item.recorded) dialogue_.forget_transaction();
    Item told = std::move(item);
    flight_.pop_front();
    work_.done(told.transaction, outcome);
  }

  // The connection is over. Who was under way has failed, unless the server had taken it; who had only been announced
  // comes back, for the next connection. Always false.
  bool lost() {
    for (Item& item : flight_) item.sealed = true;  // nothing more will come
    if (!finish()) return false;
    bool oldest = !ended_by_another();
    const auto& failure = dialogue_.failure();
    const bool unread = failure && failure->reply && failure->reply->code == 421;  // what is behind that
    std::deque<Item> back;
    while (!flight_.empty()) {
      Item& item = flight_.front();
      if (item.verdict) {
        tell(item);
        continue;
      }
      const bool begun = item.begun;
      if (begun ? unread && !oldest && start_over(item) : !oldest || may_come_back(item)) {
        item.tried = item.tried || oldest;
        item.complete = item.recorded = item.sealed = false;
        if (!begun) keep(item);
        back.push_back(std::move(item));
        flight_.pop_front();
        dialogue_.forget_transaction();
      } else {
        tell(item);
      }
      oldest = false;
    }
    again_.insert(again_.begin(), std::make_move_iterator(back.begin()), std::make_move_iterator(back.end()));
    let_go();
    return false;
  }

  // The reply that ended the connection was to a message that is done with, and the oldest has heard nothing.
  [[nodiscard]] bool ended_by_another() const {
    const auto& failure = dialogue_.failure();
    return !flight_.empty() && flight_.front().recorded && failure && failure->reply && !dialogue_.record().heard;
  }

  // The oldest, which the end of the connection was about. A connection that had served may have been closed for its
  // age; one that breaks at the first group, or falls silent within its replies, may be a server's that can't do
  // groups, unless one was answered before.
  bool may_come_back(const Item& item) {
    const auto& failure = dialogue_.failure();
    if (item.tried || !failure) return false;
    const bool lost = failure->cause == Failure::Cause::lost;
    const bool heard = dialogue_.record().heard;
    if (reused_) return lost && !heard;
    if (!grouping_) return false;
    if (does_groups_) return lost;
    const bool deaf = failure->cause == Failure::Cause::timeout && heard;
    no_groups_ = lost || deaf || failure->cause == Failure::Cause::protocol;
    return no_groups_;
  }

  void let_go() {
    channel_->close();
    channel_.reset();
  }

  // Ends the connection in good order. What is under way is answered before.
  void close() {
    if (!channel_) return;
    // Not together with what waits for an answer: there are servers that keep it back then (Exim, 200 ms).
    if (!settle()) return;
    if (!channel_->hear()) {
      lost();
      return;
    }
    // The answer matters to nobody who does not look, unless the next connection is to begin when this one has ended.
    if (!say("QUIT")) return;
    if (disconnect_ || dialogue_.watched()) {
      channel_->settle();
    } else {
      channel_->hear();
    }
    let_go();
  }

  Session& session_;
  Dialogue& dialogue_;
  Work& work_;
  bool disconnect_;
  std::optional<Channel> channel_;  // there is a connection
  std::deque<Item> flight_;         // in the order of their commands
  std::deque<Item> again_;          // for the next connection
  Piece piece_;                     // of the newest in flight
  bool many_ = false;               // it has more than one message
  bool no_groups_ = false;          // a server has failed at it
  bool does_groups_ = false;        // a server has answered one
  bool no_chunks_ = false;          // the same of chunks
  // Of the connection:
  bool grouping_ = false;
  bool streaming_ = false;
  bool proven_ = false;       // a chunk was accepted
  bool does_chunks_ = false;  // a message in chunks was
  bool reused_ = false;       // a transaction has ended on it
  bool needs_rset_ = false;   // before the next MAIL
};

}  // namespace

void run_pipeline(Session& session, Work& work, bool disconnect) {
  Pipeline(session, work, disconnect).run();
}

}  // namespace pillarbox::smtp
