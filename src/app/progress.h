// Progress: how far a large message is on its way, on stderr's last line while its body goes out; nothing remains of
// it.
#pragma once

#include "base/clock.h"
#include "base/system.h"
#include "mail/message.h"
#include "smtp/view.h"

namespace pillarbox::app {

class Progress final : public smtp::View {
 public:
  // wanted is only half of it: stderr must be a terminal as well, and one that can move its cursor.
  Progress(bool wanted, const base::System& system);

  // The message whose body goes out next; it must live until its transaction is over.
  void follow(const mail::Message& message) { message_ = &message; }

  void body(std::string_view piece) override;
  void body_ended() override { clear(); }
  void replied(const smtp::Reply& /*reply*/) override { clear(); }
  void clear();  // when the transaction is over, whatever came of it

 private:
  void draw(base::Instant now);

  bool shown_;
  bool drawn_ = false;
  const mail::Message* message_ = nullptr;
  std::uint64_t sent_ = 0;
  base::Instant began_, last_;
};

// The bar's text: percent and time left if part (0 to 1) is known, the rate, and what has gone.
std::string progress_line(std::uint64_t sent, double seconds, std::optional<double> part, std::size_t columns);

}  // namespace pillarbox::app
