#include "app/keep.h"

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <random>

#include "base/text.h"

namespace pillarbox::app {
namespace {

constexpr const char* system_place = "/var/spool/pillarbox";
constexpr std::size_t longest_reply = 512;

// A message as the source of its octets.
class Octets final : public base::Source {
 public:
  explicit Octets(mail::Message& message) : message_(message) {}
  Result<std::size_t> read(std::span<char> out) override { return message_.read(out); }

 private:
  mail::Message& message_;
};

Error not_again() {
  return {Error::Kind::io, "the message can't be read a second time"};
}

// The whole size of a message, which is read for it where it is not known.
Result<std::uint64_t> size_of(mail::Message& message) {
  if (!message.rewind()) return not_again();
  if (const auto primed = message.prime(); !primed) return primed.error();
  if (const auto size = message.known_size()) return *size;
  std::array<char, 65536> piece;
  for (;;) {
    const auto count = message.read(piece);
    if (!count) return count.error();
    if (*count == 0) break;
  }
  const std::uint64_t size = message.size();
  if (!message.rewind()) return not_again();
  return size;
}

// One line, as it may be shown.
std::string shown(const smtp::Verdict& verdict) {
  const std::string text =
      verdict.reply ? std::to_string(verdict.reply->code) + " " + verdict.reply->text() : verdict.text;
  return base::escape(text).substr(0, longest_reply);
}

}  // namespace

std::string queue_place(const std::string& named, const base::System& system) {
  if (!named.empty()) return named;
  struct stat status {};
  if (::stat(system_place, &status) == 0 && S_ISDIR(status.st_mode)) return system_place;
  if (const auto state = system.environment("XDG_STATE_HOME"); state && state->starts_with('/')) {
    return *state + "/pillarbox/queue";
  }
  if (const auto home = system.home()) return *home + "/.local/state/pillarbox/queue";
  return system_place;
}

Result<std::optional<queue::Spool>> open_queue(const std::string& place, bool make) {
  // Root's own place is everybody's.
  const bool shared = ::geteuid() == 0;
  return queue::Spool::open(place, ::geteuid(), make, shared);
}

bool worth_keeping(const smtp::Verdict& verdict) {
  return verdict.fate == smtp::Fate::deferred || (verdict.fate == smtp::Fate::rejected && verdict.account);
}

void note(queue::State& state, const std::vector<std::size_t>& tried, const smtp::Outcome& outcome,
          const std::string& host, queue::Progress refused_as, const queue::Steps& retry, queue::Time now) {
  for (std::size_t i = 0; i < tried.size(); ++i) {
    const smtp::Verdict& verdict = outcome.recipients[i];
    queue::RecipientState& recipient = state.recipients[tried[i]];
    recipient.reply = verdict.fate == smtp::Fate::accepted ? "" : shown(verdict);
    recipient.status = verdict.reply ? verdict.reply->enhanced_status() : "";
    recipient.host = verdict.reply ? host : "";
    recipient.progress = verdict.fate == smtp::Fate::accepted ? queue::Progress::accepted
                         : worth_keeping(verdict)             ? queue::Progress::owed
                                                              : refused_as;
  }
  const smtp::Verdict* worst = outcome.worst();
  state.reply = worst ? shown(*worst) : "";
  ++state.tries;
  state.last = now;
  std::random_device random;
  state.next = queue::next_try(retry, state.tries, now, static_cast<double>(random() % 1000) / 1000.0);
}

Result<std::string> keep(queue::Spool& spool, queue::Entry entry, const queue::State& state, mail::Message& message) {
  const auto size = size_of(message);
  if (!size) return size.error();
  auto added = spool.begin(std::move(entry), *size);
  if (!added) return added.error();
  Octets octets(message);
  if (const auto written = added->write(octets); !written) return written.error();
  return added->commit(state);
}

}  // namespace pillarbox::app
