#include "app/smtp_server.h"

#include <utility>

#include "base/text.h"
#include "mail/envelope.h"
#include "mail/xtext.h"

namespace pillarbox::app {
namespace {

constexpr std::size_t longest_reply_text = 500;

struct Parameter {
  std::string name;  // in capitals
  std::optional<std::string> value;
};

struct Argument {
  std::string path;
  std::vector<Parameter> parameters;
};

// Where "<path>" or "path" ends: behind the bracket, or at the first blank; quotes hide both.
std::size_t path_end(std::string_view text) {
  const bool bracketed = text.starts_with('<');
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      quoted = !quoted;
    } else if (!quoted && bracketed && text[i] == '>') {
      return i + 1;
    } else if (!quoted && !bracketed && base::is_blank(text[i])) {
      return i;
    }
  }
  return bracketed ? std::string_view::npos : text.size();
}

// "FROM: <path> NAME=value NAME"; nothing if it is no such thing.
std::optional<Argument> parse(std::string_view text, std::string_view keyword) {
  if (!base::istarts_with(text, keyword) || text.size() < keyword.size()) return std::nullopt;
  text = base::trim(text.substr(keyword.size()));
  const std::size_t end = path_end(text);
  if (text.empty() || end == std::string_view::npos) return std::nullopt;
  Argument argument{std::string(text.substr(0, end)), {}};
  text.remove_prefix(end);
  if (!text.empty() && !base::is_blank(text.front())) return std::nullopt;
  while (!(text = base::trim(text)).empty()) {
    const std::string_view word = text.substr(0, text.find_first_of(" \t"));
    const std::size_t sign = word.find('=');
    argument.parameters.push_back({base::upper(word.substr(0, sign)), std::nullopt});
    if (sign != std::string_view::npos) argument.parameters.back().value = word.substr(sign + 1);
    text.remove_prefix(word.size());
  }
  return argument;
}

smtp::Reply bad_parameter(const Parameter& parameter) {
  return {501, {"5.5.4 " + parameter.name + ": no such value"}};
}

smtp::Reply unknown_parameter(const Parameter& parameter) {
  return {555, {"5.5.4 " + parameter.name + ": unknown parameter"}};
}

// A parameter of MAIL; the reply if it can't be taken.
std::optional<smtp::Reply> take(const Parameter& parameter, smtp::Dsn& dsn) {
  const std::string value = parameter.value.value_or("");
  bool sound = true;
  if (parameter.name == "BODY") {
    sound = base::iequals(value, "7BIT") || base::iequals(value, "8BITMIME");
  } else if (parameter.name == "SIZE") {
    sound = base::number(value).has_value();
  } else if (parameter.name == "SMTPUTF8") {
    sound = !parameter.value;
  } else if (parameter.name == "RET") {
    dsn.returned = base::upper(value);
    sound = dsn.returned == "FULL" || dsn.returned == "HDRS";
  } else if (parameter.name == "ENVID") {
    const auto id = mail::from_xtext(value);
    sound = id && mail::is_envelope_id(*id);
    dsn.envelope_id = id.value_or("");
  } else {
    return unknown_parameter(parameter);
  }
  return sound ? std::nullopt : std::optional(bad_parameter(parameter));
}

}  // namespace

smtp::Reply SmtpServer::greeting() const {
  return {220, {host_ + " ESMTP Pillarbox"}};
}

smtp::Reply SmtpServer::command(std::string_view line) {
  const bool printable =
      std::none_of(line.begin(), line.end(), [](char c) { return base::is_control(c) && c != '\t'; });
  if (!printable) return {500, {"5.5.2 a control character in a command"}};
  if (line.size() + 2 > longest_command) return {500, {"5.5.2 the line is too long"}};
  const std::string verb = base::upper(line.substr(0, line.find_first_of(" \t")));
  const std::string_view argument = base::trim(line.substr(verb.size()));
  if (verb == "EHLO" || verb == "HELO") return hello(verb, argument);
  if (verb == "MAIL") return mail(argument);
  if (verb == "RCPT") return recipient(argument);
  if (verb == "DATA") return data(argument);
  if (verb == "RSET") {
    take();
    return {250, {"2.0.0 ok"}};
  }
  if (verb == "NOOP") return {250, {"2.0.0 ok"}};
  if (verb == "HELP") return {214, {"2.0.0 EHLO HELO MAIL RCPT DATA RSET NOOP HELP VRFY QUIT"}};
  if (verb == "VRFY") return {252, {"2.1.5 mail will tell"}};
  if (verb == "STARTTLS" || verb == "AUTH" || verb == "EXPN") return {502, {"5.5.1 not here"}};
  if (verb == "QUIT") {
    ended_ = true;
    return {221, {"2.0.0 bye"}};
  }
  return {500, {"5.5.1 unknown command"}};
}

smtp::Reply SmtpServer::hello(std::string_view verb, std::string_view name) {
  if (name.empty()) return {501, {"5.5.4 " + std::string(verb) + " needs a name"}};
  take();
  if (verb == "HELO") return {250, {host_}};
  return {250, {host_, "PIPELINING", "SIZE " + std::to_string(largest_), "8BITMIME", "DSN", "ENHANCEDSTATUSCODES"}};
}

smtp::Reply SmtpServer::mail(std::string_view text) {
  if (mail_) return {503, {"5.5.1 there is a sender already"}};
  const auto argument = parse(text, "FROM:");
  if (!argument) return {501, {"5.5.4 MAIL FROM:<address>"}};
  const auto sender = mail::ReversePath::parse(argument->path);
  if (!sender) return {553, {"5.1.7 " + sender.error().text}};
  SmtpMail mail{.sender = sender->path(), .recipients = {}};
  for (const Parameter& parameter : argument->parameters) {
    if (auto refusal = app::take(parameter, mail.dsn)) return *std::move(refusal);
    const auto size = parameter.name == "SIZE" ? base::number(*parameter.value) : std::nullopt;
    if (size > largest_) return {552, {"5.3.4 the message has more than " + std::to_string(largest_) + " bytes"}};
  }
  mail_ = std::move(mail);
  return {250, {"2.1.0 ok"}};
}

smtp::Reply SmtpServer::recipient(std::string_view text) {
  if (!mail_) return {503, {"5.5.1 MAIL comes first"}};
  const auto argument = parse(text, "TO:");
  if (!argument) return {501, {"5.5.4 RCPT TO:<address>"}};
  const auto address = mail::Address::parse(argument->path);
  if (!address) return {553, {"5.1.3 " + address.error().text}};
  smtp::RecipientDsn asked;
  for (const Parameter& parameter : argument->parameters) {
    const std::string value = parameter.value.value_or("");
    if (parameter.name == "NOTIFY") {
      asked.notify = mail::parse_notify(value).value_or("");
      if (asked.notify.empty()) return bad_parameter(parameter);
    } else if (parameter.name == "ORCPT") {
      if (!mail::is_original_recipient(value)) return bad_parameter(parameter);
      asked.original = value;
    } else {
      return unknown_parameter(parameter);
    }
  }
  mail_->recipients.push_back(argument->path);
  mail_->asked.push_back(std::move(asked));
  return {250, {"2.1.5 ok"}};
}

smtp::Reply SmtpServer::data(std::string_view argument) {
  if (!argument.empty()) return {501, {"5.5.4 DATA stands alone"}};
  if (!mail_) return {503, {"5.5.1 MAIL comes first"}};
  if (mail_->recipients.empty()) return {503, {"5.5.1 there is no recipient"}};
  return {354, {"the message, then a line that is a dot"}};
}

SmtpMail SmtpServer::take() {
  return std::exchange(mail_, std::nullopt).value_or(SmtpMail{});
}

smtp::Reply reply_to(const Error& error) {
  switch (error.kind) {
    case Error::Kind::data:
    case Error::Kind::usage:
      return {554, {"5.6.0 " + error.text}};
    case Error::Kind::no_user:
      return {550, {"5.1.1 " + error.text}};
    case Error::Kind::no_input:
    case Error::Kind::no_host:
    case Error::Kind::unavailable:
    case Error::Kind::internal:
    case Error::Kind::system:
    case Error::Kind::cannot_create:
    case Error::Kind::io:
    case Error::Kind::temporary:
    case Error::Kind::protocol:
    case Error::Kind::no_permission:
    case Error::Kind::config:
      break;
  }
  return {451, {"4.3.0 " + error.text}};  // not this message's trouble
}

std::string wire_text(const smtp::Reply& reply) {
  std::string out;
  for (std::size_t i = 0; i < reply.lines.size(); ++i) {
    const char separator = i + 1 < reply.lines.size() ? '-' : ' ';
    const std::string text = base::visible(reply.lines[i]);
    out += std::to_string(reply.code) + separator + text.substr(0, longest_reply_text) + "\r\n";
  }
  return out;
}

}  // namespace pillarbox::app
