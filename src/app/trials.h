// Trials: in root's run many processes send by the system's accounts, and an account that fails is to be tried by one
// of them only: servers lock those that try a wrong password again and again. The first that asks tries it, and the
// others wait for what it finds: that the account stands, or that it rests for this run.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "smtp/view.h"

namespace pillarbox::app {

// One of those who ask, by a socket that keeps messages apart.
class Trier final : public smtp::View {
 public:
  explicit Trier(int socket) : socket_(socket) {}

  // Whether it was found in trouble; false is an order to try it. May wait for another.
  bool rests(const std::string& account);
  void in_trouble(const std::string& account);
  void tries_another() { account_.clear(); }                    // that is of no interest to others
  void ready(const smtp::Connection& /*connection*/) override;  // so the account stands

 private:
  int socket_;
  std::string account_;  // the one that was asked for, until it is known how it is
};

// The one that is asked.
class Trials {
 public:
  // longest: so long others wait for one that tries.
  explicit Trials(std::chrono::milliseconds longest = std::chrono::minutes(1)) : longest_(longest) {}

  // What somebody says, if it is of this: its words are of a process that reads a user's files, and name an account.
  bool hear(std::string_view what, const std::string& account, int who);
  void left(int who);  // it has ended
  void go_on();        // to be called every second or so: nobody waits for ever for somebody who is slow
  void begin_anew();   // a round

 private:
  struct Trial {
    std::optional<bool> stands = {};
    std::optional<int> by = {};
    base::Instant since = {};
    std::vector<int> waiting = {};  // in the order of their coming
  };
  void settle(Trial& trial) const;

  std::chrono::milliseconds longest_;
  std::map<std::string, Trial> trials_;  // by account
};

}  // namespace pillarbox::app
