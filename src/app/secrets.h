// Secrets: where a run of the queue has its logins from, and whom it tells of an account in trouble. In a child of
// root's runner both are its parent.
#pragma once

#include <cstddef>
#include <optional>

#include "base/result.h"
#include "base/system.h"
#include "config/settings.h"
#include "smtp/endpoint.h"

namespace pillarbox::app {

class Secrets {
 public:
  virtual ~Secrets() = default;
  // As login_of().
  virtual Result<std::optional<smtp::Login>> login(const config::Account& account, std::size_t host) = 0;
  // Somebody else has found the account in trouble during this run: it is not tried again.
  virtual bool rests(const config::Account& account) = 0;
  virtual void in_trouble(const config::Account& account) = 0;
};

// A process's own, with nobody else in the run.
class OwnSecrets final : public Secrets {
 public:
  explicit OwnSecrets(const base::System& system) : system_(system) {}
  Result<std::optional<smtp::Login>> login(const config::Account& account, std::size_t host) override;
  bool rests(const config::Account& /*account*/) override { return false; }
  void in_trouble(const config::Account& /*account*/) override {}

 private:
  const base::System& system_;
};

}  // namespace pillarbox::app
