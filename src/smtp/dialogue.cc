#include "smtp/dialogue.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"

namespace pillarbox::smtp {
namespace {

constexpr int most_challenges = 20;                // no mechanism needs more; a server could ask for ever
constexpr std::size_t most_of_a_recipient = 1024;  // bytes that are kept of its reply: there may be many thousands
constexpr std::size_t shortest_secret = 4;         // striking out less would hide every other word

// An acceptance, behind a MAIL or all recipients that were refused.
bool impossible(const Record& record) {
  return record.failure ? record.failure->phase == Phase::mail : !record.granted();
}

// Servers take verbs in any case, and some of them blanks in front.
Phase phase_of(std::string_view command, Phase current) {
  command.remove_prefix(std::min(command.find_first_not_of(" \t"), command.size()));
  struct Verb {
    std::string_view text;
    Phase phase;
  };
  constexpr std::array<Verb, 10> verbs = {{{"EHLO", Phase::ehlo},
                                           {"HELO", Phase::helo},
                                           {"STARTTLS", Phase::starttls},
                                           {"AUTH", Phase::auth},
                                           {"MAIL FROM:", Phase::mail},
                                           {"RCPT TO:", Phase::rcpt},
                                           {"DATA", Phase::data},
                                           {"BDAT ", Phase::chunk},
                                           {"RSET", Phase::rset},
                                           {"QUIT", Phase::quit}}};
  for (const Verb& verb : verbs) {
    if (!base::istarts_with(command, verb.text)) continue;
    const bool last_chunk = verb.phase == Phase::chunk && base::upper(command).ends_with(" LAST");
    return last_chunk ? Phase::dot : verb.phase;
  }
  return current;
}

// These say in a challenge why they refuse a token (RFC 7628 section 3.2.2): base64 of some JSON.
bool tells_reasons(std::string_view mechanism) {
  return mechanism == "XOAUTH2" || mechanism == "OAUTHBEARER";
}

std::string reason_in(const Reply& challenge) {
  std::string text = base::from_base64(base::trim(challenge.lines.front())).value_or("");
  std::replace_if(
      text.begin(), text.end(), [](char c) { return base::is_control(c); }, ' ');
  return text;
}

void replace_all(std::string& text, std::string_view what, std::string_view with) {
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size())) {
    text.replace(at, what.size(), with);
  }
}

}  // namespace

std::string describe(Phase phase) {
  switch (phase) {
    case Phase::connect:
      return "the connection";
    case Phase::greeting:
      return "the session";
    case Phase::ehlo:
      return "EHLO";
    case Phase::helo:
      return "HELO";
    case Phase::starttls:
      return "STARTTLS";
    case Phase::tls:
      return "the TLS handshake";
    case Phase::auth:
      return "the login";
    case Phase::mail:
      return "the sender";
    case Phase::rcpt:
      return "the recipient";
    case Phase::data:
      return "DATA";
    case Phase::body:
    case Phase::chunk:
    case Phase::dot:
      return "the message";
    case Phase::rset:
      return "RSET";
    case Phase::quit:
      return "QUIT";
    case Phase::other:
      return "the command";
  }
  return {};
}

std::optional<std::string> Connection::offers(std::string_view keyword) const {
  for (const std::string& extension : extensions) {
    const std::size_t end = std::min(extension.find_first_of(" ="), extension.size());
    if (base::iequals(std::string_view(extension).substr(0, end), keyword)) {
      return std::string(base::trim(std::string_view(extension).substr(std::min(end + 1, extension.size()))));
    }
  }
  return std::nullopt;
}

void Dialogue::conceal(std::string_view secret) {
  if (secret.size() >= shortest_secret) concealed_.emplace_back(std::string(secret));
}

void Dialogue::connecting(std::string server) {
  connection_ = Connection{.server = std::move(server), .address = {}, .port = 0, .began = base::Instant::clock::now()};
  phase_ = Phase::connect;
  awaited_.clear();
  reader_.take();
  ready_ = false;
  over_ = false;
  challenged_ = false;
  reason_.clear();
  view_.connecting(connection_.server);
}

void Dialogue::resolved() {
  view_.resolved();
}

void Dialogue::connected(std::string address, int port, bool loopback) {
  connection_.address = std::move(address);
  connection_.port = port;
  connection_.loopback = loopback;
  phase_ = Phase::greeting;
  await(Phase::greeting);
  view_.connected(connection_);
}

void Dialogue::secured(TlsInfo tls) {
  connection_.tls = std::move(tls);
  connection_.extensions.clear();  // what was said in the clear does not count any more (RFC 3207 section 4.2)
  view_.secured(connection_);
}

void Dialogue::begin_transaction(std::size_t recipients, std::optional<std::uint64_t> size) {
  phase_ = Phase::connect;
  first_record_ += records_.size();
  records_.clear();
  failure_.reset();
  add_transaction(recipients, size);
}

void Dialogue::try_again(std::string_view why) {
  view_.trying_again(why);
  begin_transaction(record().recipients.size(), record().size);
}

bool Dialogue::avoid_mechanism() {
  std::vector<std::string> others = terms_.mechanisms;
  std::erase(others, mechanism_);
  const bool offered = std::any_of(others.begin(), others.end(), [this](const std::string& other) {
    return std::find(offered_mechanisms_.begin(), offered_mechanisms_.end(), other) != offered_mechanisms_.end();
  });
  if (offered) terms_.mechanisms = std::move(others);
  return offered;
}

void Dialogue::add_transaction(std::size_t recipients, std::optional<std::uint64_t> size, bool for_nobody) {
  Record& record = records_.emplace_back();
  record.size = size;
  record.for_nobody = for_nobody;
  record.recipients.resize(recipients);
}

void Dialogue::forget_transaction() {
  records_.pop_front();
  ++first_record_;
}

bool Record::granted() const {
  return std::any_of(recipients.begin(), recipients.end(), [](const Recipient& r) { return r.granted(); });
}

bool Record::granted_all() const {
  return std::all_of(recipients.begin(), recipients.end(), [](const Recipient& r) { return r.granted(); });
}

bool Record::crowded() const {
  return std::any_of(recipients.begin(), recipients.end(),
                     [](const Recipient& r) { return r.reply && r.reply->too_many_recipients(); });
}

const std::optional<Failure>& Dialogue::failure() const {
  return !records_.empty() && record().failure ? record().failure : failure_;
}

// The transaction of that number, or where none is left of it the newest.
Record& Dialogue::record_of(std::uint64_t number) {
  const bool there = number >= first_record_ && number - first_record_ < records_.size();
  if (records_.empty()) records_.emplace_back();
  return there ? records_[number - first_record_] : records_.back();
}

void Dialogue::await(Phase phase) {
  awaited_.push_back({phase, first_record_ + std::max<std::size_t>(records_.size(), 1) - 1});
  if (records_.empty() || phase == Phase::quit) return;  // QUIT is no transaction's
  ++records_.back().awaited;
  records_.back().ended = records_.back().ended || phase == Phase::dot;
}

std::string Dialogue::command(std::string_view line) {
  // In an exchange a line is an answer whatever it looks like: "QUIT" is base64 as well.
  const bool answer = std::exchange(challenged_, false);
  phase_ = answer ? Phase::auth : phase_of(line, handed_over_ ? Phase::other : phase_);
  if (phase_ == Phase::mail) now_ready();
  last_reply_ = {};
  await(phase_);
  if ((phase_ == Phase::chunk || phase_ == Phase::dot) && !records_.empty()) records_.back().chunked = true;
  std::string safe = phase_ == Phase::auth ? redact(line, answer) : std::string(line);
  view_.command(terms_.show_secrets ? line : safe);
  return safe;
}

void Dialogue::now_ready() {
  if (std::exchange(ready_, true)) return;
  Connection shown = connection_;  // a server that has learned the password before may say it again
  for (std::string& extension : shown.extensions) extension = masked(extension);
  view_.ready(shown);
}

void Dialogue::hand_over() {
  handed_over_ = true;
  now_ready();
}

Dialogue::Next Dialogue::reply_line(std::string_view line) {
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.remove_suffix(1);
  const std::string safe = masked(line);
  view_.reply_line(terms_.show_secrets ? line : safe);
  if (!records_.empty()) record_of(awaited_.empty() ? first_record_ : awaited_.front().record).heard = true;
  if (over_) return Next::stop;  // shown, but no longer an answer to anything
  const Next next = read_reply(line, safe);
  over_ = next == Next::stop;
  return next;
}

Dialogue::Next Dialogue::read_reply(std::string_view line, const std::string& safe) {
  // In a list of extensions a secret may be a word like "SIZE" and must be left; there is nothing to echo yet.
  const bool extensions = awaited() == Phase::ehlo && line.starts_with('2');
  switch (reader_.add(extensions ? line : std::string_view(safe))) {
    case ReplyReader::State::incomplete:
      return Next::go_on;
    case ReplyReader::State::complete: {
      Reply reply = reader_.take();
      if (!extensions) reply.shorten(awaited() == Phase::rcpt ? most_of_a_recipient : Reply::longest_text);
      return judge(reply);
    }
    case ReplyReader::State::malformed:
      return break_off("not an SMTP reply: " + base::quote(safe.substr(0, 200)));
    case ReplyReader::State::mixed:
      return break_off("the lines of a reply have different codes, the last of them " +
                       base::quote(safe.substr(0, 200)));
    case ReplyReader::State::oversized:
      return break_off("a reply of more than 64 KiB");
  }
  return Next::stop;
}

Dialogue::Next Dialogue::break_off(std::string text) {
  fail({.cause = Failure::Cause::protocol, .phase = awaited().value_or(phase_), .text = std::move(text)});
  return Next::stop;
}

// Chunks are said far ahead of their replies, so one reply too many shifts all that follow it, and a refusal would be
// taken for another command's. It shows where it can't stand, and then nobody knows what became of those at hand.
Dialogue::Next Dialogue::out_of_step(const Reply& reply) {
  for (Record& record : records_) {
    record.accepted.reset();
    record.failure.reset();
    for (Recipient& recipient : record.recipients) recipient.reply.reset();
  }
  return break_off("its replies do not fit the commands: " + std::to_string(reply.code) + " " +
                   base::quote(reply.text().substr(0, 200)));
}

Dialogue::Next Dialogue::judge(const Reply& reply) {
  view_.replied(reply);
  if (handed_over_) return note_reply(reply);
  if (awaited_.empty()) return judge_unasked(reply);
  const auto [phase, number] = awaited_.front();
  awaited_.pop_front();
  if (phase == Phase::quit) return Next::go_on;
  Record& record = record_of(number);
  if (record.awaited > 0) --record.awaited;
  switch (phase) {
    case Phase::greeting:
      return reply.positive() ? Next::go_on : refuse(phase, reply);
    case Phase::ehlo:
    case Phase::helo:
      return judge_hello(reply);
    case Phase::starttls:
      if (reply.code == 220) {
        phase_ = Phase::tls;
        return Next::go_on;
      }
      if (terms_.tls_required || reply.code == 421) return refuse(phase, reply);
      return before_login();
    case Phase::auth:
      return judge_login(reply);
    case Phase::mail:
    case Phase::rcpt:
    case Phase::data:
    case Phase::chunk:
    case Phase::dot:
      return judge_transaction(record, phase, reply);
    case Phase::rset:
      if (record.chunked && record.accepted && !reply.positive() && reply.code != 421) return out_of_step(reply);
      return reply.code == 421 ? refuse(phase, reply) : Next::go_on;
    case Phase::connect:
    case Phase::tls:
    case Phase::body:
    case Phase::quit:
    case Phase::other:
      return reply.code == 421 ? refuse(phase, reply) : Next::go_on;
  }
  return Next::stop;
}

Dialogue::Next Dialogue::note_reply(const Reply& reply) {
  if (awaited_.empty()) return judge_unasked(reply);
  last_reply_ = reply;
  challenged_ = awaited_.front().phase == Phase::auth && reply.code == 334;
  awaited_.pop_front();
  return Next::go_on;
}

// A reply to the message before its end, a good-bye, or a server that is out of step.
Dialogue::Next Dialogue::judge_unasked(const Reply& reply) {
  const bool refusal = reply.transient() || reply.permanent();
  if (reply.code == 421 || (phase_ == Phase::body && refusal)) return refuse(phase_, reply);
  return break_off("a reply that nothing had asked for: " + std::to_string(reply.code) + " " +
                   base::quote(reply.text().substr(0, 200)));
}

// HELO is for servers that don't know EHLO, and for nothing else (RFC 5321 section 3.2): a refused EHLO must not become
// a session without TLS or AUTH.
Dialogue::Next Dialogue::judge_hello(const Reply& reply) {
  if (reply.positive()) {
    connection_.extensions.clear();
    if (phase_ == Phase::helo) return before_mail();
    read_extensions(reply);
    const bool encrypt = terms_.tls_wanted && !connection_.tls;
    if (encrypt && starttls_) return Next::go_on;
    if (encrypt && terms_.tls_required) {
      fail({.cause = Failure::Cause::tls_not_offered, .phase = Phase::starttls});
      return Next::stop;
    }
    return before_login();
  }
  const bool unknown = phase_ == Phase::ehlo && (reply.code == 500 || reply.code == 502);
  const bool needs_ehlo = terms_.tls_required || terms_.login || connection_.tls;
  return unknown && !needs_ehlo ? Next::go_on : refuse(phase_, reply);
}

// STARTTLS and AUTH count only as libcurl reads them, for it acts by its own reading: in capitals, at the line's very
// beginning, AUTH with a blank behind it. Whatever else a server writes is not offered.
void Dialogue::read_extensions(const Reply& reply) {
  starttls_ = false;
  offered_mechanisms_.clear();
  for (std::size_t i = 0; i < reply.lines.size(); ++i) {
    const std::string_view line = reply.lines[i];
    if (i > 0 && !base::trim(line).empty()) connection_.extensions.emplace_back(base::trim(line));
    starttls_ = starttls_ || line.starts_with("STARTTLS");
    if (!line.starts_with("AUTH ")) continue;
    for (const std::string_view word : base::split(line.substr(5), ' '))
      offered_mechanisms_.emplace_back(base::trim(word));
  }
}

// The last look before credentials leave.
Dialogue::Next Dialogue::before_login() {
  if (!terms_.login) return before_mail();
  const bool known = std::any_of(terms_.mechanisms.begin(), terms_.mechanisms.end(), [&](const std::string& wanted) {
    return std::find(offered_mechanisms_.begin(), offered_mechanisms_.end(), wanted) != offered_mechanisms_.end();
  });
  if (!known) {
    const auto offered = connection_.offers("AUTH");
    const std::string text =
        offered ? "AUTH is offered with " + base::quote(masked(*offered)) + " only" : "AUTH is not offered";
    fail({.cause = Failure::Cause::auth_not_offered, .phase = Phase::auth, .text = text});
    return Next::stop;
  }
  if (!connection_.tls && !connection_.loopback && !terms_.cleartext_login) {
    fail({.cause = Failure::Cause::cleartext, .phase = Phase::auth});
    return Next::stop;
  }
  return Next::go_on;
}

Dialogue::Next Dialogue::judge_login(const Reply& reply) {
  challenged_ = reply.code == 334 && ++challenges_ <= most_challenges;
  if (challenged_) {
    if (tells_reasons(mechanism_)) reason_ = masked(reason_in(reply));
    return Next::go_on;
  }
  if (reply.code == 334) return break_off("challenges (334) without end");
  if (reply.code != 235) return refuse(Phase::auth, reply);
  connection_.auth = mechanism_;
  return before_mail();
}

bool Dialogue::give_up_challenge() {
  if (!challenged_ || tells_reasons(mechanism_)) return false;
  fail({.cause = Failure::Cause::protocol,
        .phase = Phase::auth,
        .text = "a further challenge (334), when " + mechanism_ + " had nothing more to say"});
  return true;
}

// The session stands; does it suit the message at hand?
Dialogue::Next Dialogue::before_mail() {
  auto failure = records_.empty() ? std::nullopt : misfit(record().size);
  if (!failure) return Next::go_on;
  fail(*std::move(failure));
  return Next::stop;
}

std::optional<Failure> Dialogue::misfit(std::optional<std::uint64_t> size) const {
  const auto limit = connection_.offers("SIZE");
  const auto most = limit ? base::number(*limit) : std::nullopt;
  if (!size || !most || *most == 0 || *size <= *most) return std::nullopt;
  return Failure{.cause = Failure::Cause::too_large,
                 .phase = Phase::mail,
                 .text = "the message has at least " + std::to_string(*size) + " bytes, the server takes " +
                         std::to_string(*most)};
}

Dialogue::Next Dialogue::judge_transaction(Record& record, Phase phase, const Reply& reply) {
  // Behind a refused MAIL the recipients' replies are about MAIL.
  if (phase == Phase::rcpt && !record.failure && record.answered < record.recipients.size()) {
    record.recipients[record.answered++].reply = reply;
  }
  record.last_code = reply.code;
  if (reply.code == 421) {
    const Next next = refuse(phase, reply);
    if (!record.accepted && !record.failure) record.failure = failure_;
    return next;
  }
  if (terms_.login && connection_.auth.empty()) {  // whatever libcurl made of the extensions
    fail({.cause = Failure::Cause::auth_not_offered, .phase = Phase::auth, .text = "the server has not confirmed it"});
    return Next::stop;
  }
  const bool known = reply.positive() || reply.transient() || reply.permanent();
  switch (phase) {
    case Phase::rcpt:
      return known ? Next::go_on : refuse(phase, reply);
    case Phase::data:
      record.go_ahead = reply.code == 354;
      if (record.go_ahead) return Next::go_on;
      // Another yes comes from a server that is out of step: it may be reading a text already.
      return known && !reply.positive() ? refuse(record, phase, reply) : refuse(phase, reply);
    case Phase::dot:
      if (reply.positive() && (record.granted() || record.for_nobody) && !record.failure && !failure_) {
        record.accepted = reply;
        return Next::go_on;
      }
      if (reply.positive() && record.chunked && impossible(record)) return out_of_step(reply);
      return refuse(record, phase, reply);
    default:
      return reply.positive() ? Next::go_on : refuse(record, phase, reply);
  }
}

// The reply ends the conversation.
Dialogue::Next Dialogue::refuse(Phase phase, const Reply& reply) {
  fail({.cause = Failure::Cause::refused, .phase = phase, .reply = reply});
  return Next::stop;
}

// The reply refuses a transaction as a whole.
Dialogue::Next Dialogue::refuse(Record& record, Phase phase, const Reply& reply) {
  // Without a recipient a message is refused for want of one, and each of them knows why.
  const bool nobody = !record.recipients.empty() && record.answered == record.recipients.size() && !record.granted();
  const bool decided = failure_ || record.failure || record.accepted || nobody;
  if (!decided) record.failure = Failure{.cause = Failure::Cause::refused, .phase = phase, .reply = reply};
  return Next::go_on;
}

bool Dialogue::awaits_acceptance() const {
  return std::any_of(records_.begin(), records_.end(),
                     [](const Record& record) { return record.ended && record.awaited > 0; });
}

void Dialogue::body(std::string_view piece) {
  phase_ = Phase::body;
  view_.body(piece);
}

void Dialogue::body_ended() {
  phase_ = Phase::dot;
  await(Phase::dot);
  view_.body_ended();
}

void Dialogue::fail(Failure failure) {
  if (failure.phase == Phase::auth && !reason_.empty()) failure.text += (failure.text.empty() ? "" : ": ") + reason_;
  // What ends the connection says nothing of transactions that are decided.
  const bool decided = failure_ || failure.phase == Phase::quit ||
                       (!records_.empty() && std::all_of(records_.begin(), records_.end(),
                                                         [](const Record& r) { return r.accepted || r.failure; }));
  if (decided) return;
  failure_ = std::move(failure);
  if (terms_.several_hosts) failure_->host = connection_.server;
}

// What of a line of a login may be shown: "AUTH" and the mechanism.
std::string Dialogue::redact(std::string_view line, bool answer) {
  if (answer) {
    conceal(line);
    return "***";
  }
  const std::size_t verb = line.find_first_not_of(" \t");
  const std::size_t name = std::min(line.find_first_not_of(" \t", verb + 4), line.size());  // behind "AUTH"
  const std::size_t end = std::min(line.find_first_of(" \t", name), line.size());
  mechanism_ = base::upper(line.substr(name, end - name));
  challenges_ = 0;
  reason_.clear();
  const std::string_view secret = base::trim(line.substr(end));
  if (secret.empty()) return std::string(line);
  conceal(secret);
  return std::string(line.substr(0, end)) + " ***";
}

std::string Dialogue::masked(std::string_view line) const {
  std::string out(line);
  for (const base::Secret& secret : concealed_) replace_all(out, secret.reveal(), "***");
  return out;
}

}  // namespace pillarbox::smtp
