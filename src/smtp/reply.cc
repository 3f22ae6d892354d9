#include "smtp/reply.h"

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace pillarbox::smtp {
namespace {

constexpr std::size_t longest_line = 512;
constexpr std::size_t largest_reply = 65536;
constexpr std::size_t longest_text = 8192;

}  // namespace

std::string Reply::text() const {
  std::string out;
  for (const std::string& line : lines) {
    if (!out.empty() && !line.empty()) out += ' ';
    out += line;
    if (out.size() > longest_text) break;
  }
  return out.substr(0, longest_text);
}

ReplyReader::State ReplyReader::add(std::string_view line) {
  const bool has_code = line.size() >= 3 && line[0] >= '1' && line[0] <= '5' && base::is_digit(line[1]) &&
                        base::is_digit(line[2]) && (line.size() == 3 || line[3] == ' ' || line[3] == '-');
  if (!has_code) return State::malformed;
  const int code = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
  if (!reply_.lines.empty() && code != reply_.code) return State::mixed;
  size_ += line.size();
  if (size_ > largest_reply) return State::oversized;
  reply_.code = code;
  reply_.lines.emplace_back(line.substr(std::min<std::size_t>(line.size(), 4), longest_line));
  return line.size() > 3 && line[3] == '-' ? State::incomplete : State::complete;
}

Reply ReplyReader::take() {
  size_ = 0;
  return std::exchange(reply_, Reply{});
}

}  // namespace pillarbox::smtp
