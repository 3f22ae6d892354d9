// Source: bytes that are read once, from a file, a pipe or memory.
//
// read() fills at most out.size() bytes and returns how many; 0 is the end. An error is io (74): the device failed, or
// what was opened is no file at all. A source never pretends that a failure is an end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"

namespace pillarbox::base {

class Source {
 public:
  virtual ~Source() = default;
  virtual Result<std::size_t> read(std::span<char> out) = 0;
  // How many bytes are to come, if that is known.
  [[nodiscard]] virtual std::optional<std::uint64_t> left() const { return std::nullopt; }
  // What is read is there, and comes from no writer who may take his time.
  [[nodiscard]] virtual bool prompt() const { return left().has_value(); }
  // Remembers this place, to which back() returns. False: this source can't go back.
  [[nodiscard]] virtual bool mark() { return false; }
  [[nodiscard]] virtual bool back() { return false; }
};

// A file or pipe. A regular file must deliver the size that it had when it was opened: one that shrinks meanwhile is an
// error, for a message cut short must not be taken for a whole one; one that grows is read as far as it went then. What
// is not there yet is waited for, though the descriptor be non-blocking.
class FileSource final : public Source {
 public:
  FileSource(UniqueFd fd, std::string name);
  // Reads a descriptor that somebody else closes (standard input).
  FileSource(int borrowed, std::string name);
  Result<std::size_t> read(std::span<char> out) override;
  [[nodiscard]] std::optional<std::uint64_t> left() const override { return left_; }
  [[nodiscard]] bool mark() override;
  [[nodiscard]] bool back() override;

 private:
  UniqueFd owned_;
  int fd_;
  std::string name_;
  std::optional<std::uint64_t> left_;  // of a regular file
  std::optional<std::uint64_t> left_at_mark_;
};

class MemorySource final : public Source {
 public:
  explicit MemorySource(std::string content) : content_(std::move(content)) {}
  Result<std::size_t> read(std::span<char> out) override;
  [[nodiscard]] std::optional<std::uint64_t> left() const override { return content_.size() - at_; }
  [[nodiscard]] bool mark() override;
  [[nodiscard]] bool back() override;

 private:
  std::string content_;
  std::size_t at_ = 0;
  std::size_t mark_ = 0;
};

// What was read ahead of a source, then the rest of it.
class PrefixedSource final : public Source {
 public:
  PrefixedSource(std::string prefix, std::unique_ptr<Source> rest)
      : prefix_(std::move(prefix)), rest_(std::move(rest)) {}
  Result<std::size_t> read(std::span<char> out) override;
  [[nodiscard]] std::optional<std::uint64_t> left() const override;
  [[nodiscard]] bool prompt() const override { return rest_->prompt(); }
  [[nodiscard]] bool mark() override { return rest_->mark() && prefix_.mark(); }
  [[nodiscard]] bool back() override { return rest_->back() && prefix_.back(); }

 private:
  MemorySource prefix_;
  std::unique_ptr<Source> rest_;
};

// Keeps what it gives of a source that can't go back, so that it can, from its end to its beginning; but not more than
// limit bytes.
class KeptSource final : public Source {
 public:
  explicit KeptSource(std::unique_ptr<Source> source, std::size_t limit = 1U << 20U)
      : source_(std::move(source)), limit_(limit) {}
  Result<std::size_t> read(std::span<char> out) override;
  [[nodiscard]] std::optional<std::uint64_t> left() const override { return source_->left(); }
  [[nodiscard]] bool prompt() const override { return source_->prompt(); }
  [[nodiscard]] bool back() override;

 private:
  std::unique_ptr<Source> source_;
  std::size_t limit_;
  std::string kept_;
  bool whole_ = false;  // its end was read, and all before it is kept
};

// Opens a file for reading; no_input (66) with the reason if that can't be.
Result<std::unique_ptr<Source>> open_source(const std::string& path);

// Reads a source to its end and forgets what came, but stops when that was more than most bytes: a writer must not die
// of SIGPIPE because we failed early.
void drain(Source& source, std::uint64_t most = std::numeric_limits<std::uint64_t>::max()) noexcept;

// All of a small file; more than limit bytes are an error.
Result<std::string> read_all(Source& source, std::size_t limit);

}  // namespace pillarbox::base
