// The steps of a check, in the order in which a connection takes them; which of them a failure belongs to, and what
// mends it. Values only: nothing is connected or printed here.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "config/settings.h"
#include "smtp/certificate.h"
#include "smtp/endpoint.h"
#include "smtp/failure.h"

namespace pillarbox::app {

enum class Step { configuration, secret, dns, tcp, smtp, tls, auth };

std::string_view name_of(Step step);

// secured: TLS stood when it happened.
Step step_of(const smtp::Failure& failure, smtp::TlsMode mode, bool secured);

// What somebody can do about it, in one line; "" where there is nothing to say beyond the failure's own text.
std::string remedy(const smtp::Failure& failure, const smtp::Endpoint& endpoint,
                   const std::optional<smtp::Presented>& presented);

// Where an account's password comes from, as the configuration has it: "password_file /etc/secret".
std::string source_of(const config::Auth& auth);

}  // namespace pillarbox::app
