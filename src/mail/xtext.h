// xtext: how text travels in the parameters of MAIL and RCPT, where blanks, "+" and "=" have a meaning (RFC 3461
// section 4), and addresses that are not ASCII in ORCPT (RFC 6533 section 3); and what may be said there of
// notifications.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace pillarbox::mail {

// Each byte that is not printable ASCII, "+" and "=" become "+HH".
std::string xtext(std::string_view text);

// The way back; nothing if a "+" has no two hexadecimal digits behind it. The bytes may be any.
std::optional<std::string> from_xtext(std::string_view text);

// ORCPT's value: an address type, ";", and an address in xtext; 500 characters at most (RFC 3461 section 4.2).
bool is_original_recipient(std::string_view text);

// ENVID's value, before xtext: 1 to 100 printable characters and blanks (RFC 3461 section 4.4, less what xtext adds).
bool is_envelope_id(std::string_view text);

// NOTIFY's value (RFC 3461 section 4.1) from "never", or from some of success, failure and delay with commas between.
std::optional<std::string> parse_notify(std::string_view text);

// utf-8-addr-xtext: each character that is not ASCII, and what xtext escapes, becomes "\x{HEX}" of its code point.
// text: UTF-8.
std::string utf8_xtext(std::string_view text);

}  // namespace pillarbox::mail
