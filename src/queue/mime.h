// Mime: what a notification's parts are made of, safe whatever is put in: 7-bit, in lines of at most 998 octets, CRLF.
#pragma once

#include <string>
#include <string_view>

namespace pillarbox::queue {

// A body as it may be written without an encoding: ASCII, or with eight_bit any octets but NUL; lines of at most 998
// octets; no CR or LF apart from CRLF.
bool is_plain(std::string_view body, bool eight_bit = false);

// A body part's header and body, encoded if it must be. type: "text/plain; charset=utf-8".
std::string text_part(std::string_view type, std::string_view body);

// Text from outside on one line of ASCII: what is neither printable nor a blank as \xHH; cut to most octets.
std::string ascii_line(std::string_view text, std::size_t most);

}  // namespace pillarbox::queue
