// Recode: a body whose lines are too long for SMTP, in lines that are not (RFC 5322 section 2.1.1: 998 bytes and CRLF).
//
// Both coders take normalised text (CRLF at every line's end, the last one's too, and no other CR or LF) in pieces of
// any size.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "base/source.h"
#include "mail/normaliser.h"

namespace pillarbox::mail {

constexpr std::size_t longest_line = 998;  // without its CRLF

// RFC 2045 section 6.7: lines of at most 76 characters, all of them printable ASCII.
class QuotedPrintable {
 public:
  void feed(std::string_view in, std::string& out);

 private:
  void put(std::string_view text, std::string& out);
  void put_encoded(char c, std::string& out);
  void put_blank(std::string& out);

  std::size_t column_ = 0;
  char blank_ = '\0';  // the last byte, if it was a blank: at a line's end it has to be encoded
};

// CRLF and a blank after at most 998 bytes, not within a UTF-8 character.
class Folder {
 public:
  void feed(std::string_view in, std::string& out);

 private:
  void put(char c, std::string& out);

  std::size_t column_ = 0;
};

enum class Recoding { none, quoted_printable, fold };

// A body, normalised (NULs dropped) and then recoded; not for Recoding::none.
class RecodedSource final : public base::Source {
 public:
  RecodedSource(std::unique_ptr<base::Source> body, Recoding recoding) : body_(std::move(body)), recoding_(recoding) {}
  Result<std::size_t> read(std::span<char> out) override;
  [[nodiscard]] std::optional<std::uint64_t> left() const override { return body_->left(); }  // about as many
  [[nodiscard]] bool mark() override;
  [[nodiscard]] bool back() override;

 private:
  struct State {
    Normaliser normaliser{Normaliser::Part::body, Normaliser::Nul::drop};
    QuotedPrintable quoted_printable;
    Folder folder;
    std::string ready;  // to be read, from at on
    std::size_t at = 0;
    bool ended = false;
  };

  Result<void> refill();

  std::unique_ptr<base::Source> body_;
  Recoding recoding_;
  State state_;
  State marked_;
};

}  // namespace pillarbox::mail
