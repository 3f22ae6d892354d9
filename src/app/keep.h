// Keep: a message goes into the queue, and where that is.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/spool.h"
#include "base/system.h"
#include "config/settings.h"
#include "queue/retry.h"
#include "queue/spool.h"
#include "smtp/outcome.h"
#include "smtp/work.h"

namespace pillarbox::app {

// A folder that holds a folder for each user.
struct QueuePlace {
  std::string path;
  bool shared = false;  // the host's, which root makes for everybody

  // Root's runner looks at it for other users' mail.
  [[nodiscard]] bool is_roots() const;
  // Tells root's path unit that there is mail for it: systemd can watch a place, and not the folders in it.
  void ring() const;
};

// Where new mail is kept: in the place that is named (--queue-directory), else in the configuration's, else in
// /var/spool/pillarbox where that exists, else in the caller's own below $XDG_STATE_HOME.
QueuePlace queue_place(const std::optional<std::string>& named, const config::Queue& queue, const base::System& system);
// That one, and unless it is named the others in which mail may wait: from before there was a configuration, or the
// place for all, or from another session.
std::vector<QueuePlace> queue_places(const std::optional<std::string>& named, const config::Queue& queue,
                                     const base::System& system);

// The caller's queue in a place, if there is one.
Result<std::optional<queue::Spool>> open_queue(const QueuePlace& place);
// The same, made if there is none.
Result<queue::Spool> make_queue(const QueuePlace& place);

// The caller's queue as a place for what is too large for memory; made when it is needed.
base::SpoolFolder folder_in(const QueuePlace& place);

// Trying later can help: for now it was refused, or the account is in trouble and not the message.
bool worth_keeping(const smtp::Verdict& verdict);

// Writes down what an attempt came to for those recipients of an entry that were tried; a refusal for good becomes
// refused_as: told to a caller, or still to be told. host: whose words they are, where a server has said any.
void note(queue::State& state, const std::vector<std::size_t>& tried, const smtp::Outcome& outcome,
          const std::string& host, queue::Progress refused_as, const queue::Steps& retry, queue::Time now);

// Puts a transaction's message into the queue, for those recipients that the state owes. Its id. A signal that comes
// meanwhile takes effect when it is in, or nothing is left of it.
Result<std::string> keep(queue::Spool& spool, queue::Entry entry, const queue::State& state, mail::Message& message);

}  // namespace pillarbox::app
