// Checksum: XXH3, 128 bits, over bytes that come piece by piece. It tells damage, and is no protection against forgery:
// whoever may write the file may write its checksum.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace pillarbox::queue {

class Checksum {
 public:
  static constexpr std::size_t digits = 32;

  Checksum();
  Checksum(Checksum&&) noexcept;
  Checksum& operator=(Checksum&&) noexcept;
  ~Checksum();

  void add(std::string_view bytes);
  [[nodiscard]] std::string hex() const;  // as xxh128sum(1) shows it

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// What stands at the end of our files: the checksum of all before it, and a line end.
constexpr std::size_t trailer_size = Checksum::digits + 1;
std::string trailer(const Checksum& checksum);
std::string trailer(std::string_view bytes);  // of a whole

}  // namespace pillarbox::queue
