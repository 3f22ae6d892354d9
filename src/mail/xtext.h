// xtext: how text travels in the parameters of MAIL and RCPT, where blanks, "+" and "=" have a meaning (RFC 3461
// section 4), and addresses that are not ASCII in ORCPT (RFC 6533 section 3).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace pillarbox::mail {

// Each byte that is not printable ASCII, "+" and "=" become "+HH".
std::string xtext(std::string_view text);

// The way back; nothing if a "+" has no two hexadecimal digits behind it. The bytes may be any.
std::optional<std::string> from_xtext(std::string_view text);

// utf-8-addr-xtext: each character that is not ASCII, and what xtext escapes, becomes "\x{HEX}" of its code point.
// text: UTF-8.
std::string utf8_xtext(std::string_view text);

}  // namespace pillarbox::mail
