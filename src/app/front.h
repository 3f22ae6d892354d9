// The front door: which of the names we were called by, and what must be right before any of them runs.
#pragma once

namespace pillarbox::app {

// Returns the exit code. Whatever is thrown ends as 75: a caller tries again, and no mail is lost.
int run(int argc, char** argv) noexcept;

}  // namespace pillarbox::app
