#include "app/queue_text.h"

#include <algorithm>
#include <initializer_list>
#include <string_view>
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

std::string padded(std::string_view name, std::uint64_t size) {
  const std::string text = std::to_string(size);
  return std::string(name) + std::string(text.size() < 10 ? 10 - text.size() : 1, ' ') + text;
}

Event facts(const queue::Listed& listed, bool waits) {
  Event line("");
  line.text("id", listed.entry.id).number("size", static_cast<std::int64_t>(listed.size));
  line.text("arrived", base::iso8601_utc(listed.entry.arrived)).text("sender", sender_of(listed.entry));
  line.list("recipients", owed(listed)).text("account", listed.entry.account);
  line.number("uid", listed.entry.uid).text("configuration", owner_name(listed.entry.owner));
  line.number("tries", listed.state.tries).text("reply", listed.state.reply);
  if (waits) line.text("next", next_try(listed.state));
  if (listed.state.last) line.text("last", base::iso8601_utc(*listed.state.last));
  if (!listed.entry.message_id.empty()) line.text("message_id", listed.entry.message_id);
  return line;
}

std::vector<std::string> those(const queue::Listed& listed, std::initializer_list<queue::Progress> wanted) {
  std::vector<std::string> found;
  for (std::size_t i = 0; i < listed.state.recipients.size(); ++i) {
    if (std::find(wanted.begin(), wanted.end(), listed.state.recipients[i].progress) == wanted.end()) continue;
    found.push_back(listed.entry.envelope.recipients()[i].text());
  }
  return found;
}

}  // namespace

std::string as_json(const queue::Listed& listed, bool waits, queue::Time rests) {
  Event line = facts(listed, waits);
  if (rests != queue::Time{}) line.text("account_rests_until", base::iso8601_utc(rests));
  return line.json();
}

std::string as_json(const queue::Listed& listed, bool waits, const std::string& content) {
  Event line = facts(listed, waits);
  line.list("accepted", those(listed, {queue::Progress::accepted}));
  line.list("refused", those(listed, {queue::Progress::refused, queue::Progress::told}));
  return line.text("content", content).json();
}

std::string as_json(const queue::Damaged& damaged, uid_t uid) {
  Event line("");
  line.text("id", damaged.name).number("size", static_cast<std::int64_t>(damaged.size)).number("uid", uid);
  return line.text("error", damaged.why).json();
}

std::string as_text(const queue::Listed& listed, bool waits, bool others, queue::Time rests) {
  std::string out = padded(listed.entry.id, listed.size) + "  " + base::iso8601_utc(listed.entry.arrived) + "  " +
                    base::escape(sender_of(listed.entry)) + "\n";
  if (!listed.state.reply.empty()) out += "    (" + base::visible(listed.state.reply) + ")\n";
  std::string tried = "tried: " + std::to_string(listed.state.tries);
  if (rests != queue::Time{}) tried += "; its account rests until " + base::iso8601_utc(rests);
  tried += '\n';
  out += waits ? "    next try: " + next_try(listed.state) + ", " + tried : "    " + tried;
  if (waits && others && listed.entry.owner == queue::Owner::user) {
    out += "    by the account " + base::escape(listed.entry.account) + " of the owner's: waits for a run of uid " +
           std::to_string(listed.entry.uid) + "\n";
  }
  for (const std::string& recipient : owed(listed)) out += "    " + base::escape(recipient) + "\n";
  return out;
}

std::string as_text(const queue::Damaged& damaged) {
  const std::string why = damaged.why.empty() ? "is a message again" : damaged.why;
  return padded(damaged.name, damaged.size) + "\n    (" + base::escape(why) + ")\n";
}

std::string as_json(const std::string& id, const Error& error) {
  return Event("").text("id", id).text("error", error.text).json();
}

std::string as_text(const std::string& id, const Error& error) {
  return id + "\n    (" + base::escape(error.text) + ")\n";
}

std::string fates(const queue::Listed& listed) {
  std::string out;
  for (std::size_t i = 0; i < listed.state.recipients.size(); ++i) {
    const auto& [progress, reply, status, host] = listed.state.recipients[i];
    if (progress == queue::Progress::owed) continue;
    out += "    " + base::escape(listed.entry.envelope.recipients()[i].text());
    out += progress == queue::Progress::accepted ? " has it" : " was refused";
    if (progress != queue::Progress::accepted && !reply.empty()) out += " (" + base::visible(reply) + ')';
    out += '\n';
  }
  return out;
}

}  // namespace pillarbox::app
