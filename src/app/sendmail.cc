#include "app/sendmail.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <optional>

#include "app/account.h"
#include "app/attempt.h"
#include "app/help.h"
#include "app/options.h"
#include "app/queue_list.h"
#include "app/queue_run.h"
#include "app/report.h"
#include "app/smtp_server.h"
#include "app/smtp_stdio.h"
#include "app/smtp_tool.h"
#include "app/standard_input.h"
#include "app/submit.h"
#include "app/verify.h"
#include "base/text.h"
#include "base/unique_fd.h"
#include "mail/xtext.h"
#include "smtp/driver.h"

namespace pillarbox::app {
namespace {

constexpr std::string_view program = "sendmail";
constexpr std::uint64_t longest_rest = 64U << 20U;  // bytes of input that are still read when an error is known

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
     "aliases; p: list the queue"},
    {"no-queue", '\0', Argument::none, "", "never keep a message for later: exit with what came of it"},
    {"queue-only", '\0', Argument::none, "", "keep the message for the next run of the queue (as -odq)"},
    {"queue-directory", '\0', Argument::required, "DIR", "where the queue is"},
    {"-q", 'q', Argument::attached, "", "run the queue: try everything now (-qR, -qS, -qI: what fits)"},
    {"driver", '\0', Argument::required, "NAME", ""},
    {"json", '\0', Argument::none, "",
     "with -bp: a JSON array, an object for each message; with -q: an object for each attempt"},
    {"-o", 'o', Argument::setting, "OPTION", ""},
    {"help", '\0', Argument::none, "", "show this page"},
    {"version", '\0', Argument::none, "", "show the version"},
    {"-s", 's', Argument::server, "SERVER", "the rest of the line is read as smtp's second or third form"},
    {"smtp", '\0', Argument::hand_over, "", "the other words are smtp's"},
    {"-A", 'A', Argument::required, "", ""},
    {"-B", 'B', Argument::required, "", ""},
    {"-D", 'D', Argument::required, "", ""},
    {"-E", 'E', Argument::none, "", ""},
    {"-G", 'G', Argument::none, "", ""},
    {"-L", 'L', Argument::required, "TAG", "the tag of lines in syslog"},
    {"-M", 'M', Argument::required, "", ""},
    {"-N", 'N', Argument::required, "WHEN", "ask for reports: never, or some of success,failure,delay"},
    {"-O", 'O', Argument::required, "", ""},
    {"-Q", 'Q', Argument::attached, "", ""},
    {"-R", 'R', Argument::required, "full|hdrs", "what of the message reports hold"},
    {"-S", 'S', Argument::required, "", ""},
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
    {"-z", 'z', Argument::required, "", ""},
    {"-4", '4', Argument::none, "", ""},
    {"-6", '6', Argument::none, "", ""},
    {"-I", 'I', Argument::none, "", "as -bi"},
    {"dry-run", '\0', Argument::none, "", "show the envelope and the message, and send nothing"},
});

Error usage(const std::string& text) {
  return {Error::Kind::usage, text};
}

// What is not there is refused before standard input is taken for a message.
Result<void> check_mode(const std::string& mode, const Options& options) {
  constexpr std::array<std::string_view, 7> modes = {"m", "s", "v", "i", "p", "h", "H"};
  if (mode == "d" || mode == "D" || mode == "l") return usage("-b" + mode + ": this program is no daemon");
  if (std::find(modes.begin(), modes.end(), mode) == modes.end()) {
    return usage("-b" + base::quote(mode) + ": this program has the modes m, s, v, i, p, h and H");
  }
  if (mode == "s" && options.has("-t")) return usage("-t and -bs: RCPT names the recipients");
  if (mode == "s" && !options.operands().empty()) return usage("-bs takes no recipients: RCPT names them");
  if (mode != "m" && options.has("dry-run")) return usage("--dry-run shows a message, and -b" + mode + " has none");
  if (options.has("no-queue") && options.has("queue-only")) {
    return usage("--queue-only keeps the message, and --no-queue never does");
  }
  if (const auto driver = options.last("driver"); driver && !smtp::parse_driver(*driver)) {
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

bool dots_are_content(const Options& options) {
  if (options.has("-i")) return true;
  for (const std::string& set : options.all("-o")) {
    if (set == "i" || set == "itrue") return true;
  }
  return false;
}

// What can't be read is left out: no mail is lost for want of a report.
smtp::Dsn dsn_of(const Options& options) {
  smtp::Dsn dsn;
  if (const auto when = options.last("-N")) {
    dsn.notify = mail::parse_notify(*when).value_or("");
    if (dsn.notify.empty()) complain(program, "-N " + *when + ": never, or some of success,failure,delay");
  }
  if (const auto what = options.last("-R")) {
    dsn.returned = base::iequals(*what, "full") ? "FULL" : base::iequals(*what, "hdrs") ? "HDRS" : "";
    if (dsn.returned.empty()) complain(program, "-R " + *what + ": full or hdrs");
  }
  if (const auto id = options.last("-V")) {
    const bool sound = mail::is_envelope_id(*id);
    if (sound) dsn.envelope_id = *id;
    if (!sound) complain(program, "-V: an identifier has 1 to 100 printable characters");
  }
  return dsn;
}

// What the command line asks for.
Request request_of(const Options& options) {
  return {.account = options.last("account"),
          .sender = options.last("-f"),
          .full_name = options.last("-F"),
          .recipients = options.operands(),
          .header_recipients = options.has("-t"),
          .dsn = dsn_of(options)};
}

Manner manner_of(const Options& options, const std::string& mode) {
  const std::vector<std::string> sets = options.all("-o");
  return {.config = options.last("config"),
          .directory = options.last("queue-directory"),
          .log_tag = options.last("-L"),
          .driver = smtp::parse_driver(options.last("driver").value_or("auto")).value(),
          .queue = !options.has("no-queue"),
          .queue_only = options.has("queue-only") || std::find(sets.begin(), sets.end(), "dq") != sets.end(),
          .dry_run = options.has("dry-run"),
          .trace = options.has("-v") && mode != "s",  // whose replies standard output is for
          .reports_later = mode == "s"};
}

QueueCall queue_call(const Options& options) {
  return {.program = std::string(program),
          .config = options.last("config"),
          .directory = options.last("queue-directory"),
          .driver = smtp::parse_driver(options.last("driver").value_or("auto")).value(),
          .log_tag = options.last("-L"),
          .verbose = options.has("-v"),
          .json = options.has("json")};
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

// The bytes that a message may have whose sender is not known yet: what the largest account takes.
std::uint64_t largest_message(const Options& options, const base::System& system) {
  const std::uint64_t otherwise = config::Account().max_message_size;  // it may wait for an account
  const auto loaded = load_configuration(options.last("config"), system);
  if (!loaded) return otherwise;
  const auto named = options.last("account");
  std::uint64_t largest = 0;
  for (const config::Account& account : loaded->settings.accounts) {
    if (!named || account.name == *named) largest = std::max(largest, account.max_message_size);
  }
  return largest > 0 ? largest : otherwise;
}

// A message that came by SMTP goes the way of all, and what became of it is the reply.
smtp::Reply submit_one(const Options& options, const SmtpMail& mail, std::unique_ptr<base::Source> content,
                       const base::System& system, const base::Clock& clock) {
  Submit submit(manner_of(options, "s"), std::string(program), system, clock);
  Request request = request_of(options);
  request.sender = mail.sender;
  request.recipients = mail.recipients;
  request.asked = mail.asked;
  if (!mail.dsn.returned.empty()) request.dsn.returned = mail.dsn.returned;
  if (!mail.dsn.envelope_id.empty()) request.dsn.envelope_id = mail.dsn.envelope_id;
  const auto sent = submit.run(request, std::move(content));
  if (!sent) {
    complain(program, sent.error());
    return reply_to(sent.error());
  }
  if (sent->code == 0) return {250, {"2.0.0 accepted"}};
  if (sent->passing) return {451, {"4.0.0 " + sent->why}};
  // One answer for all, and no queue to send a notification from: a person has to read who must not get it again.
  return {554, {"5.0.0 " + sent->why + (sent->accepted ? "; all others have it" : "")}};
}

// A message on standard input goes its way. The exit code.
int send_message(const Options& options, const base::System& system, const base::Clock& clock) {
  const bool terminal = ::isatty(STDIN_FILENO) == 1;
  const auto dot = dots_are_content(options) ? LoneDot::content
                   : terminal                ? LoneDot::ends_terminal
                                             : LoneDot::ends_pipe;
  auto input = std::make_unique<DotSource>(std::make_unique<base::FileSource>(STDIN_FILENO, "standard input"), dot);
  Submit submit(manner_of(options, "m"), std::string(program), system, clock);
  const auto sent = submit.run(request_of(options), std::move(input));
  // Who was refused for good is not to be had; who was missed is the caller's, who has to know.
  if (sent) return sent->accepted && !sent->missed && error_mode(options) == "e" ? 0 : sent->code;
  // The writer hears our exit code, not a broken pipe, unless it never ends.
  base::FileSource rest(STDIN_FILENO, "standard input");
  if (!terminal) base::drain(rest, longest_rest);
  return fail(program, sent.error());
}

Result<int> done(const Result<void>& result) {
  return result ? Result<int>(0) : Result<int>(result.error());
}

// Does what the options ask for. The exit code; an error is one that nobody was told of yet.
Result<int> perform(const Options& options, std::string_view name_mode, const base::System& system,
                    const base::Clock& clock) {
  if (error_mode(options) == "q") silence_standard_error();
  const auto config = options.last("config");
  const std::string mode = options.has("-I") ? "i" : options.last("-b").value_or(std::string(name_mode));
  if (const auto known = check_mode(mode, options); !known) return known.error();
  if (const auto there = options.need_values({"config", "queue-directory"}); !there) return there.error();
  // What a caller left open is not ours to keep. (For smtp it may be a message: the shell's <(command) is /dev/fd/63.)
  ::close_range(3, ~0U, 0);
  if (mode == "p") return done(list_queue(queue_call(options), system, clock));  // and no run, whatever -q says
  if (options.has("-q")) return done(run_queue(queue_call(options), selection(options), system, clock));
  if (mode == "h" || mode == "H") return 0;  // of host states there are none to show or to forget
  if (mode == "i") return done(check_aliases(config, system));
  const std::string name = options.last("-F").value_or("");
  if (base::has_control(name)) return usage("-F " + base::quote(name) + ": control characters are not allowed");
  if (mode == "v") {
    const Request request{.account = options.last("account"), .sender = options.last("-f")};
    return verify(request, options.operands(), config, system, clock);
  }
  if (mode == "s") {
    SmtpServer server(system.host_name(), largest_message(options, system));
    return serve_stdio(std::move(server), [&](const SmtpMail& mail, std::unique_ptr<base::Source> content) {
      return submit_one(options, mail, std::move(content), system, clock);
    });
  }
  if (options.operands().empty() && !options.has("-t") && ::isatty(STDIN_FILENO) == 1) {
    return Error{Error::Kind::usage, "there are no recipients", "sendmail [options] recipient ... < message"};
  }
  return send_message(options, system, clock);
}

// The exit code of what came to nothing before there was a message. Callers often keep neither that nor our words.
int refuse(const Error& error, const std::optional<std::string>& config, const std::optional<std::string>& tag,
           const base::System& system, const base::Clock& clock) {
  complain(program, error);
  log_failure(error, config, tag, program, system, clock);
  return exit_code(error.kind);
}

}  // namespace

std::span<const Option> sendmail_options() {
  return table;
}

int sendmail(std::vector<std::string> args, char** argv, const base::System& system, const base::Clock& clock,
             std::string_view name_mode) {
  const auto options = Options::parse(table, args, Operands::last);
  if (!options) return refuse(options.error(), {}, {}, system, clock);
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
  const auto code = perform(*options, name_mode, system, clock);
  return code ? *code : refuse(code.error(), options->last("config"), options->last("-L"), system, clock);
}

}  // namespace pillarbox::app
