#include "app/background.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <memory>
#include <vector>

#include "app/keep.h"
#include "config/load.h"

namespace pillarbox::app {
namespace {

constexpr std::size_t looked_at = 100;  // a sender must not pay for a long queue: beyond it the run looks for itself

bool something_due(const QueuePlace& place, const config::Queue& queue, queue::Time now) {
  const auto spool = open_queue(place);
  if (!spool || !*spool) return false;
  const auto ids = (*spool)->ids();
  if (!ids) return false;
  if (ids->size() > looked_at) return true;
  return std::any_of(ids->begin(), ids->end(), [&](const std::string& id) {
    const auto listed = (*spool)->look(id);
    return listed && *listed && queue::is_due((*listed)->state, queue.retry, now);
  });
}

// Only what a signal handler may call: there may be threads of a resolver's.
[[noreturn]] void become_runner(char* const* words) {
  ::setsid();
  if (::fork() != 0) ::_exit(0);  // whoever leads a session could be given a terminal
  const int null = ::open("/dev/null", O_RDWR);
  for (int fd = 0; fd <= 2; ++fd) ::dup2(null, fd);
  ::close_range(3, ~0U, 0);
  if (::chdir("/") == 0) ::execv("/proc/self/exe", words);
  ::_exit(0);
}

}  // namespace

void run_in_background(const std::optional<std::string>& directory, const std::optional<std::string>& config,
                       const config::Queue& queue, const base::System& system, const base::Clock& clock) {
  if (!queue.enabled || !queue.background) return;
  const auto places = queue_places(directory, queue, system);
  const auto due = [&](const QueuePlace& place) { return something_due(place, queue, clock.now()); };
  if (std::none_of(places.begin(), places.end(), due)) return;
  std::vector<std::string> words = {"pillarbox", "queue", "run"};
  const auto add = [&](const char* option, const std::optional<std::string>& path) {
    if (!path || path->empty()) return;
    const std::unique_ptr<char, decltype(&std::free)> whole(::realpath(path->c_str(), nullptr), &std::free);
    words.emplace_back(option);
    words.emplace_back(whole ? whole.get() : *path);
  };
  add("--queue-directory", directory);
  add("--config", config::only_file(config, system));  // which may be relative to this folder
  std::vector<char*> pointers;
  pointers.reserve(words.size() + 1);
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  const pid_t child = ::fork();
  if (child == 0) become_runner(pointers.data());
  if (child > 0) ::waitpid(child, nullptr, 0);
}

}  // namespace pillarbox::app
