#include "app/keep.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <random>
#include <vector>

#include "base/disk.h"
#include "base/held_signals.h"
#include "base/unique_fd.h"
#include "queue/place.h"

namespace pillarbox::app {
namespace {

constexpr const char* system_place = "/var/spool/pillarbox";

// A message as the source of its octets.
class Octets final : public base::Source {
 public:
  Octets(mail::Message& message, base::HeldSignals& signals) : message_(message), signals_(signals) {}
  Result<std::size_t> read(std::span<char> out) override {
    if (signals_.count() > 0) return Error{Error::Kind::temporary, "a signal has come"};
    return message_.read(out);
  }

 private:
  mail::Message& message_;
  base::HeldSignals& signals_;
};

Error not_again() {
  return {Error::Kind::io, "the message can't be read a second time"};
}

// The whole size of a message, which is read for it where it is not known.
Result<std::uint64_t> size_of(mail::Message& message) {
  if (!message.rewind()) return not_again();
  if (const auto primed = message.prime(); !primed) return primed.error();
  if (const auto size = message.known_size()) return *size;
  std::vector<char> piece(65536);
  for (;;) {
    const auto count = message.read(piece);
    if (!count) return count.error();
    if (*count == 0) break;
  }
  const std::uint64_t size = message.size();
  if (!message.rewind()) return not_again();
  return size;
}

// The words on it; the state's file makes one line of them.
std::string words_on(const smtp::Verdict& verdict) {
  return verdict.reply ? std::to_string(verdict.reply->code) + " " + verdict.reply->text() : verdict.text;
}

constexpr const char* below_state = "/pillarbox/queue";

std::optional<std::string> place_in_state(const base::System& system) {
  const auto state = system.environment("XDG_STATE_HOME");
  return state && state->starts_with('/') ? std::optional(*state + below_state) : std::nullopt;
}

// In the home that the environment names, and in the password file's.
std::vector<std::string> places_at_home(const base::System& system) {
  std::vector<std::string> places;
  for (const auto& home : {system.home(), system.listed_home()}) {
    if (home) places.push_back(*home + "/.local/state" + below_state);
  }
  return places;
}

// Whether it is there for us, or can be made.
bool can_be_had(std::string path) {
  struct stat status {};
  while (path.size() > 1 && ::stat(path.c_str(), &status) != 0 && errno == ENOENT) path = base::folder_of(path);
  return ::access((path + "/.").c_str(), W_OK | X_OK) == 0;
}

QueuePlace usual_place(const base::System& system) {
  struct stat status {};
  if (::stat(system_place, &status) == 0 && S_ISDIR(status.st_mode)) return {system_place, true};
  if (auto place = place_in_state(system)) return {*std::move(place)};
  const auto places = places_at_home(system);
  const auto found = std::find_if(places.begin(), places.end(), can_be_had);
  if (found != places.end()) return {*found};
  return places.empty() ? QueuePlace{system_place, true} : QueuePlace{places.front()};
}

bool is_our_folder(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode) && status.st_uid == ::geteuid();
}

}  // namespace

bool QueuePlace::is_roots() const {
  struct stat status {};
  return shared && ::geteuid() != 0 && ::stat(path.c_str(), &status) == 0 && status.st_uid == 0;
}

void QueuePlace::ring() const {
  const std::string name = path + '/' + std::string(queue::bell) + base::random_word();
  const base::UniqueFd fd(::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (fd) ::unlink(name.c_str());
}

QueuePlace queue_place(const std::optional<std::string>& named, const config::Queue& queue,
                       const base::System& system) {
  if (named) return {*named};
  if (!queue.directory.empty()) return {queue.directory, queue.owner == config::Owner::system};
  return usual_place(system);
}

std::vector<QueuePlace> queue_places(const std::optional<std::string>& named, const config::Queue& queue,
                                     const base::System& system) {
  std::vector<QueuePlace> places = {queue_place(named, queue, system)};
  if (named) return places;
  const auto add = [&places](QueuePlace place) {
    const bool known =
        std::any_of(places.begin(), places.end(), [&](const auto& each) { return each.path == place.path; });
    if (!known) places.push_back(std::move(place));
  };
  add(usual_place(system));
  auto others = places_at_home(system);
  if (const auto place = place_in_state(system)) others.insert(others.begin(), *place);
  for (const std::string& place : others) {
    if (is_our_folder(place)) add({place});
  }
  return places;
}

Result<std::optional<queue::Spool>> open_queue(const QueuePlace& place) {
  return queue::Spool::open(place.path, ::geteuid(), queue::Access::work);
}

Result<queue::Spool> make_queue(const QueuePlace& place) {
  const bool shared = place.shared && ::geteuid() == 0;
  auto spool = queue::Spool::open(place.path, ::geteuid(), shared ? queue::Access::make_shared : queue::Access::make);
  if (!spool) return spool.error();
  return **std::move(spool);
}

base::SpoolFolder folder_in(const QueuePlace& place) {
  return [place]() -> Result<std::string> {
    auto spool = make_queue(place);
    if (!spool) return spool.error();
    return spool->path();
  };
}

bool worth_keeping(const smtp::Verdict& verdict) {
  return verdict.fate == smtp::Fate::deferred || (verdict.fate == smtp::Fate::rejected && verdict.account);
}

void note(queue::State& state, const std::vector<std::size_t>& tried, const smtp::Outcome& outcome,
          const std::string& host, queue::Progress refused_as, const queue::Steps& retry, queue::Time now) {
  for (std::size_t i = 0; i < tried.size(); ++i) {
    const smtp::Verdict& verdict = outcome.recipients[i];
    queue::RecipientState& recipient = state.recipients[tried[i]];
    recipient.reply = verdict.fate == smtp::Fate::accepted ? "" : words_on(verdict);
    recipient.status = verdict.reply ? verdict.reply->enhanced_status() : "";
    recipient.host = verdict.reply ? host : "";
    recipient.progress = verdict.fate == smtp::Fate::accepted ? queue::Progress::accepted
                         : worth_keeping(verdict)             ? queue::Progress::owed
                                                              : refused_as;
  }
  const smtp::Verdict* worst = outcome.worst();
  for (std::size_t i = tried.size(); i-- > 0;) {  // why it waits, if it does
    if (state.recipients[tried[i]].progress == queue::Progress::owed) worst = &outcome.recipients[i];
  }
  state.rests = outcome.failure && outcome.failure->account;
  state.reply = worst ? words_on(*worst) : "";
  ++state.tries;
  state.last = now;
  std::random_device random;
  state.next = queue::next_try(retry, state.tries, now, static_cast<double>(random() % 1000) / 1000.0);
}

Result<std::string> keep(queue::Spool& spool, queue::Entry entry, const queue::State& state, mail::Message& message) {
  base::HeldSignals signals;
  const auto size = size_of(message);
  if (!size) return size.error();
  auto added = spool.begin(std::move(entry), *size);
  if (!added) return added.error();
  Octets octets(message, signals);
  if (const auto written = added->write(octets); !written) return written.error();
  return added->commit(state, [&] { return signals.count() > 0; });
}

}  // namespace pillarbox::app
