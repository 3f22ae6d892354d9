// Bounce: the delivery status notification (RFC 3464) for what has failed for good, or still waits, as multipart/report
// (RFC 6522), with the server's last words and the original's header; or all of it, of a failure where RET=FULL asked
// for that and it is not large.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/source.h"
#include "queue/entry.h"
#include "queue/state.h"

namespace pillarbox::queue {

struct Report {
  Entry entry;          // of the notification: sender <>, bounce_of set, recipient the original's sender or another
  std::string content;  // CRLF line ends
};

struct Reporter {
  std::string host;                        // Reporting-MTA: this host's name
  std::string domain;                      // of MAILER-DAEMON and the Message-ID
  std::optional<mail::Address> bounce_to;  // in place of the sender
  std::chrono::seconds expire{};           // the age at which a message is given up
};

enum class Notice { failure, delay };

// Whether a notification on a recipient may be made at all: never to the null sender, never on a notification of ours,
// never where NOTIFY=NEVER or a NOTIFY without FAILURE, or DELAY, was asked for.
bool may_report(const Entry& entry, std::size_t recipient, Notice notice = Notice::failure);
// Whether there is anybody to report on now: refused, or for a delay owed.
bool may_report(const Entry& entry, const State& state, Notice notice = Notice::failure);

// The notification on those recipients of an entry whose progress is refused; of a delay, on those still owed; without
// those on whom none may be made. A refused one's status of class 4, such as 4.4.7, says that it was given up after the
// time from its arrival to now. The id follows from the entry's id and these recipients, so that it is made once
// however often it is begun. original: the content of the entry, from its start. internal (70) if there is nothing to
// report, or nobody to report to; else the source's errors.
Result<Report> report_on(const Entry& entry, const State& state, base::Source& original, const Reporter& reporter,
                         Time now, Notice notice = Notice::failure);

}  // namespace pillarbox::queue
