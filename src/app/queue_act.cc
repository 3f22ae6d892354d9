#include "app/queue_act.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "app/event.h"
#include "app/identity.h"
#include "app/queue_text.h"
#include "app/report.h"
#include "base/text.h"

namespace pillarbox::app {
namespace {

// What became of a message: what there is to print for it, or nothing if it is not there.
using Done = Result<std::optional<std::string>>;

std::string told(const std::string& id, const char* key, std::string_view text) {
  return Event("").text("id", id).text(key, text).json();
}

// Prints what a stranger wrote, which must not steer a terminal.
class Printer {
 public:
  ~Printer() { print(base::visible(line_)); }

  void feed(std::string text) {
    std::erase(text, '\r');
    if (!terminal_) return print(text);
    for (const std::string_view part : base::split(text, '\n')) {
      if (part.data() != text.data()) print(base::visible(std::exchange(line_, {})) + '\n');
      line_ += part;  // the last may go on in the next piece
    }
  }

 private:
  static void print(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }

  bool terminal_ = ::isatty(STDOUT_FILENO) == 1;
  std::string line_;
};

class Actor {
 public:
  Actor(const QueueCall& call, Act act) : call_(call), act_(act) {}

  // In one user's directory.
  Done in(queue::Spool& spool, const std::string& id) {
    auto done = with_message(spool, id, true);
    if (done && !*done) {
      auto failed = spool.failed();
      if (!failed) return failed.error();
      if (*failed) done = with_message(**failed, id, false);
    }
    wake(spool);
    const bool damaged = !done && done.error().kind == Error::Kind::data && act_ == Act::remove;
    if (!damaged && (!done || *done)) return done;
    auto found = with_corrupt(spool, id);  // to which it may just have been moved
    return damaged && found && !*found ? done : found;
  }

 private:
  Done with_message(queue::Spool& spool, const std::string& id, bool waits) {
    if (act_ == Act::show) return show(spool, id, waits);
    if (const auto looked = spool.look(id); looked && !*looked) return std::optional<std::string>();
    std::vector<std::string> warnings;
    auto locked = spool.lock(id, warnings);
    if (!locked) return locked.error();
    if (!*locked && !warnings.empty()) return Error{Error::Kind::unavailable, base::join(warnings, "; ")};
    if (!*locked) return Error{Error::Kind::temporary, id + ": can't be had: it may be being sent at the moment"};
    for (const std::string& warning : warnings) complain(call_.program, warning);
    const auto acted = act_ == Act::remove ? (*locked)->remove() : make_due(**locked, waits);
    if (!acted) return acted.error();
    if (act_ == Act::retry) due_ = {(*locked)->entry().owner, (*locked)->entry().account};
    return std::optional(call_.json ? told(id, "result", act_ == Act::remove ? "removed" : "due") : "");
  }

  // The account of a message that was made due is to be tried again: one that rests would keep that waiting.
  void wake(queue::Spool& spool) {
    const auto account = std::exchange(due_, std::nullopt);
    if (!account || !woken_.emplace(spool.path(), *account).second) return;
    const auto ids = spool.ids();
    if (!ids) return;
    for (const std::string& id : *ids) {
      const auto looked = spool.look(id);
      if (!looked || !*looked || !(*looked)->state.rests) continue;
      const Account resting = {(*looked)->entry.owner, (*looked)->entry.account};
      const bool open =
          account->first == queue::Owner::none || resting.first == queue::Owner::none;  // till it is tried
      if (!open && resting != *account) continue;
      std::vector<std::string> ignored;
      auto locked = spool.lock(id, ignored);
      if (!locked || !*locked) continue;  // it is being tried
      queue::State state = (*locked)->state();
      state.rests = false;
      if (const auto saved = (*locked)->save(state); !saved) complain(call_.program, saved.error());
    }
  }

  static Result<void> make_due(queue::Locked& locked, bool waits) {
    queue::State state = locked.state();
    state.next = {};
    if (waits) return locked.save(state);
    state.tries = 0;  // and it can't expire before it was tried once more
    state.last = {};
    for (queue::RecipientState& recipient : state.recipients) {
      if (recipient.progress == queue::Progress::refused) recipient.progress = queue::Progress::owed;
    }
    return locked.put_back(state);
  }

  Done show(const queue::Spool& spool, const std::string& id, bool waits) const {
    const auto shown = spool.show(id);
    if (!shown) return shown.error();
    if (!*shown) return std::optional<std::string>();
    const auto& [listed, content] = **shown;
    std::string whole;  // for JSON only
    if (!call_.json) std::fputs((as_text(listed, waits, false) + fates(listed) + "\n").c_str(), stdout);
    Printer printer;
    std::vector<char> piece(65536);
    for (;;) {
      const auto count = content->read(piece);
      if (!count) return count.error();
      if (*count == 0) break;
      if (call_.json) {
        whole.append(piece.data(), *count);
      } else {
        printer.feed({piece.data(), *count});
      }
    }
    return std::optional(call_.json ? as_json(listed, waits, whole) : "");
  }

  Done with_corrupt(const queue::Spool& spool, const std::string& name) const {
    if (act_ == Act::remove) {
      const auto removed = spool.remove_corrupt(name);
      if (!removed) return removed.error();
      if (!*removed) return std::optional<std::string>();
      return std::optional(call_.json ? told(name, "result", "removed") : "");
    }
    const auto all = spool.corrupt();
    if (!all) return all.error();
    const auto found = std::find_if(all->begin(), all->end(), [&](const auto& each) { return each.name == name; });
    if (found == all->end()) return std::optional<std::string>();
    return Error{Error::Kind::data, spool.path() + "/corrupt/" + name + ": " + found->why};
  }

  using Account = std::pair<queue::Owner, std::string>;
  const QueueCall& call_;
  Act act_;
  std::optional<Account> due_;                       // of the message that was made so
  std::set<std::pair<std::string, Account>> woken_;  // in that directory
};

// Everything that is named, and the array that tells of it.
class Round {
 public:
  Round(const QueueCall& call, Act act) : call_(call), actor_(call, act) {}

  // False: it is in none of them.
  bool in(std::vector<queue::Spool>& spools, const std::string& id) {
    return std::any_of(spools.begin(), spools.end(),
                       [&](queue::Spool& spool) { return note(id, actor_.in(spool, id)); });
  }

  // Root may name a message of anybody's.
  bool in_others(const std::vector<QueuePlace>& places, const std::string& id) {
    enum : std::uint64_t { not_there, done, failed };  // and behind failed the kinds of errors
    bool unknown = false;
    for (const QueuePlace& place : places) {
      for (const queue::Resident& user : other_users(place.path, call_.program)) {
        const auto came_to = as_user(user, call_.program, [&]() -> std::uint64_t {
          for (const std::string& folder : user.folders) {
            auto spool = queue::Spool::at(place.path, folder, user.uid, queue::Access::look);
            if (!spool || !note(id, actor_.in(*spool, id))) continue;
            return last_ ? failed + static_cast<std::uint64_t>(*last_) : done;
          }
          return not_there;
        });
        unknown = unknown || !came_to;
        if (came_to.value_or(not_there) == not_there) continue;
        if (*came_to >= failed) tally_.add(static_cast<Error::Kind>(*came_to - failed));
        array_.added();
        return true;
      }
    }
    return unknown &&
           note(id, Error{Error::Kind::temporary, base::quote(id) + ": may be in a queue that can't be looked into"});
  }

  void missing(const std::string& id) {
    note(id, Error{Error::Kind::no_input, base::quote(id) + ": there is no such message in the queue"});
  }

  int end() {
    if (call_.json) array_.end();
    const auto flushed = flush_output();
    return flushed ? tally_.exit_code() : fail(call_.program, flushed.error());
  }

 private:
  // Whether it was there.
  bool note(const std::string& id, const Done& done) {
    if (done && !*done) return false;
    if (!done) {
      complain(call_.program, done.error());
      tally_.add(done.error().kind);
      last_ = done.error().kind;
    }
    if (call_.json) array_.add(done ? **done : told(id, "error", done.error().text));
    return true;
  }

  const QueueCall& call_;
  Actor actor_;
  JsonArray array_;
  Tally tally_;
  std::optional<Error::Kind> last_;  // that went wrong
};

// All of the caller's own.
Result<std::vector<std::string>> names_in(const std::vector<queue::Spool>& spools, Part part) {
  std::vector<std::string> names;
  for (const queue::Spool& spool : spools) {
    if (part == Part::corrupt) {
      const auto all = spool.corrupt();
      if (!all) return all.error();
      for (const queue::Damaged& each : *all) names.push_back(each.name);
      continue;
    }
    const auto failed = part == Part::failed ? spool.failed() : Result<std::optional<queue::Spool>>(std::nullopt);
    if (!failed) return failed.error();
    if (part == Part::failed && !*failed) continue;
    const auto ids = part == Part::failed ? (*failed)->ids() : spool.ids();
    if (!ids) return ids.error();
    names.insert(names.end(), ids->begin(), ids->end());
  }
  return names;
}

}  // namespace

int act_on(const QueueCall& call, Act act, const Chosen& chosen, const base::System& system) {
  const auto places = find_places(call, system);
  if (!places) return fail(call.program, places.error());
  auto spools = open_all(*places);
  if (!spools) return fail(call.program, spools.error());
  const auto wanted = chosen.all ? names_in(*spools, chosen.part) : chosen.ids;
  if (!wanted) return fail(call.program, wanted.error());
  Round round(call, act);
  for (const std::string& id : *wanted) {
    if (round.in(*spools, id) || chosen.all || round.in_others(*places, id)) continue;
    round.missing(id);
  }
  return round.end();
}

}  // namespace pillarbox::app
