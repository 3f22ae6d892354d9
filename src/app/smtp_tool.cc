#include "app/smtp_tool.h"

#include <unistd.h>

#include <array>
#include <cstdio>
#include <optional>

#include "app/console.h"
#include "app/help.h"
#include "app/options.h"
#include "app/report.h"
#include "app/server.h"
#include "base/text.h"
#include "config/secret.h"
#include "mail/header.h"
#include "mail/prepare.h"
#include "mail/received.h"
#include "smtp/engine.h"

namespace pillarbox::app {
namespace {

constexpr auto table = std::to_array<Option>({
    {"from", 'f', Argument::required, "ADDRESS", "envelope sender; '' and <> are the null sender (default: you)"},
    {"rcpt", 'r', Argument::required, "ADDRESS", "recipient; may be given again"},
    {"server", 's', Argument::required, "SERVER", "host, host:port, [v6]:port, smtp://host:port or smtps://host"},
    {"from-header", 'F', Argument::none, "", "envelope from each message's own header; Bcc is not transmitted"},
    {"abort-on-reject", 'a', Argument::none, "", "send a message to nobody if any of its recipients is rejected"},
    {"continue-on-reject", 'c', Argument::none, "",
     "server testing: go on to the message though every recipient was rejected; "
     "not in this version"},
    {"disconnect", 'd', Argument::none, "", "disconnect between messages"},
    {"no-eol", 'e', Argument::none, "", "leave line ends as they are (dots are still stuffed)"},
    {"help", 'h', Argument::none, "", "show this page"},
    {"version", '\0', Argument::none, "", "show the version"},
    {"helo", 'H', Argument::required, "NAME", "EHLO name (default: this host's full name)"},
    {"port", 'p', Argument::required, "PORT", "port (default: 25, with smtps:// 465)"},
    {"received", 'R', Argument::none, "", "put a Received field in front of each message"},
    {"trace", 't', Argument::none, "", "the conversation on standard output"},
    {"verbose", 'v', Argument::none, "", "a line on standard output for each connection and message"},
    {"json", '\0', Argument::none, "", "those lines as JSON objects"},
    {"user", 'U', Argument::required, "NAME", "log in as NAME; asks for the password on a terminal"},
    {"password", 'P', Argument::required, "PASSWORD", "password; wiped from the command line at once"},
    {"password-file", '\0', Argument::required, "FILE", "password: the first line of FILE"},
    {"password-env", '\0', Argument::required, "VARIABLE", "password: the value of an environment variable"},
    {"auth-mechanism", '\0', Argument::required, "NAME", "PLAIN, LOGIN or CRAM-MD5 (default: what the server has)"},
    {"allow-cleartext-auth", '\0', Argument::none, "", "log in without TLS to a host that is not the loopback"},
    {"tls", 'T', Argument::none, "", "STARTTLS where the server offers it"},
    {"require-tls", 'M', Argument::none, "", "STARTTLS, or nothing is sent"},
    {"verify", 'V', Argument::none, "", "verify the server's certificate and name"},
    {"ca-file", '\0', Argument::required, "FILE", "the authorities to verify against, in PEM"},
    {"pin", '\0', Argument::required, "PIN",
     "sha256//BASE64 of a public key that the server must have; may be given again"},
    {"tls-min", '\0', Argument::required, "VERSION", "the lowest TLS version: 1.0, 1.1, 1.2 or 1.3"},
    {"ciphers", 'C', Argument::required, "CIPHERS", "TLS ciphers, in OpenSSL's notation"},
    {"timeout", '\0', Argument::required, "SECONDS", "for the connection, and for each reply"},
});
// What is for those who look for it: not in the list of --help.
constexpr std::array<Option, 1> hidden = {{{"driver", '\0', Argument::required, "NAME", ""}}};

constexpr std::string_view program = "smtp";

Error usage(const std::string& text) {
  return {Error::Kind::usage, text, "smtp -h shows how to call it"};
}

// An address on the command line is a usage matter.
Error as_usage(Error error) {
  error.kind = Error::Kind::usage;
  return error;
}

struct Task {
  smtp::Endpoint endpoint;
  std::vector<std::string> files;
  bool from_header = false;
  std::optional<mail::ReversePath> sender;
  std::vector<mail::Address> recipients;
  bool abort_on_reject = false;
  bool disconnect = false;
  bool raw = false;
  bool received = false;
  Console::Wanted output;
};

// Makes a Task of the command line.
class Reader {
 public:
  Reader(Options& options, const base::System& system) : options_(options), system_(system) {}

  Result<Task> read() {
    for (const auto step :
         {&Reader::read_driver, &Reader::read_form, &Reader::read_tls, &Reader::read_login, &Reader::read_rest}) {
      if (auto done = (this->*step)(); !done) return std::move(done).error();
    }
    return std::move(task_);
  }

 private:
  Result<void> read_driver() {
    if (const auto driver = options_.last("driver"); driver && *driver != "engine") {
      return usage("--driver " + *driver + ": this version has the engine driver only");
    }
    if (options_.has("continue-on-reject")) {
      return usage("-c, --continue-on-reject: the engine driver has no way to send a message that has no recipient");
    }
    return {};
  }

  Result<void> read_form() {
    task_.from_header = options_.has("from-header");
    if (options_.has("server") || options_.has("from") || options_.has("rcpt") || task_.from_header)
      return read_options();
    const auto& words = options_.operands();
    if (words.empty()) return usage("a server, a sender and recipients are needed");
    if (words.size() < 3) return usage("there are no recipients");
    task_.files = {"-"};
    if (auto server = read_server(words[0]); !server) return server;
    if (auto sender = read_sender(words[1]); !sender) return sender;
    return read_recipients({words.begin() + 2, words.end()});
  }

  Result<void> read_options() {
    const auto server = options_.last("server");
    if (!server) return usage("-s, --server is missing");
    if (auto read = read_server(*server); !read) return read;
    const auto from = options_.last("from");
    if (from) {
      if (auto read = read_sender(*from); !read) return read;
    } else if (!task_.from_header) {
      if (auto read = read_sender(system_.login() + "@" + system_.fully_qualified_name()); !read) return read;
    }
    const auto recipients = options_.all("rcpt");
    if (task_.from_header && !recipients.empty()) return usage("-r and -F exclude each other");
    if (!task_.from_header && recipients.empty()) return usage("there are no recipients: -r or -F is missing");
    task_.files = options_.operands().empty() ? std::vector<std::string>{"-"} : options_.operands();
    return read_recipients(recipients);
  }

  Result<void> read_server(const std::string& text) {
    const auto server = parse_server(text);
    if (!server) return as_usage(server.error());
    std::optional<int> port = server->port;
    if (const auto given = options_.last("port")) {
      const auto number = parse_port(*given);
      if (!number) return as_usage(number.error());
      if (port && *port != *number) return usage("-p " + *given + " and the server's own port are different");
      port = *number;
    }
    task_.endpoint.host = server->host;
    task_.endpoint.port = port.value_or(server->implicit_tls ? 465 : 25);
    task_.endpoint.tls.mode = server->implicit_tls ? smtp::TlsMode::implicit : smtp::TlsMode::none;
    return {};
  }

  Result<void> read_sender(const std::string& text) {
    auto sender = mail::ReversePath::parse(text);
    if (!sender) return as_usage(sender.error());
    task_.sender = *std::move(sender);
    return {};
  }

  Result<void> read_recipients(const std::vector<std::string>& words) {
    for (const std::string& word : words) {
      auto address = mail::Address::parse(word);
      if (!address) return as_usage(address.error());
      task_.recipients.push_back(*std::move(address));
    }
    return {};
  }

  Result<void> read_tls() {
    smtp::Tls& tls = task_.endpoint.tls;
    if (tls.mode == smtp::TlsMode::none && options_.has("tls")) tls.mode = smtp::TlsMode::opportunistic;
    if (tls.mode != smtp::TlsMode::implicit && options_.has("require-tls")) tls.mode = smtp::TlsMode::required;
    tls.verify = options_.has("verify");
    if (tls.verify && tls.mode == smtp::TlsMode::none)
      return usage("-V has nothing to verify without -T, -M or smtps://");
    for (const std::string_view option : {"pin", "tls-min", "ciphers"}) {
      if (tls.mode == smtp::TlsMode::none && options_.has(option)) {
        return usage("--" + std::string(option) + " says nothing without -T, -M or smtps://");
      }
    }
    for (const std::string_view option : {"pin", "tls-min", "ciphers", "ca-file"}) {
      if (options_.has(option) && options_.last(option)->empty()) {
        return usage("--" + std::string(option) + ": the value is empty");
      }
    }
    tls.ca_file = options_.last("ca-file").value_or("");
    tls.ciphers = options_.last("ciphers").value_or("");
    for (const std::string& pin : options_.all("pin")) {
      if (!pin.starts_with("sha256//")) return usage("--pin " + pin + ": a pin is written sha256//BASE64");
      tls.pins += (tls.pins.empty() ? "" : ";") + pin;
    }
    return read_tls_version();
  }

  Result<void> read_tls_version() {
    using smtp::TlsVersion;
    const std::string least = options_.last("tls-min").value_or("");
    for (const auto& [name, version] : {std::pair{"", TlsVersion::any},  // old servers are tested, too
                                        {"1.0", TlsVersion::v1_0},
                                        {"1.1", TlsVersion::v1_1},
                                        {"1.2", TlsVersion::v1_2},
                                        {"1.3", TlsVersion::v1_3}}) {
      if (least == name) {
        task_.endpoint.tls.at_least = version;
        return {};
      }
    }
    return usage("--tls-min " + least + ": 1.0, 1.1, 1.2 or 1.3");
  }

  Result<void> read_login() {
    const auto user = options_.last("user");
    const auto mechanism = options_.last("auth-mechanism");
    const auto file = options_.last("password-file");
    const auto variable = options_.last("password-env");
    const int sources = options_.has_secret() + file.has_value() + variable.has_value();
    if (!user) {
      return sources > 0 || mechanism ? Result<void>(usage("-U, --user is missing")) : Result<void>();
    }
    if (user->empty()) return usage("-U, --user: the name is empty");
    if (sources > 1) return usage("there is more than one password");
    base::forbid_core_dumps();
    auto password = file                    ? config::password_from_file(*file)
                    : variable              ? config::password_from_environment(*variable, system_)
                    : options_.has_secret() ? Result<base::Secret>(options_.take_secret())
                                            : config::password_from_terminal("Password for " + *user + ": ");
    if (!password) return password.error();
    if (password->empty()) return usage("-P, --password: the password is empty");
    std::string name = base::lower(mechanism.value_or("auto"));
    if (name != "auto" && name != "plain" && name != "login" && name != "cram-md5") {
      return usage("--auth-mechanism " + *mechanism + ": known are PLAIN, LOGIN and CRAM-MD5");
    }
    task_.endpoint.login =
        smtp::Login{*user, *std::move(password), std::move(name), options_.has("allow-cleartext-auth")};
    return {};
  }

  Result<void> read_rest() {
    const auto helo = parse_helo(options_.last("helo").value_or(system_.fully_qualified_name()));
    if (!helo) return as_usage(helo.error());
    task_.endpoint.helo = *helo;
    if (const auto timeout = options_.last("timeout")) {
      const auto seconds = base::number(*timeout);
      if (!seconds || *seconds < 1 || *seconds > 86400) return usage("--timeout " + *timeout + ": 1 to 86400 seconds");
      const auto time = std::chrono::seconds(*seconds);
      task_.endpoint.timeouts = {.connect = time, .reply = time, .data = time};
    }
    task_.abort_on_reject = options_.has("abort-on-reject");
    task_.disconnect = options_.has("disconnect");
    task_.raw = options_.has("no-eol");
    task_.received = options_.has("received");
    task_.output = {options_.has("trace"), options_.has("verbose") || options_.has("json"), options_.has("json")};
    return {};
  }

  Options& options_;
  const base::System& system_;
  Task task_;
};

struct Prepared {
  mail::Envelope envelope;
  mail::Message message;
};

Result<std::unique_ptr<base::Source>> open_input(const std::string& file) {
  if (file == "-")
    return std::unique_ptr<base::Source>(std::make_unique<base::FileSource>(STDIN_FILENO, "standard input"));
  return base::open_source(file);
}

class Sender {
 public:
  Sender(Task task, const base::Clock& clock)
      : task_(std::move(task)), clock_(clock), console_(task_.output, std::string(program)) {}

  Result<int> send_all() {
    const std::vector<std::string> files = std::move(task_.files);
    auto session = smtp::Session::make(std::move(task_.endpoint), console_);
    if (!session) return session.error();
    for (std::size_t i = 0; i < files.size(); ++i) {
      const bool last = i + 1 == files.size() || task_.disconnect;
      if (auto prepared = prepare(files[i], (*session)->endpoint().helo)) {
        send(**session, files[i], *prepared, last);
      } else {
        console_.failed(files[i], prepared.error());
        tally_.add(prepared.error().kind);
      }
    }
    (*session)->close();
    return tally_.exit_code();
  }

 private:
  Result<Prepared> prepare(const std::string& file, const std::string& helo) {
    auto source = open_input(file);
    if (!source) return source.error();
    std::string head = task_.received ? mail::received_field(helo, ::getuid(), clock_.now()) : "";
    auto sender = task_.sender;
    auto recipients = task_.recipients;
    auto part = mail::Normaliser::Part::header;
    if (task_.from_header) {
      auto read = mail::read_header(*std::move(source), mail::Normaliser::Nul::refuse);
      if (!read) return std::move(read).error().in(file);
      if (auto found = envelope_of(read->header, sender, recipients); !found) return std::move(found).error().in(file);
      mail::remove_bcc(read->header);
      head += read->envelope_line + read->header.text();
      source = std::move(read->body);
      part = mail::Normaliser::Part::body;
    }
    auto envelope = mail::Envelope::make(*sender, recipients);
    if (!envelope) return std::move(envelope).error().in(file);
    auto message = task_.raw ? mail::Message::raw(std::move(head), *std::move(source))
                             : mail::Message(std::move(head), *std::move(source),
                                             mail::Normaliser(part, mail::Normaliser::Nul::refuse));
    if (auto primed = message.prime(); !primed) return std::move(primed).error().in(file);
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

  void send(smtp::Session& session, const std::string& file, Prepared& prepared, bool last) {
    const auto began = base::Instant::clock::now();
    const auto outcome = final_ ? smtp::untried(prepared.envelope.recipients().size(), *final_)
                                : smtp::send_by_engine(session, {.envelope = prepared.envelope,
                                                                 .message = prepared.message,
                                                                 .abort_on_reject = task_.abort_on_reject,
                                                                 .last = last});
    const std::chrono::duration<double> time = base::Instant::clock::now() - began;
    console_.result(file, prepared.envelope, outcome, time.count());
    if (const smtp::Verdict* worst = outcome.worst()) tally_.add(worst->kind);
    // What ails the account ails every message: no second login with a password that was refused, no second wait for a
    // host that does not answer. A server that said "not now" is asked again.
    const bool busy = outcome.failure && outcome.failure->reply && outcome.failure->reply->transient();
    if (outcome.failure && outcome.failure->account && !busy && !final_) final_ = outcome.failure;
  }

  Task task_;
  const base::Clock& clock_;
  Console console_;
  Tally tally_;
  std::optional<smtp::Verdict> final_;  // of the account; no further message is tried
};

std::vector<Option> whole_table() {
  std::vector<Option> all(table.begin(), table.end());
  all.insert(all.end(), hidden.begin(), hidden.end());
  return all;
}

}  // namespace

int smtp_tool(std::vector<std::string> args, char** argv, const base::System& system, const base::Clock& clock) {
  const auto options_table = whole_table();
  auto options = Options::parse(options_table, std::move(args), Operands::anywhere, argv, "password");
  if (!options) {
    complain(program, usage(options.error().text));
    return exit_code(options.error().kind);
  }
  if (options->has("help")) {
    print_smtp_help(table);
    return 0;
  }
  if (options->has("version")) {
    print_version();
    return 0;
  }
  auto task = Reader(*options, system).read();
  if (!task) {
    complain(program, task.error());
    return exit_code(task.error().kind);
  }
  const auto code = Sender(*std::move(task), clock).send_all();
  if (code) return *code;
  complain(program, code.error());
  return exit_code(code.error().kind);
}

}  // namespace pillarbox::app
