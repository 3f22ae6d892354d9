#include "queue/mime.h"

#include "base/text.h"
#include "mail/normaliser.h"
#include "mail/recode.h"

namespace pillarbox::queue {
namespace {

// RFC 2045 section 6.7, of lines that end with CRLF; NULs are no text.
std::string quoted_printable(std::string_view body) {
  std::string text;
  std::string out;
  mail::Normaliser normaliser(mail::Normaliser::Part::body, mail::Normaliser::Nul::drop);
  (void)normaliser.feed(body, text);
  normaliser.finish(text);
  mail::QuotedPrintable().feed(text, out);
  return out;
}

}  // namespace

bool is_plain(std::string_view body, bool eight_bit) {
  if (!eight_bit && !base::is_ascii(body)) return false;
  if (body.find('\0') != std::string_view::npos) return false;
  std::size_t width = 0;
  for (std::size_t i = 0; i < body.size(); ++i) {
    if (body[i] == '\n') return false;
    if (body[i] == '\r') {
      if (++i == body.size() || body[i] != '\n') return false;
      width = 0;
    } else if (++width > mail::longest_line) {
      return false;
    }
  }
  return true;
}

std::string text_part(std::string_view type, std::string_view body) {
  const bool plain = is_plain(body);
  std::string out = "Content-Type: " + std::string(type) + "\r\n";
  out += plain ? "Content-Transfer-Encoding: 7bit\r\n\r\n" : "Content-Transfer-Encoding: quoted-printable\r\n\r\n";
  return out + (plain ? std::string(body) : quoted_printable(body));
}

std::string ascii_line(std::string_view text, std::size_t most) {
  std::string out;
  for (const char c : text) {
    const std::string piece = base::is_ascii(c) && !base::is_control(c) ? std::string(1, c) : "\\x" + base::hex(c);
    if (out.size() + piece.size() > most) break;
    out += piece;
  }
  return out;
}

}  // namespace pillarbox::queue
