// Engine: libcurl's own MAIL, RCPT, DATA, the final dot (RFC 5321 section 3.3), one command at a time.
//
// It can't do DSN, BODY=, SMTPUTF8 and a body for refused recipients; an envelope that needs SMTPUTF8 is refused before
// anything is sent.
#pragma once

#include "mail/envelope.h"
#include "mail/message.h"
#include "smtp/outcome.h"
#include "smtp/session.h"

namespace pillarbox::smtp {

struct Transaction {
  const mail::Envelope& envelope;
  mail::Message& message;
  bool abort_on_reject = false;  // no DATA if any recipient was refused
  bool last = true;              // close the connection afterwards
};

Outcome send_by_engine(Session& session, Transaction transaction);

}  // namespace pillarbox::smtp
