// What all commands about the queue know: how they were called, and where the queues are.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/keep.h"
#include "base/result.h"
#include "base/system.h"
#include "queue/spool.h"
#include "smtp/driver.h"

namespace pillarbox::app {

// Of a user's directory: what waits, or what was set aside.
enum class Part { queue, failed, corrupt };

struct QueueCall {
  std::string program;                        // for complaints
  std::optional<std::string> config = {};     // --config
  std::optional<std::string> directory = {};  // --queue-directory
  smtp::Driver driver = smtp::Driver::automatic;
  std::optional<std::string> log_tag = {};
  bool verbose = false;  // the dialogue on standard output
  bool json = false;
};

// Without a configuration queues are in their default place; with a faulty one, which is complained of, they may be
// elsewhere.
Result<std::vector<QueuePlace>> find_places(const QueueCall& call, const base::System& system);

// The caller's own, as far as there are any, as they are.
Result<std::vector<queue::Spool>> open_all(const std::vector<QueuePlace>& places);

// JSON values on standard output, as an array.
class JsonArray {
 public:
  void add(const std::string& value);
  void added() { empty_ = false; }  // by a child
  void end();

 private:
  bool empty_ = true;
};

}  // namespace pillarbox::app
