#include "app/smtp_tool.h"

#include <sys/stat.h>
#include <unistd.h>

#include <deque>
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
#include "smtp/driver.h"

namespace pillarbox::app {
namespace {

using Input = std::unique_ptr<base::Source>;

constexpr std::string_view program = "smtp";
// So many messages in a row that never got as far as MAIL: the server is not itself, and those behind wait for nothing.
constexpr int most_failed_connections = 5;

Result<Input> open_input(const std::string& file) {
  if (file == "-") return Input(std::make_unique<base::FileSource>(STDIN_FILENO, "standard input"));
  return base::open_source(file);
}

// Whether reading it never waits for somebody to write.
bool is_regular(const std::string& file) {
  struct stat status {};
  const int code = file == "-" ? ::fstat(STDIN_FILENO, &status) : ::stat(file.c_str(), &status);
  return code != 0 || S_ISREG(status.st_mode);
}

// The messages of a command line, one after another, and what is said about each, in the same order.
class Sender final : public smtp::Work {
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
    if (task_.continue_on_reject) {
      complain(program, "-c sends a message that nobody is to get: only a server under test should be treated so");
    }
    if (task_.work != Task::Work::talk) {
      smtp::submit(*session_, *this, task_.driver, task_.disconnect);
    } else if (auto talked = talk(*session_, task_.files[0]); !talked) {
      complain(program, talked.error());
      tally_.add(talked.error().kind);
    }
    waterfall_.finish();
    return tally_.exit_code();
  }

  std::optional<smtp::Transaction> next() override {
    while (auto input = next_input()) {
      auto transaction = prepare(input->first, std::move(input->second));
      if (transaction) {
        unreported_.emplace_back();
        progress_.expect(transaction->message.expected_size());
        return *std::move(transaction);
      }
      unreported_.push_back({{input->first, std::move(transaction).error()}});
      report_failed();
    }
    return std::nullopt;
  }

  [[nodiscard]] bool last() const override { return !mbox_ && file_ == task_.files.size(); }
  [[nodiscard]] bool ready() const override {
    return mbox_ ? mbox_is_regular_ : last() || is_regular(task_.files[file_]);
  }
  [[nodiscard]] std::optional<smtp::Verdict> given_up() const override { return final_; }

  void done(const smtp::Transaction& transaction, const smtp::Outcome& outcome) override {
    progress_.clear();
    console_.result(transaction.name, transaction.envelope, outcome, outcome.time.count());
    if (const smtp::Verdict* worst = outcome.worst()) tally_.add(worst->kind);
    consider(outcome);
    unreported_.pop_front();
    report_failed();
  }

 private:
  using Named = std::pair<std::string, Result<Input>>;
  using Failed = std::pair<std::string, Error>;

  std::optional<Named> next_input() {
    for (;;) {
      if (mbox_) {
        auto message = mbox_->next();
        const std::string& file = task_.files[file_ - 1];
        const std::string name = file + "#" + std::to_string(++mbox_message_);
        if (message && *message) return Named(name, std::move(message));
        mbox_.reset();
        if (!message) return Named(file, std::move(message).error().in(file));
      }
      if (file_ == task_.files.size()) return std::nullopt;
      const std::string& file = task_.files[file_++];
      if (task_.work == Task::Work::probe) return probe();
      auto opened = open_input(file);
      if (!opened || task_.work != Task::Work::mboxes) return Named(file, std::move(opened));
      mbox_.emplace(*std::move(opened));
      mbox_message_ = 0;
      mbox_is_regular_ = is_regular(file);
    }
  }

  [[nodiscard]] Named probe() const {
    auto envelope = mail::Envelope::make(*task_.sender, task_.recipients);
    if (!envelope) return {"probe", std::move(envelope).error()};
    return {"probe", Input(std::make_unique<base::MemorySource>(
                         probe_message(task_, session_->endpoint(), *envelope, system_, clock_)))};
  }

  // Those that came to nothing by themselves, once all before them are told of.
  void report_failed() {
    while (!unreported_.empty() && unreported_.front()) {
      console_.failed(unreported_.front()->first, unreported_.front()->second);
      tally_.add(unreported_.front()->second.kind);
      unreported_.pop_front();
    }
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

  Result<smtp::Transaction> prepare(const std::string& name, Result<Input> input) {
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
    return smtp::Transaction{.name = name,
                             .envelope = *std::move(envelope),
                             .message = std::move(message),
                             .abort_on_reject = task_.abort_on_reject,
                             .continue_on_reject = task_.continue_on_reject,
                             .dsn = task_.dsn};
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
  std::size_t file_ = 0;  // the next one
  std::optional<mail::Mbox> mbox_;
  int mbox_message_ = 0;
  bool mbox_is_regular_ = false;
  std::deque<std::optional<Failed>> unreported_;  // in order; nothing for what the driver has
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
