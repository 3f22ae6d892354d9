#include "config/netrc.h"

#include <algorithm>

#include "base/text.h"

namespace pillarbox::config {
namespace {

class Words {
 public:
  explicit Words(std::string_view text) : text_(text) {}
  Words(const Words&) = delete;
  Words& operator=(const Words&) = delete;
  ~Words() { base::wipe(word_); }

  // The next word, "" at the end of the text. It lives until the next call.
  const std::string& next() {
    skip_blanks();
    base::wipe(word_);
    const bool quoted = !text_.empty() && text_[0] == '"';
    if (quoted) text_.remove_prefix(1);
    while (!text_.empty() && (quoted ? text_[0] != '"' : !is_blank(text_[0]))) {
      if (quoted && text_[0] == '\\' && text_.size() > 1) {
        text_.remove_prefix(1);
        add(unescaped(text_[0]));
      } else {
        add(text_[0]);
      }
      text_.remove_prefix(1);
    }
    if (quoted && !text_.empty()) text_.remove_prefix(1);
    return word_;
  }

  // The same, where a keyword is expected and a comment may be.
  const std::string& keyword() {
    for (skip_blanks(); text_.starts_with('#'); skip_blanks()) skip_to(text_.find('\n'));
    return next();
  }

  void skip_macro() {
    next();  // its name
    const std::size_t unix_end = text_.find("\n\n");
    skip_to(std::min(unix_end, text_.find("\r\n\r\n")));
  }

  [[nodiscard]] bool ended() const { return text_.empty(); }

 private:
  static bool is_blank(char c) { return base::is_blank(c) || c == '\n' || c == '\r'; }
  static char unescaped(char c) { return c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c; }

  void add(char c) { base::append(word_, {&c, 1}); }
  void skip_to(std::size_t at) { text_.remove_prefix(std::min(at, text_.size())); }
  void skip_blanks() {
    while (!text_.empty() && is_blank(text_[0])) text_.remove_prefix(1);
  }

  std::string_view text_;
  std::string word_;
};

}  // namespace

std::optional<NetrcEntry> find_in_netrc(std::string_view text, std::string_view host, std::string_view login) {
  Words words(text);
  NetrcEntry entry;
  bool ours = false;  // the entry is for the host
  const auto complete = [&] {
    const bool user = login.empty() ? !entry.login.empty() : entry.login.empty() || entry.login == login;
    return ours && user && !entry.password.empty();
  };
  while (!words.ended()) {
    const std::string& word = words.keyword();
    if (word == "machine" || word == "default") {
      if (complete()) break;
      entry = {};
      ours = word == "default" || base::iequals(words.next(), host);
    } else if (word == "login" || word == "user") {
      entry.login = words.next();
    } else if (word == "password") {
      entry.password = base::Secret(std::string(words.next()));
    } else if (word == "account") {
      words.next();
    } else if (word == "macdef") {
      words.skip_macro();
    }
  }
  if (!complete()) return std::nullopt;
  if (entry.login.empty()) entry.login = login;
  return entry;
}

}  // namespace pillarbox::config
