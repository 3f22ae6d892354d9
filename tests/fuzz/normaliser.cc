// Line ends, differentially: chunks against the whole, and three servers of different strictness that must all see the
// same lines and the same end of DATA in what leaves.
#include "mail/normaliser.h"

#include <vector>

#include "target.h"

using namespace pillarbox;

namespace {

using Part = mail::Normaliser::Part;
using Nul = mail::Normaliser::Nul;
using Lines = std::vector<std::string>;

struct Normal {
  bool refused = false;
  std::string text;
  std::uint64_t nuls = 0;
};

Normal normalise(std::string_view in, Part part, Nul nul, std::size_t piece) {
  mail::Normaliser normaliser(part, nul);
  Normal out;
  for (std::size_t at = 0; at < in.size(); at += piece) {
    if (!normaliser.feed(in.substr(at, piece), out.text)) {
      out.refused = true;
      return out;
    }
  }
  normaliser.finish(out.text);
  out.nuls = normaliser.nuls_dropped();
  return out;
}

enum class Reader { strict, takes_lf, takes_cr };

// The lines as a server reads them; what has no end is a line as well.
Lines lines_of(std::string_view text, Reader reader) {
  Lines lines(1);
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool crlf = text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n';
    const bool ends =
        crlf || (reader != Reader::strict && text[i] == '\n') || (reader == Reader::takes_cr && text[i] == '\r');
    if (ends) {
      i += crlf ? 1 : 0;
      lines.emplace_back();
    } else {
      lines.back() += text[i];
    }
  }
  return lines;
}

// What goes over the wire: dots stuffed at the lines that a client sees, the final dot, and a command behind it.
std::string on_the_wire(const std::string& normal) {
  std::string out;
  bool line_start = true;
  for (const char c : normal) {
    if (line_start && c == '.') out += '.';
    out += c;
    line_start = c == '\n';
  }
  return out + ".\r\nQUIT\r\n";
}

// How many lines a server takes for the message.
std::size_t message_lines(const Lines& lines) {
  std::size_t count = 0;
  while (count < lines.size() && lines[count] != ".") ++count;
  return count;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const Part part = data[0] & 1 ? Part::header : Part::body;
  const Nul nul = data[0] & 2 ? Nul::refuse : Nul::drop;
  const std::string_view in = fuzz::text_of(data + 2, size - 2);

  const Normal whole = normalise(in, part, nul, in.size() + 1);
  for (const std::size_t piece : {std::size_t{1}, std::size_t{1} + data[1]}) {
    const Normal cut = normalise(in, part, nul, piece);
    fuzz::check(cut.refused == whole.refused, "pieces make no difference to a refusal", in);
    fuzz::check(cut.refused || (cut.text == whole.text && cut.nuls == whole.nuls), "pieces make no difference", in);
  }
  const bool has_nul = in.find('\0') != std::string_view::npos;
  fuzz::check(whole.refused == (nul == Nul::refuse && has_nul), "NULs and nothing else are refused", in);
  if (whole.refused) return 0;

  fuzz::check(fuzz::only_crlf(whole.text), "only CRLF leaves", whole.text);
  fuzz::check(whole.text.find('\0') == std::string::npos, "no NUL leaves", whole.text);
  fuzz::check(normalise(whole.text, part, nul, 3).text == whole.text, "what is normal stays as it is", whole.text);
  const std::string wire = on_the_wire(whole.text);
  const Lines strict = lines_of(wire, Reader::strict);
  const std::size_t end = message_lines(strict);
  fuzz::check(end + 3 == strict.size(), "the message ends at the final dot", wire);
  fuzz::check(lines_of(wire, Reader::takes_lf) == strict, "a server that takes LF sees the same", wire);
  fuzz::check(lines_of(wire, Reader::takes_cr) == strict, "a server that takes CR sees the same", wire);
  return 0;
}
