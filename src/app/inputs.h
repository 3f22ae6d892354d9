// Inputs: the messages that smtp's command line names, one after another: files, the messages of mboxes, or a probe.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "app/task.h"
#include "base/clock.h"
#include "base/result.h"
#include "base/source.h"
#include "base/system.h"
#include "mail/mbox.h"

namespace pillarbox::app {

struct Input {
  std::string name;  // as it is shown: "a.eml", "inbox#3", "-"
  Result<std::unique_ptr<base::Source>> source;
};

class Inputs {
 public:
  Inputs(const Task& task, const smtp::Endpoint& endpoint, const base::System& system, const base::Clock& clock)
      : task_(task), endpoint_(endpoint), system_(system), clock_(clock) {}

  // The next one. What was given before must have been read, or is not wanted any more: of an mbox it is a part.
  std::optional<Input> next();
  // It is known that there is none.
  [[nodiscard]] bool last() const { return !mbox_ && file_ == task_.files.size(); }
  // next(), and reading what it gives, waits for nobody.
  [[nodiscard]] bool ready() const;

 private:
  [[nodiscard]] Input probe() const;

  const Task& task_;
  const smtp::Endpoint& endpoint_;
  const base::System& system_;
  const base::Clock& clock_;
  std::size_t file_ = 0;  // the next one
  std::optional<mail::Mbox> mbox_;
  int message_ = 0;  // of the mbox
  bool regular_ = false;
};

}  // namespace pillarbox::app
