#include "smtp/script.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "smtp/outcome.h"

namespace pillarbox::smtp {
namespace {

constexpr std::size_t most_held = 1U << 20U;  // bytes of lines; what is longer is no list of commands

bool is_verb(std::string_view line, std::string_view verb) {
  const std::string_view text = base::trim(line);
  return base::iequals(text.substr(0, text.find_first_of(" \t")), verb);
}

// A command that some server knows. The answers of a login are none: they are base64, or what somebody took for it.
bool is_known_command(std::string_view line) {
  constexpr std::array<std::string_view, 18> verbs = {"EHLO", "HELO", "LHLO", "STARTTLS", "AUTH",    "MAIL",
                                                      "RCPT", "DATA", "BDAT", "RSET",     "NOOP",    "QUIT",
                                                      "HELP", "VRFY", "EXPN", "ETRN",     "XCLIENT", "XFORWARD"};
  return std::any_of(verbs.begin(), verbs.end(), [&](std::string_view verb) { return is_verb(line, verb); });
}

// Of BDAT.
std::uint64_t chunk_size(std::string_view line) {
  const std::string_view argument = base::trim(base::trim(line).substr(4));
  return base::number(argument.substr(0, argument.find_first_of(" \t"))).value_or(0);
}

// "250", "25", "2", "2xx", "25x": what a code begins with, or nothing.
std::optional<std::string> prefix_of(std::string_view word) {
  const std::size_t digits = std::min(word.find_first_not_of("0123456789"), word.size());
  const bool rest_open = word.substr(digits).find_first_not_of("xX") == std::string_view::npos;
  if (digits == 0 || word.size() > 3 || !rest_open) return std::nullopt;
  return std::string(word.substr(0, digits));
}

}  // namespace

Result<std::optional<Expectation>> parse_expect(std::string_view line) {
  if (!is_verb(line, "expect")) return std::optional<Expectation>();
  Expectation codes;
  const std::string_view text = base::trim(line);
  for (const std::string_view word : base::split(text.substr(6), ' ')) {
    if (base::trim(word).empty()) continue;
    const auto code = prefix_of(base::trim(word));
    if (!code) {
      return Error{Error::Kind::data, base::quote(word) + " is no reply code; one is written 250, 25 or 2xx"};
    }
    codes.push_back(*code);
  }
  if (codes.empty()) return Error{Error::Kind::data, "expect needs a reply code"};
  return std::optional(std::move(codes));
}

Error Script::here(Error::Kind kind, const std::string& what) const {
  return {kind, "line " + std::to_string(current_) + ": " + what};
}

Result<void> Script::play(const std::string& line) {
  return play_numbered(line, ++number_);
}

Result<void> Script::play_numbered(const std::string& line, std::size_t number) {
  current_ = number;
  switch (state_) {
    case State::command:
      return command(line);
    case State::text:
      return text(line);
    case State::chunk:
      return chunk(line);
    case State::refused:
      return decide(line, number);
    case State::denied:
      return pass_over(line);
  }
  return {};
}

Result<void> Script::command(const std::string& line) {
  const auto expectation = parse_expect(line);
  if (!expectation) return here(expectation.error().kind, expectation.error().text);
  if (*expectation) return check(**expectation);
  if (closed_) return *closed_;
  if (over_) return here(Error::Kind::data, "something follows QUIT");
  Dialogue& dialogue = session_.dialogue();
  const Connection& connection = dialogue.connection();
  const bool open_line = !connection.tls && !connection.loopback && !session_.endpoint().allow_cleartext_login;
  if (is_verb(line, "AUTH") && open_line) {
    return here(Error::Kind::no_permission, "AUTH without TLS on a line that others may hear; it was not sent");
  }
  if (!channel_.hear()) return why();
  sent_ = dialogue.command(line);
  if (!channel_.put(line + "\r\n")) return why();
  if (is_verb(line, "BDAT")) {
    owed_ = chunk_size(line);
    state_ = owed_ > 0 ? State::chunk : State::command;
    if (owed_ > 0) return {};
  }
  over_ = is_verb(line, "QUIT");
  if (auto settled = settle(); !settled && !over_) return settled;  // what becomes of QUIT is no trouble
  if (is_verb(line, "STARTTLS") && dialogue.last_reply().code == 220) {
    over_ = true;
    return here(Error::Kind::usage, "a script can't begin TLS; -T and -M do, before its first line");
  }
  if (is_verb(line, "DATA")) {
    if (dialogue.last_reply().code == 354) {
      state_ = State::text;
      in_text_ = false;
    } else if (look_ahead_) {
      state_ = State::refused;
    }
  }
  const int code = dialogue.last_reply().code;
  if (dialogue.phase() == Phase::auth && code != 334 && code != 235 && look_ahead_) state_ = State::denied;
  return {};
}

// A good-bye that nobody had asked for came behind the last reply; either may be meant.
Result<void> Script::check(const Expectation& expectation) {
  const Reply& reply = session_.dialogue().last_reply();
  if (sent_.empty() && !unasked_) return here(Error::Kind::data, "expect has no command before it");
  const auto meets = [&](const std::string& code) {
    return std::any_of(expectation.begin(), expectation.end(),
                       [&](const std::string& prefix) { return code.starts_with(prefix); });
  };
  const std::string code = std::to_string(reply.code);
  if (meets(code)) return {};
  if (unasked_ && meets("421")) {
    unasked_ = false;
    return {};
  }
  std::string wanted;
  for (const std::string& prefix : expectation) wanted += (wanted.empty() ? "" : " or ") + prefix;
  return here(Error::Kind::protocol, "sent " + base::quote(sent_) + ", expected " + wanted + ", got " +
                                         (reply.code == 0 ? "no reply" : base::quote(code + " " + reply.text())));
}

Result<void> Script::text(const std::string& line) {
  Dialogue& dialogue = session_.dialogue();
  if (!std::exchange(in_text_, true) && is_verb(line, "expect")) {  // it is about the 354
    in_text_ = false;
    return command(line);
  }
  const bool end = line == ".";
  if (!channel_.put(line + "\r\n")) return why();
  if (!end) {
    dialogue.body(line + "\r\n");
    return channel_.hear() ? Result<void>() : why();
  }
  dialogue.body_ended();
  sent_ = line;
  state_ = State::command;
  return settle();
}

// The lines count with their CRLF; one that is longer than what is owed would be a command within it.
Result<void> Script::chunk(const std::string& line) {
  const std::string octets = line + "\r\n";
  if (octets.size() > owed_) {
    return here(Error::Kind::data, "the chunk ends within this line: BDAT said " +
                                       std::to_string(octets.size() - owed_) + " octets too few");
  }
  if (!channel_.put(octets)) return why();
  session_.dialogue().body(octets);
  owed_ -= octets.size();
  if (owed_ > 0) return channel_.hear() ? Result<void>() : why();
  state_ = State::command;
  return settle();
}

// A text ends in a dot; if the next DATA, or the end, comes before one, what lies between are commands.
Result<void> Script::decide(const std::string& line, std::size_t number) {
  if (held_.empty() && held_size_ == 0 && is_verb(line, "expect")) return command(line);
  if (line == ".") {
    held_.clear();
    return play_held();
  }
  held_size_ += line.size() + 1;
  if (held_size_ > most_held) {  // a text for sure; it need not be kept to be passed over
    held_.clear();
    return {};
  }
  held_.emplace_back(line, number);
  return base::iequals(base::trim(line), "DATA") ? play_held() : Result<void>();
}

Result<void> Script::play_held() {
  state_ = State::command;
  held_size_ = 0;
  for (const auto& [line, number] : std::exchange(held_, {})) {
    if (auto played = play_numbered(line, number); !played) return played;
  }
  return {};
}

// What an AUTH that was granted would have had for answers.
Result<void> Script::pass_over(const std::string& line) {
  if (!is_verb(line, "expect")) {
    if (!is_known_command(line)) return {};
    state_ = State::command;
  }
  return command(line);
}

void Script::leave() {
  const bool within = state_ == State::text || state_ == State::chunk;
  if (within || over() || session_.dialogue().failure()) return;
  if (const auto said = command("QUIT"); !said) over_ = true;
}

Result<void> Script::finish() {
  if (unasked_) return *closed_;
  if (state_ == State::refused) {
    if (auto played = play_held(); !played) return played;
  }
  current_ = number_;
  if (state_ == State::text) return here(Error::Kind::data, "the text has no end: a line with a dot alone is missing");
  if (state_ == State::chunk) {
    return here(Error::Kind::data, "the chunk has no end: " + std::to_string(owed_) + " octets are missing");
  }
  return over() ? Result<void>() : command("QUIT");
}

Result<void> Script::hear() {
  return channel_.hear() || over() ? Result<void>() : ended();
}

// Waits for what is owed; a conversation that ended says why.
Result<void> Script::settle() {
  if (!channel_.settle()) return ended();
  const Reply& reply = session_.dialogue().last_reply();
  if (reply.code == 421) closed_ = here(Error::Kind::temporary, "the server ended it: 421 " + reply.text());
  return {};
}

// An unasked 421 between two commands is an error when something is still to be said, and not what an expect waits for.
Result<void> Script::ended() {
  const auto& failure = session_.dialogue().failure();
  unasked_ = !over_ && state_ == State::command && failure && failure->reply && failure->reply->code == 421;
  if (!unasked_) return why();
  closed_ = why();
  return {};
}

Error Script::why() const {
  const Verdict verdict = ending_of(session_.dialogue());
  const bool goodbye = verdict.reply && verdict.reply->code == 421;
  return here(verdict.kind, goodbye ? "the server ended it: 421 " + verdict.reply->text() : verdict.text);
}

}  // namespace pillarbox::smtp
