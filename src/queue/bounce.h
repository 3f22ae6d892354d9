// Bounce: the delivery status notification (RFC 3464) for what has failed for good, as multipart/report (RFC 6522),
// with the server's last words and the original's header, or all of it where RET=FULL asked for that and it is not
// large.
#pragma once

#include <memory>
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
};

// Whether a notification may be made at all: never for the null sender, never for a notification of ours, never where
// NOTIFY=NEVER or NOTIFY without FAILURE was asked for.
bool may_report(const Entry& entry);

// The notification on those recipients of an entry whose progress is refused. A status of class 4, such as 4.4.7, says
// that one was given up after the time from its arrival to now. The id follows from the entry's id and these
// recipients, so that it is made once however often it is begun. original: the content of the entry, from its start.
// internal (70) if there is nothing to report, or nobody to report to; else the source's errors.
Result<Report> report_on(const Entry& entry, const State& state, base::Source& original, const Reporter& reporter,
                         Time now);

}  // namespace pillarbox::queue
