#include "mail/received.h"

#include "base/clock.h"

namespace pillarbox::mail {

std::string received_field(std::string_view host, unsigned uid, std::chrono::system_clock::time_point when) {
  return "Received: by " + std::string(host) + " (Pillarbox, from userid " + std::to_string(uid) + ");\r\n\t" +
         base::rfc5322_date(when) + "\r\n";
}

}  // namespace pillarbox::mail
