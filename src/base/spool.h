// Reads a source to its end before anything is done with it: a caller that writes slowly must not hold an SMTP session
// open, and its pipe must not break. Small content stays in memory; larger content goes to a file without a name, which
// the kernel removes whatever becomes of us.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string>

#include "base/result.h"
#include "base/source.h"

namespace pillarbox::base {

// directory is where the unnamed file is made; it is made itself (0700) if its parent is there. cannot_create (73) if
// that can't be, temporary (75) if the disk is full, data (65) if there are more bytes than most.
Result<std::unique_ptr<Source>> spool(Source& source, const std::string& directory,
                                      std::uint64_t most = std::numeric_limits<std::uint64_t>::max(),
                                      std::size_t in_memory = 1U << 20U);

}  // namespace pillarbox::base
