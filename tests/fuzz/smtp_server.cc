// An SMTP client that says anything: every line has one reply of printable lines, an envelope that is handed on can be
// parsed, the pieces the input comes in make no difference, and nothing without its final dot is ever whole.
#include "app/smtp_server.h"

#include <algorithm>
#include <cstring>

#include "app/smtp_stdio.h"
#include "mail/address.h"
#include "mail/envelope.h"
#include "target.h"

using namespace pillarbox;

namespace {

void check_reply(std::string_view text) {
  fuzz::check(fuzz::only_crlf(text) && !text.empty(), "a reply is of whole lines", text);
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\r'));
    const bool last = line.size() + 2 == text.size();
    fuzz::check(line.size() > 4 && line.size() <= 510, "a line has a text and fits", line);
    fuzz::check(std::all_of(line.begin(), line.begin() + 3, base::is_digit) && line[3] == (last ? ' ' : '-'),
                "and a code", line);
    fuzz::check(std::none_of(line.begin(), line.end(), [](char c) { return base::is_control(c) && c != '\t'; }),
                "and no control character", line);
    text.remove_prefix(line.size() + 2);
  }
}

void check_mail(const app::SmtpMail& mail) {
  fuzz::check(mail::ReversePath::parse(mail.sender).has_value(), "a sender can be parsed", mail.sender);
  fuzz::check(!mail.recipients.empty(), "there is a recipient");
  for (const std::string& recipient : mail.recipients) {
    fuzz::check(mail::Address::parse(recipient).has_value(), "a recipient can be parsed", recipient);
    fuzz::check(!fuzz::has_control(recipient) || recipient.find('\t') != std::string::npos, "it is one line",
                recipient);
  }
  fuzz::check(!fuzz::has_control(mail.dsn.envelope_id), "an envelope's id is printable", mail.dsn.envelope_id);
}

std::string play(std::string_view script, std::size_t piece, bool reads) {
  fuzz::Pieces input(script, piece);
  std::string all;
  const auto write = [&](std::string_view text) {
    check_reply(text);
    all += text;
    return true;
  };
  const auto submit = [&](const app::SmtpMail& mail, std::unique_ptr<base::Source> content) -> smtp::Reply {
    check_mail(mail);
    const auto text = reads ? base::read_all(*content, script.size()) : Result<std::string>("");
    if (!text) return app::reply_to(text.error());
    all += "[" + *text + "]";
    return {250, {"2.0.0 ok"}};
  };
  all += std::to_string(app::serve_smtp(input, app::SmtpServer("host", 1000), write, submit));
  fuzz::check(all.ends_with("\n0") || all.ends_with("]0"), "the input's end is no error", script);
  return all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view script = fuzz::text_of(data + 1, size - 1);
  const bool reads = data[0] & 1;
  const std::string whole = play(script, script.size() + 1, reads);
  fuzz::check(play(script, 1 + data[0] / 2, reads) == whole, "pieces make no difference", script);
  return 0;
}
