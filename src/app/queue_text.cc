#include "app/queue_text.h"

#include <vector>

#include "app/event.h"
#include "base/clock.h"
#include "base/text.h"

namespace pillarbox::app {
namespace {

std::string sender_of(const queue::Entry& entry) {
  const auto& address = entry.envelope.sender().address();
  return address ? address->text() : "<>";
}

// Those who still wait for it, or if nobody does any more those whose refusal is still to be reported.
std::vector<std::string> owed(const queue::Listed& listed) {
  std::vector<std::string> waiting;
  for (std::size_t i = 0; i < listed.state.recipients.size(); ++i) {
    const auto wanted = listed.state.owes() ? queue::Progress::owed : queue::Progress::refused;
    if (listed.state.recipients[i].progress == wanted) waiting.push_back(listed.entry.envelope.recipients()[i].text());
  }
  return waiting;
}

const char* owner_name(queue::Owner owner) {
  switch (owner) {
    case queue::Owner::none:
      return "none";
    case queue::Owner::system:
      return "system";
    case queue::Owner::user:
      return "user";
  }
  return "";
}

std::string next_try(const queue::State& state) {
  return state.next == queue::Time{} ? "now" : base::iso8601_utc(state.next);
}

}  // namespace

std::string as_json(const queue::Listed& listed) {
  Event line("");
  line.text("id", listed.entry.id).number("size", static_cast<std::int64_t>(listed.size));
  line.text("arrived", base::iso8601_utc(listed.entry.arrived)).text("sender", sender_of(listed.entry));
  line.list("recipients", owed(listed)).text("account", listed.entry.account);
  line.number("uid", listed.entry.uid).text("configuration", owner_name(listed.entry.owner));
  line.number("tries", listed.state.tries).text("reply", listed.state.reply).text("next", next_try(listed.state));
  if (listed.state.last) line.text("last", base::iso8601_utc(*listed.state.last));
  if (!listed.entry.message_id.empty()) line.text("message_id", listed.entry.message_id);
  return line.json();
}

std::string as_text(const queue::Listed& listed, bool others) {
  const std::string size = std::to_string(listed.size);
  std::string out = listed.entry.id + std::string(size.size() < 10 ? 10 - size.size() : 1, ' ') + size + "  " +
                    base::iso8601_utc(listed.entry.arrived) + "  " + base::escape(sender_of(listed.entry)) + "\n";
  if (!listed.state.reply.empty()) out += "    (" + base::escape(listed.state.reply) + ")\n";
  out += "    next try: " + next_try(listed.state) + ", tried: " + std::to_string(listed.state.tries) + "\n";
  if (others && listed.entry.owner == queue::Owner::user) {
    out += "    by the account " + base::escape(listed.entry.account) + " of the owner's: waits for a run of uid " +
           std::to_string(listed.entry.uid) + "\n";
  }
  for (const std::string& recipient : owed(listed)) out += "    " + base::escape(recipient) + "\n";
  return out;
}

}  // namespace pillarbox::app
