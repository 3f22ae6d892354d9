// HeldSignals: signals that wait while something is under way that must not be torn apart: a file that is being
// written, a reply to the final dot, a terminal without its echo. What has come takes effect when this ends.
//
// No handlers: they are blocked, and looked for where somebody asks. One that the process ignores stays ignored.
// Threads and children that begin meanwhile have them blocked as well.
#pragma once

#include <csignal>
#include <initializer_list>

#include "base/clock.h"
#include "base/unique_fd.h"

namespace pillarbox::base {

class HeldSignals {
 public:
  HeldSignals(std::initializer_list<int> signals = {SIGINT, SIGTERM, SIGHUP});
  HeldSignals(const HeldSignals&) = delete;
  HeldSignals& operator=(const HeldSignals&) = delete;
  ~HeldSignals();  // the first that was counted is raised again

  // How many have come so far, at different times: what comes within 100 ms of one is about the same thing.
  unsigned count();
  // Readable when one has come that was not counted yet; -1 if there is no such descriptor to be had.
  [[nodiscard]] int descriptor() const { return fd_.get(); }

 private:
  sigset_t held_{};
  sigset_t before_{};
  UniqueFd fd_;
  unsigned count_ = 0;
  Instant last_;  // that was counted
  int first_ = 0;
};

}  // namespace pillarbox::base
