// A message's two files in the queue, whatever is in them: what is taken reads back as itself, and holds nothing that a
// command, a log line or a notification could not.
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
  const auto state = queue::decode_state(text, recipients);
  if (!state) return;
  fuzz::check(state->recipients.size() == recipients, "a state has its recipients", text);
  fuzz::check(queue::encode(*state) == text, "a state reads back", text);
  for (const queue::RecipientState& each : state->recipients) {
    fuzz::check(base::visible(each.reply) == each.reply && each.reply.size() <= 512, "words are one line", each.reply);
    fuzz::check(!fuzz::has_control(each.host) && each.host.size() <= 255, "a host is clean and bounded", each.host);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  check_head(text);
  // Nothing would pass the checksum by chance, nor the length of the fields: with both made right as well.
  const std::string magic = "pillarbox-queue 1\n";
  check_head(magic + std::to_string(size) + ':' + std::string(text) + ',');
  for (std::size_t recipients = 0; recipients < 4; ++recipients) {
    check_state(text, recipients);
    check_state(std::string(text) + queue::trailer(text), recipients);
  }
  return 0;
}
