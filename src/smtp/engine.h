// Engine: libcurl's own MAIL, RCPT, DATA, the final dot (RFC 5321 section 3.3), one command at a time.
//
// It can't do DSN, BODY=, SMTPUTF8 and a body for refused recipients; an envelope that needs SMTPUTF8 is refused before
// anything is sent.
#pragma once

#include "smtp/session.h"
#include "smtp/work.h"

namespace pillarbox::smtp {

// One message; with last the connection is closed behind it.
Outcome send_by_engine(Session& session, Transaction& transaction, bool last = true);

// All of the work on one connection, or with disconnect on one for each message.
void run_engine(Session& session, Work& work, bool disconnect);

}  // namespace pillarbox::smtp
