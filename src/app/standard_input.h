// Standard input as sendmail reads it: where a line that is a single dot ends the message, and where it is content.
#pragma once

#include <memory>

#include "base/source.h"

namespace pillarbox::app {

enum class LoneDot {
  content,        // -i: never an end
  ends_terminal,  // typed by hand: the first one ends the message
  ends_pipe,      // dropped as the very last line; what programs send goes on after it
};

class DotSource final : public base::Source {
 public:
  DotSource(std::unique_ptr<base::Source> input, LoneDot dot) : input_(std::move(input)), dot_(dot) {}
  Result<std::size_t> read(std::span<char> out) override;

 private:
  Result<void> refill();
  void take(char c);

  std::unique_ptr<base::Source> input_;
  LoneDot dot_;
  std::string ready_;  // to be read, from at_ on
  std::size_t at_ = 0;
  std::string held_;  // what may be a lone dot: "." with the line end as far as it came
  bool line_start_ = true;
  bool ended_ = false;
};

}  // namespace pillarbox::app
