#include "app/sendmail.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <numeric>
#include <optional>

#include "app/account.h"
#include "app/attempt.h"
#include "app/background.h"
#include "app/compose.h"
#include "app/console.h"
#include "app/help.h"
#include "app/keep.h"
#include "app/options.h"
#include "app/queue_command.h"
#include "app/report.h"
#include "app/server.h"
#include "app/smtp_tool.h"
#include "app/standard_input.h"
#include "base/text.h"
#include "mail/header.h"
#include "smtp/driver.h"

namespace pillarbox::app {
namespace {

constexpr std::string_view program = "sendmail";
constexpr std::size_t longest_envelope_id = 100;  // RFC 3461 section 4.4, less what xtext adds

// Every letter that some sendmail knows is known here; those without help text are accepted and ignored, and their
// arguments with them.
constexpr auto table = std::to_array<Option>({
    {"-t", 't', Argument::none, "", "recipients from To, Cc and Bcc, besides those on the command line"},
    {"-i", 'i', Argument::none, "", "a line with a dot only is content (as -oi)"},
    {"-f", 'f', Argument::required, "ADDRESS", "envelope sender; '' and <> are the null sender"},
    {"-f", 'r', Argument::required, "ADDRESS", ""},
    {"-F", 'F', Argument::required, "NAME", "your full name, where there is no From"},
    {"-v", 'v', Argument::none, "", "the conversation on standard output"},
    {"account", 'a', Argument::required, "NAME", "the configuration's account to send by"},
    {"config", 'C', Argument::required, "FILE", "the configuration file"},
    {"-b", 'b', Argument::required, "MODE", "m: send a message (default), p: list the queue"},
    {"no-queue", '\0', Argument::none, "", "never keep a message for later: exit with what came of it"},
    {"queue-only", '\0', Argument::none, "", "keep the message for the next run of the queue (as -odq)"},
    {"queue-directory", '\0', Argument::required, "DIR", "where the queue is"},
    {"-q", 'q', Argument::attached, "", "run the queue: try everything now (-qR, -qS, -qI: what fits)"},
    {"driver", '\0', Argument::required, "NAME", ""},
    {"-o", 'o', Argument::required, "OPTION", ""},
    {"help", '\0', Argument::none, "", "show this page"},
    {"version", '\0', Argument::none, "", "show the version"},
    {"-s", 's', Argument::server, "SERVER", "the rest of the line is read as smtp's second or third form"},
    {"smtp", '\0', Argument::hand_over, "", "the other words are smtp's"},
    {"-A", 'A', Argument::required, "", ""},
    {"-B", 'B', Argument::required, "", ""},
    {"-D", 'D', Argument::required, "", ""},
    {"-G", 'G', Argument::none, "", ""},
    {"-L", 'L', Argument::required, "", ""},
    {"-M", 'M', Argument::required, "", ""},
    {"-N", 'N', Argument::required, "WHEN", "ask for reports: never, or some of success,failure,delay"},
    {"-O", 'O', Argument::required, "", ""},
    {"-Q", 'Q', Argument::attached, "", ""},
    {"-R", 'R', Argument::required, "full|hdrs", "what of the message reports hold"},
    {"-T", 'T', Argument::required, "", ""},
    {"-U", 'U', Argument::none, "", ""},
    {"-V", 'V', Argument::required, "ID", "an identifier that reports repeat"},
    {"-X", 'X', Argument::required, "", ""},
    {"-c", 'c', Argument::none, "", ""},
    {"-d", 'd', Argument::attached, "", ""},
    {"-e", 'e', Argument::required, "", ""},
    {"-h", 'h', Argument::required, "", ""},
    {"-m", 'm', Argument::none, "", ""},
    {"-n", 'n', Argument::none, "", ""},
    {"-p", 'p', Argument::required, "", ""},
    {"-x", 'x', Argument::none, "", ""},
    {"-I", 'I', Argument::none, "", ""},
    {"dry-run", '\0', Argument::none, "", ""},
});

Error usage(const std::string& text) {
  return {Error::Kind::usage, text};
}

// What is named and not there yet is refused before standard input is taken for a message.
Result<void> check_mode(const Options& options) {
  const std::string mode = options.last("-b").value_or("m");
  if (mode != "m" && mode != "p") return usage("-b" + mode + ": this version sends messages only (-bm)");
  for (const std::string_view later : {"-I", "dry-run"}) {
    if (options.has(later)) {
      const std::string dashes = later.starts_with('-') ? "" : "--";
      return usage(dashes + std::string(later) + ": this version sends messages only");
    }
  }
  if (const auto driver = options.last("driver"); driver && !parse_driver(*driver)) {
    return usage("--driver " + *driver + ": engine, pipeline or auto");
  }
  return {};
}

// One message, which is all that a sendmail has.
class One final : public smtp::Work {
 public:
  // It comes back when it is done.
  explicit One(smtp::Transaction& transaction) : transaction_(transaction) {}

  std::optional<smtp::Transaction> next() override {
    if (std::exchange(given_, true)) return std::nullopt;
    return std::move(transaction_);
  }
  [[nodiscard]] bool last() const override { return given_; }
  [[nodiscard]] bool ready() const override { return true; }
  [[nodiscard]] std::optional<smtp::Verdict> given_up() const override { return std::nullopt; }
  void done(smtp::Transaction& transaction, const smtp::Outcome& outcome) override {
    transaction_ = std::move(transaction);
    outcome_ = outcome;
  }

  [[nodiscard]] const smtp::Outcome& outcome() const { return outcome_; }

 private:
  smtp::Transaction& transaction_;
  bool given_ = false;
  smtp::Outcome outcome_;
};

bool dots_are_content(const Options& options) {
  if (options.has("-i")) return true;
  for (const std::string& set : options.all("-o")) {
    if (set == "i" || set == "itrue") return true;
  }
  return false;
}

// One message's way from standard input to the server, or into the queue.
class Submit {
 public:
  Submit(const Options& options, const base::System& system, const base::Clock& clock)
      : options_(options), system_(system), clock_(clock) {}

  // The exit code of what was tried, or why nothing could be.
  Result<int> run(std::unique_ptr<base::Source> input) {
    std::optional<Error> trouble;  // with the configuration
    auto loaded = load_configuration(options_.last("config"), system_);
    if (loaded) {
      settings_ = std::move(loaded->settings);
    } else if (options_.has("no-queue") || options_.has("config") || options_.has("account")) {
      return loaded.error();
    } else {
      trouble = loaded.error();
    }
    auto read = mail::read_header(std::move(input), mail::Normaliser::Nul::drop);
    if (!read) return read.error();
    const Request asked = request();
    if (!trouble) {
      const auto account = choose_account(asked, read->header, settings_);
      if (!account) return account.error();
      account_ = *account;
      host_ = account_->hosts.front().name;
    }
    const config::Account without;
    const Composer composer(account_ ? *account_ : without, place(), std::string(program), system_, clock_);
    auto submission = composer.compose(asked, *std::move(read));
    if (!submission) return submission.error();
    const std::size_t recipients = submission->transaction.envelope.recipients().size();
    if (trouble) {
      complain(program, *trouble);
      const smtp::Verdict verdict{.kind = trouble->kind, .account = true, .text = trouble->text};
      return finish(*submission, smtp::untried(recipients, verdict));
    }
    if (only_queued()) return store(*submission, smtp::untried(recipients, {}), queue::State::fresh(recipients), 0);
    return send(*submission);
  }

  // A failure before anything was sent; without a configuration by the log's defaults.
  void log(const Error& error) const {
    log_attempt(settings_.log,
                {.account = account_,
                 .host = host_,
                 .error = error.text,
                 .exit_code = exit_code(error.kind),
                 .status = "failed"},
                true, program, clock_);
  }

 private:
  [[nodiscard]] Request request() const {
    return {.account = options_.last("account"),
            .sender = options_.last("-f"),
            .full_name = options_.last("-F"),
            .recipients = options_.operands(),
            .header_recipients = options_.has("-t"),
            .dsn = dsn()};
  }

  // What can't be read is left out: no mail is lost for want of a report.
  [[nodiscard]] smtp::Dsn dsn() const {
    smtp::Dsn dsn;
    if (const auto when = options_.last("-N")) {
      dsn.notify = parse_notify(*when).value_or("");
      if (dsn.notify.empty()) complain(program, "-N " + *when + ": never, or some of success,failure,delay");
    }
    if (const auto what = options_.last("-R")) {
      dsn.returned = base::iequals(*what, "full") ? "FULL" : base::iequals(*what, "hdrs") ? "HDRS" : "";
      if (dsn.returned.empty()) complain(program, "-R " + *what + ": full or hdrs");
    }
    if (const auto id = options_.last("-V")) {
      const bool sound = !id->empty() && id->size() <= longest_envelope_id &&
                         std::all_of(id->begin(), id->end(), [](char c) { return c >= ' ' && c < 0x7f; });
      if (sound) dsn.envelope_id = *id;
      if (!sound) complain(program, "-V: an identifier has 1 to 100 printable characters");
    }
    return dsn;
  }

  [[nodiscard]] std::string place() const {
    return queue_place(options_.last("queue-directory").value_or(settings_.queue.directory), system_);
  }

  [[nodiscard]] bool only_queued() const {
    const std::vector<std::string> sets = options_.all("-o");
    return options_.has("queue-only") || std::find(sets.begin(), sets.end(), "dq") != sets.end();
  }

  [[nodiscard]] bool may_queue() const { return settings_.queue.enabled && !options_.has("no-queue"); }

  Result<int> send(Submission& submission) {
    const std::size_t recipients = submission.transaction.envelope.recipients().size();
    if (!account_->tls_verify && account_->tls != config::Tls::off) {
      complain(program, "account " + account_->name + " has tls_verify = false: the server may be anybody");
    }
    Console console({.trace = options_.has("-v")}, std::string(program));
    auto endpoint = endpoint_of(*account_, system_);
    auto session = endpoint ? smtp::Session::make(*std::move(endpoint), console)
                            : Result<std::unique_ptr<smtp::Session>>(endpoint.error());
    if (!session) {
      const Error& error = session.error();
      return finish(submission, smtp::untried(recipients, {.kind = error.kind, .account = true, .text = error.text}));
    }
    One work(submission.transaction);
    smtp::submit(**session, work, parse_driver(options_.last("driver").value_or("auto")).value(), false);
    host_ = (*session)->host();
    return finish(submission, work.outcome());
  }

  // What was not taken waits in the queue where trying later can help; else the caller is told.
  Result<int> finish(Submission& submission, const smtp::Outcome& outcome) {
    const bool keeps = may_queue();
    Tally tally;
    bool waits = false;
    for (const smtp::Verdict& verdict : outcome.recipients) {
      if (verdict.fate == smtp::Fate::accepted) continue;
      if (keeps && worth_keeping(verdict)) {
        waits = true;
      } else {
        tally.add(verdict.kind);
      }
    }
    if (waits) {
      queue::State state = queue::State::fresh(outcome.recipients.size());
      std::vector<std::size_t> all(outcome.recipients.size());
      std::iota(all.begin(), all.end(), 0);
      note(state, all, outcome, queue::Progress::told, settings_.queue.retry, clock_.now());
      return store(submission, outcome, state, tally.exit_code());
    }
    report(submission.transaction.envelope, outcome);
    log(submission, outcome, tally.exit_code(), outcome.worst() ? "failed" : "sent", "");
    if (outcome.accepted && keeps) run_in_background(place(), settings_.queue, options_.last("config"), clock_);
    return tally.exit_code();
  }

  // Puts the message into the queue; code is what those come to who wait for nothing any more.
  Result<int> store(Submission& submission, const smtp::Outcome& outcome, const queue::State& state, int code) {
    const mail::Envelope& envelope = submission.transaction.envelope;
    auto id = enqueue(submission, state);
    report(envelope, outcome);
    if (!id) {
      log(submission, outcome, exit_code(id.error().kind), "failed", "");
      complain(program, id.error());
      return code != 0 ? code : exit_code(id.error().kind);
    }
    if (state.tries > 0) {
      for (std::size_t i = 0; i < state.recipients.size(); ++i) {
        const std::string who = envelope.recipients()[i].text();
        if (state.recipients[i].progress == queue::Progress::owed)
          complain(program, who + ": waits in the queue as " + *id);
        if (state.recipients[i].progress == queue::Progress::accepted)
          complain(program, who + ": was sent the message");
      }
    }
    log(submission, outcome, code, "queued", *id);
    return code;
  }

  Result<std::string> enqueue(Submission& submission, const queue::State& state) const {
    auto spool = open_queue(place(), true);
    if (!spool) return spool.error();
    queue::Entry entry{.arrived = clock_.now(),
                       .uid = ::geteuid(),
                       .envelope = submission.transaction.envelope,
                       .dsn = submission.transaction.dsn,
                       .message_id = submission.message_id};
    if (account_) {
      entry.account = account_->name;
      entry.owner = account_->owner == config::Owner::system ? queue::Owner::system : queue::Owner::user;
      entry.account_named = options_.has("account");
    }
    return keep(**spool, std::move(entry), state, submission.transaction.message);
  }

  // Who did not get it, and why.
  static void report(const mail::Envelope& envelope, const smtp::Outcome& outcome) {
    for (std::size_t i = 0; i < outcome.recipients.size(); ++i) {
      if (outcome.refused_alone(i)) {
        complain(program, envelope.recipients()[i].text() + ": " + outcome.recipients[i].text);
      }
    }
    if (outcome.failure && !outcome.failure->text.empty()) complain(program, outcome.failure->text);
  }

  void log(const Submission& submission, const smtp::Outcome& outcome, int code, std::string_view status,
           const std::string& id) const {
    log_attempt(settings_.log,
                {.account = account_,
                 .host = host_,
                 .envelope = &submission.transaction.envelope,
                 .outcome = outcome,
                 .exit_code = code,
                 .status = status,
                 .id = id,
                 .message_id = submission.message_id,
                 .nuls_dropped = submission.nuls_dropped + submission.transaction.message.nuls_dropped()},
                outcome.worst() != nullptr, program, clock_);
  }

  const Options& options_;
  const base::System& system_;
  const base::Clock& clock_;
  config::Settings settings_;
  const config::Account* account_ = nullptr;
  std::string host_;  // that was talked to
};

QueueCall queue_call(const Options& options) {
  return {.program = std::string(program),
          .config = options.last("config"),
          .directory = options.last("queue-directory"),
          .driver = parse_driver(options.last("driver").value_or("auto")).value(),
          .verbose = options.has("-v")};
}

// "-qRx", "-qSx", "-qIx": those whose recipient, sender or id contains x. Every other form is a run over everything.
Selection selection(const Options& options) {
  Selection wanted;
  for (const std::string& form : options.all("-q")) {
    const std::string text = form.empty() ? "" : form.substr(1);
    if (form.starts_with('R')) wanted.recipient = text;
    if (form.starts_with('S')) wanted.sender = text;
    if (form.starts_with('I')) wanted.id = text;
  }
  return wanted;
}

int fail(const Error& error) {
  complain(program, error);
  return exit_code(error.kind);
}

}  // namespace

std::span<const Option> sendmail_options() {
  return table;
}

int sendmail(std::vector<std::string> args, char** argv, const base::System& system, const base::Clock& clock) {
  const auto options = Options::parse(table, args, Operands::last);
  if (!options) return fail(options.error());
  if (options->has("smtp")) {
    // In front, so that what is left stands where argv has it.
    const auto word = std::find(args.begin(), args.end(), "--smtp");
    std::rotate(argv, argv + (word - args.begin()), argv + (word - args.begin()) + 1);
    args.erase(word);
    return smtp_tool(std::move(args), argv + 1, system, clock);
  }
  if (!options->last("-s").value_or("").empty()) return smtp_tool(std::move(args), argv, system, clock);
  if (options->has("help")) {
    return print_sendmail_help(table);
  }
  if (options->has("version")) {
    return print_version();
  }
  if (const auto mode = check_mode(*options); !mode) return fail(mode.error());
  if (options->has("-q")) return run_queue(queue_call(*options), selection(*options), system, clock);
  if (options->last("-b") == "p") return list_queue(queue_call(*options), system);
  const std::string name = options->last("-F").value_or("");
  if (std::any_of(name.begin(), name.end(), base::is_control)) {
    return fail(usage("-F " + base::quote(name) + ": control characters are not allowed"));
  }
  const bool terminal = ::isatty(STDIN_FILENO) == 1;
  if (terminal && options->operands().empty() && !options->has("-t")) {
    return fail({Error::Kind::usage, "there are no recipients", "sendmail [options] recipient ... < message"});
  }
  // What a caller left open is not ours to keep. (For smtp it may be a message: the shell's <(command) is /dev/fd/63.)
  ::close_range(3, ~0U, 0);
  ::unsetenv("SSLKEYLOGFILE");  // NOLINT(concurrency-mt-unsafe): before there is another thread
  const auto dot = dots_are_content(*options) ? LoneDot::content
                   : terminal                 ? LoneDot::ends_terminal
                                              : LoneDot::ends_pipe;
  auto input = std::make_unique<DotSource>(std::make_unique<base::FileSource>(STDIN_FILENO, "standard input"), dot);
  Submit submit(*options, system, clock);
  const auto code = submit.run(std::move(input));
  if (code) return *code;
  submit.log(code.error());
  // The writer hears our exit code, not a broken pipe.
  base::FileSource rest(STDIN_FILENO, "standard input");
  if (!terminal) base::drain(rest);
  return fail(code.error());
}

}  // namespace pillarbox::app
