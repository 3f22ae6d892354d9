#include "app/smtp_tool.h"

#include <unistd.h>

#include <optional>

#include "app/console.h"
#include "app/help.h"
#include "app/options.h"
#include "app/probe.h"
#include "app/progress.h"
#include "app/report.h"
#include "app/talk.h"
#include "app/task.h"
#include "app/waterfall.h"
#include "mail/header.h"
#include "mail/mbox.h"
#include "mail/prepare.h"
#include "mail/received.h"
#include "smtp/engine.h"

namespace pillarbox::app {
namespace {

using Input = std::unique_ptr<base::Source>;

constexpr std::string_view program = "smtp";
// So many messages in a row that never got as far as MAIL: the server is not itself, and those behind wait for nothing.
constexpr int most_failed_connections = 5;

struct Prepared {
  mail::Envelope envelope;
  mail::Message message;
};

Result<Input> open_input(const std::string& file) {
  if (file == "-") return Input(std::make_unique<base::FileSource>(STDIN_FILENO, "standard input"));
  return base::open_source(file);
}

class Sender {
 public:
  Sender(Task task, const base::System& system, const base::Clock& clock)
      : task_(std::move(task)),
        system_(system),
        clock_(clock),
        console_(task_.output, std::string(program)),
        waterfall_(task_.output.json),
        progress_(!task_.output.trace, system),
        views_(task_.timing ? std::vector<smtp::View*>{&progress_, &console_, &waterfall_}
                            : std::vector<smtp::View*>{&progress_, &console_}) {}

  Result<int> run() {
    auto session = smtp::Session::make(std::move(task_.endpoint), views_);
    if (!session) return session.error();
    session_ = std::move(*session);
    if (auto done = work(); !done) {
      complain(program, done.error());
      tally_.add(done.error().kind);
    }
    session_->close();
    waterfall_.finish();
    return tally_.exit_code();
  }

 private:
  // What ends the run; a message's own failure does not.
  Result<void> work() {
    switch (task_.work) {
      case Task::Work::talk:
        return talk(*session_, task_.files[0]);
      case Task::Work::probe:
        send_probe();
        return {};
      case Task::Work::mboxes:
        for (const std::string& file : task_.files) send_mbox(file);
        return {};
      case Task::Work::messages:
        for (const std::string& file : task_.files) send(file, open_input(file), &file == &task_.files.back());
        return {};
    }
    return {};
  }

  void send_probe() {
    auto envelope = mail::Envelope::make(*task_.sender, task_.recipients);
    if (!envelope) return failed("probe", std::move(envelope).error());
    const std::string text = probe_message(task_, session_->endpoint(), *envelope, system_, clock_);
    send("probe", Input(std::make_unique<base::MemorySource>(text)), true);
  }

  void send_mbox(const std::string& file) {
    auto opened = open_input(file);
    if (!opened) return failed(file, std::move(opened).error());
    mail::Mbox mbox(*std::move(opened));
    for (int number = 1;; ++number) {
      auto message = mbox.next();
      if (!message) return failed(file, std::move(message).error().in(file));
      if (!*message) return;
      send(file + "#" + std::to_string(number), std::move(message), false);
    }
  }

  void send(const std::string& name, Result<Input> input, bool last) {
    auto prepared = prepare(name, std::move(input));
    if (!prepared) return failed(name, std::move(prepared).error());
    const auto began = base::Instant::clock::now();
    progress_.follow(prepared->message);
    const auto outcome = final_ ? smtp::untried(prepared->envelope.recipients().size(), *final_)
                                : smtp::send_by_engine(*session_, {.envelope = prepared->envelope,
                                                                   .message = prepared->message,
                                                                   .abort_on_reject = task_.abort_on_reject,
                                                                   .last = last || task_.disconnect});
    progress_.clear();
    const std::chrono::duration<double> time = base::Instant::clock::now() - began;
    console_.result(name, prepared->envelope, outcome, time.count());
    if (const smtp::Verdict* worst = outcome.worst()) tally_.add(worst->kind);
    consider(outcome);
  }

  void failed(const std::string& name, const Error& error) {
    console_.failed(name, error);
    tally_.add(error.kind);
  }

  // What ails the account ails every message: no second login with a password that was refused, no second wait for a
  // host that does not answer. A server that said "not now", or hung up, is asked again, but not for ever.
  void consider(const smtp::Outcome& outcome) {
    if (final_) return;
    if (!outcome.failure || !outcome.failure->account) {
      failed_connections_ = 0;
      return;
    }
    const bool hopeful = outcome.failure->passing && ++failed_connections_ < most_failed_connections;
    if (!hopeful) final_ = outcome.failure;
  }

  Result<Prepared> prepare(const std::string& name, Result<Input> input) {
    if (!input) return std::move(input).error();
    Input source = *std::move(input);
    std::string head = task_.received ? mail::received_field(session_->endpoint().helo, ::getuid(), clock_.now()) : "";
    auto sender = task_.sender;
    auto recipients = task_.recipients;
    auto part = mail::Normaliser::Part::header;
    if (task_.from_header) {
      auto read = mail::read_header(std::move(source), mail::Normaliser::Nul::refuse,
                                    task_.raw ? mail::Form::raw : mail::Form::normal);
      if (!read) return std::move(read).error().in(name);
      if (auto found = envelope_of(read->header, sender, recipients); !found) return std::move(found).error().in(name);
      mail::remove_bcc(read->header);
      head += read->envelope_line + read->header.lines() + read->empty_line;
      source = std::move(read->body);
      part = mail::Normaliser::Part::body;
    }
    auto envelope = mail::Envelope::make(*sender, recipients);
    if (!envelope) return std::move(envelope).error().in(name);
    auto message = task_.raw ? mail::Message::raw(std::move(head), std::move(source))
                             : mail::Message(std::move(head), std::move(source),
                                             mail::Normaliser(part, mail::Normaliser::Nul::refuse));
    if (auto primed = message.prime(); !primed) return std::move(primed).error().in(name);
    return Prepared{*std::move(envelope), std::move(message)};
  }

  static Result<void> envelope_of(const mail::Header& header, std::optional<mail::ReversePath>& sender,
                                  std::vector<mail::Address>& recipients) {
    auto found = mail::recipients_of(header);
    if (!found) return found.error();
    recipients = *std::move(found);
    if (sender) return {};
    auto named = mail::sender_of(header);
    if (!named) return named.error();
    sender = mail::ReversePath(*std::move(named));
    return {};
  }

  Task task_;  // but for its endpoint, which is the session's
  const base::System& system_;
  const base::Clock& clock_;
  Console console_;
  Waterfall waterfall_;
  Progress progress_;
  smtp::Views views_;
  std::unique_ptr<smtp::Session> session_;
  Tally tally_;
  int failed_connections_ = 0;          // in a row
  std::optional<smtp::Verdict> final_;  // of the account; no further message is tried
};

}  // namespace

int smtp_tool(std::vector<std::string> args, char** argv, const base::System& system, const base::Clock& clock) {
  auto options = Options::parse(smtp_options(), std::move(args), Operands::anywhere, argv);
  if (!options) {
    complain(program, Error{options.error().kind, options.error().text, "smtp -h shows how to call it"});
    return exit_code(options.error().kind);
  }
  if (options->has("help")) {
    print_smtp_help(smtp_options());
    return 0;
  }
  if (options->has("version")) {
    print_version();
    return 0;
  }
  auto task = read_task(*options, system);
  if (!task) {
    complain(program, task.error());
    return exit_code(task.error().kind);
  }
  const auto code = Sender(*std::move(task), system, clock).run();
  if (code) return *code;
  complain(program, code.error());
  return exit_code(code.error().kind);
}

}  // namespace pillarbox::app
