#include "app/task.h"

#include <algorithm>
#include <array>

#include "app/account.h"
#include "app/report.h"
#include "app/server.h"
#include "base/text.h"
#include "config/choices.h"
#include "config/place.h"
#include "config/secret.h"
#include "mail/xtext.h"

namespace pillarbox::app {
namespace {

constexpr auto table = std::to_array<Option>({
    {"from", 'f', Argument::required, "ADDRESS", "envelope sender; '' and <> are the null sender (default: you)"},
    {"rcpt", 'r', Argument::required, "ADDRESS", "recipient; may be given again"},
    {"server", 's', Argument::required, "SERVER", "host, host:port, [v6]:port, smtp://host:port or smtps://host"},
    {"account", '\0', Argument::required, "NAME", "server, TLS and login of the configuration's account"},
    {"from-header", 'F', Argument::none, "", "envelope from each message's own header; Bcc is not transmitted"},
    {"mbox", '\0', Argument::none, "", "the files are mboxes; every message in them is sent"},
    {"probe", '\0', Argument::none, "", "send a message of our own making, which says where it comes from"},
    {"talk", '\0', Argument::none, "", "log in, then play a script's SMTP lines in lockstep"},
    {"jobs", '\0', Argument::required, "NUMBER", "so many connections at a time (default: 1)"},
    {"abort-on-reject", 'a', Argument::none, "", "send a message to nobody if any of its recipients is rejected"},
    {"continue-on-reject", 'c', Argument::none, "",
     "server testing: go on to the message though every recipient was rejected"},
    {"disconnect", 'd', Argument::none, "", "disconnect between messages"},
    {"no-eol", 'e', Argument::none, "", "leave line ends as they are (dots are still stuffed)"},
    {"help", 'h', Argument::none, "", "show this page"},
    {"version", '\0', Argument::none, "", "show the version"},
    {"helo", 'H', Argument::required, "NAME", "EHLO name (default: this host's full name)"},
    {"port", 'p', Argument::required, "PORT", "port (default: 25, with smtps:// 465)"},
    {"received", 'R', Argument::none, "", "put a Received field in front of each message"},
    {"trace", 't', Argument::none, "", "the conversation on standard output"},
    {"trace-secrets", '\0', Argument::none, "", "with what belongs to a login, which is *** otherwise"},
    {"verbose", 'v', Argument::none, "", "a line on standard output for each connection and message"},
    {"timing", '\0', Argument::none, "", "what took how long, as bars"},
    {"json", '\0', Argument::none, "", "both as JSON objects"},
    {"user", 'U', Argument::required, "NAME", "log in as NAME; asks for the password on a terminal"},
    {"password", 'P', Argument::required, "PASSWORD", "password; wiped from the command line at once", true},
    {"password-file", '\0', Argument::required, "FILE", "password: the first line of FILE"},
    {"password-command", '\0', Argument::required, "COMMAND", "password: the first line that COMMAND writes"},
    {"password-env", '\0', Argument::required, "VARIABLE", "password: the value of an environment variable"},
    {"auth-mechanism", '\0', Argument::required, "NAME",
     "PLAIN, LOGIN, CRAM-MD5 (default: what the server has of these), EXTERNAL, XOAUTH2, OAUTHBEARER, GSSAPI, NTLM or "
     "SCRAM-SHA-256"},
    {"allow-cleartext-auth", '\0', Argument::none, "", "log in without TLS to a host that is not the loopback"},
    {"tls", 'T', Argument::none, "", "STARTTLS where the server offers it"},
    {"require-tls", 'M', Argument::none, "", "STARTTLS, or nothing is sent"},
    {"verify", 'V', Argument::none, "", "verify the server's certificate and name"},
    {"ca-file", '\0', Argument::required, "FILE", "the authorities to verify against, in PEM"},
    {"pin", '\0', Argument::required, "PIN",
     "sha256//BASE64 of a public key that the server must have; may be given again"},
    {"tls-min", '\0', Argument::required, "1.0|1.1|1.2|1.3", "the lowest TLS version"},
    {"ciphers", 'C', Argument::required, "CIPHERS", "TLS ciphers, in OpenSSL's notation"},
    {"client-cert", '\0', Argument::required, "FILE", "a certificate of ours, in PEM"},
    {"client-key", '\0', Argument::required, "FILE", "its key (default: in the certificate's file)"},
    {"proxy", '\0', Argument::required, "URL",
     "by way of socks4://, socks4a://, socks5://, socks5h:// or http://host:port; wiped from the command line", true},
    {"source-address", '\0', Argument::required, "ADDRESS", "the address of this host to connect from"},
    {"ipv4", '4', Argument::none, "", "IPv4 only"},
    {"ipv6", '6', Argument::none, "", "IPv6 only"},
    {"timeout", '\0', Argument::required, "SECONDS", "for the connection, and for each reply"},
    {"dsn-notify", '\0', Argument::required, "never|success,failure,delay",
     "ask for reports: never, or on some of these"},
    {"dsn-return", '\0', Argument::required, "headers|full", "what of the message reports hold"},
    {"driver", '\0', Argument::required, "auto|engine|pipeline", "libcurl's engine or the pipeline (default: auto)"},
});

constexpr std::string_view program = "smtp";

Error usage(const std::string& text) {
  return {Error::Kind::usage, text, "smtp -h shows how to call it"};
}

// 4 or 6 for what is written as an address, 0 for a name.
int version_of(const std::string& host) {
  if (host.find(':') != std::string::npos) return 6;
  return host.empty() || host.find_first_not_of("0123456789.") != std::string::npos ? 0 : 4;
}

// An address on the command line is a usage matter.
Error as_usage(Error error) {
  error.kind = Error::Kind::usage;
  return error;
}

// Makes a Task of the command line.
class Reader {
 public:
  Reader(Options& options, const base::System& system) : options_(options), system_(system) {}

  Result<Task> read() {
    for (const auto step : {&Reader::read_driver, &Reader::read_work, &Reader::read_form, &Reader::read_way,
                            &Reader::read_tls, &Reader::read_rest, &Reader::read_login}) {
      if (auto done = (this->*step)(); !done) return std::move(done).error();
    }
    return std::move(task_);
  }

 private:
  Result<void> read_driver() {
    const std::string driver = options_.last("driver").value_or("auto");
    const auto known = smtp::parse_driver(driver);
    if (!known) return usage("--driver " + driver + ": engine, pipeline or auto");
    task_.driver = *known;
    task_.continue_on_reject = options_.has("continue-on-reject");
    if (auto read = read_dsn(); !read) return read;
    if (task_.driver == smtp::Driver::engine && (task_.continue_on_reject || task_.dsn.wanted())) {
      return usage("the engine driver has no way to do --continue-on-reject, --dsn-notify and --dsn-return");
    }
    return {};
  }

  Result<void> read_dsn() {
    if (const auto when = options_.last("dsn-notify")) {
      auto notify = mail::parse_notify(*when);
      if (!notify) return usage("--dsn-notify " + *when + ": never, or some of success,failure,delay");
      task_.dsn.notify = *std::move(notify);
    }
    if (const auto what = options_.last("dsn-return")) {
      const auto* returned = config::find_choice(config::dsn_returns, *what);
      if (!returned) return usage("--dsn-return " + *what + ": headers or full");
      task_.dsn.returned = returned->meaning;
    }
    return {};
  }

  // Refuses the first of these options that is there.
  Result<void> without(std::string_view what, std::initializer_list<std::string_view> keys) const {
    for (const std::string_view key : keys) {
      if (options_.has(key)) return usage(std::string(what) + " and --" + std::string(key) + " exclude each other");
    }
    return {};
  }

  Result<void> read_work() {
    task_.option_names = options_.keys();
    if (options_.has("talk")) {
      task_.work = Task::Work::talk;
      return without("--talk", {"from", "rcpt", "from-header", "mbox", "probe", "abort-on-reject", "disconnect",
                                "no-eol", "received", "jobs", "continue-on-reject", "dsn-notify", "dsn-return"});
    }
    if (options_.has("probe")) {
      task_.work = Task::Work::probe;
      return without("--probe", {"from-header", "mbox", "no-eol", "jobs"});
    }
    if (options_.has("mbox")) task_.work = Task::Work::mboxes;
    return {};
  }

  Result<void> read_form() {
    auto words = options_.operands();
    task_.from_header = options_.has("from-header");
    const bool account = options_.has("account");
    if (account) {
      if (auto read = read_account(); !read) return read;
    }
    if (options_.has("server") || options_.has("from") || options_.has("rcpt") || task_.from_header)
      return read_options();
    if (!account) {
      const bool talk = task_.work == Task::Work::talk;
      if (words.empty()) return usage(talk ? "a server is needed" : "a server, a sender and recipients are needed");
      if (auto server = read_server(words[0]); !server) return server;
      words.erase(words.begin());
    }
    if (task_.work == Task::Work::talk) return read_script(words);
    if (words.size() < 2) return usage("there are no recipients");
    task_.files = {"-"};
    if (auto sender = read_sender(words[0]); !sender) return sender;
    return read_recipients({words.begin() + 1, words.end()});
  }

  Result<void> read_script(const std::vector<std::string>& words) {
    if (words.size() > 1) return usage("--talk plays one script");
    task_.files = words.empty() ? std::vector<std::string>{"-"} : words;
    return {};
  }

  // The account says where and how; an option that says it as well might send its password elsewhere.
  Result<void> read_account() {
    if (auto alone = without("--account", {"server", "port", "tls", "require-tls", "verify", "ca-file", "pin",
                                           "tls-min", "ciphers", "client-cert", "client-key", "user", "password",
                                           "password-file", "password-command", "password-env", "auth-mechanism"});
        !alone) {
      return alone;
    }
    auto loaded = load_configuration({}, system_);
    if (!loaded) return std::move(loaded).error();
    settings_ = std::move(loaded->settings);
    const auto account = settings_.account(options_.last("account"));
    if (!account) return account.error();
    account_ = *account;
    warn_of(*account_, program);
    auto endpoint = way_to(*account_, 0, system_);
    if (!endpoint) return std::move(endpoint).error();
    task_.endpoint = *std::move(endpoint);
    if (account_->from) task_.sender = mail::ReversePath(*account_->from);
    return {};
  }

  Result<void> read_login_of_account() {
    auto whole = endpoint_of(*account_, system_);
    if (!whole) return std::move(whole).error();
    task_.endpoint.login = std::move(whole->login);
    task_.endpoint.others = std::move(whole->others);
    return {};
  }

  Result<void> read_options() {
    if (const auto server = options_.last("server")) {
      if (auto read = read_server(*server); !read) return read;
    } else if (!options_.has("account")) {
      return usage("-s, --server is missing");
    }
    if (task_.work == Task::Work::talk) return read_script(options_.operands());
    const auto from = options_.last("from");
    if (from) {
      if (auto read = read_sender(*from); !read) return read;
    } else if (task_.from_header) {
      task_.sender.reset();  // each message's own
    } else if (!task_.sender) {
      const auto login = system_.login();
      if (!login) return login.error();
      if (auto read = read_sender(*login + "@" + system_.fully_qualified_name()); !read) return read;
    }
    const auto recipients = options_.all("rcpt");
    if (task_.from_header && !recipients.empty()) return usage("-r and -F exclude each other");
    if (!task_.from_header && recipients.empty()) return usage("there are no recipients: -r or -F is missing");
    task_.files = options_.operands().empty() ? std::vector<std::string>{"-"} : options_.operands();
    if (std::count(task_.files.begin(), task_.files.end(), "-") > 1)
      return usage("standard input can be read once only");
    if (task_.work == Task::Work::probe && !options_.operands().empty()) {
      return usage("--probe sends a message of its own, and no files");
    }
    return read_recipients(recipients);
  }

  Result<void> read_server(const std::string& text) {
    const auto server = parse_server(text);
    if (!server) return as_usage(server.error());
    std::optional<int> port = server->port;
    if (const auto given = options_.last("port")) {
      const auto number = config::parse_port(*given);
      if (!number) return as_usage(number.error());
      if (port && *port != *number) return usage("-p " + *given + " and the server's own port are different");
      port = *number;
    }
    task_.endpoint.host = server->host;
    task_.endpoint.port =
        port.value_or(config::default_port(server->implicit_tls ? config::Tls::implicit : config::Tls::off));
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

  Result<void> read_way() {
    smtp::Endpoint& endpoint = task_.endpoint;
    if (options_.has("proxy")) {
      base::forbid_core_dumps();  // it may have a password
      auto proxy = parse_proxy(options_.take_secret("proxy"));
      if (!proxy) return std::move(proxy).error().in("--proxy");
      endpoint.proxy = *std::move(proxy);
    }
    if (const auto address = options_.last("source-address")) {
      auto source = config::parse_source_address(*address);
      if (!source) return std::move(source).error().in("--source-address");
      endpoint.source_address = *std::move(source);
    }
    if (options_.has("ipv4")) {
      if (auto alone = without("-4", {"ipv6"}); !alone) return alone;
      endpoint.family = smtp::Family::v4;
    } else if (options_.has("ipv6")) {
      endpoint.family = smtp::Family::v6;
    }
    return check_versions();
  }

  // What is asked for must be one version of IP.
  [[nodiscard]] Result<void> check_versions() const {
    const int family = options_.has("ipv4") ? 4 : options_.has("ipv6") ? 6 : 0;
    const std::array<std::pair<std::string, int>, 3> sides = {
        {{"-" + std::to_string(family), family},
         {"--source-address", version_of(task_.endpoint.source_address)},
         {"the server's address", version_of(task_.endpoint.host)}}};
    for (const auto& [name, version] : sides) {
      for (const auto& [other, another] : sides) {
        if (version != 0 && another != 0 && version != another) {
          return usage(name + " means IPv" + std::to_string(version) + ", and " + other + " IPv" +
                       std::to_string(another));
        }
      }
    }
    return {};
  }

  Result<void> read_tls() {
    if (options_.has("account")) return {};
    smtp::Tls& tls = task_.endpoint.tls;
    if (tls.mode == smtp::TlsMode::none && options_.has("tls")) tls.mode = smtp::TlsMode::opportunistic;
    if (tls.mode != smtp::TlsMode::implicit && options_.has("require-tls")) tls.mode = smtp::TlsMode::required;
    tls.verify = options_.has("verify");
    if (tls.verify && tls.mode == smtp::TlsMode::none)
      return usage("-V has nothing to verify without -T, -M or smtps://");
    for (const std::string_view option : {"pin", "tls-min", "ciphers", "client-cert"}) {
      if (tls.mode == smtp::TlsMode::none && options_.has(option)) {
        return usage("--" + std::string(option) + " says nothing without -T, -M or smtps://");
      }
    }
    for (const std::string_view option : {"pin", "tls-min", "ciphers", "ca-file", "client-cert", "client-key"}) {
      if (options_.has(option) && options_.last(option)->empty()) {
        return usage("--" + std::string(option) + ": the value is empty");
      }
    }
    if (options_.has("ca-file") && !tls.verify) complain(program, "--ca-file without -V: nothing is verified");
    tls.ca_file = options_.last("ca-file").value_or("");
    tls.ciphers = options_.last("ciphers").value_or("");
    tls.certificate = options_.last("client-cert").value_or("");
    tls.key = options_.last("client-key").value_or("");
    if (tls.certificate.empty() && !tls.key.empty()) return usage("--client-key needs --client-cert");
    const std::vector<std::string> pins = options_.all("pin");
    for (const std::string& pin : pins) {
      if (!config::is_pin(pin)) return usage("--pin " + pin + ": a pin is sha256// and 32 octets in base64");
    }
    tls.pins = base::join(pins, ";");
    return read_tls_version();
  }

  Result<void> read_tls_version() {
    task_.endpoint.tls.at_least = smtp::TlsVersion::any;  // old servers are tested, too
    const auto least = options_.last("tls-min");
    if (!least) return {};
    const auto* version = config::find_choice(config::tls_versions, *least);
    if (!version) return usage("--tls-min " + *least + ": 1.0, 1.1, 1.2 or 1.3");
    task_.endpoint.tls.at_least = tls_version_of(version->meaning);
    return {};
  }

  // The last of all: where anything else is wrong, no command is run and nobody is asked.
  Result<void> read_login() {
    task_.endpoint.allow_cleartext_login = options_.has("allow-cleartext-auth");
    task_.endpoint.show_secrets = options_.has("trace-secrets");
    if (account_) return read_login_of_account();
    const auto user = options_.last("user");
    std::vector<std::string_view> sources;
    for (const std::string_view source : {"password", "password-file", "password-command", "password-env"}) {
      if (options_.has(source)) sources.push_back(source);
    }
    if (!user) {
      const bool missing = !sources.empty() || options_.has("auth-mechanism");
      return missing ? Result<void>(usage("-U, --user is missing")) : Result<void>();
    }
    if (user->empty()) return usage("-U, --user: the name is empty");
    if (sources.size() > 1) return usage("there is more than one password");
    const auto mechanism = read_mechanism();
    if (!mechanism) return mechanism.error();
    base::forbid_core_dumps();
    if (sources.empty() && !config::needs_password(*mechanism)) {  // a certificate's work, a ticket's
      task_.endpoint.login = smtp::Login{*user, base::Secret(), *mechanism};
      return {};
    }
    if (*mechanism == "external") return usage("EXTERNAL takes no password: the client's certificate is its proof");
    auto password = read_password(sources.empty() ? "" : sources[0], *user);
    if (!password) return password.error();
    if (password->empty()) return usage("-P, --password: the password is empty");
    task_.endpoint.login = smtp::Login{*user, *std::move(password), *mechanism};
    return {};
  }

  Result<std::string> read_mechanism() const {
    const std::string name = base::lower(options_.last("auth-mechanism").value_or("auto"));
    const auto known = smtp::known_mechanisms();
    if (name == "auto" || std::find(known.begin(), known.end(), name) != known.end()) return name;
    return usage("--auth-mechanism " + name + ": known are " + base::upper(base::join(known, ", ")));
  }

  Result<base::Secret> read_password(std::string_view source, const std::string& user) {
    if (source == "password") return options_.take_secret("password");
    if (source == "password-file") return config::password_from_file(*options_.last("password-file"));
    if (source == "password-command") return config::password_from_command(*options_.last("password-command"));
    if (source == "password-env") return config::password_from_environment(*options_.last("password-env"), system_);
    return config::password_from_terminal("Password for " + user + ": ");
  }

  Result<void> read_rest() {
    if (options_.has("helo") || task_.endpoint.helo.empty()) {
      const auto helo = config::parse_helo(options_.last("helo").value_or(system_.fully_qualified_name()));
      if (!helo) return as_usage(helo.error());
      task_.endpoint.helo = *helo;
    }
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
    task_.timing = options_.has("timing");
    if (const auto jobs = options_.last("jobs")) {
      const auto number = base::number(*jobs);
      if (!number || *number < 1 || *number > 100) return usage("--jobs " + *jobs + ": 1 to 100 connections");
      task_.jobs = static_cast<unsigned>(*number);
      if (task_.work == Task::Work::messages) {
        task_.jobs = std::min(task_.jobs, static_cast<unsigned>(task_.files.size()));
      }
    }
    task_.output = {.trace = options_.has("trace") || task_.work == Task::Work::talk,
                    .verbose = options_.has("verbose") || options_.has("json"),
                    .json = options_.has("json")};
    return {};
  }

  Options& options_;
  const base::System& system_;
  config::Settings settings_;                 // with --account,
  const config::Account* account_ = nullptr;  // one of which this is
  Task task_;
};

}  // namespace

std::span<const Option> smtp_options() {
  return table;
}

Result<Task> read_task(Options& options, const base::System& system) {
  return Reader(options, system).read();
}

}  // namespace pillarbox::app
