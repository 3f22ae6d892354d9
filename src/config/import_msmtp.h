// msmtprc has two halves: import_msmtp.cc finds out which commands count for which account, import_msmtp_account.cc
// what each of them becomes.
#pragma once

#include "config/import_format.h"

namespace pillarbox::config {

// All that is the account's own.
void msmtp_account(Draft& draft, const ReadFile& read_file);

// The log is an account's there and one for all here: the draft is of the account whose log it is to be.
void msmtp_log(Draft& draft);

}  // namespace pillarbox::config
