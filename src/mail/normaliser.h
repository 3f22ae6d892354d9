// Normaliser: the one place where line ends are made what SMTP wants (RFC 5321 sections 2.3.8 and 4.1.1.4).
//
// CRLF, LF, and CRs before an LF, 65,536 at most, are one line end. Any other CR is a line end in the body and a space
// in the header. What comes out has CRLF at every line's end, the last one's too, and no other CR or LF: no mixture can
// be taken for the end of DATA by any reader (SMTP smuggling). Bytes come in pieces of any size; the result does not
// depend on where they were cut. NUL is refused or dropped, as asked for.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace pillarbox::mail {

class Normaliser {
 public:
  enum class Part { header, body };  // what the first byte belongs to; a header ends at its first empty line
  enum class Nul { refuse, drop };

  static constexpr std::uint32_t most_crs = 65536;  // that wait for an LF: else what comes out at once has no bound

  Normaliser(Part part, Nul nul) : part_(part), nul_(nul) {}

  // Appends the normal form of a piece to out: twice as much at most, and that of the CRs that were waiting. data (65)
  // at a NUL if they are refused; out is of no use then.
  Result<void> feed(std::string_view in, std::string& out);

  // The end of the message: resolves CRs at its end and adds the last line end if it is missing.
  void finish(std::string& out);

  [[nodiscard]] std::uint64_t nuls_dropped() const { return nuls_dropped_; }

 private:
  void end_line(std::string& out);
  void settle_cr(std::string& out);
  void lone_cr(std::string& out);
  void run(std::string_view text, std::string& out);

  Part part_;
  Nul nul_;
  bool at_line_start_ = true;
  std::uint32_t crs_ = 0;  // CRs seen of which it is not known yet whether an LF follows
  std::uint64_t taken_ = 0;
  std::uint64_t nuls_dropped_ = 0;
};

}  // namespace pillarbox::mail
