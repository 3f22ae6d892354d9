// Progress: how far a large message is on its way, on stderr's last line while its body goes out; nothing remains of
// it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/system.h"
#include "smtp/view.h"

namespace pillarbox::app {

class Progress final : public smtp::View {
 public:
  // wanted is only half of it: stderr must be a terminal as well, and one that can move its cursor.
  Progress(bool wanted, const base::System& system);

  // The body that goes out next has about so many bytes.
  void expect(std::optional<std::uint64_t> size);

  void body(std::string_view piece) override;
  void body_ended() override { clear(); }
  void replied(const smtp::Reply& /*reply*/) override { clear(); }
  void clear();  // the body is out, or given up

 private:
  void draw(base::Instant now);

  bool shown_;
  bool drawn_ = false;
  std::optional<std::uint64_t> size_;
  std::uint64_t sent_ = 0;
  base::Instant began_, last_;
};

// The bar's text: percent and time left if part (0 to 1) is known, the rate, and what has gone.
std::string progress_line(std::uint64_t sent, double seconds, std::optional<double> part, std::size_t columns);

}  // namespace pillarbox::app
