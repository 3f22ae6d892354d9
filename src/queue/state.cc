#include "queue/state.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <utility>

#include "base/text.h"
#include "queue/checksum.h"
#include "queue/netstring.h"

namespace pillarbox::queue {
namespace {

constexpr std::string_view magic = "pillarbox-state 1\n";
constexpr std::size_t longest_reply = 512;
constexpr std::size_t longest_host = 255;
constexpr std::array<std::pair<Progress, std::string_view>, 4> progresses = {{{Progress::owed, "owed"},
                                                                              {Progress::accepted, "accepted"},
                                                                              {Progress::refused, "refused"},
                                                                              {Progress::told, "told"}}};

Error damaged(const std::string& what) {
  return {Error::Kind::data, "is no state of a message: " + what};
}

// Words of a server, or of ours: one line, without control characters, and not long.
std::string one_line(std::string_view text) {
  std::string line = base::visible(text.substr(0, longest_reply));
  if (line.size() <= longest_reply) return line;
  std::size_t end = longest_reply;
  while (end > 0 && (static_cast<unsigned char>(line[end]) & 0xC0U) == 0x80U) --end;
  return line.substr(0, end);
}

bool is_one_line(std::string_view text) {
  return text.size() <= longest_reply && base::visible(text) == text;
}

// A name or an address, as far as a line of a notification cares.
bool is_host(std::string_view text) {
  return !text.empty() && text.size() <= longest_host &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

// RFC 3463 section 2.
bool is_status(std::string_view text) {
  const auto parts = base::split(text, '.');
  if (parts.size() != 3 || parts[0].size() != 1 || parts[0].find_first_of("245") != 0) return false;
  return std::all_of(parts.begin(), parts.end(), [](std::string_view part) {
    return !part.empty() && part.size() <= 3 && std::all_of(part.begin(), part.end(), base::is_digit);
  });
}

std::string encode_time(Time time) {
  return std::to_string(std::max<std::int64_t>(time.time_since_epoch().count(), 0));
}

// "" for none.
std::optional<Time> decode_time(Netstrings& fields) {
  const std::string_view text = fields.next();
  if (text.empty()) return std::nullopt;
  const auto count = plain_number(text);
  if (count && *count <= static_cast<std::uint64_t>(Time::max().time_since_epoch().count())) {
    return Time(Time::duration(static_cast<std::int64_t>(*count)));
  }
  fields.fail();
  return std::nullopt;
}

RecipientState decode_recipient(Netstrings& fields) {
  const std::string_view name = fields.next();
  const auto* const progress =
      std::find_if(progresses.begin(), progresses.end(), [&](const auto& each) { return each.second == name; });
  const std::string_view reply = fields.next();
  const std::string_view status = fields.next();
  if (progress == progresses.end() || !is_one_line(reply) || (!status.empty() && !is_status(status))) {
    fields.fail();
    return {};
  }
  return {.progress = progress->first, .reply = std::string(reply), .status = std::string(status)};
}

bool has_host(const RecipientState& recipient) {
  return is_host(recipient.host);
}

// Behind the recipients, where it is so: states of before do not say it. They are no hosts.
constexpr std::string_view account_rests = "(account)";
constexpr std::string_view sender_warned = "(warned)";

bool decode_mark(Netstrings& fields, std::string_view mark) {
  Netstrings ahead = fields;
  if (fields.failed() || fields.at_end() || ahead.next() != mark) return false;
  fields = ahead;
  return true;
}

// Behind all else, if there is any: states of before have none.
std::string encode_hosts(const State& state) {
  std::string out;
  if (std::none_of(state.recipients.begin(), state.recipients.end(), has_host)) return out;
  for (const RecipientState& each : state.recipients) out += netstring(has_host(each) ? each.host : "");
  return out;
}

void decode_hosts(Netstrings& fields, State& state) {
  if (fields.failed() || fields.at_end()) return;
  for (RecipientState& each : state.recipients) {
    each.host = fields.next();
    if (!each.host.empty() && !has_host(each)) fields.fail();
  }
  if (std::none_of(state.recipients.begin(), state.recipients.end(), has_host)) fields.fail();
}

}  // namespace

State State::fresh(std::size_t recipients) {
  return {.recipients = std::vector<RecipientState>(recipients)};
}

bool State::owes() const {
  return std::any_of(recipients.begin(), recipients.end(),
                     [](const RecipientState& each) { return each.progress == Progress::owed; });
}

std::string encode(const State& state) {
  std::string out(magic);
  out += netstring(std::uint64_t{state.tries}) + netstring(encode_time(state.next));
  out += netstring(state.last ? encode_time(*state.last) : "") + netstring(one_line(state.reply));
  out += netstring(std::uint64_t{state.recipients.size()});
  for (const RecipientState& each : state.recipients) {
    const auto* const progress = std::find_if(progresses.begin(), progresses.end(),
                                              [&](const auto& known) { return known.first == each.progress; });
    out += netstring(progress->second) + netstring(one_line(each.reply));
    out += netstring(is_status(each.status) ? each.status : "");
  }
  if (state.rests) out += netstring(account_rests);
  if (state.warned) out += netstring(sender_warned);
  out += encode_hosts(state);
  return out + trailer(out);
}

// Those who are not tried may get another progress and status, and a host that is empty.
std::size_t room_for(const State& state, std::size_t tried) {
  constexpr std::size_t of_each = 40;
  constexpr std::size_t of_tried = longest_reply + longest_host + of_each;
  return encode(state).size() + state.recipients.size() * of_each + (tried + 1) * of_tried;
}

bool is_later_state(std::string_view start) {
  return is_of_later_version(start, "pillarbox-state ", 1);
}

Result<State> decode_state(std::string_view text, std::size_t recipients) {
  if (!text.starts_with(magic) || text.size() < magic.size() + trailer_size) return damaged("it does not begin as one");
  const std::string_view body = text.substr(0, text.size() - trailer_size);
  if (text.substr(body.size()) != trailer(body)) return damaged("its checksum is another");
  Netstrings fields(body.substr(magic.size()));
  State state;
  const std::uint64_t tries = fields.number();
  if (tries > std::numeric_limits<unsigned>::max()) fields.fail();
  state.tries = static_cast<unsigned>(tries);
  const auto next = decode_time(fields);
  if (!next) fields.fail();
  state.next = next.value_or(Time());
  state.last = decode_time(fields);
  state.reply = fields.next();
  if (!is_one_line(state.reply)) fields.fail();
  if (fields.number() != recipients || recipients > fields.left()) return damaged("it has other recipients");
  for (std::size_t i = 0; i < recipients && !fields.failed(); ++i) {
    state.recipients.push_back(decode_recipient(fields));
  }
  state.rests = decode_mark(fields, account_rests);
  state.warned = decode_mark(fields, sender_warned);
  decode_hosts(fields, state);
  if (fields.failed() || !fields.at_end()) return damaged("its fields can't be read");
  return state;
}

}  // namespace pillarbox::queue
