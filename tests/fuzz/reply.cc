// A server that says anything at any time, against the dialogue: a line of the input is a reply, or begins with what we
// do (see Play::act).
#include <array>
#include <string>

#include "smtp/dialogue.h"
#include "smtp/outcome.h"
#include "target.h"

using namespace pillarbox;

namespace {

constexpr std::string_view secret = "hunter2-hunter2";

class Watcher final : public smtp::View {
 public:
  void reply_line(std::string_view line) override { unseen(line); }
  static void unseen(std::string_view text) {
    fuzz::check(text.find(secret) == std::string_view::npos, "a secret that comes back is struck out", text);
  }
};

smtp::Terms terms_of(std::uint8_t flags) {
  return {.several_hosts = (flags & 32) != 0,
          .tls_wanted = (flags & 1) != 0,
          .tls_required = (flags & 2) != 0,
          .login = (flags & 4) != 0,
          .cleartext_login = (flags & 8) != 0,
          .mechanisms = (flags & 64) != 0 ? std::vector<std::string>{"XOAUTH2", "OAUTHBEARER"}
                                          : std::vector<std::string>{"PLAIN", "LOGIN", "CRAM-MD5"}};
}

void check_reply(const smtp::Reply& reply) {
  fuzz::check(reply.code >= 100 && reply.code <= 599, "a code has three digits");
  fuzz::check(!reply.lines.empty(), "a reply has a line");
  Watcher::unseen(reply.text());
  const std::string status = reply.enhanced_status();
  fuzz::check(status.empty() || reply.text().starts_with(status.substr(0, smtp::Reply::longest_text)),
              "a status is the first word", status);
  fuzz::check(!reply.too_many_recipients() || !reply.positive(), "who is too many was refused");
}

void check_outcome(const smtp::Dialogue& dialogue) {
  if (const auto& failure = dialogue.failure()) {
    fuzz::check(!fuzz::has_control(failure->text), "what went wrong is told in one line", failure->text);
    Watcher::unseen(failure->text);
    if (failure->reply) check_reply(*failure->reply);
    fuzz::check(failure->cause != smtp::Failure::Cause::refused || failure->reply.has_value(),
                "a refusal has its reply");
  }
  if (dialogue.accepted()) {
    check_reply(*dialogue.accepted());
    fuzz::check(dialogue.accepted()->positive(), "acceptance is a 2xx");
  }
  const smtp::Outcome outcome = smtp::outcome_of(dialogue, 0);
  fuzz::check(outcome.recipients.size() == dialogue.recipients().size(), "each recipient has a verdict");
  fuzz::check(outcome.accepted_count() == 0 || outcome.accepted.has_value(),
              "nobody is served before the message is taken");
  fuzz::check((outcome.worst() == nullptr) == (outcome.accepted_count() == outcome.recipients.size()),
              "who failed is told");
  fuzz::check(!outcome.failure || outcome.accepted_count() == 0, "a failed message was served to nobody");
  for (std::size_t i = 0; i < outcome.recipients.size(); ++i) {
    const bool served = outcome.recipients[i].fate == smtp::Fate::accepted;
    fuzz::check(!served || !outcome.refused_alone(i), "who is served was not refused");
  }
  const smtp::Verdict ending = smtp::ending_of(dialogue);
  fuzz::check(ending.fate != smtp::Fate::accepted, "an end accepts nothing", ending.text);
  fuzz::check(smtp::untried(3, ending).accepted_count() == 0, "who was not tried has nothing");
}

class Play {
 public:
  explicit Play(std::uint8_t flags) : loopback_((flags & 16) != 0), dialogue_(terms_of(flags), view_) {
    dialogue_.conceal(secret);
    dialogue_.begin_transaction(3, 1000);
    connect();
  }

  void line(std::string_view line) {
    if (line.size() >= 2 && line[1] == ':' && act(line[0], line.substr(2))) return;
    // What becomes of QUIT is no failure of anything.
    const bool quit = dialogue_.phase() == smtp::Phase::quit || dialogue_.awaited() == smtp::Phase::quit;
    if (dialogue_.reply_line(line) != smtp::Dialogue::Next::stop) return;
    fuzz::check(quit || dialogue_.failure() || dialogue_.accepted(), "a stop has its reason", line);
    check_outcome(dialogue_);
    connect();
  }

  void end() const { check_outcome(dialogue_); }

 private:
  using Cause = smtp::Failure::Cause;

  void connect() {
    dialogue_.connecting("mx.example");
    dialogue_.resolved();
    dialogue_.connected("192.0.2.1", 25, loopback_);
  }

  bool act(char what, std::string_view rest) {
    switch (what) {
      case 'C':  // a command
        dialogue_.command(rest);
        return true;
      case 'B':  // a piece of the body
        dialogue_.body(rest);
        return true;
      case 'D':  // its end
        dialogue_.body_ended();
        return true;
      case 'T':
        dialogue_.secured({"TLSv1.3", "cipher", true});
        return true;
      case 'N':  // a new transaction
        check_outcome(dialogue_);
        dialogue_.begin_transaction(rest.size() % 5, rest.size());
        behind_ = 0;
        return true;
      case 'A':  // one behind those at hand
        if (behind_ < 8) dialogue_.add_transaction(rest.size() % 5, rest.size(), rest.starts_with('n'));
        behind_ = std::min(behind_ + 1, 8);
        return true;
      case 'F':  // the oldest has come to its end
        if (behind_ == 0 || dialogue_.record().awaited > 0) return true;
        check_outcome(dialogue_);
        dialogue_.forget_transaction();
        --behind_;
        return true;
      case 'H':
        dialogue_.hand_over();
        return true;
      case 'G':  // the login has nothing more to say
        dialogue_.give_up_challenge();
        return true;
      case 'X':  // the connection ends
        end_connection(rest.empty() ? 0 : static_cast<unsigned char>(rest[0]), rest);
        return true;
      case 'R':
        again();
        return true;
      default:
        return false;
    }
  }

  void end_connection(unsigned number, std::string_view why) {
    static constexpr std::array causes = {Cause::lost,        Cause::timeout,      Cause::stopped,
                                          Cause::protocol,    Cause::unknown_host, Cause::unresolved,
                                          Cause::unreachable, Cause::tls_failed,   Cause::certificate,
                                          Cause::source,      Cause::local,        Cause::unsupported};
    dialogue_.fail({.cause = causes[number % causes.size()],
                    .phase = dialogue_.awaited().value_or(dialogue_.phase()),
                    .text = base::escape(why).substr(0, 4),
                    .kind = Error::Kind::temporary});
    check_outcome(dialogue_);
    connect();
  }

  // As for another host, or by another mechanism.
  void again() {
    const auto& failure = dialogue_.failure();
    if (!failure || behind_ > 0) return;
    const bool refused = failure->cause == Cause::refused && failure->phase == smtp::Phase::auth;
    const smtp::Verdict verdict = smtp::judge(*failure);
    if (!verdict.elsewhere && !(refused && dialogue_.avoid_mechanism())) return;
    fuzz::check(!dialogue_.mechanisms().empty(), "there is a mechanism left");
    dialogue_.try_again(verdict.text);
    connect();
  }

  Watcher view_;
  bool loopback_;
  int behind_ = 0;  // transactions behind the oldest
  smtp::Dialogue dialogue_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  Play play(data[0]);
  for (const std::string_view line : base::split(fuzz::text_of(data + 1, size - 1), '\n')) play.line(line);
  play.end();
  return 0;
}
