#include "app/sendmail.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <optional>

#include "app/account.h"
#include "app/compose.h"
#include "app/console.h"
#include "app/dry_run.h"
#include "app/help.h"
#include "app/log.h"
#include "app/options.h"
#include "app/report.h"
#include "app/server.h"
#include "app/smtp_server.h"
#include "app/smtp_stdio.h"
#include "app/smtp_tool.h"
#include "app/standard_input.h"
#include "app/verify.h"
#include "base/text.h"
#include "base/unique_fd.h"
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
    {"-b", 'b', Argument::required, "MODE",
     "m: send a message (default); s: SMTP on standard input and output; v: what addresses become; i: check the "
     "aliases"},
    {"no-queue", '\0', Argument::none, "", "never keep a message for later (this version can't yet)"},
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
    {"-L", 'L', Argument::required, "TAG", "the tag of lines in syslog"},
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
    {"-e", 'e', Argument::required, "HOW", "q: nothing on standard error; e: exit 0 once the message was sent"},
    {"-h", 'h', Argument::required, "", ""},
    {"-m", 'm', Argument::none, "", ""},
    {"-n", 'n', Argument::none, "", ""},
    {"-p", 'p', Argument::required, "", ""},
    {"-x", 'x', Argument::none, "", ""},
    {"-I", 'I', Argument::none, "", "as -bi"},
    {"-q", 'q', Argument::attached, "", ""},
    {"queue-only", '\0', Argument::none, "", ""},
    {"queue-directory", '\0', Argument::required, "", ""},
    {"dry-run", '\0', Argument::none, "", "show the envelope and the message, and send nothing"},
});

Error usage(const std::string& text) {
  return {Error::Kind::usage, text};
}

// What is not there is refused before standard input is taken for a message.
Result<void> check_mode(const std::string& mode, const Options& options) {
  constexpr std::array<std::string_view, 6> modes = {"m", "s", "v", "i", "h", "H"};
  if (mode == "p") return usage("-bp: this version has no queue");
  if (mode == "d" || mode == "D" || mode == "l") return usage("-b" + mode + ": this program is no daemon");
  if (std::find(modes.begin(), modes.end(), mode) == modes.end()) {
    return usage("-b" + base::quote(mode) + ": this program has the modes m, s, v, i, h and H");
  }
  if (mode == "s" && options.has("-t")) return usage("-t and -bs: RCPT names the recipients");
  if (mode == "s" && !options.operands().empty()) return usage("-bs takes no recipients: RCPT names them");
  if (mode != "m" && options.has("dry-run")) return usage("--dry-run shows a message, and -b" + mode + " has none");
  for (const std::string_view later : {"-q", "queue-only", "queue-directory"}) {
    if (options.has(later)) {
      const std::string dashes = later.starts_with('-') ? "" : "--";
      return usage(dashes + std::string(later) + ": this version sends messages only, and has no queue");
    }
  }
  if (const auto driver = options.last("driver"); driver && !parse_driver(*driver)) {
    return usage("--driver " + *driver + ": engine, pipeline or auto");
  }
  return {};
}

// How errors are told: the letter behind -e or -oe; "" if there is none.
std::string error_mode(const Options& options) {
  std::string mode = options.last("-e").value_or("");
  for (const std::string& set : options.all("-o")) {
    if (set.starts_with('e')) mode = set.substr(1);
  }
  return mode;
}

void silence_standard_error() {
  const base::UniqueFd nowhere(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  if (nowhere) ::dup2(nowhere.get(), STDERR_FILENO);
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

// What became of a message that could be tried.
struct Sent {
  int code = 0;           // for exit()
  bool accepted = false;  // the server has it for somebody
  bool passing = false;   // it failed, and later it may not
  std::string why = {};   // it failed, for people
};

// One message's way from its source to the server.
class Submit {
 public:
  Submit(const Options& options, const base::System& system, const base::Clock& clock)
      : options_(options), system_(system), clock_(clock) {
    tag_log();
  }

  // What the command line asks for.
  [[nodiscard]] Request request() const {
    return {.account = options_.last("account"),
            .sender = options_.last("-f"),
            .full_name = options_.last("-F"),
            .recipients = options_.operands(),
            .header_recipients = options_.has("-t"),
            .dsn = dsn()};
  }

  // Composes one and sends it; or why that could not be tried.
  Result<Sent> run(const Request& asked, std::unique_ptr<base::Source> input) {
    auto loaded = load_configuration(options_.last("config"), system_);
    if (!loaded) return loaded.error();
    settings_ = std::move(loaded->settings);
    tag_log();
    auto read = mail::read_header(std::move(input), mail::Normaliser::Nul::drop);
    if (!read) return read.error();
    const auto account = choose_account(asked, read->header, settings_);
    if (!account) return account.error();
    account_ = *account;
    host_ = account_->hosts.front().name;
    const std::string why = options_.has("dry-run") ? why_chosen(asked, read->header, settings_) : "";
    const Composer composer(*account_, spool_directory(settings_.queue.directory, system_), std::string(program),
                            system_, clock_);
    auto submission = composer.compose(asked, *std::move(read));
    if (!submission) return submission.error();
    if (!options_.has("dry-run")) return send(*submission);
    if (auto shown = print_dry_run(account_->name, why, submission->transaction); !shown) return shown.error();
    return Sent{};
  }

  // A failure before anything was sent; without a configuration by the log's defaults.
  void log(const Error& error) const {
    Event line("");
    if (settings_.log.json) line.text("timestamp", base::iso8601_utc(clock_.now()));
    if (account_) line.text("account", account_->name).text("host", host_);
    line.text("errormsg", error.text).text("exitcode", exit_name(exit_code(error.kind))).text("status", "failed");
    write(line, true);
  }

 private:
  void tag_log() {
    if (const auto tag = options_.last("-L")) settings_.log.tag = base::escape(*tag);
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

  Result<Sent> send(Submission& submission) {
    auto endpoint = endpoint_of(*account_, system_);
    if (!endpoint) return endpoint.error();
    if (!account_->tls_verify && account_->tls != config::Tls::off) {
      complain(program, "account " + account_->name + " has tls_verify = false: the server may be anybody");
    }
    const bool smtp_on_stdout = options_.last("-b") == "s";
    Console console({.trace = options_.has("-v") && !smtp_on_stdout}, std::string(program));
    auto session = smtp::Session::make(*std::move(endpoint), console);
    if (!session) return session.error();
    One work(submission.transaction);
    smtp::submit(**session, work, parse_driver(options_.last("driver").value_or("auto")).value(), false);
    const smtp::Outcome& outcome = work.outcome();
    host_ = (*session)->host();
    nuls_ = submission.nuls_dropped + submission.transaction.message.nuls_dropped();
    Tally tally;
    for (const smtp::Verdict& verdict : outcome.recipients) {
      if (verdict.fate != smtp::Fate::accepted) tally.add(verdict.kind);
    }
    log(submission, outcome, tally.exit_code());
    const smtp::Verdict* worst = outcome.worst();
    return Sent{.code = tally.exit_code(),
                .accepted = outcome.accepted_count() > 0,
                .passing = worst && (worst->fate == smtp::Fate::deferred || worst->account),
                .why = report(submission.transaction.envelope, outcome)};
  }

  // Says who did not get it, and why.
  static std::string report(const mail::Envelope& envelope, const smtp::Outcome& outcome) {
    std::string all;
    const auto say = [&](const std::string& text) {
      complain(program, text);
      all += (all.empty() ? "" : "; ") + text;
    };
    for (std::size_t i = 0; i < outcome.recipients.size(); ++i) {
      if (outcome.refused_alone(i)) say(envelope.recipients()[i].text() + ": " + outcome.recipients[i].text);
    }
    if (outcome.failure) say(outcome.failure->text);
    return all;
  }

  void log(const Submission& submission, const smtp::Outcome& outcome, int code) const {
    std::vector<std::string> recipients;
    for (const mail::Address& recipient : submission.transaction.envelope.recipients())
      recipients.push_back(recipient.text());
    const smtp::Verdict* worst = outcome.worst();
    const auto& reply = worst ? worst->reply : outcome.accepted;
    Event line("");
    if (settings_.log.json) line.text("timestamp", base::iso8601_utc(clock_.now()));
    line.text("account", account_->name).text("host", host_);
    line.text("tls", account_->tls == config::Tls::off ? "off" : "on").text("auth", account_->auth ? "on" : "off");
    if (account_->auth) line.text("user", account_->auth->user);
    const auto& sender = submission.transaction.envelope.sender().address();
    line.text("from", sender ? sender->text() : "<>").list("recipients", recipients);
    line.number("mailsize", static_cast<std::int64_t>(outcome.size));
    if (reply) line.number("smtpstatus", reply->code).text("smtpmsg", reply->text());
    if (worst) line.text("errormsg", worst->text);
    if (nuls_ > 0) line.number("nul_bytes_dropped", static_cast<std::int64_t>(nuls_));
    if (submission.recoding == mail::Recoding::fold) line.text("long_lines", "folded");
    if (submission.recoding == mail::Recoding::quoted_printable) line.text("long_lines", "quoted-printable");
    if (submission.header_folded) line.text("long_header_lines", "folded");
    line.text("exitcode", exit_name(code)).text("status", worst ? "failed" : "sent");
    if (!submission.message_id.empty()) line.text("message_id", submission.message_id);
    line.seconds("time", outcome.time.count());
    write(line, worst != nullptr);
  }

  void write(const Event& line, bool failed) const {
    if (const auto warning = write_log(settings_.log, line, failed, clock_)) complain(program, *warning);
  }

  const Options& options_;
  const base::System& system_;
  const base::Clock& clock_;
  config::Settings settings_;
  const config::Account* account_ = nullptr;
  std::string host_;  // that was talked to
  std::uint64_t nuls_ = 0;
};

int fail(const Error& error) {
  complain(program, error);
  return exit_code(error.kind);
}

// A message that came by SMTP goes the way of all, and what became of it is the reply.
smtp::Reply submit_one(const Options& options, const SmtpMail& mail, std::unique_ptr<base::Source> content,
                       const base::System& system, const base::Clock& clock) {
  Submit submit(options, system, clock);
  Request request = submit.request();
  request.sender = mail.sender;
  request.recipients = mail.recipients;
  if (!mail.dsn.notify.empty()) request.dsn.notify = mail.dsn.notify;
  if (!mail.dsn.returned.empty()) request.dsn.returned = mail.dsn.returned;
  if (!mail.dsn.envelope_id.empty()) request.dsn.envelope_id = mail.dsn.envelope_id;
  const auto sent = submit.run(request, std::move(content));
  if (!sent) {
    submit.log(sent.error());
    complain(program, sent.error());
    return reply_to(sent.error());
  }
  if (sent->code == 0) return {250, {"2.0.0 accepted"}};
  if (sent->passing) return {451, {"4.0.0 " + sent->why}};
  return {554, {"5.0.0 " + sent->why}};
}

}  // namespace

std::span<const Option> sendmail_options() {
  return table;
}

int sendmail(std::vector<std::string> args, char** argv, const base::System& system, const base::Clock& clock,
             std::string_view name_mode) {
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
  if (error_mode(*options) == "q") silence_standard_error();
  const std::string mode = options->has("-I") ? "i" : options->last("-b").value_or(std::string(name_mode));
  if (const auto known = check_mode(mode, *options); !known) return fail(known.error());
  if (mode == "h" || mode == "H") return 0;  // of host states there are none to show or to forget
  if (mode == "i") return check_aliases(options->last("config"), system);
  const std::string name = options->last("-F").value_or("");
  if (std::any_of(name.begin(), name.end(), base::is_control)) {
    return fail(usage("-F " + base::quote(name) + ": control characters are not allowed"));
  }
  if (mode == "v") {
    return verify({.account = options->last("account"), .sender = options->last("-f")}, options->operands(),
                  options->last("config"), system, clock);
  }
  const bool terminal = ::isatty(STDIN_FILENO) == 1;
  if (mode == "m" && terminal && options->operands().empty() && !options->has("-t")) {
    return fail({Error::Kind::usage, "there are no recipients", "sendmail [options] recipient ... < message"});
  }
  // What a caller left open is not ours to keep. (For smtp it may be a message: the shell's <(command) is /dev/fd/63.)
  ::close_range(3, ~0U, 0);
  ::unsetenv("SSLKEYLOGFILE");  // NOLINT(concurrency-mt-unsafe): before there is another thread
  if (mode == "s") {
    return serve_stdio(system.host_name(), [&](const SmtpMail& mail, std::unique_ptr<base::Source> content) {
      return submit_one(*options, mail, std::move(content), system, clock);
    });
  }
  const auto dot = dots_are_content(*options) ? LoneDot::content
                   : terminal                 ? LoneDot::ends_terminal
                                              : LoneDot::ends_pipe;
  auto input = std::make_unique<DotSource>(std::make_unique<base::FileSource>(STDIN_FILENO, "standard input"), dot);
  Submit submit(*options, system, clock);
  const auto sent = submit.run(submit.request(), std::move(input));
  if (sent) return sent->accepted && error_mode(*options) == "e" ? 0 : sent->code;
  submit.log(sent.error());
  // The writer hears our exit code, not a broken pipe.
  base::FileSource rest(STDIN_FILENO, "standard input");
  if (!terminal) base::drain(rest);
  return fail(sent.error());
}

}  // namespace pillarbox::app
