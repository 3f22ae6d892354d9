#include "config/secret.h"

#include <gtest/gtest.h>

#include <tuple>

#include "support.h"

namespace pillarbox::config {
namespace {

using test::contains;
using test::fails_as;
using test::FakeSystem;
using test::Folder;
using test::succeeds;

constexpr auto no_permission = Error::Kind::no_permission;

TEST(APasswordFile, CountsToTheEndOfItsFirstLine) {
  const Folder folder;
  const std::vector<std::pair<std::string, std::string>> cases = {{"hunter2", "hunter2"},
                                                                  {"hunter2\n", "hunter2"},
                                                                  {"hunter2\r\n", "hunter2"},
                                                                  {"hunter2\nsecond\n", "hunter2"},
                                                                  {" with blanks ", " with blanks "},
                                                                  {"p\xc3\xa4ss\n", "p\xc3\xa4ss"},
                                                                  {"a\rb\n", "a\rb"}};
  for (const auto& [content, password] : cases) {
    const auto secret = password_from_file(folder.write("secret", content));
    ASSERT_TRUE(succeeds(secret));
    EXPECT_EQ(secret->reveal(), password);
  }
}

TEST(APasswordFile, HoldsALongOne) {
  const Folder folder;
  const std::string token(5000, 't');
  EXPECT_EQ(password_from_file(folder.write("secret", token + "\n"))->reveal(), token);
}

TEST(APasswordFile, ThatHasNoneIsNamed) {
  const Folder folder;
  for (const std::string& path :
       {folder.write("empty", ""), folder.write("blank", "\nsecond\n"), folder.path("missing"), folder.path()}) {
    const auto secret = password_from_file(path);
    ASSERT_TRUE(fails_as(secret, no_permission));
    EXPECT_TRUE(contains(secret.error().text, path)) << secret.error().text;
    EXPECT_FALSE(contains(secret.error().text, "second"));
  }
}

TEST(APasswordInTheEnvironment, MustBeThere) {
  FakeSystem system;
  EXPECT_TRUE(fails_as(password_from_environment("PW", system), no_permission));
  system.variables["PW"] = "";
  EXPECT_TRUE(fails_as(password_from_environment("PW", system), no_permission));
  system.variables["PW"] = "hunter2";
  EXPECT_EQ(password_from_environment("PW", system)->reveal(), "hunter2");
}

// A source, and the place that goes with it.
Auth auth(Auth::Source source, std::string place) {
  Auth auth;
  auth.user = "alice";
  auth.source = source;
  auth.place = std::move(place);
  return auth;
}

TEST(AnAccountsPassword, ComesFromItsOneSource) {
  const Folder folder;
  FakeSystem system;
  system.variables["PW"] = "from the environment";
  system.variables["CREDENTIALS_DIRECTORY"] = folder.path("credentials");
  system.variables["NETRC"] = folder.write("netrc", "machine mx.test login alice password netrc\n");
  folder.write("credentials/mail", "from systemd");
  Auth inline_password = auth(Auth::Source::password, "");
  inline_password.password = base::Secret(std::string("inline"));
  EXPECT_EQ(credentials_of(inline_password, "mx.test", system)->password.reveal(), "inline");
  using Source = Auth::Source;
  const std::vector<std::tuple<Source, std::string, std::string>> cases = {
      {Source::file, folder.write("secret", "from a file\n"), "from a file"},
      {Source::command, "echo from a command", "from a command"},
      {Source::token_command, "echo a token", "a token"},
      {Source::environment, "PW", "from the environment"},
      {Source::credential, "mail", "from systemd"},
      {Source::netrc, "", "netrc"}};
  for (const auto& [source, place, password] : cases) {
    const auto credentials = credentials_of(auth(source, place), "mx.test", system);
    ASSERT_TRUE(succeeds(credentials)) << password;
    EXPECT_EQ(credentials->password.reveal(), password);
    EXPECT_EQ(credentials->user, "alice");
  }
}

}  // namespace
}  // namespace pillarbox::config
