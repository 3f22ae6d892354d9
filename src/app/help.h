// Help: what -h, --help and --version print on standard output. Each returns the exit code: 74 if that failed.
#pragma once

#include <span>

#include "app/options.h"

namespace pillarbox::app {

int print_version();
int print_front_help();
int print_import_help();
int print_queue_help(std::span<const Option> table);
int print_check_help(std::span<const Option> table);
int print_setup_help(std::span<const Option> table);
int print_smtp_help(std::span<const Option> table);
int print_sendmail_help(std::span<const Option> table);

}  // namespace pillarbox::app
