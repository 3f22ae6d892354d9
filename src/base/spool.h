// Reads a source to its end before anything is done with it: a caller that writes slowly must not hold an SMTP session
// open, and its pipe must not break. Small content stays in memory; larger content goes to a file without a name, which
// the kernel removes whatever becomes of us.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>

#include "base/result.h"
#include "base/source.h"

namespace pillarbox::base {

// Where the file without a name is made; asked for when there is one to be.
using SpoolFolder = std::function<Result<std::string>()>;

// Errors are the folder's, those of base/disk.h, and data (65) if there are more bytes than most.
Result<std::unique_ptr<Source>> spool(Source& source, const SpoolFolder& folder,
                                      std::uint64_t most = std::numeric_limits<std::uint64_t>::max(),
                                      std::size_t in_memory = 1U << 20U);

}  // namespace pillarbox::base
