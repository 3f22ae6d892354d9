// Driver: which of the two ways of submitting is taken: libcurl's engine, or our pipeline.
#pragma once

#include <optional>
#include <string_view>

#include "smtp/session.h"
#include "smtp/work.h"

namespace pillarbox::smtp {

enum class Driver {
  automatic,  // the pipeline where the engine has no way to do it or where time is gained, else the engine
  engine,
  pipeline,
};

// "engine", "pipeline" or "auto"; nothing for any other name.
std::optional<Driver> parse_driver(std::string_view name);

// Submits all of the work on the session's connections, and ends the last one.
void submit(Session& session, Work& work, Driver driver, bool disconnect);

}  // namespace pillarbox::smtp
