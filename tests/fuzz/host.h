// What the targets that read a configuration share: a host that is the same for everybody, and a file in memory.
#pragma once

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/system.h"
#include "target.h"

namespace pillarbox::fuzz {

class Host final : public base::System {
 public:
  explicit Host(std::optional<std::string> config_home = std::nullopt) : config_home_(std::move(config_home)) {}

  [[nodiscard]] std::string host_name() const override { return "host"; }
  [[nodiscard]] std::string fully_qualified_name() const override { return "host.example"; }
  [[nodiscard]] Result<std::string> login() const override { return std::string("user"); }
  [[nodiscard]] std::string full_name() const override { return "A User"; }
  [[nodiscard]] std::optional<std::string> environment(const std::string& name) const override {
    if (name == "XDG_CONFIG_HOME") return config_home_;
    return name == "SET" ? std::optional<std::string>("value") : std::nullopt;
  }
  [[nodiscard]] std::optional<std::string> home() const override { return "/nonexistent"; }

 private:
  std::optional<std::string> config_home_;
};

// A file in memory.
class File {
 public:
  [[nodiscard]] std::string path() const { return "/proc/self/fd/" + std::to_string(file_); }

  void hold(std::string_view text, mode_t mode = S_IRUSR | S_IWUSR) {
    check(::fchmod(file_, mode) == 0 && ::ftruncate(file_, 0) == 0, "there is a file");
    check(::pwrite(file_, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()), "it can be written");
  }

 private:
  int file_ = ::memfd_create("configuration", MFD_CLOEXEC);
};

}  // namespace pillarbox::fuzz
