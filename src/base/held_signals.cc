#include "base/held_signals.h"

#include <sys/signalfd.h>

#include <ctime>

namespace pillarbox::base {

HeldSignals::HeldSignals(std::initializer_list<int> signals) {
  ::sigemptyset(&held_);
  for (const int signal : signals) {
    struct sigaction now {};
    // A signal that is blocked is kept even if it is to be ignored.
    if (::sigaction(signal, nullptr, &now) == 0 && now.sa_handler != SIG_IGN) ::sigaddset(&held_, signal);
  }
  ::pthread_sigmask(SIG_BLOCK, &held_, &before_);
  fd_ = UniqueFd(::signalfd(-1, &held_, SFD_CLOEXEC | SFD_NONBLOCK));
}

HeldSignals::~HeldSignals() {
  if (first_ != 0) ::raise(first_);
  ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

unsigned HeldSignals::count() {
  const timespec at_once{};
  for (int signal = 0; (signal = ::sigtimedwait(&held_, nullptr, &at_once)) > 0; ++count_) {
    if (first_ == 0) first_ = signal;
  }
  return count_;
}

}  // namespace pillarbox::base
