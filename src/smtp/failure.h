// Failure: what went wrong in a conversation, and where. The dialogue and the session state it; outcome.cc alone says
// what it means for the message, its recipients and the account.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "smtp/reply.h"

namespace pillarbox::smtp {

// What the conversation is about at the moment.
enum class Phase {
  connect,
  greeting,
  ehlo,
  helo,
  starttls,
  tls,
  auth,
  mail,
  rcpt,
  data,
  body,
  chunk,
  dot,
  rset,
  quit,
  other
};

// As it reads in "… was refused": "the session" for the greeting, "EHLO", "the sender", "the message".
std::string describe(Phase phase);

struct Failure {
  enum class Cause {
    refused,           // by the reply
    lost,              // the connection ended or was reset
    timeout,           // a deadline passed
    stopped,           // by a signal to us
    protocol,          // what came is no SMTP
    unknown_host,      // the name does not exist
    unresolved,        // its address can't be had at the moment
    unreachable,       // no address took a connection
    tls_not_offered,   // and it is required
    tls_failed,        // handshake
    certificate,       // not verified
    auth_not_offered,  // or not by a mechanism of ours
    cleartext,         // credentials would cross an unprotected connection
    too_large,         // for the SIZE that the server announced (RFC 1870)
    unsupported,       // this message needs what the server or the driver has no way to do
    source,            // the message can't be read; kind says how
    local,             // our own set-up; kind says how
  };

  Cause cause;
  Phase phase;
  std::optional<Reply> reply = {};
  std::string text = {};                     // beyond what cause, phase and reply say
  std::string host = {};                     // that failed, where there are several
  Error::Kind kind = Error::Kind::internal;  // of source, local and unsupported
};

}  // namespace pillarbox::smtp
