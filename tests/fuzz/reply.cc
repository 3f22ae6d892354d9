// A server that says anything at any time, against the dialogue: a line of the input is a reply, or with a prefix
// something that we do ("C:" a command, "B:" a piece of the body, "D:" its end, "T:" TLS, "N:" a new transaction).
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
  return {.tls_wanted = (flags & 1) != 0,
          .tls_required = (flags & 2) != 0,
          .login = (flags & 4) != 0,
          .cleartext_login = (flags & 8) != 0,
          .mechanisms = {"PLAIN", "LOGIN", "CRAM-MD5"}};
}

void check_reply(const smtp::Reply& reply) {
  fuzz::check(reply.code >= 100 && reply.code <= 599, "a code has three digits");
  fuzz::check(!reply.lines.empty(), "a reply has a line");
  Watcher::unseen(reply.text());
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
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  Watcher view;
  smtp::Dialogue dialogue(terms_of(data[0]), view);
  dialogue.conceal(secret);
  const auto connect = [&] {
    dialogue.connecting("mx.example");
    dialogue.connected("192.0.2.1", 25, (data[0] & 16) != 0);
  };
  dialogue.begin_transaction(3, 1000);
  connect();
  for (const std::string_view line : base::split(fuzz::text_of(data + 1, size - 1), '\n')) {
    const std::string_view rest = line.substr(std::min<std::size_t>(line.size(), 2));
    if (line.starts_with("C:")) {
      dialogue.command(rest);
    } else if (line.starts_with("B:")) {
      dialogue.body(rest);
    } else if (line.starts_with("D:")) {
      dialogue.body_ended();
    } else if (line.starts_with("T:")) {
      dialogue.secured({"TLSv1.3", "cipher", true});
    } else if (line.starts_with("N:")) {
      check_outcome(dialogue);
      dialogue.begin_transaction(rest.size() % 5, rest.size());
    } else {
      // What becomes of QUIT is no failure of anything.
      const bool quit = dialogue.phase() == smtp::Phase::quit || dialogue.awaited() == smtp::Phase::quit;
      if (dialogue.reply_line(line) != smtp::Dialogue::Next::stop) continue;
      fuzz::check(quit || dialogue.failure() || dialogue.accepted(), "a stop has its reason", line);
      check_outcome(dialogue);
      connect();
    }
  }
  check_outcome(dialogue);
  return 0;
}
