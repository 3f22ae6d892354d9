#include "queue/retry.h"

#include <algorithm>

namespace pillarbox::queue {
namespace {

constexpr double deviation = 0.1;

Time::duration part(std::chrono::seconds step, double factor) {
  return std::chrono::duration_cast<Time::duration>(std::chrono::duration<double>(step) * factor);
}

}  // namespace

Time next_try(const Steps& steps, unsigned tries, Time now, double spread) {
  if (steps.empty()) return now;
  const std::size_t step = std::min<std::size_t>(tries > 0 ? tries - 1 : 0, steps.size() - 1);
  return now + part(steps[step], 1 - deviation + 2 * deviation * std::clamp(spread, 0.0, 1.0));
}

bool is_due(const State& state, const Steps& steps, Time now) {
  if (state.next <= now || steps.empty()) return true;
  const auto longest = part(*std::max_element(steps.begin(), steps.end()), 1 + deviation);
  return state.next - now > longest + std::chrono::seconds(1);  // of rounding
}

bool is_expired(const Entry& entry, const State& state, std::chrono::seconds expire, Time now) {
  const auto age = now - entry.arrived;  // a sum could leave what a Time can hold
  return age > expire && state.last && *state.last - entry.arrived > expire;
}

}  // namespace pillarbox::queue
