#include "app/account.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "support.h"

namespace pillarbox::app {
namespace {

using test::contains;
using test::fails_as;
using test::FakeSystem;
using test::Folder;
using test::succeeds;

config::Account account_at(std::vector<config::Host> hosts) {
  config::Account account;
  account.name = "work";
  account.hosts = std::move(hosts);
  return account;
}

TEST(AnAccountsMechanisms, AreThoseOfTheConversation) {
  const auto settings = config::auth_mechanisms();
  const auto conversation = smtp::known_mechanisms();
  EXPECT_TRUE(std::equal(settings.begin(), settings.end(), conversation.begin(), conversation.end()));
}

TEST(AnAccountsEndpoint, HasAllThatTheAccountSays) {
  const Folder folder;
  config::Account account = account_at({{"mx.test", std::nullopt}, {"mx2.test", 2525}});
  account.tls = config::Tls::implicit;
  account.tls_verify = false;
  account.tls_min = config::TlsVersion::v1_3;
  account.tls_ca_file = folder.write("ca", "");
  account.tls_crl = folder.write("crl", "");
  account.tls_certificate = folder.write("crt", "");
  account.tls_key = folder.write("key", "");
  account.tls_ciphers = "HIGH";
  account.tls_name = "name.test";
  account.tls_pins = {"sha256//a", "sha256//b"};
  account.helo = "helo.test";
  account.proxy = base::Secret(std::string("http://u:p@proxy.test:1"));
  account.source_address = "127.0.0.1";
  account.timeouts = {std::chrono::seconds(1), std::chrono::seconds(2), std::chrono::seconds(3)};
  account.auth.emplace();
  account.auth->user = "alice";
  account.auth->mechanism = "login";
  account.auth->source = config::Auth::Source::file;
  account.auth->place = folder.write("secret", "hunter2\n");
  const FakeSystem system;
  const auto endpoint = endpoint_of(account, system);
  ASSERT_TRUE(succeeds(endpoint));
  EXPECT_EQ(endpoint->name(), "mx.test:465");
  EXPECT_EQ(endpoint->helo, "helo.test");
  EXPECT_EQ(endpoint->tls.mode, smtp::TlsMode::implicit);
  EXPECT_FALSE(endpoint->tls.verify);
  EXPECT_EQ(endpoint->tls.at_least, smtp::TlsVersion::v1_3);
  EXPECT_EQ(endpoint->tls.ca_file, account.tls_ca_file);
  EXPECT_EQ(endpoint->tls.crl_file, account.tls_crl);
  EXPECT_EQ(endpoint->tls.certificate, account.tls_certificate);
  EXPECT_EQ(endpoint->tls.key, account.tls_key);
  EXPECT_EQ(endpoint->tls.ciphers, "HIGH");
  EXPECT_EQ(endpoint->tls.name, "name.test");
  EXPECT_EQ(endpoint->tls.pins, "sha256//a;sha256//b");
  EXPECT_EQ(endpoint->proxy->name, "http://proxy.test:1");
  EXPECT_EQ(endpoint->source_address, "127.0.0.1");
  EXPECT_EQ(endpoint->timeouts.data, std::chrono::seconds(3));
  EXPECT_EQ(endpoint->login->user, "alice");
  EXPECT_EQ(endpoint->login->password.reveal(), "hunter2");
  EXPECT_EQ(endpoint->login->mechanism, "login");
}

TEST(AnAccountsEndpoint, IsThereForEachHost) {
  const FakeSystem system;
  const config::Account account = account_at({{"mx.test", std::nullopt}, {"mx2.test", 2525}});
  const auto second = way_to(account, 1, system);
  ASSERT_TRUE(succeeds(second));
  EXPECT_EQ(second->name(), "mx2.test:2525");
  EXPECT_EQ(second->helo, "host.example.com");
  EXPECT_FALSE(second->login);
}

TEST(AnAccountsEndpoint, HasTheLoginOfItsHost) {
  const Folder folder;
  FakeSystem system;
  system.variables["NETRC"] =
      folder.write("netrc", "machine mx.test login a password one machine mx2.test login b password two");
  config::Account account = account_at({{"mx.test", std::nullopt}, {"mx2.test", 2525}});
  account.auth.emplace();
  account.auth->source = config::Auth::Source::netrc;
  EXPECT_EQ(endpoint_of(account, system)->login->user, "a");
  const auto second = login_of(account, 1, system);
  ASSERT_TRUE(succeeds(second));
  EXPECT_EQ((*second)->user, "b");
  EXPECT_EQ((*second)->password.reveal(), "two");
}

TEST(AnAccountsEndpoint, NeedsTheFilesThatItNames) {
  const Folder folder;
  const FakeSystem system;
  using Member = std::string config::Account::*;
  const std::vector<std::pair<Member, std::string>> files = {{&config::Account::tls_ca_file, "tls_ca_file"},
                                                             {&config::Account::tls_crl, "tls_crl"},
                                                             {&config::Account::tls_certificate, "tls_certificate"},
                                                             {&config::Account::tls_key, "tls_key"}};
  for (const auto& [file, key] : files) {
    for (const std::string& path : {folder.path("missing"), folder.path()}) {
      config::Account account = account_at({{"mx.test", std::nullopt}});
      account.*file = path;
      const auto way = way_to(account, 0, system);
      ASSERT_TRUE(fails_as(way, Error::Kind::config)) << key;
      EXPECT_TRUE(contains(way.error().text, key + ": " + path + ": ")) << way.error().text;
      account.tls = config::Tls::off;  // then nobody looks at it
      EXPECT_TRUE(succeeds(way_to(account, 0, system)));
    }
  }
}

}  // namespace
}  // namespace pillarbox::app
