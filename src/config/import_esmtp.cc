// esmtprc (esmtp 1.2): words in any arrangement of lines, "keyword = value" with or without the "=", values in single
// or double quotes with C's escapes. "identity = ADDRESS" begins the settings for a sender; what stands before the
// first is an identity without an address, and hands nothing on to the others.
#include <algorithm>
#include <array>

#include "base/text.h"
#include "config/import_format.h"
#include "config/place.h"

namespace pillarbox::config {
namespace {

constexpr std::string_view program = "esmtp";

// Every spelling and the one that it stands for.
constexpr std::array<std::pair<std::string_view, std::string_view>, 22> keywords = {{
    {"identity", "identity"},
    {"host", "hostname"},
    {"hostname", "hostname"},
    {"user", "username"},
    {"username", "username"},
    {"pass", "password"},
    {"password", "password"},
    {"tls", "starttls"},
    {"starttls", "starttls"},
    {"passphrase", "certificate_passphrase"},
    {"certificate_passphrase", "certificate_passphrase"},
    {"preconnect", "preconnect"},
    {"postconnect", "postconnect"},
    {"qualifydomain", "qualifydomain"},
    {"helo", "helo"},
    {"force", "force"},
    {"reverse_path", "reverse_path"},
    {"sender", "sender"},
    {"message_id", "message_id"},
    {"mda", "mda"},
    {"force_mda", "force_mda"},
    {"default", "default"},
}};

std::string_view keyword(std::string_view word) {
  for (const auto& [spelling, meaning] : keywords) {
    if (spelling == word) return meaning;
  }
  return "";
}

std::size_t known_lines(std::string_view text, std::string_view /*name*/) {
  std::size_t known = 0;
  for (const Line& line : content_lines(text)) {
    known += keyword(first_word(line.text, "= \t").first).empty() ? 0 : 1;
  }
  return known;
}

struct Token {
  enum class Kind { word, quoted, equals };
  Kind kind;
  std::size_t line;
  std::string text;
};

// Cuts the text into words. A backslash takes the next character as C has it; a quote that is not closed ends with its
// line, which `unterminated` tells.
class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  std::vector<Token> tokens() {
    std::vector<Token> out;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '\n') {
        ++line_;
        ++at_;
      } else if (c == '#') {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else if (base::is_blank(c) || c == '\r' || c == ';' || c == ',') {
        ++at_;
      } else if (c == '=') {
        out.push_back({Token::Kind::equals, line_, "="});
        ++at_;
      } else if (c == '"' || c == '\'') {
        out.push_back(quoted(c));
      } else {
        out.push_back(word());
      }
    }
    return out;
  }

  [[nodiscard]] const std::vector<std::size_t>& unterminated() const { return unterminated_; }

 private:
  Token word() {
    Token token{Token::Kind::word, line_, ""};
    constexpr std::string_view ends = "=;, \t\r\n";
    while (at_ < text_.size() && ends.find(text_[at_]) == std::string_view::npos) take_character(token.text);
    return token;
  }

  Token quoted(char quote) {
    Token token{Token::Kind::quoted, line_, ""};
    const std::size_t begin = ++at_;
    while (at_ < text_.size() && text_[at_] != quote) take_character(token.text);
    if (at_ < text_.size()) {
      ++at_;
      line_ += static_cast<std::size_t>(std::count(text_.begin() + static_cast<std::ptrdiff_t>(begin),
                                                   text_.begin() + static_cast<std::ptrdiff_t>(at_), '\n'));
      return token;
    }
    unterminated_.push_back(line_);
    at_ = std::min(text_.find('\n', begin), text_.size());
    token.text = base::trim(text_.substr(begin, at_ - begin));
    return token;
  }

  void take_character(std::string& out) {
    if (text_[at_] != '\\' || at_ + 1 == text_.size()) {
      out += text_[at_++];
      return;
    }
    ++at_;
    constexpr std::string_view letters = "ntbr";
    constexpr std::string_view meanings = "\n\t\b\r";
    const char c = text_[at_];
    if (c == 'x' || c == 'X') {
      ++at_;
      out += number(16, 2);
    } else if (base::is_digit(c)) {
      out += number(c == '0' ? 8 : 10, 3);
    } else {
      const std::size_t letter = letters.find(c);
      out += letter == std::string_view::npos ? c : meanings[letter];
      ++at_;
    }
  }

  char number(unsigned base, int digits) {
    constexpr std::string_view all = "0123456789abcdef";
    unsigned value = 0;
    for (int i = 0; i < digits && at_ < text_.size(); ++i, ++at_) {
      const std::size_t digit = all.substr(0, base).find(base::lower(text_[at_]));
      if (digit == std::string_view::npos) break;
      value = value * base + static_cast<unsigned>(digit);
    }
    return static_cast<char>(value);
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t line_ = 1;
  std::vector<std::size_t> unterminated_;
};

// ---------------------------------------------------------------- what the settings of an identity become

void server(Draft& draft) {
  Section& out = draft.out();
  const Directive* host = draft.take("hostname");
  out.settings["port"] = host ? 587 : 25;
  if (!host) {
    out.settings["host"] = std::string("localhost");
    return note(out, "there is no hostname here, and localhost:25 is esmtp's default");
  }
  const auto split = split_port(host->value);
  const std::string_view service = split.port.value_or("");
  draft.set_host(*host, "host", split.host);
  constexpr std::array<std::pair<std::string_view, int>, 6> services = {
      {{"smtp", 25}, {"mail", 25}, {"submission", 587}, {"submissions", 465}, {"smtps", 465}, {"ssmtp", 465}}};
  const auto known =
      std::find_if(services.begin(), services.end(), [&](const auto& each) { return each.first == service; });
  if (known != services.end()) {
    out.settings["port"] = known->second;
  } else if (!service.empty()) {
    if (const auto number = draft.number(*host, service, 1, 65535)) out.settings["port"] = *number;
  }
}

void tls(Draft& draft) {
  Section& out = draft.out();
  out.settings["tls"] = std::string("off");
  if (const Directive* starttls = draft.take("starttls")) {
    if (starttls->value == "required") {
      out.settings["tls"] = std::string("starttls");
    } else if (starttls->value == "enabled") {
      out.settings["tls"] = std::string("opportunistic");
    } else if (starttls->value != "disabled") {
      note(out, *starttls, "is neither enabled nor disabled nor required");
    }
  }
  draft.lost("certificate_passphrase", "Pillarbox reads keys without a passphrase: tls_certificate and tls_key");
}

void sender(Draft& draft, const Directive* identity) {
  Section& out = draft.out();
  if (identity) draft.set_address(*identity, "from", identity->value);
  draft.helo("helo");
  draft.domain("qualifydomain");
  const Directive* forced = draft.take("force reverse_path");
  if (forced && forced->value.starts_with("%u@") && forced->value.find('%', 1) == std::string::npos) {
    if (draft.set_domain(*forced, forced->value.substr(3))) {
      out.settings["allow_from_override"] = false;
    }
  } else if (forced && forced->value.find('%') != std::string::npos) {
    note(out, *forced, "a from has no variables but \"${NAME}\", those of the environment");
  } else if (forced && !identity) {
    if (draft.set_address(*forced, "from", forced->value)) out.settings["sender"] = std::string("rewrite");
  } else if (forced) {
    note(out, *forced,
         "the account's from is what it is chosen by; sender = \"rewrite\" makes it the envelope's sender");
  }
  draft.lost("force sender", "Pillarbox adds no Sender field");
  if (const Directive* id = draft.take("message_id")) {
    if (id->value == "disabled") out.settings["headers.message_id"] = false;
    if (id->value != "disabled" && id->value != "enabled") note(out, *id, "is neither enabled nor disabled");
  }
}

void commands(Draft& draft) {
  draft.lost("preconnect", "Pillarbox runs no command before it connects");
  draft.lost("postconnect", "Pillarbox runs no command after it has disconnected");
  draft.lost("mda", "Pillarbox delivers nothing here; mail to a bare name goes to the server, or where aliases say");
  draft.lost("force_mda", "Pillarbox delivers nothing here");
}

struct Identity {
  std::optional<Directive> address;
  Directives directives;
  std::vector<Note> notes = {};
};

class Reader {
 public:
  explicit Reader(Imported& out) : out_(out) {}

  void read(std::string_view text) {
    Lexer lexer(text);
    tokens_ = lexer.tokens();
    for (const std::size_t line : lexer.unterminated()) note(out_, {line, "", ""}, "a quote is not closed");
    while (at_ < tokens_.size()) statement();
    for (const Identity& identity : identities_) {
      if (!identity.address && !sends(identity)) {
        left_out(identity);
      } else if (base::has_control(name_of(identity)) || !names_.insert(name_of(identity)).second) {
        note(out_, *identity.address, "is left out: it can't be the name of an account, or there is one of it already");
      } else {
        out_.accounts.push_back(imported(identity));
      }
    }
    if (default_ && names_.contains(name_of(identities_[*default_]))) {
      out_.settings["default_account"] = name_of(identities_[*default_]);
    }
  }

 private:
  void statement() {
    const Token& token = tokens_[at_++];
    std::string name(token.kind == Token::Kind::word ? keyword(token.text) : "");
    if (token.kind == Token::Kind::equals) return;
    if (name == "default") {
      default_ = identities_.size() - 1;
      return;
    }
    if (name == "force") {
      const std::string_view what = at_ < tokens_.size() ? keyword(tokens_[at_].text) : "";
      name = what == "sender" || what == "reverse_path" ? "force " + tokens_[at_++].text : "";
    }
    const bool known = !name.empty();
    Directive directive{token.line, known ? name : token.text, "", "", !is_name(at_ - 1) && !known};
    const auto value = this->value(token.line, known);
    directive.value = value.value_or("");
    if (!known) return note(out_, directive, "is not known here as a directive of esmtp");
    if (!value || directive.value.empty()) return note(out_, directive, "has no value");
    if (name == "identity") {
      identities_.push_back({directive, {}});
    } else {
      Section notes;
      add(identities_.back().directives, directive, notes);
      identities_.back().notes.insert(identities_.back().notes.end(), notes.notes.begin(), notes.notes.end());
    }
  }

  // Whether a word that is no keyword was meant as one: it begins its line, and a "=" follows.
  [[nodiscard]] bool is_name(std::size_t at) const {
    const Token& token = tokens_[at];
    if (token.kind != Token::Kind::word) return false;
    if (!keyword(token.text).empty()) return true;
    const bool first = at == 0 || tokens_[at - 1].line < token.line;
    return first && at + 1 < tokens_.size() && tokens_[at + 1].kind == Token::Kind::equals;
  }

  // What follows a keyword, behind "=" or not. An unknown word has one only behind "=", or in its own line.
  std::optional<std::string> value(std::size_t line, bool known) {
    const bool equals = at_ < tokens_.size() && tokens_[at_].kind == Token::Kind::equals;
    if (equals) ++at_;
    if (at_ == tokens_.size() || tokens_[at_].kind == Token::Kind::equals) return std::nullopt;
    const Token& token = tokens_[at_];
    const bool same_line = token.line == line;
    const bool next_statement = token.kind == Token::Kind::word && !keyword(token.text).empty() && !same_line;
    if (next_statement || (!known && !equals && !same_line)) return std::nullopt;
    ++at_;
    return token.text;
  }

  static bool sends(const Identity& identity) { return identity.directives.contains("hostname"); }

  static std::string name_of(const Identity& identity) {
    return identity.address ? identity.address->value : "default";
  }

  ImportedAccount imported(const Identity& identity) {
    ImportedAccount out;
    out.name = name_of(identity);
    out.notes = identity.notes;
    Draft draft(identity.directives, out);
    server(draft);
    tls(draft);
    const Directive* user = draft.take("username");
    draft.login(user, draft.take("password"));
    sender(draft, identity.address ? &*identity.address : nullptr);
    commands(draft);
    draft.finish_tls(program, true);
    draft.finish(program);
    return out;
  }

  // What stands before the first identity and is no account.
  void left_out(const Identity& identity) {
    Draft draft(identity.directives, out_);
    commands(draft);
    out_.notes.insert(out_.notes.end(), identity.notes.begin(), identity.notes.end());
    for (const auto& [name, directive] : identity.directives) {
      if (!name.ends_with("mda") && !name.ends_with("connect")) {
        note(out_, directive, "stands before the first identity, where there is no hostname, and is left out");
      }
    }
  }

  Imported& out_;
  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  std::vector<Identity> identities_ = {Identity{}};
  std::optional<std::size_t> default_;
  std::set<std::string> names_;  // of accounts
};

void read(std::string_view text, const ReadFile&, Imported& out) {
  Reader(out).read(text);
}

}  // namespace

const Format& esmtp_format() {
  static constexpr Format format{program, "esmtp", known_lines, read};
  return format;
}

}  // namespace pillarbox::config
