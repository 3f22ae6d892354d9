#include "mail/normaliser.h"

#include <algorithm>

#include "mail/next.h"

namespace pillarbox::mail {

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
      if (crs_ < most_crs) {
        ++crs_;
      } else {
        lone_cr(out);
      }
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
  for (; crs_ > 0; --crs_) lone_cr(out);
}

void Normaliser::lone_cr(std::string& out) {
  if (part_ == Part::body) {
    end_line(out);
  } else {
    run(" ", out);
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
