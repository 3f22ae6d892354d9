// SmtpServer: the commands that sendmail -bs understands (RFC 5321 section 4.1, with 8BITMIME, DSN, PIPELINING, SIZE
// and ENHANCEDSTATUSCODES), as a dialogue without a wire: a line in, a reply out. It keeps one transaction's envelope;
// the message itself, which follows a 354, is its caller's to read.
//
// It serves the program that started it and trusts its input in nothing: every line has a reply, addresses are parsed
// before they are taken, and a control character makes a line no command.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "smtp/reply.h"
#include "smtp/work.h"

namespace pillarbox::app {

struct SmtpMail {
  std::string sender;                          // "<a@b>" or "<>"
  std::vector<std::string> recipients;         // an address each, as it was written
  std::vector<smtp::RecipientDsn> asked = {};  // of each
  smtp::Dsn dsn = {};
};

class SmtpServer {
 public:
  static constexpr std::size_t longest_command = 512;  // with its line end (RFC 5321 section 4.5.3.1.4)

  // The name that it greets with, and the bytes that a message may have.
  SmtpServer(std::string host, std::uint64_t largest) : host_(std::move(host)), largest_(largest) {}

  [[nodiscard]] smtp::Reply greeting() const;
  // A line without its line end. After a 354 take() has the envelope, and what comes next is the message.
  smtp::Reply command(std::string_view line);
  SmtpMail take();
  [[nodiscard]] bool ended() const { return ended_; }  // QUIT was said

 private:
  smtp::Reply hello(std::string_view verb, std::string_view name);
  smtp::Reply mail(std::string_view argument);
  smtp::Reply recipient(std::string_view argument);
  smtp::Reply data(std::string_view argument);

  std::string host_;
  std::uint64_t largest_;
  std::optional<SmtpMail> mail_;
  bool ended_ = false;
};

// To a message that could not be sent at all.
smtp::Reply reply_to(const Error& error);

// A reply as it goes on the wire: printable, and no line of more than 512 bytes.
std::string wire_text(const smtp::Reply& reply);

}  // namespace pillarbox::app
