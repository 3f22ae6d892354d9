#include "app/queue_call.h"

#include <unistd.h>

#include <cstdio>

#include "app/report.h"
#include "config/load.h"

namespace pillarbox::app {

Result<std::vector<QueuePlace>> find_places(const QueueCall& call, const base::System& system) {
  config::Queue settings;
  if (!call.directory) {
    const auto loaded = config::load({.named = call.config}, system);
    if (!loaded && call.config) return loaded.error();
    if (!loaded) complain(call.program, loaded.error());
    if (loaded) settings = loaded->settings.queue;
  }
  return queue_places(call.directory, settings, system);
}

Result<std::vector<queue::Spool>> open_all(const std::vector<QueuePlace>& places) {
  std::vector<queue::Spool> spools;
  for (const QueuePlace& place : places) {
    auto spool = queue::Spool::open(place.path, ::geteuid(), queue::Access::look);
    if (!spool) return spool.error();
    if (*spool) spools.push_back(**std::move(spool));
  }
  return spools;
}

void JsonArray::add(const std::string& value) {
  std::fputs(empty_ ? "[" : ",\n ", stdout);
  std::fwrite(value.data(), 1, value.size(), stdout);
  empty_ = false;
}

void JsonArray::end() {
  std::fputs(empty_ ? "[]\n" : "]\n", stdout);
}

}  // namespace pillarbox::app
