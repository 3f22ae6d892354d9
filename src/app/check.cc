#include "app/check.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <utility>

#include "app/account.h"
#include "app/check_step.h"
#include "app/event.h"
#include "app/help.h"
#include "app/report.h"
#include "base/text.h"
#include "config/aliases.h"
#include "smtp/outcome.h"
#include "smtp/script.h"
#include "smtp/session.h"

namespace pillarbox::app {
namespace {

constexpr std::string_view program = "pillarbox check";
constexpr auto soon = std::chrono::days(14);  // a certificate that ends then should have been renewed

constexpr auto table = std::to_array<Option>({
    {"config", 'C', Argument::required, "FILE", "the configuration file"},
    {"json", '\0', Argument::none, "", "a JSON object for each step"},
    {"help", 'h', Argument::none, "", "show this page"},
});

// What one step came to, for people and for JSON.
class Finding {
 public:
  Finding(Step step, const std::string& account) : step_(step), event_("check") {
    event_.text("account", account).text("step", name_of(step));
  }

  Event& event() { return event_; }
  // What stands behind the step's result.
  Finding& summary(std::string text) {
    summary_ = std::move(text);
    return *this;
  }
  // A line below it, and a key of the object's.
  Finding& detail(std::string_view key, const std::string& text) {
    details_.emplace_back(key, text);
    event_.text(key, text);
    return *this;
  }
  Finding& detail(std::string_view key, const std::vector<std::string>& list) {
    details_.emplace_back(key, base::join(list, ", "));
    event_.list(key, list);
    return *this;
  }
  void warn(const std::string& text) { warnings_.push_back(text); }
  void fail(const Error& error) {
    event_.text("result", "failed").text("error", error.text).number("exit", exit_code(error.kind));
    if (!error.hint.empty()) event_.text("hint", error.hint);
    failed_ = true;
  }

  void print(bool json) {
    if (!failed_) event_.text("result", warnings_.empty() ? "ok" : "warning");
    if (!warnings_.empty()) event_.list("warnings", warnings_);
    std::string out = json ? event_.json() + "\n" : text();
    std::fwrite(out.data(), 1, out.size(), stdout);
    std::fflush(stdout);
  }

 private:
  [[nodiscard]] std::string text() const {
    std::string out = line(std::string(name_of(step_)), failed_ ? "FAILED" : warnings_.empty() ? "ok" : "warning", 14);
    out += base::visible(summary_);
    while (out.ends_with(' ')) out.pop_back();
    out += '\n';
    for (const std::string& warning : warnings_) out += std::string(15, ' ') + "! " + base::visible(warning) + "\n";
    for (const auto& [key, value] : details_) out += line("", key, 14, 12) + base::visible(value) + "\n";
    return out;
  }

  static std::string line(std::string first, std::string second, std::size_t width, std::size_t width2 = 8) {
    first.resize(std::max(first.size(), width), ' ');
    second.resize(std::max(second.size(), width2), ' ');
    return first + " " + second;
  }

  Step step_;
  Event event_;
  std::string summary_;
  std::vector<std::string> warnings_;
  std::vector<std::pair<std::string, std::string>> details_;
  bool failed_ = false;
};

std::int64_t days_left(const smtp::Certificate& certificate, const base::Clock& clock) {
  return std::chrono::floor<std::chrono::days>(certificate.not_after -
                                               std::chrono::floor<std::chrono::seconds>(clock.now()))
      .count();
}

void describe(Finding& finding, const smtp::Presented& presented, const base::Clock& clock) {
  const smtp::Certificate& own = presented.own();
  std::vector<std::string> chain;
  for (const smtp::Certificate& each : presented.chain) chain.push_back(each.subject);
  finding.detail("subject", own.subject).detail("names", own.names).detail("issuer", own.issuer);
  finding.detail("chain", chain);
  finding.detail("not_before", base::iso8601_utc(own.not_before));
  finding.detail("not_after", base::iso8601_utc(own.not_after));
  finding.detail("fingerprint", own.fingerprint).detail("pin", own.pin);
  finding.event().number("days_left", days_left(own, clock));
}

// One host's steps, as its session tells of them.
class HostCheck final : public smtp::View {
 public:
  HostCheck(const config::Account& account, const smtp::Endpoint& endpoint, bool json, const base::Clock& clock)
      : account_(account),
        server_(endpoint.host),
        port_(endpoint.port),
        mode_(endpoint.tls.mode),
        verify_(endpoint.tls.verify),
        pinned_(!endpoint.tls.pins.empty()),
        proxy_(endpoint.proxy ? endpoint.proxy->name : ""),
        json_(json),
        clock_(clock) {}

  void connecting(std::string_view /*server*/) override { began_ = base::Instant::clock::now(); }

  void resolved() override {
    if (std::exchange(resolved_, true)) return;
    Finding finding = begin(Step::dns);
    finish(finding.summary(proxy_.empty() ? "" : "of the proxy " + proxy_));
  }

  // By another mechanism, on another connection.
  void trying_again(std::string_view why) override { refused_ = why; }

  void connected(const smtp::Connection& connection) override {
    if (!refused_.empty()) return;
    Finding finding = begin(Step::tcp);
    finding.event().text("address", connection.address);
    finish(finding.summary(connection.address + " port " + std::to_string(connection.port)));
  }

  void command(std::string_view line) override {
    if (line == "STARTTLS") greeted();
  }

  void presented(const smtp::Presented& presented) override { presented_ = presented; }

  void secured(const smtp::Connection& connection) override {
    secured_ = true;
    if (!refused_.empty()) return;
    const smtp::TlsInfo& tls = *connection.tls;
    Finding finding = begin(Step::tls);
    finding.event().text("version", tls.version).text("cipher", tls.cipher);
    finding.event().text("verified", tls.verified ? "yes" : "no");
    std::string summary =
        tls.version + ", " + tls.cipher + ", certificate " + (tls.verified ? "verified" : "not verified");
    if (presented_) {
      summary += ", " + std::to_string(days_left(presented_->own(), clock_)) + " days left";
      describe(finding, *presented_, clock_);
      judge(finding, *presented_);
    }
    finish(finding.summary(summary));
  }

  // The login stands, or none is wanted.
  void logged_in(const smtp::Connection& connection) {
    greeted();
    if (!connection.tls) in_the_clear(connection);
    Finding finding = begin(Step::auth);
    const bool none = connection.auth.empty();
    if (!refused_.empty()) finding.detail("before", refused_);
    finding.event().text("auth", none ? "none" : connection.auth);
    finding.detail("extensions", connection.extensions);
    if (none) {
      finding.summary("the account has no login");
    } else {
      finding.event().text("user", user_);
      finding.summary(connection.auth + (user_.empty() ? "" : " as " + user_));
    }
    finish(finding);
  }

  void failed(Step step, const Error& error) {
    if (step == Step::auth || (step == Step::tls && mode_ != smtp::TlsMode::implicit)) greeted();
    Finding finding = begin(step);
    if (step == Step::tls && presented_) describe(finding, *presented_, clock_);
    if (!refused_.empty()) finding.detail("before", refused_);
    finding.fail(error);
    finish(finding);
  }

  [[nodiscard]] const std::optional<smtp::Presented>& certificate() const { return presented_; }
  [[nodiscard]] bool secure() const { return secured_; }
  void user(const std::string& name) { user_ = name; }

 private:
  Finding begin(Step step) const {
    Finding finding(step, account_.name);
    finding.event().text("server", server_).number("port", port_);
    return finding;
  }

  void finish(Finding& finding) {
    const auto now = base::Instant::clock::now();
    finding.event().seconds("time", std::chrono::duration<double>(now - began_).count());
    began_ = now;
    finding.print(json_);
  }

  // The server has said its greeting and what it can do, once.
  void greeted() {
    if (std::exchange(greeted_, true)) return;
    Finding finding = begin(Step::smtp);
    finish(finding);
  }

  void in_the_clear(const smtp::Connection& connection) {
    Finding finding = begin(Step::tls);
    finding.event().text("version", "none");
    if (!connection.loopback) finding.warn("mail crosses the network in the clear");
    finish(finding.summary("none"));
  }

  void judge(Finding& finding, const smtp::Presented& presented) const {
    if (!verify_ && !pinned_) finding.warn("tls_verify = false: the server may be anybody");
    if (!presented.why.empty()) finding.warn("the certificate: " + presented.why);
    const auto now = clock_.now();
    for (const smtp::Certificate& each : presented.chain) {
      const auto left = days_left(each, clock_);
      if (left < soon.count() && each.not_after > now) {
        finding.warn(each.subject + " expires on " + base::iso8601_utc(each.not_after) + ", in " +
                     std::to_string(left) + " days");
      }
    }
  }

  const config::Account& account_;
  std::string server_;
  int port_;
  smtp::TlsMode mode_;
  bool verify_, pinned_;
  std::string proxy_;
  bool json_;
  const base::Clock& clock_;
  std::string user_;
  std::string refused_;  // what was said to the first mechanism, where another is tried
  std::optional<smtp::Presented> presented_;
  bool resolved_ = false, greeted_ = false, secured_ = false;
  base::Instant began_ = base::Instant::clock::now();
};

class Check {
 public:
  Check(const config::Account& account, std::string_view name, bool json, const base::System& system,
        const base::Clock& clock)
      : account_(account), name_(name), json_(json), system_(system), clock_(clock) {}

  int run() {
    for (std::size_t i = 0; i < account_.hosts.size() && !without_secret_; ++i) host(i);
    return tally_.exit_code();
  }

 private:
  void host(std::size_t number) {
    auto endpoint = way_to(account_, number, system_);
    if (!endpoint) return fail(Step::configuration, endpoint.error());
    if (!json_ && account_.hosts.size() > 1) std::puts((endpoint->name() + ":").c_str());
    if (!secret(number)) return;
    if (login_) {
      endpoint->login =
          smtp::Login{login_->user, base::Secret(std::string(login_->password.reveal())), login_->mechanism};
    }
    connect(*std::move(endpoint));
  }

  // Fetches the login. One does for all hosts, unless each has its own; so does one failure.
  bool secret(std::size_t number) {
    if (!account_.auth || login_) return true;
    auto login = login_of(account_, number, system_);
    Finding finding(Step::secret, account_.name);
    if (own_logins()) {
      const config::Host& host = account_.hosts[number];
      finding.event().text("server", host.name).number("port", account_.port_of(host));
    }
    if (!login) {
      without_secret_ = !own_logins();
      fail(finding, Step::secret, login.error());
      return false;
    }
    login_ = *std::move(login);
    finding.event().text("source", source_of(*account_.auth));
    finding.summary(source_of(*account_.auth)).print(json_);
    return true;
  }

  void connect(smtp::Endpoint endpoint) {
    const smtp::Endpoint terms = endpoint.clone();  // for what may be said of a failure
    HostCheck view(account_, terms, json_, clock_);
    if (login_) view.user(login_->user);
    if (own_logins()) login_.reset();
    auto session = smtp::Session::make(std::move(endpoint), view);
    if (!session) return fail(Step::configuration, session.error());
    smtp::Dialogue& dialogue = (*session)->dialogue();
    if ((*session)->open()) {
      view.logged_in(dialogue.connection());
      dialogue.hand_over();
      smtp::Script(**session, false).leave();  // QUIT, whatever comes of it
      return;
    }
    const smtp::Verdict verdict = smtp::ending_of(dialogue);
    const smtp::Failure& failure = *dialogue.failure();
    const Step step = step_of(failure, terms.tls.mode, view.secure());
    const Error error{verdict.kind, verdict.text, remedy(failure, terms, view.certificate())};
    view.failed(step, error);
    complain_of(step, Error(error).in(terms.name()));
  }

  [[nodiscard]] bool own_logins() const {
    return account_.auth && account_.auth->source == config::Auth::Source::netrc;
  }

  void fail(Step step, const Error& error) {
    Finding finding(step, account_.name);
    fail(finding, step, error);
  }

  void fail(Finding& finding, Step step, const Error& error) {
    finding.fail(error);
    finding.print(json_);
    complain_of(step, error);
  }

  void complain_of(Step step, const Error& error) {
    complain(name_, Error(error).in(std::string(name_of(step))));
    tally_.add(error.kind);
  }

  const config::Account& account_;
  std::string_view name_;
  bool json_;
  const base::System& system_;
  const base::Clock& clock_;
  std::optional<smtp::Login> login_;
  bool without_secret_ = false;  // of any host
  Tally tally_;
};

// The files that an account needs before anything is connected to.
Result<void> look_through(const config::Account& account, const base::System& system) {
  if (auto endpoint = way_to(account, 0, system); !endpoint) return std::move(endpoint).error();
  const auto aliases = config::Aliases::load(account.aliases);
  if (!aliases) return aliases.error();
  if (aliases->faults().empty()) return {};
  return Error{Error::Kind::config, base::join(aliases->faults(), "\n")};
}

Result<int> check(const Options& options, const base::System& system, const base::Clock& clock) {
  auto loaded = load_configuration(options.last("config"), system);
  if (!loaded) return std::move(loaded).error();
  const auto name = options.operands().empty() ? std::nullopt : std::optional(options.operands().front());
  const auto account = loaded->settings.account(name);
  if (!account) return account.error();
  if (auto sound = look_through(**account, system); !sound) return std::move(sound).error();
  const bool json = options.has("json");
  Finding finding(Step::configuration, (*account)->name);
  finding.event().list("files", loaded->files);
  finding.summary("account " + (*account)->name + " of " + base::join(loaded->files, ", ")).print(json);
  return check_account(**account, program, json, system, clock);
}

}  // namespace

std::span<const Option> check_options() {
  return table;
}

int check_account(const config::Account& account, std::string_view name, bool json, const base::System& system,
                  const base::Clock& clock) {
  return Check(account, name, json, system, clock).run();
}

int check_command(std::vector<std::string> args, const base::System& system, const base::Clock& clock) {
  const auto options = Options::parse(table, std::move(args), Operands::anywhere);
  if (!options) return fail(program, options.error());
  if (options->has("help")) return print_check_help(table);
  if (const auto there = options->need_values({"config"}); !there) return fail(program, there.error());
  if (options->operands().size() > 1) {
    return fail(program, {Error::Kind::usage, "one account at a time, or none: the default one"});
  }
  const auto code = check(*options, system, clock);
  if (!code) {
    Finding finding(Step::configuration, options->operands().empty() ? "" : options->operands().front());
    finding.fail(code.error());
    finding.print(options->has("json"));
    return fail(program, code.error());
  }
  const auto written = flush_output();
  return written || *code != 0 ? *code : fail(program, written.error());
}

}  // namespace pillarbox::app
