// What all that write files share: what a failure of the disk means, a write of all there is, and the folder of a path.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace pillarbox::base {

// "what: No space left on device". temporary (75) if that passes (a full disk or quota, a limit on files' sizes, too
// few descriptors, locks or memory), io (74) if the device failed, cannot_create (73) otherwise.
Error disk_error(const std::string& what, int number);

// However little the kernel takes at a time. False: errno says why not.
bool write_all(int fd, std::string_view bytes);

// Where the path's last name stands, without a slash at its end: "." if there is none before it.
std::string folder_of(const std::string& path);

}  // namespace pillarbox::base
