#include "mail/normaliser.h"

#include <algorithm>
#include <cstring>

namespace pillarbox::mail {
namespace {

// Where a byte stands next. Each byte's next place is looked up only when the last one has been passed, so all of them
// together cost one memchr over the text apiece, however often they occur.
class Next {
 public:
  Next(std::string_view text, char wanted) : text_(text), wanted_(wanted) {}

  std::size_t from(std::size_t at) {
    if (!known_ || found_ < at) {
      const void* hit = at < text_.size() ? std::memchr(text_.data() + at, wanted_, text_.size() - at) : nullptr;
      found_ = hit ? static_cast<std::size_t>(static_cast<const char*>(hit) - text_.data()) : text_.size();
      known_ = true;
    }
    return found_;
  }

 private:
  std::string_view text_;
  char wanted_;
  std::size_t found_ = 0;
  bool known_ = false;
};

}  // namespace

Result<void> Normaliser::feed(std::string_view in, std::string& out) {
  Next lf(in, '\n');
  Next cr(in, '\r');
  Next nul(in, '\0');
  for (std::size_t at = 0; at < in.size();) {
    const std::size_t stop = std::min({lf.from(at), cr.from(at), nul.from(at)});
    if (stop > at) {
      settle_cr(out);
      run(in.substr(at, stop - at), out);
    }
    if (stop == in.size()) break;
    if (in[stop] == '\n') {
      crs_ = 0;
      end_line(out);
    } else if (in[stop] == '\r') {
      ++crs_;
    } else if (nul_ == Nul::drop) {
      ++nuls_dropped_;
    } else {
      return Error{Error::Kind::data, "a NUL byte at offset " + std::to_string(taken_ + stop),
                   "a message must not hold NUL; encode it (base64), or send it as it is with --no-eol"};
    }
    at = stop + 1;
  }
  taken_ += in.size();
  return {};
}

void Normaliser::finish(std::string& out) {
  if (part_ == Part::header && crs_ > 0) {
    // At the end of a header the CRs can only be its last line's end.
    crs_ = 0;
    end_line(out);
  }
  settle_cr(out);
  if (!at_line_start_) end_line(out);
}

// The CRs that were waiting had no LF behind them.
void Normaliser::settle_cr(std::string& out) {
  for (; crs_ > 0; --crs_) {
    if (part_ == Part::body) {
      end_line(out);
    } else {
      run(" ", out);
    }
  }
}

void Normaliser::run(std::string_view text, std::string& out) {
  out += text;
  at_line_start_ = false;
}

void Normaliser::end_line(std::string& out) {
  out += "\r\n";
  if (at_line_start_) part_ = Part::body;
  at_line_start_ = true;
}

}  // namespace pillarbox::mail
