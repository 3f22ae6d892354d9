// Dns: the door to what the domain name system says beyond addresses: where a domain's services are (RFC 2782).
//
// Answers are not authenticated: whoever can forge them says what they like.
#pragma once

#include <netinet/in.h>

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace pillarbox::base {

struct Srv {
  int priority = 0;  // the lowest is to be tried first
  int weight = 0;    // among those of one priority
  int port = 0;
  std::string target;  // without a dot at its end; "": the service is decidedly not there
};

class Dns {
 public:
  Dns() = default;
  // Asks that name server in place of the system's.
  explicit Dns(const sockaddr_in& server) : server_(server) {}
  virtual ~Dns() = default;

  // All SRV records of a name such as "_submission._tcp.example.com", none if there are none. temporary (75) if nobody
  // answers, protocol (76) if what comes can't be read, system (71) without a library that reads it.
  [[nodiscard]] virtual Result<std::vector<Srv>> srv(const std::string& name) const;

 private:
  std::optional<sockaddr_in> server_;
};

}  // namespace pillarbox::base
