// Header: the header block of a message (RFC 5322 section 2.2), field by field.
//
// read_header() takes it from a source and leaves the body behind. The block ends at the first empty line, which
// belongs to neither, or at the first line that is no field and no folding of one: that line starts the body. A first
// line "From " or ">From " (of an mbox) is kept apart. What a line is shows in its first 64 KiB, or it is no field.
// Fields are kept as they came but for line ends: a CRLF ends every line, a lone CR is a space; with Form::raw each
// byte is kept. A block of more than 16 MiB is data (65), as is a NUL where they are refused; of those that are dropped
// 64 MiB are too many.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/source.h"
#include "mail/normaliser.h"

namespace pillarbox::mail {

struct Field {
  std::string raw;  // "Name: value CRLF", with its folding; the line end is the message's own in raw form

  [[nodiscard]] std::string_view name() const;     // without the blanks that obsolete forms have before the colon
  [[nodiscard]] std::string_view value() const;    // what follows the colon, folding included, last line end not
  [[nodiscard]] std::size_t value_offset() const;  // where it stands in raw
};

class Header {
 public:
  std::vector<Field> fields;

  [[nodiscard]] const Field* find(std::string_view name) const;  // the first of that name, in any case
  [[nodiscard]] bool has(std::string_view name) const { return find(name) != nullptr; }
  void remove(std::string_view name);  // all of that name
  void append(std::string_view name, std::string_view value);
  [[nodiscard]] std::string lines() const;  // all fields
  [[nodiscard]] std::string text() const;   // and the empty line
};

struct HeaderAndBody {
  Header header;
  std::string envelope_line;           // the "From " line that was first, "" if there was none
  std::string empty_line;              // behind the block, "" if the body began, or the message ended, without one
  std::unique_ptr<base::Source> body;  // from its first byte on
  std::uint64_t nuls_dropped = 0;      // before the body, or at its begin
};

enum class Form { normal, raw };

Result<HeaderAndBody> read_header(std::unique_ptr<base::Source> message, Normaliser::Nul nul, Form form = Form::normal);

// A value without its folding and outer blanks.
std::string unfolded(std::string_view value);

}  // namespace pillarbox::mail
