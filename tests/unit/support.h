// What several unit tests need: sources that come in pieces or fail, a folder of one's own, a host of one's own.
#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/source.h"
#include "base/system.h"

namespace pillarbox {

// So that a failed comparison shows a number that sysexits.h explains and not bytes.
inline void PrintTo(Error::Kind kind, std::ostream* out) {
  *out << "kind " << static_cast<int>(kind);
}

namespace test {

// Passes if a result is an error of that kind, and shows what it is otherwise.
template <class T>
::testing::AssertionResult fails_as(const Result<T>& result, Error::Kind kind) {
  if (result.has_value()) return ::testing::AssertionFailure() << "there is no error";
  if (result.error().kind == kind) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "kind " << static_cast<int>(result.error().kind) << ": "
                                       << result.error().text;
}

template <class T>
::testing::AssertionResult succeeds(const Result<T>& result) {
  if (result.has_value()) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "kind " << static_cast<int>(result.error().kind) << ": "
                                       << result.error().text;
}

inline bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// Gives at most `piece` bytes a read, and fails after the last one if told to.
class PiecesSource final : public base::Source {
 public:
  explicit PiecesSource(std::string content, std::size_t piece = 1, bool fails = false)
      : content_(std::move(content)), piece_(piece), fails_(fails) {}

  Result<std::size_t> read(std::span<char> out) override {
    ++reads_;
    const std::size_t count = std::min({out.size(), piece_, content_.size() - at_});
    if (count == 0 && fails_) return Error{Error::Kind::io, "the device failed"};
    std::memcpy(out.data(), content_.data() + at_, count);
    at_ += count;
    return count;
  }

  [[nodiscard]] std::size_t delivered() const { return at_; }
  [[nodiscard]] std::size_t reads() const { return reads_; }

 private:
  std::string content_;
  std::size_t piece_;
  bool fails_;
  std::size_t at_ = 0;
  std::size_t reads_ = 0;
};

inline std::unique_ptr<base::Source> memory(std::string_view content) {
  return std::make_unique<base::MemorySource>(std::string(content));
}

inline std::unique_ptr<base::Source> pieces(std::string_view content, std::size_t piece) {
  return std::make_unique<PiecesSource>(std::string(content), piece);
}

// All that a source, or whatever reads like one, gives; `piece` bytes are asked for at a time.
template <class Readable>
Result<std::string> everything(Readable& source, std::size_t piece = 4096) {
  std::string out;
  std::vector<char> buffer(piece);
  for (;;) {
    const auto count = source.read(std::span(buffer));
    if (!count) return count.error();
    if (*count == 0) return out;
    out.append(buffer.data(), *count);
  }
}

#ifdef __SANITIZE_ADDRESS__
constexpr bool sanitized = true;  // and ten times as slow
#else
constexpr bool sanitized = false;
#endif

// Processor time that something takes: hostile input must not cost more than its size.
template <class Work>
double seconds_of(Work work) {
  const std::clock_t began = std::clock();
  work();
  return static_cast<double>(std::clock() - began) / CLOCKS_PER_SEC;
}

// A folder that is there for one test.
class Folder {
 public:
  Folder() {
    std::string name = ::testing::TempDir() + "/pillarbox-unit-XXXXXX";
    if (!::mkdtemp(name.data())) std::abort();
    path_ = name;
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  [[nodiscard]] std::string path(std::string_view name = "") const {
    return name.empty() ? path_ : path_ + "/" + std::string(name);
  }

  // Writes a file and returns its path.
  std::string write(std::string_view name, std::string_view content, mode_t mode = 0600) const {
    const std::string where = path(name);
    std::filesystem::create_directories(std::filesystem::path(where).parent_path());
    std::ofstream(where, std::ios::binary) << content;
    ::chmod(where.c_str(), mode);
    return where;
  }

 private:
  std::string path_;
};

// A host whose names and environment are the test's.
class FakeSystem final : public base::System {
 public:
  [[nodiscard]] std::string host_name() const override { return "host"; }
  [[nodiscard]] std::string fully_qualified_name() const override { return "host.example.com"; }
  [[nodiscard]] Result<std::string> login() const override { return std::string("alice"); }
  [[nodiscard]] std::string full_name() const override { return "Alice"; }
  [[nodiscard]] std::optional<std::string> environment(const std::string& name) const override {
    const auto found = variables.find(name);
    if (found == variables.end()) return std::nullopt;
    return found->second;
  }
  [[nodiscard]] std::optional<std::string> home() const override { return environment("HOME"); }
  [[nodiscard]] std::optional<std::string> listed_home() const override { return listed; }

  std::map<std::string, std::string> variables;
  std::optional<std::string> listed;  // home
};

}  // namespace test
}  // namespace pillarbox
