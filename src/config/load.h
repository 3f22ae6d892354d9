// Reads configuration files into Settings; the only part of the program that knows libconfig.
//
// Every fault of the files is found in one run, each a line "FILE:LINE: what is wrong and what is allowed"; a syntax
// error ends the reading of its file. All are config (78). The main file is opened once and what is checked is what was
// opened: it must belong to us or root and not be writable by others, and with a password in it not readable by others.
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
};

struct Loaded {
  Settings settings;
  std::vector<std::string> files;  // that were read; none: there is no configuration
  std::vector<std::string> searched;
};

// The file that is named, else $PILLARBOX_CONFIG, else the system's and the user's: the user's accounts come first and
// its settings win.
Result<Loaded> load(const Places& places, const base::System& system);

}  // namespace pillarbox::config
