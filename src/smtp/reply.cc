#include "smtp/reply.h"

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace pillarbox::smtp {
namespace {

constexpr std::size_t longest_line = 512;
constexpr std::size_t largest_reply = 65536;

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

void Reply::shorten(std::size_t most) {
  constexpr std::size_t around = 6;  // the code, a blank or hyphen, CRLF
  std::size_t size = 0;
  const auto beyond = std::find_if(lines.begin(), lines.end(), [&](const std::string& line) {
    size += line.size() + around;
    return size > most;
  });
  lines.erase(beyond, lines.end());
}

std::string Reply::enhanced_status() const {
  if (lines.empty()) return {};
  const std::string_view first = std::string_view(lines[0]).substr(0, lines[0].find(' '));
  const std::vector<std::string_view> parts = base::split(first, '.');
  if (parts.size() != 3 || parts[0] != std::to_string(code / 100)) return {};
  const auto is_number = [](std::string_view part) {
    return !part.empty() && part.size() <= 3 && std::all_of(part.begin(), part.end(), base::is_digit);
  };
  if (!is_number(parts[1]) || !is_number(parts[2])) return {};
  return std::string(first);
}

// 452 may mean a full mailbox too; 552 is what old servers say for it (RFC 5321 section 4.5.3.1.10). An enhanced status
// is clear about it (RFC 3463: X.5.3).
bool Reply::too_many_recipients() const {
  const std::string status = enhanced_status();
  if (!positive() && status.ends_with(".5.3")) return true;
  return code == 452 || (code == 552 && status.empty());
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
