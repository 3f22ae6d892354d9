// SMTP on standard input and output: the wire of sendmail -bs. Reads command lines (that end with CRLF or LF, and may
// come several at once), lets an SmtpServer answer, and hands what follows a 354 to whoever sends it.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "app/smtp_server.h"
#include "base/source.h"

namespace pillarbox::app {

// Sends a message, and says what became of it. The source fails where the input ends before the final dot, or falls
// silent: what was not read to its end must not be sent.
using SmtpSubmit = std::function<smtp::Reply(const SmtpMail&, std::unique_ptr<base::Source>)>;
// False: nobody listens any more.
using SmtpWrite = std::function<bool(std::string_view)>;

// A session, until QUIT or the input's end, which is no error wherever it comes. The exit code: 0, or 74 if input or
// output failed. An error of the input that is temporary is silence, answered by 421.
int serve_smtp(base::Source& input, SmtpServer server, const SmtpWrite& write, const SmtpSubmit& submit);

// A descriptor that somebody else closes; after so long without a byte the error is temporary.
class PatientSource final : public base::Source {
 public:
  PatientSource(int fd, std::chrono::milliseconds patience)
      : source_(fd, "standard input"), fd_(fd), patience_(patience) {}
  Result<std::size_t> read(std::span<char> out) override;

 private:
  base::FileSource source_;
  int fd_;
  std::chrono::milliseconds patience_;
};

// On our own descriptors, for five minutes of silence at most. usage (64) for a socket: this is no network server.
Result<int> serve_stdio(SmtpServer server, const SmtpSubmit& submit);

}  // namespace pillarbox::app
