#include "queue/netstring.h"

#include "base/text.h"

namespace pillarbox::queue {

std::string netstring(std::string_view value) {
  const std::string size = std::to_string(value.size());
  std::string out;
  out.reserve(size.size() + value.size() + 2);  // of a secret no part stays behind in memory that was outgrown
  out += size;
  out += ':';
  out += value;
  out += ',';
  return out;
}

std::string netstring(std::uint64_t number) {
  return netstring(std::to_string(number));
}

std::optional<std::uint64_t> plain_number(std::string_view text) {
  if (text.empty() || !base::is_digit(text.front()) || (text.size() > 1 && text.front() == '0')) return std::nullopt;
  return base::number(text);
}

std::string_view Netstrings::next() {
  const std::size_t colon = rest_.substr(0, 20).find(':');
  const auto size = colon == std::string_view::npos ? std::nullopt : plain_number(rest_.substr(0, colon));
  failed_ = failed_ || !size || *size >= rest_.size() - colon - 1 || rest_[colon + 1 + *size] != ',';
  if (failed_) return {};
  const std::string_view value = rest_.substr(colon + 1, *size);
  rest_.remove_prefix(colon + 1 + *size + 1);
  return value;
}

std::uint64_t Netstrings::number() {
  const auto value = plain_number(next());
  failed_ = failed_ || !value;
  return value.value_or(0);
}

bool is_of_later_version(std::string_view start, std::string_view kind, unsigned version) {
  if (!start.starts_with(kind)) return false;
  start.remove_prefix(kind.size());
  const std::size_t end = start.find('\n');
  const auto found = end < 10 ? plain_number(start.substr(0, end)) : std::nullopt;
  return found && *found > version;
}

}  // namespace pillarbox::queue
