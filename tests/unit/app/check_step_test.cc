#include "app/check_step.h"

#include <gtest/gtest.h>

#include "support.h"

namespace pillarbox::app {
namespace {

using Cause = smtp::Failure::Cause;
using smtp::Phase;
using smtp::TlsMode;

Step step(Cause cause, Phase phase, TlsMode mode = TlsMode::required, bool secured = false) {
  return step_of({.cause = cause, .phase = phase, .kind = Error::Kind::config}, mode, secured);
}

TEST(AFailure, BelongsToAStep) {
  EXPECT_EQ(step(Cause::unknown_host, Phase::connect), Step::dns);
  EXPECT_EQ(step(Cause::unresolved, Phase::connect), Step::dns);
  EXPECT_EQ(step(Cause::unreachable, Phase::connect), Step::tcp);
  EXPECT_EQ(step(Cause::timeout, Phase::connect), Step::tcp);
  EXPECT_EQ(step(Cause::timeout, Phase::greeting), Step::smtp);
  EXPECT_EQ(step(Cause::protocol, Phase::ehlo), Step::smtp);
  EXPECT_EQ(step(Cause::tls_not_offered, Phase::ehlo), Step::tls);
  EXPECT_EQ(step(Cause::refused, Phase::starttls), Step::tls);
  EXPECT_EQ(step(Cause::lost, Phase::tls), Step::tls);
  EXPECT_EQ(step(Cause::certificate, Phase::greeting), Step::tls);
  EXPECT_EQ(step(Cause::auth_not_offered, Phase::ehlo), Step::auth);
  EXPECT_EQ(step(Cause::lost, Phase::auth), Step::auth);
  EXPECT_EQ(step(Cause::local, Phase::tls), Step::configuration);
}

TEST(AFailure, BeforeTheGreetingIsOfTlsWhereThatComesFirst) {
  EXPECT_EQ(step(Cause::timeout, Phase::greeting, TlsMode::implicit, false), Step::tls);
  EXPECT_EQ(step(Cause::timeout, Phase::greeting, TlsMode::implicit, true), Step::smtp);
}

smtp::Endpoint at(int port) {
  smtp::Endpoint endpoint;
  endpoint.port = port;
  return endpoint;
}

TEST(ARemedy, KnowsThePortOfTls) {
  const smtp::Failure silence{.cause = Cause::timeout, .phase = Phase::greeting};
  EXPECT_TRUE(test::contains(remedy(silence, at(465), std::nullopt), "tls = \"implicit\""));
  EXPECT_FALSE(test::contains(remedy(silence, at(587), std::nullopt), "implicit"));
}

TEST(ARemedy, HasThePinOfACertificateThatNobodyVouchesFor) {
  const smtp::Presented presented{.chain = {{.pin = "sha256//AAAA"}}, .trouble = smtp::Presented::Trouble::untrusted};
  const std::string text = remedy({.cause = Cause::certificate, .phase = Phase::tls}, {}, presented);
  EXPECT_TRUE(test::contains(text, "tls_pin = [ \"sha256//AAAA\" ]")) << text;
}

TEST(ASource, IsNamedAndNotShown) {
  config::Auth auth;
  auth.source = config::Auth::Source::password;
  auth.password = base::Secret("canary");
  EXPECT_EQ(source_of(auth), "password, in the configuration");
  auth.source = config::Auth::Source::command;
  auth.place = "echo canary";
  EXPECT_EQ(source_of(auth), "password_command");
  auth.source = config::Auth::Source::file;
  auth.place = "/etc/secret";
  EXPECT_EQ(source_of(auth), "password_file /etc/secret");
}

}  // namespace
}  // namespace pillarbox::app
