// Load: finds the configuration's files and makes Settings of them.
//
// Every fault of the files is told in one run, each a line "FILE:LINE: what is wrong and what is allowed"; a syntax
// error, or a key given twice, ends the reading of its file. All are config (78). Only this file, reader and take know
// libconfig.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/system.h"
#include "config/settings.h"

namespace pillarbox::config {

// Where a configuration is looked for.
struct Places {
  std::optional<std::string> named;  // -C, --config: the only file
  std::string system = "/etc/pillarbox.conf";
  bool user = true;  // that of the user's own
};

// The file that is to be read alone: the one that is named, else $PILLARBOX_CONFIG's.
std::optional<std::string> only_file(const std::optional<std::string>& named, const base::System& system);

// The user's own file, whether it is there or not; nothing without a home.
std::optional<std::string> user_file(const base::System& system);

struct Loaded {
  Settings settings;
  std::vector<std::string> files;  // that were read; none: there is no configuration
  std::vector<std::string> searched;
};

// The file that is named, else $PILLARBOX_CONFIG, else the system's and the user's: the user's accounts come first and
// its settings win. An account of a file that was named is a user's, unless that is the system's file. A system's file
// that we may not read is none's fault as long as the user's is whole without it. They may hold passwords: the process
// is undumpable from here on.
Result<Loaded> load(const Places& places, const base::System& system);

}  // namespace pillarbox::config
