#include "app/waterfall.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "app/event.h"
#include "base/text.h"

namespace pillarbox::app {
namespace {

constexpr std::size_t name_width = 26;
constexpr std::size_t most_steps = 4000;   // that are kept, unless more are open,
constexpr std::size_t first_steps = 2000;  // the first of which are never left out
constexpr std::size_t last_steps = 1000;   // nor are so many last ones

double in_seconds(base::Instant::duration time) {
  return std::chrono::duration<double>(time).count();
}

// Columns for bars: what a terminal leaves, and in a file what one of 100 columns would.
std::size_t bar_width() {
  winsize size{};
  const bool terminal = ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  const std::size_t columns = terminal ? size.ws_col : 100;
  constexpr std::size_t others = name_width + 26;
  return std::clamp<std::size_t>(columns, others + 10, others + 60) - others;
}

std::string milliseconds(double seconds) {
  const std::string text = base::decimal(seconds * 1000, 1);
  return std::string(9 - std::min<std::size_t>(9, text.size()), ' ') + text + " ms";
}

std::string rate(std::uint64_t bytes, double seconds) {
  const double megabytes = static_cast<double>(bytes) / 1e6;
  return "  " + base::decimal(megabytes, 1) + " MB, " + base::decimal(megabytes / std::max(seconds, 1e-6), 1) + " MB/s";
}

// So many characters of UTF-8: the text's first, then blanks.
std::string column(std::string_view text, std::size_t width) {
  std::size_t end = 0;
  std::size_t characters = 0;
  for (; end < text.size(); ++end) {
    const bool begins = (static_cast<unsigned char>(text[end]) & 0xC0U) != 0x80U;
    if (begins && characters == width) break;
    characters += begins ? 1 : 0;
  }
  return std::string(text.substr(0, end)) + std::string(width - characters, ' ');
}

// The verb and what it is about; of a login the mechanism and no more.
std::string name_of(std::string_view line) {
  std::string name = base::visible(line);
  if (!base::istarts_with(name, "AUTH ")) return name;
  return name.substr(0, name.find(' ', 5));
}

}  // namespace

void Waterfall::connecting(std::string_view server) {
  finish();
  server_ = server;
  begin("resolve");
}

void Waterfall::resolved() {
  if (steps_.empty() || steps_.back().name != "resolve") return;
  end();
  begin("connect");
}

void Waterfall::connected(const smtp::Connection& /*connection*/) {
  end();
  begin("greeting", true);
}

void Waterfall::secured(const smtp::Connection& /*connection*/) {
  if (!steps_.empty() && steps_.back().open && steps_.back().name == "greeting") {  // TLS comes first here
    steps_.back().name = "TLS";
    steps_.back().awaits_reply = false;
    end();
    begin("greeting", true);
  } else {
    end();
  }
}

void Waterfall::command(std::string_view line) {
  if (std::exchange(in_body_, false)) end();  // of a chunk
  begin(challenged_ ? "AUTH" : name_of(line), true);
}

void Waterfall::replied(const smtp::Reply& reply) {
  while (answered_ < steps_.size() && !(steps_[answered_].open && steps_[answered_].awaits_reply)) ++answered_;
  if (answered_ == steps_.size()) return;  // nothing had asked for it
  Step& step = steps_[answered_];
  step.end = base::Instant::clock::now();
  step.open = false;
  challenged_ = reply.code == 334;
  if (step.name == "STARTTLS" && reply.positive()) begin("TLS");
}

void Waterfall::body(std::string_view piece) {
  if (!std::exchange(in_body_, true)) begin("message");
  steps_.back().bytes += piece.size();
}

void Waterfall::body_ended() {
  if (std::exchange(in_body_, false)) end();
  begin("final dot", true);
}

void Waterfall::begin(std::string name, bool awaits_reply) {
  if (steps_.size() >= most_steps) leave_out();
  const auto now = base::Instant::clock::now();
  steps_.push_back({.name = std::move(name), .begin = now, .end = now, .awaits_reply = awaits_reply});
}

void Waterfall::end() {
  if (steps_.empty() || !steps_.back().open) return;
  steps_.back().end = base::Instant::clock::now();
  steps_.back().open = false;
}

// Those in the middle that have their replies.
void Waterfall::leave_out() {
  const std::size_t end = std::min(answered_, steps_.size() - last_steps);
  if (end <= first_steps) return;
  const auto begin = steps_.begin() + first_steps;
  steps_.erase(begin, steps_.begin() + static_cast<std::ptrdiff_t>(end));
  answered_ -= end - first_steps;
  left_out_ += end - first_steps;
}

void Waterfall::finish() {
  for (Step& step : steps_) {
    if (std::exchange(step.open, false)) step.end = base::Instant::clock::now();
  }
  const std::string text = steps_.empty() ? "" : json_ ? json_lines() : table();
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
  steps_.clear();
  answered_ = left_out_ = 0;
  in_body_ = challenged_ = false;
}

std::string Waterfall::table() const {
  const base::Instant origin = steps_.front().begin;
  const auto last = std::max_element(steps_.begin(), steps_.end(), [](auto& a, auto& b) { return a.end < b.end; });
  const double whole = std::max(in_seconds(last->end - origin), 1e-6);
  const std::size_t width = bar_width();
  const auto place = [&](double time) {
    return std::min(width - 1, static_cast<std::size_t>(time / whole * static_cast<double>(width)));
  };
  std::string out = "timing of " + server_ + ", " + base::decimal(whole) + " s\n";
  for (const Step& step : steps_) {
    const double begin = in_seconds(step.begin - origin);
    const double time = in_seconds(step.end - step.begin);
    std::string bar(width, ' ');
    const std::size_t from = place(begin);
    std::fill(bar.begin() + static_cast<std::ptrdiff_t>(from),
              bar.begin() + static_cast<std::ptrdiff_t>(place(begin + time)) + 1, '=');
    if (left_out_ > 0 && &step == &steps_[first_steps]) out += "... " + std::to_string(left_out_) + " steps more ...\n";
    out += column(step.name, name_width);
    out.append(milliseconds(begin)).append(milliseconds(time)).append(" |").append(bar).append("|");
    if (step.bytes > 0) out += rate(step.bytes, time);
    out += '\n';
  }
  return out;
}

std::string Waterfall::json_lines() const {
  const base::Instant origin = steps_.front().begin;
  std::string out;
  for (const Step& step : steps_) {
    const double time = in_seconds(step.end - step.begin);
    if (left_out_ > 0 && &step == &steps_[first_steps]) {
      Event more("timing");
      more.text("server", server_).number("left_out", static_cast<std::int64_t>(left_out_));
      out += more.json() + '\n';
    }
    Event event("timing");
    event.text("server", server_).text("step", step.name).seconds("start", in_seconds(step.begin - origin), 6);
    event.seconds("time", time, 6);
    if (step.bytes > 0) {
      event.number("bytes", static_cast<std::int64_t>(step.bytes));
      event.number("rate", static_cast<std::int64_t>(static_cast<double>(step.bytes) / std::max(time, 1e-6)));
    }
    out += event.json() + '\n';
  }
  return out;
}

}  // namespace pillarbox::app
