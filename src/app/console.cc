#include "app/console.h"

#include <cstdio>

#include "app/report.h"
#include "base/text.h"

namespace pillarbox::app {
namespace {

constexpr std::size_t longest_shown = 65536;  // of a line without an end: memory stays bounded
constexpr std::size_t longest_reply = 512;    // bytes of a line of it (RFC 5321 section 4.5.3.1.5)

// At once, so that lines of several connections stay whole.
void print(std::string line) {
  line += '\n';
  std::fwrite(line.data(), 1, line.size(), stdout);
}

std::vector<std::string> keywords(const smtp::Connection& connection) {
  std::vector<std::string> words;
  for (const std::string& extension : connection.extensions) {
    words.push_back(extension.substr(0, extension.find_first_of(" =")));
  }
  return words;
}

void add_failure(Event& event, const smtp::Verdict& verdict) {
  if (verdict.reply) {
    event.number("status", verdict.reply->code).text("reply", verdict.reply->text());
  } else {
    event.text("error", verdict.text);
  }
}

}  // namespace

void Console::trace(std::string_view prefix, std::string_view line) const {
  if (!wanted_.trace) return;
  print(std::string(prefix) + base::visible(line));
  std::fflush(stdout);
}

void Console::event(const Event& event) const {
  print(wanted_.json ? event.json() : event.key_value());
  std::fflush(stdout);
}

void Console::command(std::string_view line) {
  if (!rest_.empty()) body("\n");  // a chunk may end within a line
  trace("C: ", line);
}

void Console::reply_line(std::string_view line) {
  // Nothing that a server says floods a terminal; a challenge may be longer (RFC 4954 section 4).
  const bool whole = line.size() <= longest_reply || line.starts_with("334");
  trace("S: ", whole ? std::string(line) : std::string(line.substr(0, longest_reply)) + "...");
}

void Console::connected(const smtp::Connection& connection) {
  rest_.clear();  // of a body that was broken off
  trace("*  ", "connected to " + connection.address + " port " + std::to_string(connection.port));
}

void Console::trying_again(std::string_view why) {
  trace("*  ", why);
}

void Console::secured(const smtp::Connection& connection) {
  const smtp::TlsInfo& tls = *connection.tls;
  trace("*  ", tls.version + " with " + tls.cipher + ", certificate " + (tls.verified ? "verified" : "not verified"));
}

void Console::body(std::string_view piece) {
  if (!wanted_.trace) return;
  while (!piece.empty()) {
    const std::size_t end = piece.find('\n');
    rest_ += piece.substr(0, end);
    if (end == std::string_view::npos && rest_.size() < longest_shown) return;
    if (!rest_.empty() && rest_.back() == '\r') rest_.pop_back();
    trace("C: ", rest_);
    rest_.clear();
    piece.remove_prefix(end == std::string_view::npos ? piece.size() : end + 1);
  }
}

void Console::body_ended() {
  if (!rest_.empty()) body("\n");
  trace("C: ", ".");
}

void Console::ready(const smtp::Connection& connection) {
  if (!wanted_.verbose) return;
  Event line("connect");
  line.text("server", connection.server).text("address", connection.address).number("port", connection.port);
  line.text("tls", connection.tls ? connection.tls->version : "none");
  if (connection.tls)
    line.text("cipher", connection.tls->cipher).text("verified", connection.tls->verified ? "yes" : "no");
  line.text("auth", connection.auth.empty() ? "none" : connection.auth).list("extensions", keywords(connection));
  line.seconds("time", std::chrono::duration<double>(base::Instant::clock::now() - connection.began).count());
  event(line);
}

void Console::result(const std::string& file, const mail::Envelope& envelope, const smtp::Outcome& outcome,
                     double seconds) const {
  for (std::size_t i = 0; i < outcome.recipients.size(); ++i) {
    const smtp::Verdict& verdict = outcome.recipients[i];
    if (!outcome.refused_alone(i)) continue;
    Event line("reject");
    line.text("file", file).text("recipient", envelope.recipients()[i].path());
    add_failure(line, verdict);
    if (wanted_.verbose) {
      event(line);
    } else {
      std::fputs((line.key_value() + "\n").c_str(), stderr);
    }
  }
  const smtp::Verdict* worst = outcome.worst();
  if (wanted_.verbose) {
    Event line("message");
    line.text("file", file).text("from", envelope.sender().path());
    line.number("recipients", static_cast<std::int64_t>(envelope.recipients().size()));
    line.number("accepted", static_cast<std::int64_t>(outcome.accepted_count()));
    line.number("size", static_cast<std::int64_t>(outcome.size));
    if (outcome.accepted) {
      line.number("status", outcome.accepted->code).text("reply", outcome.accepted->text());
    } else if (outcome.failure || worst) {
      add_failure(line, outcome.failure ? *outcome.failure : *worst);
    }
    line.seconds("time", seconds);
    event(line);
  }
  if (outcome.failure) complain(name_, about(file, {outcome.failure->kind, outcome.failure->text}));
}

void Console::failed(const std::string& file, const Error& error) const {
  if (wanted_.verbose) event(Event("message").text("file", file).text("error", error.text));
  complain(name_, error);
}

}  // namespace pillarbox::app
