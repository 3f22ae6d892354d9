// Message: the octets of one message as they leave, before dot-stuffing: what options and the header's preparation put
// first, then the body, normalised piece by piece. Read once, in pieces of any size; memory does not grow with it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/result.h"
#include "base/source.h"
#include "mail/normaliser.h"

namespace pillarbox::mail {

class Message {
 public:
  // head goes first, as it is (normalised already); then what body gives, through the normaliser.
  Message(std::string head, std::unique_ptr<base::Source> body, Normaliser normaliser)
      : pending_(std::move(head)), body_(std::move(body)), normaliser_(normaliser) {}

  // The body goes out as it is, but for a CRLF at its end if that is missing.
  static Message raw(std::string head, std::unique_ptr<base::Source> body);

  // Reads the first 64 KiB, or all if there is less: trouble in it (a NUL, a device that fails) is known before
  // anything is sent, a small message's size as well, and a slow writer keeps no server waiting.
  Result<void> prime();

  // At most out.size() octets; 0 is the end. Errors are the source's, or data (65) at a NUL.
  Result<std::size_t> read(std::span<char> out);

  // Before anything is read: makes sure that rewind() can start it over, if all of it is in memory (after prime()), its
  // source is a file, or it is not very large.
  void keep();
  // The same, if it costs no more than a copy of what is in memory. False: rewind() can't.
  bool mark();
  // Back to the first octet. False: that can't be done, and what was read is gone.
  [[nodiscard]] bool rewind();

  // Octets read so far; after the end the message's size (RFC 1870).
  [[nodiscard]] std::uint64_t size() const { return size_; }
  // The whole size, if all of the message is in memory already (after prime()).
  [[nodiscard]] std::optional<std::uint64_t> known_size() const;
  // What is in memory, and what its source has still to give: a larger message than that may leave, a smaller one only
  // where line ends have more CRs than they need.
  [[nodiscard]] std::uint64_t least_size() const;
  // It has an octet beyond ASCII, or may have one in what was not read yet.
  [[nodiscard]] bool may_hold_8bit() const;
  // Gives memory back, and its source too unless rewind() needs it. What was not read is gone, but for rewind().
  void release();
  [[nodiscard]] bool untouched() const { return size_ == 0; }  // nothing was read yet
  // The octets of its source, if that knows: about as many as will leave.
  [[nodiscard]] std::optional<std::uint64_t> expected_size() const;
  // To read it is to wait for nobody.
  [[nodiscard]] bool prompt() const { return ended_ || body_->prompt(); }
  [[nodiscard]] std::uint64_t nuls_dropped() const { return normaliser_.nuls_dropped(); }

 private:
  Result<void> refill();
  void note_beginning();
  void note_end(std::string_view text);

  std::string pending_;  // normalised and not read yet, from at_ on
  std::size_t at_ = 0;
  std::unique_ptr<base::Source> body_;
  Normaliser normaliser_;
  bool raw_ = false;
  char last_ = '\n', before_last_ = '\r';  // of a raw message; an empty one needs no line end
  bool ended_ = false;
  std::uint64_t size_ = 0;
  std::uint64_t taken_ = 0;  // bytes of the source
  struct Beginning {
    std::string head;
    Normaliser normaliser;
    std::uint64_t taken;
    bool whole;
  };
  std::optional<Beginning> beginning_;  // if it is to be kept
};

}  // namespace pillarbox::mail
