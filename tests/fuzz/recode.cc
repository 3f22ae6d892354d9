// Lines that are too long: whatever a body or a header holds, none of more than 998 bytes leaves, what is decoded or
// unfolded is what came, and the pieces it comes in make no difference.
#include "mail/recode.h"

#include <vector>

#include "mail/header.h"
#include "mail/prepare.h"
#include "target.h"

using namespace pillarbox;

namespace {

std::string normalised(std::string_view text) {
  mail::Normaliser normaliser(mail::Normaliser::Part::body, mail::Normaliser::Nul::drop);
  std::string out;
  fuzz::check(normaliser.feed(text, out).has_value(), "NULs are dropped");
  normaliser.finish(out);
  return out;
}

template <class Coder>
std::string coded(std::string_view text, std::size_t piece) {
  Coder coder;
  std::string out;
  for (std::size_t at = 0; at < text.size(); at += piece) coder.feed(text.substr(at, piece), out);
  return out;
}

std::size_t longest(std::string_view text) {
  std::size_t longest = 0;
  for (const std::string_view line : base::split(text, '\n')) longest = std::max(longest, line.size());
  return longest;
}

// As a reader of mail does it (RFC 2045 section 6.7), and strictly.
std::string decoded(std::string_view text) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    fuzz::check(base::is_ascii(text[i]), "quoted-printable is ASCII", text);
    const bool line_ends = text.substr(i + 1, 2) == "\r\n";
    fuzz::check(!base::is_blank(text[i]) || !line_ends, "no line ends with a blank", text);
    if (text[i] != '=') {
      out += text[i];
    } else if (line_ends) {
      i += 2;
    } else {
      fuzz::check(i + 2 < text.size(), "a byte has two digits", text);
      const std::size_t high = digits.find(text[i + 1]);
      const std::size_t low = digits.find(text[i + 2]);
      fuzz::check(high < 16 && low < 16, "they are hexadecimal", text);
      out += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  return out;
}

std::string without_blanks(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (!base::is_blank(c) && c != '\r' && c != '\n') out += c;
  }
  return out;
}

void check_header(std::string_view text) {
  auto read = mail::read_header(std::make_unique<base::MemorySource>(std::string(text)), mail::Normaliser::Nul::drop);
  if (!read) return;
  mail::Header& header = read->header;
  const std::string before = header.lines();
  const bool any = mail::fold_long_lines(header);
  const std::string after = header.lines();
  fuzz::check(any == (longest(before) > mail::longest_line + 1), "lines that are short stay", before);
  fuzz::check(any || before == after, "and so do their fields", before);
  fuzz::check(longest(after) <= mail::longest_line + 1, "no header line is too long", after);
  fuzz::check(without_blanks(before) == without_blanks(after), "nothing is cut", after);
  const auto again =
      mail::read_header(std::make_unique<base::MemorySource>(header.text()), mail::Normaliser::Nul::drop);
  fuzz::check(again && again->header.lines() == after, "it is the same header to who reads it", after);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  // Each byte many times, or no line would be long.
  std::string text;
  const std::size_t times = 1 + 16 * static_cast<std::size_t>(data[0] % 64);
  for (const char c : fuzz::text_of(data + 2, std::min<std::size_t>(size - 2, 500)))
    text.append(c == '\n' ? 1 : times, c);
  const std::string body = normalised(text);
  const std::size_t piece = 1 + std::size_t{data[1]};

  mail::Survey survey;
  for (std::size_t at = 0; at < text.size(); at += piece) survey.feed(std::string_view(text).substr(at, piece));
  fuzz::check(body.empty() || survey.longest_line() + 2 == longest(body) + 1, "a survey sees the longest line", body);
  fuzz::check(survey.is_utf8() == base::is_utf8(body), "and whether it is UTF-8", body);

  const std::string quoted = coded<mail::QuotedPrintable>(body, piece);
  fuzz::check(quoted == coded<mail::QuotedPrintable>(body, body.size() + 1), "pieces make no difference", body);
  fuzz::check(longest(quoted) <= 76 + 1, "quoted-printable has 76 characters a line", quoted);
  fuzz::check(fuzz::only_crlf(quoted) && decoded(quoted) == body, "it is what was encoded", quoted);

  const std::string folded = coded<mail::Folder>(body, piece);
  fuzz::check(folded == coded<mail::Folder>(body, body.size() + 1), "pieces make no difference", body);
  fuzz::check(longest(folded) <= mail::longest_line + 1, "no line is too long", folded);
  fuzz::check(fuzz::only_crlf(folded) && without_blanks(folded) == without_blanks(body), "nothing is cut", folded);

  check_header(text);
  return 0;
}
