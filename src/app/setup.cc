#include "app/setup.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <system_error>
#include <utility>

#include "app/check.h"
#include "app/discover.h"
#include "app/help.h"
#include "app/report.h"
#include "base/disk.h"
#include "base/dns.h"
#include "base/new_file.h"
#include "base/secret.h"
#include "base/text.h"
#include "base/unique_fd.h"
#include "config/choices.h"
#include "config/load.h"
#include "config/place.h"
#include "config/secret.h"
#include "config/text.h"
#include "mail/address.h"

namespace pillarbox::app {
namespace {

constexpr std::string_view program = "pillarbox setup";
constexpr std::size_t longest_answer = 1024;

constexpr auto table = std::to_array<Option>({
    {"host", '\0', Argument::required, "HOST", "the server; without it the domain's DNS is asked"},
    {"port", '\0', Argument::required, "PORT",
     "its port; by default 465 with implicit TLS, 587 with starttls, else 25"},
    {"tls", '\0', Argument::required, "implicit|starttls|opportunistic|off", "how TLS is had (starttls)"},
    {"accept-server", '\0', Argument::none, "",
     "take the server that DNS names though it is not in the address's domain"},
    {"user", '\0', Argument::required, "NAME", "the login's user (the address)"},
    {"password-file", '\0', Argument::required, "FILE", "the password is that file's first line"},
    {"password-command", '\0', Argument::required, "COMMAND", "the password is the first line that a command writes"},
    {"password-env", '\0', Argument::required, "NAME", "the password is in the environment"},
    {"no-auth", '\0', Argument::none, "", "the server wants no login"},
    {"account", '\0', Argument::required, "NAME", "what the account is called (default)"},
    {"from", '\0', Argument::required, "ADDRESS", "the sender (the address)"},
    {"output", 'C', Argument::required, "FILE", "the file to write (that of the user)"},
    {"force", '\0', Argument::none, "", "replace a file that is there"},
    {"no-test", '\0', Argument::none, "", "write it without trying the login"},
    {"name-server", '\0', Argument::required, "ADDRESS", "ask this name server, an IPv4 address, perhaps with a port"},
    {"help", 'h', Argument::none, "", "show this page"},
});

constexpr std::array<std::string_view, 3> sources = {"password-file", "password-command", "password-env"};

Error usage(const std::string& text, const std::string& hint = "") {
  return {Error::Kind::usage, text, hint};
}

Result<config::Tls> parse_tls(std::string_view word) {
  const auto* found = config::find_choice(config::tls_choices, word);
  if (!found) return usage(base::quote(word) + ": implicit, starttls, opportunistic or off");
  return found->meaning;
}

std::string word_of(config::Tls tls) {
  const auto& all = config::tls_choices;
  return std::string(std::find_if(all.begin(), all.end(), [&](const auto& each) { return each.meaning == tls; })->word);
}

// Whoever sits at the terminal, if somebody does.
class Person {
 public:
  Person() : there_(::isatty(STDIN_FILENO) == 1) {}

  [[nodiscard]] bool there() const { return there_; }

  void tell(const std::string& text) const { say(base::visible(text) + "\n"); }

  // What was typed, or what stands for an empty line. usage (64) at the end of the input.
  [[nodiscard]] Result<std::string> ask(const std::string& question, const std::string& otherwise = "") const {
    say(question + (otherwise.empty() ? ": " : " [" + base::visible(otherwise) + "]: "));
    std::string line;
    for (;;) {
      char c = 0;
      const ssize_t count = ::read(STDIN_FILENO, &c, 1);
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) return usage("no answer was given");
      if (c == '\n') break;
      if (line.size() < longest_answer) line += c;
    }
    const std::string answer(base::trim(line));
    return answer.empty() ? otherwise : answer;
  }

  // Asks until the answer is one.
  template <class T>
  [[nodiscard]] Result<T> ask(const std::string& question, const std::string& otherwise,
                              Result<T> (*parse)(std::string_view)) const {
    for (;;) {
      auto answer = ask(question, otherwise);
      if (!answer) return std::move(answer).error();
      auto value = parse(*answer);
      if (value) return value;
      tell(value.error().text);
    }
  }

 private:
  static void say(const std::string& text) {
    std::fputs(text.c_str(), stdout);
    std::fflush(stdout);
  }

  bool there_;
};

struct Answers {
  config::Place server;
  config::Tls tls = config::Tls::starttls;
  std::string user;    // "": no login
  std::string source;  // the option that names where the password is; "": it is in `password`
  std::string place;   // that option's value
  base::Secret password;
  std::string account, from;
};

Result<config::Place> parse_host(std::string_view text) {
  if (text.empty()) return usage("a host is needed");
  return config::parse_place(text);
}

// From options, from DNS and from the terminal, in that order.
class Questions {
 public:
  Questions(const Options& options, const mail::Address& address, const base::Dns& dns)
      : options_(options), address_(address), dns_(dns) {}

  Result<Answers> ask() {
    if (auto sound = check(); !sound) return std::move(sound).error();
    answers_.account = options_.last("account").value_or("default");
    answers_.from = options_.last("from").value_or(address_.text());
    if (auto known = server(); !known) return std::move(known).error();
    if (options_.has("no-auth")) return std::move(answers_);
    if (auto known = login(); !known) return std::move(known).error();
    return std::move(answers_);
  }

 private:
  // What options say is right, whatever comes later.
  Result<void> check() {
    for (const auto& key : options_.keys()) {
      const std::string value = options_.last(key).value_or("");
      if (base::has_control(value)) {
        return usage("--" + key + " " + base::quote(value) + ": control characters are not allowed");
      }
    }
    if (const auto given = options_.last("tls")) {
      const auto tls = parse_tls(*given);
      if (!tls) return usage("--tls " + tls.error().text);
      wanted_.tls = *tls;
    }
    if (const auto given = options_.last("port")) {
      const auto port = config::parse_port(*given);
      if (!port) return usage("--port " + port.error().text);
      wanted_.port = *port;
    }
    if (options_.last("account") == "") return usage("--account: a name is needed");
    if (const auto from = options_.last("from")) {
      if (const auto address = mail::Address::parse(*from); !address) return usage("--from: " + address.error().text);
    }
    const auto given =
        std::count_if(sources.begin(), sources.end(), [&](std::string_view s) { return options_.has(s); });
    if (given > 1) return usage("--password-file, --password-command and --password-env: one of them is enough");
    if (options_.has("no-auth") && (given > 0 || options_.has("user"))) {
      return usage("--no-auth: without a login there is no user and no password");
    }
    return {};
  }

  Result<void> server() {
    if (const auto given = options_.last("host")) {
      auto place = parse_host(*given);
      if (!place) return usage("--host: " + place.error().text);
      answers_.server = *std::move(place);
    } else if (auto known = look_up(); !known) {
      return std::move(known).error();
    } else if (!*known) {
      if (!person_.there()) {
        const std::string tls = wanted_.tls ? " with --tls " + word_of(*wanted_.tls) : "";
        const std::string port = wanted_.port ? " with --port " + std::to_string(*wanted_.port) : "";
        return missing("--host", "DNS does not say where " + domain() + "'s mail is submitted" + tls + port);
      }
      auto place = person_.ask<config::Place>("Server", "", parse_host);
      if (!place) return std::move(place).error();
      answers_.server = *std::move(place);
    }
    return terms();
  }

  // TLS and port, where they are not known yet.
  Result<void> terms() {
    if (wanted_.tls) {
      answers_.tls = *wanted_.tls;
    } else if (!found_ && person_.there()) {
      auto tls = person_.ask<config::Tls>("TLS: implicit, starttls, opportunistic or off", "starttls", parse_tls);
      if (!tls) return std::move(tls).error();
      answers_.tls = *tls;
    }
    if (wanted_.port) {
      if (answers_.server.port.value_or(*wanted_.port) != *wanted_.port) {
        return usage("--host and --port name different ports");
      }
      answers_.server.port = wanted_.port;
    } else if (!answers_.server.port && person_.there()) {
      auto port = person_.ask<int>("Port", std::to_string(config::default_port(answers_.tls)), config::parse_port);
      if (!port) return std::move(port).error();
      answers_.server.port = *port;
    }
    return {};
  }

  // True if DNS names a server that will do.
  Result<bool> look_up() {
    const auto found = discover(domain(), wanted_, dns_);
    if (!found && person_.there()) {
      person_.tell(found.error().text);
      return false;
    }
    if (!found) return Error{found.error().kind, found.error().text, "--host names the server without DNS"};
    if (!*found) return false;
    const Found& server = **found;
    const std::string name = server.host + ":" + std::to_string(server.port) + " (tls " + word_of(server.tls) + ")";
    person_.tell(domain() + "'s mail is submitted at " + name + ", says DNS.");
    if (auto agreed = agree(server.host, name); !agreed || !*agreed) return agreed;
    found_ = true;
    answers_.server = {.host = server.host, .port = server.port};
    answers_.tls = server.tls;
    return true;
  }

  // DNS may have been forged, and the password goes to that server.
  Result<bool> agree(const std::string& host, const std::string& name) {
    if (belongs_to(host, domain()) || options_.has("accept-server")) return true;
    const std::string why = "DNS names " + name + ", which is not in " + domain() + "; DNS answers can be forged";
    if (!person_.there()) return missing("--accept-server, or --host " + host, why);
    person_.tell("That is not in " + domain() + ", and DNS answers can be forged. Your password would go there.");
    auto answer = person_.ask("Use it? (yes or no)", "no");
    if (!answer) return std::move(answer).error();
    return base::iequals(*answer, "yes") || base::iequals(*answer, "y");
  }

  Result<void> login() {
    const auto given = options_.last("user");
    if (given || !person_.there()) {
      answers_.user = given.value_or(address_.text());
    } else {
      auto user = person_.ask("User", address_.text());
      if (!user) return std::move(user).error();
      answers_.user = *std::move(user);
    }
    if (answers_.user.empty()) return usage("--user: a name is needed, or --no-auth");
    for (const std::string_view source : sources) {
      const auto place = options_.last(source);
      if (!place) continue;
      if (place->empty()) return usage("--" + std::string(source) + ": a value is needed");
      answers_.source = source;
      answers_.place = source == "password-file" ? absolute(*place) : *place;
      return {};
    }
    if (!person_.there()) return missing("--password-file, --password-command, --password-env or --no-auth", "");
    auto password = config::password_from_terminal("Password: ");
    if (!password) return std::move(password).error();
    answers_.password = *std::move(password);
    return {};
  }

  // A configuration's relative paths begin in its own folder, a command line's here.
  static std::string absolute(const std::string& path) {
    if (path.starts_with('/') || path.starts_with("~/")) return path;
    std::array<char, PATH_MAX> here{};
    return ::getcwd(here.data(), here.size()) ? std::string(here.data()) + "/" + path : path;
  }

  static Error missing(const std::string& option, const std::string& why) {
    return usage(why.empty() ? option + " is needed: there is no terminal to ask at"
                             : why + "; " + option + " is needed, for there is no terminal to ask at");
  }

  [[nodiscard]] std::string domain() const { return mail::to_ascii(address_.domain()); }

  const Options& options_;
  const mail::Address& address_;
  const base::Dns& dns_;
  Person person_;
  Wanted wanted_;  // by options
  Answers answers_;
  bool found_ = false;  // by DNS
};

// The file as it will be.
std::string configuration_of(const Answers& answers) {
  const std::string& secret = answers.source.empty() ? answers.password.reveal() : answers.place;
  std::string out;
  const auto add = [&](std::string_view key, std::string_view value) {
    std::string literal = config::string_literal(value);
    out.append(key).append(" = ").append(literal).append(";\n");
    base::wipe(literal);
  };
  // All of it at once, so that it leaves no copies of the password behind as it grows.
  out.reserve(4096 + 4 * (answers.account.size() + answers.server.host.size() + answers.from.size() +
                          answers.user.size() + secret.size()));
  out += "// Pillarbox configuration, made by pillarbox setup. pillarbox.conf(5) says what else it may say.\n\n";
  out += "accounts = (\n  {\n";
  add("    name", answers.account);
  add("    host", answers.server.host);
  out += "    port = " + std::to_string(answers.server.port.value_or(config::default_port(answers.tls))) + ";\n";
  add("    tls", word_of(answers.tls));
  add("    from", answers.from);
  if (!answers.user.empty()) {
    out += "    auth = {\n";
    add("      user", answers.user);
    std::string key = "      " + (answers.source.empty() ? "password" : answers.source);
    std::replace(key.begin(), key.end(), '-', '_');
    add(key, secret);
    out += "    };\n";
  }
  out += "  }\n);\n";
  return out;
}

// Reads a configuration that is in memory only, as it will be read from the file at that path, which its faults name.
Result<config::Settings> load_text(const std::string& text, const std::string& path, const base::System& system) {
  const base::UniqueFd memory(::memfd_create("configuration", MFD_CLOEXEC));
  const bool written = memory && ::fchmod(memory.get(), 0600) == 0 &&
                       ::write(memory.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
  if (!written) return Error{Error::Kind::system, "no memory for a file: " + std::generic_category().message(errno)};
  const std::string here = "/proc/self/fd/" + std::to_string(memory.get());
  auto loaded = config::load({.named = here}, system);
  if (loaded) return std::move(loaded->settings);
  Error error = std::move(loaded).error();
  for (std::size_t at = 0; (at = error.text.find(here + ":", at)) != std::string::npos; at += path.size()) {
    error.text.replace(at, here.size(), path);
  }
  return error;
}

Result<std::string> path_of(const Options& options, const base::System& system) {
  if (auto given = options.last("output")) {
    if (given->empty()) return usage("--output: a file is needed");
    return *std::move(given);
  }
  if (auto variable = system.environment("PILLARBOX_CONFIG"); variable && !variable->empty()) {
    return *std::move(variable);
  }
  if (auto file = config::user_file(system)) return *std::move(file);
  return usage("--output is needed: there is no home folder");
}

Error there_already(const std::string& path) {
  return {Error::Kind::cannot_create, path + ": is there already",
          "--force replaces it, --output names another file; a further account can be added to it by hand"};
}

Result<base::Dns> dns_of(const Options& options) {
  const auto given = options.last("name-server");
  if (!given) return base::Dns();
  const auto place = config::parse_place(*given);
  sockaddr_in server{};
  server.sin_family = AF_INET;
  if (!place || ::inet_pton(AF_INET, place->host.c_str(), &server.sin_addr) != 1) {
    return usage("--name-server " + base::quote(*given) + ": an IPv4 address, perhaps with a port, is needed");
  }
  server.sin_port = htons(static_cast<std::uint16_t>(place->port.value_or(53)));
  return base::Dns(server);
}

// The exit code of the test, with which nothing is written unless it is 0.
Result<int> try_out(const std::string& text, const std::string& path, const Options& options,
                    const base::System& system, const base::Clock& clock) {
  auto settings = load_text(text, path, system);
  if (!settings) return std::move(settings).error();
  const auto account = settings->account(std::nullopt);
  if (!account) return account.error();
  return options.has("no-test") ? 0 : check_account(**account, program, false, system, clock);
}

Result<int> set_up(const Options& options, const base::System& system, const base::Clock& clock) {
  const auto address = mail::Address::parse(options.operands().front());
  if (!address) return usage(address.error().text);
  if (address->domain().empty()) return usage(address->text() + ": an address with a domain is needed");
  const auto path = path_of(options, system);
  if (!path) return path.error();
  const bool force = options.has("force");
  if (!force && ::access(path->c_str(), F_OK) == 0) return there_already(*path);
  const auto dns = dns_of(options);
  if (!dns) return dns.error();
  base::forbid_core_dumps();
  auto answers = Questions(options, *address, *dns).ask();
  if (!answers) return std::move(answers).error();

  std::string text = configuration_of(*answers);
  auto code = try_out(text, *path, options, system, clock);
  if (!code || *code != 0) {
    base::wipe(text);
    if (code) complain(program, *path + " was not written; --no-test writes it all the same");
    return code;
  }
  if (!options.has("output")) {
    if (auto made = base::make_folders(base::folder_of(*path)); !made) return std::move(made).error();
  }
  auto written = base::write_new_file(*path, text, force);
  base::wipe(text);
  if (!written) return std::move(written).error();
  std::fputs((base::visible(*path) + " was written.\n").c_str(), stdout);
  return 0;
}

}  // namespace

std::span<const Option> setup_options() {
  return table;
}

int setup_command(std::vector<std::string> args, const base::System& system, const base::Clock& clock) {
  const auto options = Options::parse(table, std::move(args), Operands::anywhere);
  if (!options) return fail(program, options.error());
  if (options->has("help")) return print_setup_help(table);
  if (options->operands().size() != 1)
    return fail(program, usage("one address is needed: that which mail is to be sent from"));
  const auto code = set_up(*options, system, clock);
  return code ? *code : fail(program, code.error());
}

}  // namespace pillarbox::app
