// Pipeline: our own MAIL, RCPT, DATA and BDAT on a connection that libcurl has opened, secured and logged in on.
//
// What the server offers decides how much is said before its replies are awaited:
//   nothing      one command at a time
//   PIPELINING   a message's commands in one group, together with the final dot of the message before it (RFC 2920)
//   CHUNKING     too, and more than one message: whole transactions in one stream (RFC 3030), within a window. The
//                first waits behind a chunk of one octet: a server that does not mean what it offers must never read
//                a body as commands.
// A server that fails at what it offers is met again on a new connection, one step lower. Nothing is sent twice that
// may have been taken: a message that was under way when the connection ended is a temporary failure.
#pragma once

#include "smtp/session.h"
#include "smtp/work.h"

namespace pillarbox::smtp {

// All of the work, with disconnect on a connection for each message.
void run_pipeline(Session& session, Work& work, bool disconnect);

}  // namespace pillarbox::smtp
