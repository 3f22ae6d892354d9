// A mailbox, differentially: what is streamed out of it, whatever pieces it comes in, is what a plain reading of its
// lines finds (RFC 4155, and mboxrd's quoting).
#include "mail/mbox.h"

#include <memory>
#include <optional>
#include <vector>

#include "target.h"

using namespace pillarbox;

namespace {

using Messages = std::vector<std::string>;

constexpr std::size_t deepest_quoting = 4096;

bool is_empty(std::string_view line) {
  return line == "\n" || line == "\r\n";
}

bool is_quoted(std::string_view line) {
  const std::size_t quotes = std::min(line.find_first_not_of('>'), line.size());
  return quotes > 0 && quotes <= deepest_quoting && line.substr(quotes).starts_with("From ");
}

// Nothing for what is no mailbox.
std::optional<Messages> expected(std::string_view text) {
  Messages messages;
  std::string_view before;  // the line before, if it is this message's
  while (!text.empty()) {
    const std::string_view line = text.substr(0, std::min(text.find('\n'), text.size() - 1) + 1);
    text.remove_prefix(line.size());
    if (messages.empty() && is_empty(line)) continue;
    const bool begins = line.starts_with("From ") && (messages.empty() || is_empty(before));
    if (messages.empty() && !begins) return std::nullopt;
    if (begins) {
      if (!messages.empty()) messages.back().resize(messages.back().size() - before.size());
      messages.emplace_back();
      before = {};
    } else {
      messages.back() += is_quoted(line) ? line.substr(1) : line;
      before = line;
    }
  }
  if (is_empty(before)) messages.back().resize(messages.back().size() - before.size());
  return messages;
}

std::optional<Messages> streamed(std::string_view text, std::size_t piece, std::size_t wanted) {
  mail::Mbox mbox(std::make_unique<fuzz::Pieces>(text, piece));
  Messages messages;
  for (;;) {
    auto message = mbox.next();
    if (!message) {
      fuzz::check(message.error().kind == Error::Kind::data, "an input that is no mailbox is data", text);
      fuzz::check(messages.empty(), "a mailbox that has begun is one", text);
      return std::nullopt;
    }
    if (!*message) return messages;
    messages.emplace_back();
    std::vector<char> out(wanted);
    for (;;) {
      const auto count = (*message)->read(out);
      fuzz::check(count.has_value() && *count <= wanted, "a mailbox in memory can be read", text);
      if (*count == 0) break;
      messages.back().append(out.data(), *count);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view text = fuzz::text_of(data + 2, size - 2);
  const auto messages = expected(text);
  for (const std::size_t piece : {text.size() + 1, std::size_t{1} + data[0] % 32}) {
    fuzz::check(streamed(text, piece, std::size_t{1} + data[1]) == messages, "as a plain reading finds it", text);
  }
  return 0;
}
