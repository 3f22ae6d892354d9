#include "mail/address.h"

#include <idn2.h>

#include <algorithm>
#include <memory>

#include "base/text.h"

namespace pillarbox::mail {
namespace {

using base::is_alnum;
using base::is_ascii;
using base::is_blank;
using base::is_control;

constexpr std::size_t longest = 320;  // 64 for the local part, "@", 255 for the domain: the largest that RFC 3696 has

Error refused(std::string_view text, const std::string& why) {
  return {Error::Kind::data, "address " + base::quote(text.substr(0, longest)) + ": " + why};
}

// RFC 5322 atext, and any byte of UTF-8 (RFC 6532).
bool is_atext(char c) {
  constexpr std::string_view marks = "!#$%&'*+-/=?^_`{|}~";
  return is_alnum(c) || !is_ascii(c) || marks.find(c) != std::string_view::npos;
}

bool is_dot_string(std::string_view local) {
  if (local.empty() || local.front() == '.' || local.back() == '.') return false;
  if (local.find("..") != std::string_view::npos) return false;
  return std::all_of(local.begin(), local.end(), [](char c) { return is_atext(c) || c == '.'; });
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

bool is_literal(std::string_view domain) {
  if (domain.size() < 3 || domain.front() != '[' || domain.back() != ']') return false;
  const std::string_view inner = domain.substr(1, domain.size() - 2);
  return std::all_of(inner.begin(), inner.end(),
                     [](char c) { return is_alnum(c) || c == '.' || c == ':' || c == '-'; });
}

// Letters, digits, hyphens and (for hosts that have them all the same) underscores, between single dots.
bool is_host_name(std::string_view domain) {
  if (domain.size() > 255) return false;
  const auto labels = base::split(domain, '.');
  return std::all_of(labels.begin(), labels.end(), [](std::string_view label) {
    return !label.empty() && label.size() <= 63 && label.front() != '-' && label.back() != '-' &&
           std::all_of(label.begin(), label.end(), [](char c) { return is_alnum(c) || c == '-' || c == '_'; });
  });
}

// --- Reading lists. The text is taken apart into tokens first; what a list is made of follows from their kinds.

struct Token {
  enum class Kind { word, quoted, literal, special } kind;
  std::string text;   // without quoting, comments and folding; of a special its character
  std::size_t begin;  // in the list's text
  std::size_t end;
  bool spaced;  // blanks or a comment stood before it

  [[nodiscard]] bool is(char special) const { return kind == Kind::special && text[0] == special; }
  [[nodiscard]] bool is_word() const { return kind == Kind::word || kind == Kind::quoted; }
};

class Tokenizer {
 public:
  explicit Tokenizer(std::string_view text) : text_(text) {}

  Result<std::vector<Token>> all() {
    std::vector<Token> tokens;
    for (;;) {
      const auto spaced = skip_space();
      if (!spaced) return spaced.error();
      if (at_ == text_.size()) return tokens;
      auto token = next(*spaced);
      if (!token) return token.error();
      if (token->is(',') || token->is(';')) element_ = token->end;
      tokens.push_back(*std::move(token));
    }
  }

 private:
  [[nodiscard]] char here() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  // Names the element of the list that it is about, as far as that can be told.
  [[nodiscard]] Error error(const std::string& why) const {
    const std::size_t end = text_.find_first_of(",;", at_);
    auto element = text_.substr(element_, end == std::string_view::npos ? end : end - element_);
    const bool control = at_ < text_.size() && is_control(text_[at_]);  // which trimming might take away
    if (!control) return refused(base::trim(element), why);
    while (element.size() > 1 && is_blank(element.front())) element.remove_prefix(1);
    return refused(element, why);
  }

  // Skips a line end and the blank that makes it folding; false if that is not what stands here.
  bool skip_fold() {
    std::size_t after = at_;
    if (after < text_.size() && text_[after] == '\r') ++after;
    if (after >= text_.size() || text_[after] != '\n') return false;
    if (after + 1 >= text_.size() || !is_blank(text_[after + 1])) return false;
    at_ = after + 1;
    return true;
  }

  // Blanks, folding and comments (RFC 5322 CFWS). True if there were any.
  Result<bool> skip_space() {
    bool any = false;
    int depth = 0;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '(') {
        ++depth;
      } else if (c == ')' && depth > 0) {
        --depth;
      } else if (c == '\\' && depth > 0 && at_ + 1 < text_.size() && !is_control(text_[at_ + 1])) {
        ++at_;
      } else if (skip_fold()) {
        any = true;
        continue;
      } else if (is_control(c) && c != '\t') {
        return error("control characters are not allowed");
      } else if (depth == 0 && !is_blank(c)) {
        break;
      }
      any = true;
      ++at_;
    }
    if (depth > 0) return error("a comment is not closed");
    return any;
  }

  Result<Token> next(bool spaced) {
    const std::size_t begin = at_;
    const char c = here();
    if (c == '"') return finish(delimited('"'), Token::Kind::quoted, begin, spaced);
    if (c == '[') return finish(delimited(']'), Token::Kind::literal, begin, spaced);
    if (is_atext(c) || c == '\\') return finish(word(), Token::Kind::word, begin, spaced);
    ++at_;
    return Token{Token::Kind::special, std::string(1, c), begin, at_, spaced};
  }

  Result<Token> finish(Result<std::string> text, Token::Kind kind, std::size_t begin, bool spaced) const {
    if (!text) return std::move(text).error();
    return Token{kind, *std::move(text), begin, at_, spaced};
  }

  // An atom; a backslash quotes the next character (sendmail's "\root").
  Result<std::string> word() {
    std::string out;
    while (is_atext(here()) || here() == '\\') {
      if (here() == '\\') {
        ++at_;
        if (at_ == text_.size() || is_control(here())) return error("nothing follows the backslash");
      }
      out += text_[at_++];
    }
    return out;
  }

  // What stands between quotes or brackets, up to the closing one; of a literal the brackets stay, and outer blanks go.
  Result<std::string> delimited(char closing) {
    std::string out;
    for (++at_; at_ < text_.size(); ++at_) {
      if (skip_fold() && at_ < text_.size()) {  // the blank after the line end stays
        out += text_[at_];
        continue;
      }
      char c = text_[at_];
      if (c == closing) {
        ++at_;
        return closing == ']' ? '[' + std::string(base::trim(out)) + ']' : out;
      }
      if (c == '\\' && at_ + 1 < text_.size()) c = text_[++at_];
      if (is_control(c) && c != '\t') return error("control characters are not allowed");
      out += c;
    }
    return error(closing == '"' ? "a quotation mark is not closed" : "a bracket is not closed");
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t element_ = 0;  // where the list's present one begins
};

class ListParser {
 public:
  ListParser(std::string_view text, std::vector<Token> tokens) : text_(text), tokens_(std::move(tokens)) {}

  Result<std::vector<Mailbox>> all() {
    while (at_ < tokens_.size()) {
      if (separator()) {
        grouped_ = grouped_ && !tokens_[at_].is(';');
        ++at_;
      } else if (const std::size_t colon = group_colon(); colon < tokens_.size()) {
        at_ = colon + 1;  // "Team:" opens a group; its members are elements like others, its ";" separates
        grouped_ = true;
      } else if (const auto added = element(); !added) {
        return added.error();
      }
    }
    return std::move(list_);
  }

 private:
  [[nodiscard]] bool separator() const { return tokens_[at_].is(',') || tokens_[at_].is(';'); }
  [[nodiscard]] bool here_is(char special) const { return at_ < tokens_.size() && tokens_[at_].is(special); }
  [[nodiscard]] Error error(const std::string& why) const { return refused(element_, why); }

  // Where the colon of "phrase:" stands if a group begins here, else the end.
  [[nodiscard]] std::size_t group_colon() const {
    std::size_t i = at_;
    while (i < tokens_.size() && (tokens_[i].is_word() || tokens_[i].is('.'))) ++i;
    return i > at_ && i < tokens_.size() && tokens_[i].is(':') ? i : tokens_.size();
  }

  [[nodiscard]] std::size_t element_end() const {
    std::size_t i = at_;
    bool angle = false;
    for (; i < tokens_.size(); ++i) {
      if (tokens_[i].is('<')) angle = true;
      if (tokens_[i].is('>')) angle = false;
      if (!angle && (tokens_[i].is(',') || tokens_[i].is(';'))) break;
    }
    return i;
  }

  Result<void> element() {
    const std::size_t end = element_end();
    element_ = text_.substr(tokens_[at_].begin, tokens_[end - 1].end - tokens_[at_].begin);
    std::size_t angle = at_;
    while (angle < end && !tokens_[angle].is('<')) ++angle;
    if (angle == end) {
      if (const auto route = skip_route(end); !route) return route.error();
      return finish("", end);
    }
    const std::string name = display_name(angle);
    at_ = angle + 1;
    if (here_is('>')) {
      ++at_;
      return error("an empty address is no recipient");
    }
    if (const auto route = skip_route(end); !route) return route.error();
    if (const auto added = mailbox(name, end); !added) return added.error();
    if (!here_is('>')) return error("\">\" is missing");
    ++at_;
    if (at_ != end) return error("unexpected text after \">\"");
    return {};
  }

  Result<void> finish(const std::string& name, std::size_t end) {
    if (const auto added = mailbox(name, end); !added) return added.error();
    if (at_ != end) return error("unexpected text after the address; a comma may be missing");
    return {};
  }

  // The words before "<", one blank between those that are apart.
  [[nodiscard]] std::string display_name(std::size_t angle) const {
    std::string name;
    for (std::size_t i = at_; i < angle; ++i) {
      if (tokens_[i].spaced && !name.empty()) name += ' ';
      name += tokens_[i].text;
    }
    return name;
  }

  // "@a,@b:" before an address (RFC 5322 obs-route) says nothing any more.
  Result<void> skip_route(std::size_t end) {
    if (!here_is('@')) return {};
    while (at_ < end && !tokens_[at_].is(':')) ++at_;
    if (at_ == end) return error("a route has no end");
    ++at_;
    return {};
  }

  Result<void> mailbox(const std::string& name, std::size_t end) {
    const std::size_t first = at_;
    const auto local = dotted(end, [](const Token& token) { return token.is_word(); });
    if (at_ == first) return error("there is no local part");
    const std::size_t begin_offset = tokens_[first].begin;
    const std::size_t end_offset = tokens_[at_ - 1].end;
    std::string domain;
    if (at_ < end && tokens_[at_].is('@')) {
      const std::size_t at_sign = at_++;
      domain = dotted(end, [](const Token& token) {
        return token.kind == Token::Kind::word || token.kind == Token::Kind::literal;
      });
      if (at_ == at_sign + 1) return error("there is no domain after \"@\"");
    }
    auto address = Address::make(local, domain);
    if (!address) return address.error();
    list_.push_back({*std::move(address), name, begin_offset, end_offset, text_[begin_offset] == '\\', grouped_});
    return {};
  }

  // Words with dots between them; blanks around a dot are an obsolete form, a word without a dot before it ends it.
  template <class Wanted>
  std::string dotted(std::size_t end, Wanted wanted) {
    std::string out;
    bool after_dot = true;
    for (; at_ < end; ++at_) {
      const Token& token = tokens_[at_];
      if (token.is('.')) {
        after_dot = true;
      } else if (wanted(token) && after_dot) {
        after_dot = false;
      } else {
        break;
      }
      out += token.text;
    }
    return out;
  }

  std::string_view text_;
  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  std::string_view element_;  // the one that is being read
  std::vector<Mailbox> list_;
  bool grouped_ = false;
};

constexpr std::size_t longest_phrase = 75;  // that stays as it is; as long as an encoded word may be

// RFC 2047: a line each, so short that with "Resent-From: " in front it has 76 characters at most (section 2). Words
// end between characters. What is not UTF-8 is in no charset that we could know (RFC 1428).
std::string encoded_words(std::string_view text) {
  constexpr std::size_t most = 33;  // bytes a word
  const bool utf8 = base::is_utf8(text);
  const auto goes_on = [&](std::size_t at) { return utf8 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80; };
  std::string out;
  while (!text.empty()) {
    std::size_t length = std::min(text.size(), most);
    while (length < text.size() && goes_on(length)) --length;
    out += std::string(out.empty() ? "" : "\r\n ") + (utf8 ? "=?UTF-8?B?" : "=?unknown-8bit?B?");
    out += base::base64(text.substr(0, length)) + "?=";
    text.remove_prefix(length);
  }
  return out;
}

}  // namespace

std::string to_ascii(std::string_view domain) {
  char* out = nullptr;
  const std::string text(domain);
  const int status = idn2_to_ascii_8z(text.c_str(), &out, IDN2_NONTRANSITIONAL | IDN2_NFC_INPUT);
  const std::unique_ptr<char, void (*)(void*)> guard(out, idn2_free);
  return status == IDN2_OK ? out : "";
}

Result<Address> Address::make(std::string_view local, std::string_view domain) {
  const std::string whole = std::string(local) + (domain.empty() ? "" : "@") + std::string(domain);
  if (local.empty()) return refused(whole, "there is no local part");
  if (whole.size() > longest) return refused(whole, "longer than 320 bytes");
  if (base::has_control(whole)) {
    return refused(whole, "control characters are not allowed");
  }
  if (local.front() == '-') return refused(whole, "a local part that begins with \"-\" is not accepted");
  if (!base::is_utf8(whole)) return refused(whole, "is not UTF-8");
  std::string ascii = base::is_ascii(domain) ? std::string(domain) : to_ascii(domain);
  if (!domain.empty() && !is_literal(ascii) && !is_host_name(ascii)) {
    return refused(whole, "the domain is not a valid name");
  }
  Address address(is_dot_string(local) ? std::string(local) : quoted(local), std::move(ascii));
  if (address.text().size() > longest) return refused(whole, "longer than 320 bytes");
  return address;
}

Result<Address> Address::parse(std::string_view text) {
  auto list = parse_list(text);
  if (!list) return list.error();
  if (list->size() != 1) return refused(text, list->empty() ? "there is no address" : "is more than one address");
  if (list->front().grouped) return refused(text, "is a group, not one address");
  return std::move(list->front().address);
}

std::string Address::text() const {
  return domain_.empty() ? local_ : local_ + '@' + domain_;
}

std::string Address::path() const {
  return '<' + text() + '>';
}

std::string Address::key() const {
  return local_ + '@' + base::lower(domain_);
}

bool Address::needs_smtputf8() const {
  return !base::is_ascii(local_);
}

Result<Address> Address::qualified(std::string_view domain) const {
  if (!domain_.empty()) return *this;
  // Quoting is done already, and a domain does not change it.
  auto with_domain = make("x", domain);
  if (!with_domain) return with_domain.error();
  Address address(local_, with_domain->domain_);
  if (address.text().size() > longest) return refused(address.text(), "longer than 320 bytes");
  return address;
}

Result<std::vector<Mailbox>> parse_list(std::string_view text) {
  auto tokens = Tokenizer(text).all();
  if (!tokens) return tokens.error();
  return ListParser(text, *std::move(tokens)).all();
}

std::string phrase(std::string display_name) {
  // The environment and the password file hold what they like; a header line holds no control characters.
  std::replace_if(display_name.begin(), display_name.end(), is_control, ' ');
  if (!base::is_ascii(display_name) || display_name.size() > longest_phrase) return encoded_words(display_name);
  const bool atoms = !display_name.empty() && std::all_of(display_name.begin(), display_name.end(),
                                                          [](char c) { return is_atext(c) || c == ' '; });
  return atoms ? display_name : quoted(display_name);
}

}  // namespace pillarbox::mail
