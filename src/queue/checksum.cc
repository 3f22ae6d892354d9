#include "queue/checksum.h"

#define XXH_INLINE_ALL  // the header is all that is needed: no library more to load with every start
#include <xxhash.h>

#include <array>

namespace pillarbox::queue {

struct Checksum::State {
  XXH3_state_t state;
};

Checksum::Checksum() : state_(std::make_unique<State>()) {
  XXH3_128bits_reset(&state_->state);
}

Checksum::Checksum(Checksum&&) noexcept = default;
Checksum& Checksum::operator=(Checksum&&) noexcept = default;
Checksum::~Checksum() = default;

void Checksum::add(std::string_view bytes) {
  XXH3_128bits_update(&state_->state, bytes.data(), bytes.size());
}

std::string Checksum::hex() const {
  constexpr std::string_view letters = "0123456789abcdef";
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(&state_->state));
  std::string out;
  for (const unsigned char byte : canonical.digest) {
    out += letters[byte >> 4];
    out += letters[byte & 15];
  }
  return out;
}

std::string trailer(const Checksum& checksum) {
  return checksum.hex() + '\n';
}

std::string trailer(std::string_view bytes) {
  Checksum checksum;
  checksum.add(bytes);
  return trailer(checksum);
}

}  // namespace pillarbox::queue
