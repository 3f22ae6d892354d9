#include "smtp/driver.h"

#include "smtp/batches.h"
#include "smtp/engine.h"
#include "smtp/pipeline.h"

namespace pillarbox::smtp {
namespace {

// So many recipients cost more round trips one by one than the connection is worth.
constexpr std::size_t few_recipients = 5;

bool gains(const Transaction& transaction) {
  const std::size_t recipients = transaction.envelope.recipients().size();
  return recipients > (transaction.abort_on_reject ? 1 : few_recipients) || transaction.message.may_hold_8bit() ||
         transaction.envelope.needs_smtputf8() || transaction.continue_on_reject || transaction.dsn.wanted();
}

// Work of which the first piece was taken to look at.
class Ahead final : public Work {
 public:
  Ahead(Work& rest, std::optional<Transaction> first) : rest_(rest), first_(std::move(first)) {}

  std::optional<Transaction> next() override { return first_ ? std::exchange(first_, std::nullopt) : rest_.next(); }
  [[nodiscard]] bool last() const override { return !first_ && rest_.last(); }
  [[nodiscard]] bool ready() const override { return first_ || rest_.ready(); }
  void done(Transaction& transaction, const Outcome& outcome) override { rest_.done(transaction, outcome); }
  [[nodiscard]] std::optional<Verdict> given_up() const override { return rest_.given_up(); }

 private:
  Work& rest_;
  std::optional<Transaction> first_;
};

}  // namespace

std::optional<Driver> parse_driver(std::string_view name) {
  if (name == "engine") return Driver::engine;
  if (name == "pipeline") return Driver::pipeline;
  return name == "auto" ? std::optional(Driver::automatic) : std::nullopt;
}

void submit(Session& session, Work& work, Driver driver, bool disconnect) {
  Batches batches(work, session.endpoint().max_recipients);
  std::optional<Transaction> first;
  if (driver == Driver::automatic) {
    first = batches.next();
    driver = first && (!batches.last() || gains(*first)) ? Driver::pipeline : Driver::engine;
  }
  Ahead all(batches, std::move(first));
  if (driver == Driver::pipeline) {
    run_pipeline(session, all, disconnect);
  } else {
    run_engine(session, all, disconnect);
  }
}

}  // namespace pillarbox::smtp
