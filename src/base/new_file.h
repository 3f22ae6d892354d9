// A new file that is there whole or not at all: written beside its place under another name, synced, and only then
// given its own (0600, whatever the umask).
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace pillarbox::base {

// cannot_create (73) naming the path: a file of that name is there and may not be replaced, or the folder is not to be
// written; temporary (75) if the disk is full, io (74) if it fails. Nothing is left behind then, but for what may have
// replaced another file already when its folder's sync fails.
Result<void> write_new_file(const std::string& path, std::string_view content, bool replace);

// Makes a folder and those above it (0700) where they are missing.
Result<void> make_folders(const std::string& path);

}  // namespace pillarbox::base
