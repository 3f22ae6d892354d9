#include "app/inputs.h"

#include <sys/stat.h>
#include <unistd.h>

#include "app/probe.h"

namespace pillarbox::app {
namespace {

using Source = std::unique_ptr<base::Source>;

Result<Source> open(const std::string& file) {
  if (file == "-") return Source(std::make_unique<base::FileSource>(STDIN_FILENO, "standard input"));
  return base::open_source(file);
}

// A file that can't be looked at keeps nobody waiting either.
bool is_regular(const std::string& file) {
  struct stat status {};
  const int code = file == "-" ? ::fstat(STDIN_FILENO, &status) : ::stat(file.c_str(), &status);
  return code != 0 || S_ISREG(status.st_mode);
}

}  // namespace

std::optional<Input> Inputs::next() {
  for (;;) {
    if (mbox_) {
      auto message = mbox_->next();
      const std::string& file = task_.files[file_ - 1];
      if (message && *message) return Input{file + "#" + std::to_string(++message_), std::move(message)};
      mbox_.reset();
      if (!message) return Input{file, std::move(message).error().in(file)};
    }
    if (file_ == task_.files.size()) return std::nullopt;
    const std::string& file = task_.files[file_++];
    if (task_.work == Task::Work::probe) return probe();
    auto opened = open(file);
    if (!opened || task_.work != Task::Work::mboxes) return Input{file, std::move(opened)};
    mbox_.emplace(*std::move(opened));
    message_ = 0;
    regular_ = is_regular(file);
  }
}

bool Inputs::ready() const {
  if (mbox_) return regular_;
  return last() || is_regular(task_.files[file_]);
}

Input Inputs::probe() const {
  auto envelope = mail::Envelope::make(*task_.sender, task_.recipients);
  if (!envelope) return {"probe", std::move(envelope).error()};
  return {"probe",
          Source(std::make_unique<base::MemorySource>(probe_message(task_, endpoint_, *envelope, system_, clock_)))};
}

}  // namespace pillarbox::app
