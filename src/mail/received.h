// The Received field (RFC 5321 section 4.4) that says where a message entered the mail system: this host.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace pillarbox::mail {

// "Received: by HOST (Pillarbox, from userid UID); DATE" with its line ends. host is a name that holds no line end.
std::string received_field(std::string_view host, unsigned uid, std::chrono::system_clock::time_point when);

}  // namespace pillarbox::mail
