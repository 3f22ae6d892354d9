#include "config/secret.h"

#include <gtest/gtest.h>

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

TEST(AnAccountsPassword, ComesFromItsOneSource) {
  const Folder folder;
  FakeSystem system;
  system.variables["PW"] = "from the environment";
  Auth inline_password;
  inline_password.password = base::Secret(std::string("inline"));
  EXPECT_EQ(password_of(inline_password, system)->reveal(), "inline");
  Auth file;
  file.password_file = folder.write("secret", "from a file\n");
  EXPECT_EQ(password_of(file, system)->reveal(), "from a file");
  Auth environment;
  environment.password_env = "PW";
  EXPECT_EQ(password_of(environment, system)->reveal(), "from the environment");
}

}  // namespace
}  // namespace pillarbox::config
