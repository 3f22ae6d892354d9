#include "app/compose.h"

#include <gtest/gtest.h>

#include "support.h"

namespace pillarbox::app {
namespace {

using test::contains;
using test::succeeds;

// Counts who is looked up in the password file.
class CountingSystem final : public base::System {
 public:
  [[nodiscard]] std::string host_name() const override { return "host"; }
  [[nodiscard]] std::string fully_qualified_name() const override { return name; }
  [[nodiscard]] Result<std::string> login() const override {
    ++lookups;
    return std::string("alice");
  }
  [[nodiscard]] std::string full_name() const override {
    ++lookups;
    return "Alice";
  }
  [[nodiscard]] std::optional<std::string> environment(const std::string& /*name*/) const override { return {}; }

  mutable int lookups = 0;
  std::string name = "host.example.com";
};

class Composing : public ::testing::Test {
 protected:
  std::string header(const std::string& text, const Request& request) {
    auto read = mail::read_header(std::make_unique<base::MemorySource>(text), mail::Normaliser::Nul::drop);
    EXPECT_TRUE(succeeds(read));
    account.aliases.clear();
    auto submission = Composer(account, {}, "sendmail", system, clock).compose(request, *std::move(read));
    EXPECT_TRUE(succeeds(submission));
    return submission ? *test::everything(submission->transaction.message) : "";
  }

  config::Account account;
  CountingSystem system;
  base::Clock clock;
};

TEST_F(Composing, LooksNobodyUpWhoIsNamed) {
  const std::string whole = header("From: b@x.test\n\n", {.sender = "b@x.test", .recipients = {"c@x.test"}});
  EXPECT_TRUE(contains(whole, "From: b@x.test\r\n")) << whole;
  EXPECT_EQ(system.lookups, 0);
}

TEST_F(Composing, KnowsWhatIsSentOnByResentBccAlone) {
  const std::string whole =
      header("Resent-Bcc: r@x.test\nTo: a@x.test\nFrom: b@x.test\n\n", {.recipients = {"r@x.test"}});
  for (const char* added : {"Resent-Date: ", "Resent-Message-ID: ", "Resent-From: "}) {
    EXPECT_TRUE(contains(whole, added)) << whole;
  }
  for (const char* original : {"\nDate: ", "\nMessage-ID: ", "Bcc"}) EXPECT_FALSE(contains(whole, original)) << whole;
}

TEST_F(Composing, LooksUpWhoIsNotNamed) {
  const std::string whole = header("\n", {.recipients = {"c@x.test"}});
  EXPECT_TRUE(contains(whole, "From: Alice <alice@host.example.com>\r\n")) << whole;
  // Of a message that is sent on it is Resent-From that is missing.
  const std::string again = header("Resent-To: c@x.test\nFrom: b@x.test\n\n", {.recipients = {"c@x.test"}});
  EXPECT_TRUE(contains(again, "Resent-From: Alice <alice@host.example.com>\r\n")) << again;
}

TEST_F(Composing, SetsThoseApartWhoseAliasesNameNobody) {
  const test::Folder folder;
  account.aliases = folder.write("aliases", "gone: |/bin/true\nempty:\nroot: admin@x.test\n");
  const Composer composer(account, {}, "sendmail", system, clock);
  const auto compose = [&](const std::vector<std::string>& recipients) {
    return composer.compose({.recipients = recipients},
                            *mail::read_header(std::make_unique<base::MemorySource>(""), mail::Normaliser::Nul::drop));
  };
  const auto some = compose({"gone", "root", "empty@host", "gone@elsewhere.test"});
  ASSERT_TRUE(succeeds(some));
  const auto texts = [](const std::vector<mail::Address>& addresses) {
    std::string all;
    for (const mail::Address& address : addresses) all += address.text() + " ";
    return all;
  };
  EXPECT_EQ(texts(some->transaction.envelope.recipients()), "admin@x.test gone@elsewhere.test ");
  EXPECT_EQ(texts(some->unreachable), "gone@host.example.com empty@host ");
  EXPECT_TRUE(test::fails_as(compose({"gone", "empty"}), Error::Kind::no_user));
}

TEST_F(Composing, MakesNoMessageIdThatIsEverybodys) {
  const auto id_of = [&](const char* sender) {
    const std::string whole = header("From: b@x.test\n\n", {.sender = sender, .recipients = {"c@x.test"}});
    const std::size_t begin = whole.find('@', whole.find("\r\nMessage-ID: <"));
    return whole.substr(begin + 1, whole.find('>', begin) - begin - 1);
  };
  EXPECT_EQ(id_of("a@x.test"), "x.test");
  for (const char* sender : {"a", "a@localhost", "a@LocalHost.localdomain", ""}) EXPECT_EQ(id_of(sender), system.name);
  for (const char* name : {"localhost", "localhost.localdomain"}) {
    system.name = name;
    account.helo.clear();
    account.hosts.clear();
    EXPECT_EQ(id_of("a"), "pillarbox.invalid");
    for (const char* host : {"127.0.0.1", "::1", "fe80::a", "localhost"})
      account.hosts.push_back({.name = host, .port = {}});
    EXPECT_EQ(id_of("a"), "pillarbox.invalid");
    account.hosts.push_back({.name = "smtp.example.net", .port = {}});
    EXPECT_EQ(id_of("a"), "smtp.example.net");
    account.helo = "me.example.net";
    EXPECT_EQ(id_of("a"), "me.example.net");
  }
}

TEST_F(Composing, EnforcesAnAuthor) {
  account.from = *mail::Address::parse("a@x.test");
  account.sender = config::Sender::enforce;
  const std::string whole = header("From: b@x.test\n\n", {.recipients = {"c@x.test"}});
  EXPECT_TRUE(contains(whole, "From: Alice <a@x.test>\r\n")) << whole;
}

}  // namespace
}  // namespace pillarbox::app
