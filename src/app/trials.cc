#include "app/trials.h"

#include <algorithm>

#include "app/words.h"
#include "queue/netstring.h"

namespace pillarbox::app {
namespace {

using queue::netstring;

constexpr std::string_view ask_rest = "rests";
constexpr std::string_view tell_ready = "ready";
constexpr std::string_view tell_trouble = "trouble";

std::string answer(bool rests) {
  return netstring(rests ? "yes" : "no");
}

}  // namespace

bool Trier::rests(const std::string& account) {
  account_ = account;
  return say(socket_, netstring(ask_rest) + netstring(account)) && hear(socket_) == answer(true);
}

void Trier::in_trouble(const std::string& account) {
  tries_another();
  (void)say(socket_, netstring(tell_trouble) + netstring(account));
}

void Trier::ready(const smtp::Connection& /*connection*/) {
  if (account_.empty()) return;
  (void)say(socket_, netstring(tell_ready) + netstring(account_));
  account_.clear();
}

bool Trials::hear(std::string_view what, const std::string& account, int who) {
  Trial& trial = trials_[account];
  if (what == ask_rest) {
    left(who);  // whatever it has tried before
    trial.waiting.push_back(who);
  } else if (what == tell_ready) {
    trial.stands = true;
  } else if (what == tell_trouble) {
    trial.stands = false;
  } else {
    return false;
  }
  settle(trial);
  return true;
}

void Trials::left(int who) {
  for (auto& [account, trial] : trials_) {
    std::erase(trial.waiting, who);
    if (trial.by == who) trial.by.reset();
    settle(trial);
  }
}

void Trials::go_on() {
  for (auto& [account, trial] : trials_) settle(trial);
}

void Trials::begin_anew() {
  for (auto& [account, trial] : trials_) trial.stands.reset();
}

void Trials::settle(Trial& trial) const {
  if (trial.waiting.empty()) return;
  if (trial.stands) {
    for (const int who : trial.waiting) (void)say(who, answer(!*trial.stands));
    trial.waiting.clear();
    return;
  }
  const base::Instant now = base::Instant::clock::now();
  if (trial.by && now < trial.since + longest_) return;
  trial.by = trial.waiting.front();
  trial.since = now;
  trial.waiting.erase(trial.waiting.begin());
  (void)say(*trial.by, answer(false));
}

}  // namespace pillarbox::app
