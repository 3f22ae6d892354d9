#include "base/held_signals.h"

#include <sys/signalfd.h>

#include <ctime>

namespace pillarbox::base {
namespace {

// A terminal that hangs up says so by its shell and by the kernel; systemd ends a session with SIGTERM and SIGHUP.
constexpr std::chrono::milliseconds same_event(100);

}  // namespace

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
  for (int signal = 0; (signal = ::sigtimedwait(&held_, nullptr, &at_once)) > 0;) {
    if (first_ == 0) first_ = signal;
    const Instant now = Instant::clock::now();
    if (count_ > 0 && now - last_ < same_event) continue;
    last_ = now;
    ++count_;
  }
  return count_;
}

}  // namespace pillarbox::base
