// A message's two files in the queue, whatever is in them: what is taken reads back as itself, and holds nothing that a
// command, a log line or a notification could not.
#include <array>

#include "queue/checksum.h"
#include "queue/entry.h"
#include "queue/state.h"
#include "target.h"

using namespace pillarbox;

namespace {

void check_head(std::string_view text) {
  const auto size = queue::head_size(text.substr(0, 64));
  (void)queue::is_later_entry(text);
  const auto head = queue::decode(size ? text.substr(0, *size) : text);
  if (!head) return;
  fuzz::check(size.has_value(), "what is a head has a size", text);
  const queue::Entry& entry = head->entry;
  fuzz::check(queue::encode(entry, head->content_size) == text.substr(0, *size), "a head reads back", text);
  fuzz::check(queue::is_id(entry.id), "an id is one", entry.id);
  fuzz::check(!entry.envelope.recipients().empty(), "there is a recipient");
  for (const mail::Address& each : entry.envelope.recipients()) {
    fuzz::check(!fuzz::has_control(each.text()), "an address is clean", each.text());
  }
  for (const std::string& value : {entry.account, entry.message_id, entry.dsn.notify, entry.dsn.envelope_id}) {
    fuzz::check(!fuzz::has_control(value) && value.size() <= 998, "a value is clean and bounded", value);
  }
}

void check_state(std::string_view text, std::size_t recipients) {
  (void)queue::is_later_state(text);
  const auto state = queue::decode_state(text, recipients);
  if (!state) return;
  fuzz::check(state->recipients.size() == recipients, "a state has its recipients", text);
  fuzz::check(queue::encode(*state) == text, "a state reads back", text);
  for (const queue::RecipientState& each : state->recipients) {
    fuzz::check(base::visible(each.reply) == each.reply && each.reply.size() <= 512, "words are one line", each.reply);
    fuzz::check(!fuzz::has_control(each.host) && each.host.size() <= 255, "a host is clean and bounded", each.host);
  }
}

// Whatever a server says, the state that holds it can be read, and has room in what was reserved for it.
void check_written(std::string_view said) {
  constexpr std::array all = {queue::Progress::owed, queue::Progress::accepted, queue::Progress::refused,
                              queue::Progress::told};
  queue::State state = queue::State::fresh(all.size());
  fuzz::check(state.owes(), "a fresh one owes all");
  const std::size_t room = queue::room_for(state, all.size());
  state.reply = said;
  state.rests = said.size() % 2 == 1;
  state.warned = said.size() % 3 == 1;
  for (std::size_t i = 0; i < all.size(); ++i) {
    state.recipients[i] = {.progress = all[i], .reply = std::string(said), .status = std::string(said)};
    if (said.size() % 5 == 1) state.recipients[i].host = "mx.example";
  }
  const std::string written = queue::encode(state);
  fuzz::check(written.size() <= room, "what is reserved is enough", said);
  check_state(written, all.size());
  fuzz::check(queue::decode_state(written, all.size()).has_value(), "what was written can be read", said);
}

// In pieces or at once, it is the same sum.
void check_sum(std::string_view text) {
  queue::Checksum sum;
  sum.add(text.substr(0, text.size() / 2));
  sum.add(text.substr(text.size() / 2));
  fuzz::check(queue::trailer(sum) == queue::trailer(text), "a checksum is of what was added", text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  check_head(text);
  // Nothing would pass the checksum by chance, nor the length of the fields: with both made right as well.
  const std::string magic = "pillarbox-queue 1\n";
  check_head(magic + std::to_string(size) + ':' + std::string(text) + ',');
  check_written(text);
  check_sum(text);
  fuzz::check(queue::is_id(queue::new_id(queue::Time(std::chrono::nanoseconds(size)))), "a new id is one");
  for (std::size_t recipients = 0; recipients < 4; ++recipients) {
    check_state(text, recipients);
    check_state(std::string(text) + queue::trailer(text), recipients);
  }
  return 0;
}
