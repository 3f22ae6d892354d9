// What the targets that read a configuration share: a host that is the same for everybody, and a file in memory.
#pragma once

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <string_view>

#include "base/system.h"
#include "target.h"

namespace pillarbox::fuzz {

class Host final : public base::System {
 public:
  [[nodiscard]] std::string host_name() const override { return "host"; }
  [[nodiscard]] std::string fully_qualified_name() const override { return "host.example"; }
  [[nodiscard]] Result<std::string> login() const override { return std::string("user"); }
  [[nodiscard]] std::string full_name() const override { return "A User"; }
  [[nodiscard]] std::optional<std::string> environment(const std::string& name) const override {
    return name == "SET" ? std::optional<std::string>("value") : std::nullopt;
  }
  [[nodiscard]] std::optional<std::string> home() const override { return "/nonexistent"; }
};

// The path of a file that holds the text, until the next one.
inline std::string file_of(std::string_view text) {
  static const int file = ::memfd_create("configuration", MFD_CLOEXEC);
  check(::fchmod(file, S_IRUSR | S_IWUSR) == 0 && ::ftruncate(file, 0) == 0, "there is a file");
  check(::pwrite(file, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()), "it can be written");
  return "/proc/self/fd/" + std::to_string(file);
}

}  // namespace pillarbox::fuzz
