// The two files of a message, opened: read back, with every value checked, and a state written.
//
// Errors: data (65) says what a file is no message for; unavailable (69) if it is one of a later version; io (74) if it
// can't be read; Directory's where it is written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/source.h"
#include "base/unique_fd.h"
#include "queue/directory.h"
#include "queue/entry.h"
#include "queue/state.h"

namespace pillarbox::queue {

struct Opened {
  Head head;
  std::uint64_t begin = 0;  // of the content
};

// What stands before the content of a message file; that the file is as long as it says, and who and what it is.
Result<Opened> read_head(const Directory& directory, int fd, const std::string& id);
// That nothing in it is missing or changed: all of it is read.
Result<void> check_sum(const Directory& directory, int fd, const std::string& id, const Opened& opened);

// The content of a message file. It has a place of its own, so that any number of them read the same file.
std::unique_ptr<base::Source> content_of(std::shared_ptr<const Directory> directory,
                                         std::shared_ptr<const base::UniqueFd> fd, const std::string& id,
                                         std::uint64_t begin, std::uint64_t size);

constexpr std::string_view state_suffix = ".state";
std::string state_name(const std::string& id);
// Durable when it returns. room: where it is to be written, if that was made before.
Result<void> save_state(const std::shared_ptr<const Directory>& directory, const std::string& id, const State& state,
                        std::optional<Temporary> room = std::nullopt);
// The state beside a message; fresh if there is none, or, with a warning, one that is damaged. What can't be read now
// is an error, and unavailable (69) what is of a later version or another's: to start over is to send again.
Result<State> read_state(const Directory& directory, const std::string& id, std::size_t recipients,
                         std::string& warning);

}  // namespace pillarbox::queue
