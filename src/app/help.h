// Help: what -h, --help and --version print on standard output.
#pragma once

#include <span>

#include "app/options.h"

namespace pillarbox::app {

void print_version();
void print_front_help();
void print_smtp_help(std::span<const Option> table);
void print_sendmail_help(std::span<const Option> table);

}  // namespace pillarbox::app
