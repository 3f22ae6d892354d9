// Netrc: ftp's and curl's file of logins: "machine HOST login USER password WORD", in any order of login and password
// and over any number of lines; "default" is for every host. Words may be in double quotes, with \" \\ \n \t \r in
// them. A '#' where a keyword could stand begins a comment; macros ("macdef", to the next empty line) and accounts are
// skipped.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/secret.h"

namespace pillarbox::config {

struct NetrcEntry {
  std::string login;
  base::Secret password;
};

// The first entry with a password that is for the host (without regard to case), or for every host, and for the login:
// any, if that is "".
std::optional<NetrcEntry> find_in_netrc(std::string_view text, std::string_view host, std::string_view login);

}  // namespace pillarbox::config
