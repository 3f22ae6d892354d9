// One step of a message's life in the queue, to be killed in: queue_tool STEP PLACE. What it has done for good it says
// on standard output; "look" says what somebody finds who comes later.
#include <unistd.h>

#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "queue/spool.h"

using namespace pillarbox;

namespace {

const std::string content(200000, 'x');
const queue::Time noon = queue::Time(std::chrono::seconds(1'800'000'000));

queue::Entry entry() {
  const std::vector<mail::Address> recipients = {*mail::Address::parse("bob@example.net")};
  return {.arrived = noon, .uid = ::getuid(), .envelope = *mail::Envelope::make({}, recipients)};
}

queue::State state(unsigned tries) {
  queue::State out = queue::State::fresh(1);
  out.tries = tries;
  return out;
}

Result<void> put(queue::Spool& spool, unsigned tries) {
  auto begun = spool.begin(entry(), content.size());
  if (!begun) return begun.error();
  base::MemorySource source(content);
  if (const auto written = begun->write(source); !written) return written.error();
  if (const auto id = begun->commit(state(tries)); !id) return id.error();
  return {};
}

// What is found: "whole TRIES" for each message, "damaged" for what is none.
Result<void> look(queue::Spool& spool) {
  const auto ids = spool.ids();
  if (!ids) return ids.error();
  for (const std::string& id : *ids) {
    std::vector<std::string> warnings;
    const auto locked = spool.lock(id, warnings);
    if (!locked || !*locked) {
      std::puts(locked ? "locked" : "damaged");
      continue;
    }
    const auto source = (*locked)->content();
    const auto read = base::read_all(*source, content.size());
    std::printf("%s %u\n", read && *read == content ? "whole" : "damaged", (*locked)->state().tries);
  }
  return {};
}

Result<void> with_first(queue::Spool& spool, const std::string& step) {
  const auto ids = spool.ids();
  if (!ids) return ids.error();
  std::vector<std::string> warnings;
  auto locked = spool.lock(ids->at(0), warnings);
  if (!locked) return locked.error();
  if (step == "save") return (*locked)->save(state(9));
  if (step == "remove") return (*locked)->remove();
  return (*locked)->set_aside();
}

Result<void> run(const std::string& step, const std::string& place) {
  auto spool = queue::Spool::open(place, ::getuid(), queue::Access::make);
  if (!spool) return spool.error();
  if (step == "look") return look(**spool);
  if (step == "put") return put(**spool, 0);
  if (step == "put-tried") return put(**spool, 3);
  return with_first(**spool, step);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 64;
  const std::string step = argv[1];
  const auto done = run(step, argv[2]);
  if (!done) std::fprintf(stderr, "%s\n", done.error().text.c_str());
  if (done && step != "look") std::puts("done");
  return done ? 0 : 1;
}
