#include "app/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>

#include "base/text.h"

namespace pillarbox::app {
namespace {

constexpr std::uint64_t worth_showing = 4U << 20U;  // bytes of a message
constexpr auto pause = std::chrono::milliseconds(200);

std::string duration(double seconds) {
  const auto whole = static_cast<long>(std::min(seconds, 359999.0));
  std::array<char, 32> out{};
  if (whole >= 3600) {
    std::snprintf(out.data(), out.size(), "%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60, whole % 60);
  } else {
    std::snprintf(out.data(), out.size(), "%ld:%02ld", whole / 60, whole % 60);
  }
  return out.data();
}

}  // namespace

std::string progress_line(std::uint64_t sent, double seconds, std::optional<double> part, std::size_t columns) {
  const double megabytes = static_cast<double>(sent) / 1e6;
  std::string rate =
      base::decimal(megabytes, 1) + " MB  " + base::decimal(megabytes / std::max(seconds, 1e-3), 1) + " MB/s";
  if (!part) return rate;
  const double done = std::clamp(*part, 0.0, 1.0);
  const std::string percent = std::to_string(static_cast<int>(done * 100)) + "% ";
  const std::string left = done > 0.001 ? "  " + duration(seconds / done - seconds) + " left" : "";
  const std::size_t others = percent.size() + rate.size() + left.size() + 4;
  if (others + 10 > columns) return percent + rate;
  const std::size_t width = std::min<std::size_t>(columns - others, 50);
  std::string bar(static_cast<std::size_t>(done * static_cast<double>(width)), '#');
  bar.resize(width, '.');
  return percent + "[" + bar + "] " + rate + left;
}

Progress::Progress(bool wanted, const base::System& system)
    : shown_(wanted && ::isatty(STDERR_FILENO) == 1 && system.environment("TERM").value_or("dumb") != "dumb") {}

void Progress::body(std::string_view piece) {
  if (!shown_) return;
  const auto now = base::Instant::clock::now();
  if (sent_ == 0) began_ = last_ = now;
  sent_ += piece.size();
  if (sent_ < worth_showing || now - last_ < pause) return;
  last_ = now;
  draw(now);
}

void Progress::draw(base::Instant now) {
  winsize size{};
  const bool known = ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  // What line ends and dots add is not known before; the last percent is kept for it.
  const auto part = size_ ? std::optional(std::min(0.99, static_cast<double>(sent_) / static_cast<double>(*size_ + 1)))
                          : std::nullopt;
  const double seconds = std::chrono::duration<double>(now - began_).count();
  const std::string line = progress_line(sent_, seconds, part, known ? size.ws_col - 1U : 79U);
  std::fputs(("\r" + line + "\x1b[K").c_str(), stderr);
  drawn_ = true;
}

void Progress::expect(std::optional<std::uint64_t> size) {
  size_ = size;
  sent_ = 0;
}

void Progress::clear() {
  if (drawn_) std::fputs("\r\x1b[K", stderr);
  drawn_ = false;
}

}  // namespace pillarbox::app
