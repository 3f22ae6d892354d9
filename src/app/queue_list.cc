#include "app/queue_list.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <utility>

#include "app/identity.h"
#include "app/queue_text.h"
#include "app/report.h"

namespace pillarbox::app {
namespace {

class Lister {
 public:
  Lister(const QueueCall& call, Part part, queue::Time now) : call_(call), part_(part), now_(now) {}

  // others: to root, of another user's. So many were printed.
  Result<std::uint64_t> print(const queue::Spool& spool, uid_t uid, bool others) {
    if (part_ == Part::corrupt) return print_corrupt(spool, uid);
    if (part_ == Part::queue) return print_messages(spool, others);
    const auto failed = spool.failed();
    if (!failed) return failed.error();
    return *failed ? print_messages(**failed, others) : Result<std::uint64_t>(0);
  }

  // Root sees everybody's.
  std::uint64_t print_others(const std::string& place) {
    std::uint64_t count = 0;
    for (const queue::Resident& user : other_users(place, call_.program)) {
      for (const std::string& folder : user.folders) {
        const auto more = as_user(user, call_.program, [&]() -> std::uint64_t {
          const auto spool = queue::Spool::at(place, folder, user.uid, queue::Access::look);
          const auto printed = spool ? print(*spool, user.uid, true) : spool.error();
          if (!printed) complain(call_.program, printed.error());
          return printed ? *printed : 0;
        });
        if (more.value_or(0) > 0) array_.added();
        count += more.value_or(0);
      }
    }
    return count;
  }

  void end(std::uint64_t count) {
    if (call_.json) return array_.end();
    const bool files = part_ == Part::corrupt;
    const char* const none = part_ == Part::queue ? "Mail queue is empty"
                             : files              ? "No damaged files"
                                                  : "No failed messages";
    const std::string many = std::to_string(count) + (files ? " file" : " message") + (count == 1 ? "" : "s");
    std::fputs(((count == 0 ? none : many) + "\n").c_str(), stdout);
  }

 private:
  void print(const std::string& text) {
    if (call_.json) return array_.add(text);
    std::fwrite(text.data(), 1, text.size(), stdout);
  }

  Result<std::uint64_t> print_messages(const queue::Spool& spool, bool others) {
    const auto ids = spool.ids();
    if (!ids) return ids.error();
    const bool waits = part_ == Part::queue;
    std::uint64_t count = 0;
    std::map<std::pair<queue::Owner, std::string>, queue::Time> resting;  // accounts, as far as messages have told
    for (const std::string& id : *ids) {
      const auto listed = spool.look(id);
      if (listed && !*listed) continue;
      if (!listed) {
        print(call_.json ? as_json(id, listed.error()) : as_text(id, listed.error()));
      } else {
        const auto& [entry, state, size] = **listed;
        auto& rests = resting[{entry.owner, entry.account}];
        if (waits && state.rests && state.next > now_) rests = std::max(rests, state.next);
        print(call_.json ? as_json(**listed, waits, rests) : as_text(**listed, waits, others, rests));
      }
      ++count;
    }
    return count;
  }

  Result<std::uint64_t> print_corrupt(const queue::Spool& spool, uid_t uid) {
    const auto all = spool.corrupt();
    if (!all) return all.error();
    for (const queue::Damaged& each : *all) print(call_.json ? as_json(each, uid) : as_text(each));
    return all->size();
  }

  const QueueCall& call_;
  Part part_;
  queue::Time now_;
  JsonArray array_;
};

}  // namespace

Result<void> list_queue(const QueueCall& call, const base::System& system, const base::Clock& clock, Part part) {
  const auto places = find_places(call, system);
  if (!places) return places.error();
  const auto spools = open_all(*places);
  if (!spools) return spools.error();
  Lister lister(call, part, clock.now());
  std::uint64_t count = 0;
  for (const queue::Spool& spool : *spools) {
    const auto printed = lister.print(spool, ::geteuid(), false);
    if (!printed) return printed.error();
    count += *printed;
  }
  for (const QueuePlace& place : *places) count += lister.print_others(place.path);
  lister.end(count);
  return flush_output();
}

}  // namespace pillarbox::app
