// libcurl, loaded when the first connection is to be made: it comes with thirty other libraries, whose loading costs
// more than all the rest of a short run, and most runs of a mail program ("mailq", a usage error, a message that is
// only queued) never connect. Built with PILLARBOX_LOAD_LIBCURL=OFF the program is linked with it instead.
#pragma once

#include "base/result.h"

namespace pillarbox::smtp {

// Before the first call of libcurl or OpenSSL. system (71) if they aren't there or lack a function that is needed.
Result<void> load_libcurl();

}  // namespace pillarbox::smtp
