#include "config/secret.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <thread>
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

// What is a string to C ends there, and the half before it is another password.
TEST(APassword, HasNoNulInIt) {
  const Folder folder;
  FakeSystem system;
  const std::string path = folder.write("secret", std::string("hunter2\0more\n", 13));
  const auto netrc = [&](const std::string& text) {
    system.variables["NETRC"] = folder.write("netrc", text);
    const auto credentials = credentials_from_netrc("mx.test", "", system);
    return credentials ? "none" : credentials.error().text;
  };
  for (const auto& secret : {password_from_file(path), password_from_command("cat " + path)}) {
    ASSERT_TRUE(fails_as(secret, no_permission));
    EXPECT_TRUE(contains(secret.error().text, "there is a NUL in it")) << secret.error().text;
    EXPECT_FALSE(contains(secret.error().text, "hunter2"));
  }
  const std::string nul(1, '\0');
  EXPECT_TRUE(contains(netrc("machine mx.test login alice password hunter2" + nul), "there is a NUL in it"));
  EXPECT_TRUE(contains(netrc("machine mx.test login al" + nul + "ice password hunter2"), "a NUL in the login"));
}

TEST(APasswordFile, MayBeAFifoThatIsWrittenTo) {
  const Folder folder;
  const std::string path = folder.path("fifo");
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  const auto silent = password_from_file(path, std::chrono::milliseconds(10));
  ASSERT_TRUE(fails_as(silent, no_permission));
  EXPECT_TRUE(contains(silent.error().text, "no line has come")) << silent.error().text;
  std::thread writer([&] { std::ofstream(path) << "hunter2\n"; });
  const auto secret = password_from_file(path);
  writer.join();
  ASSERT_TRUE(succeeds(secret));
  EXPECT_EQ(secret->reveal(), "hunter2");
}

TEST(APasswordInTheEnvironment, MustBeThere) {
  FakeSystem system;
  EXPECT_TRUE(fails_as(password_from_environment("PW", system), no_permission));
  system.variables["PW"] = "";
  EXPECT_TRUE(fails_as(password_from_environment("PW", system), no_permission));
  system.variables["PW"] = "hunter2";
  EXPECT_EQ(password_from_environment("PW", system)->reveal(), "hunter2");
}

TEST(ACredential, IsAFileInSystemdsFolder) {
  const Folder folder;
  FakeSystem system;
  folder.write("smtp", "hunter2\nmore\n");
  EXPECT_TRUE(fails_as(password_from_credential("smtp", system), no_permission));
  system.variables["CREDENTIALS_DIRECTORY"] = folder.path();
  EXPECT_EQ(password_from_credential("smtp", system)->reveal(), "hunter2");
  const auto missing = password_from_credential("gone", system);
  ASSERT_TRUE(fails_as(missing, no_permission));
  EXPECT_TRUE(contains(missing.error().text, folder.path("gone"))) << missing.error().text;
}

TEST(TheNetrcFile, IsInTheHomeFolderOrNamed) {
  const Folder folder;
  FakeSystem system;
  EXPECT_TRUE(fails_as(credentials_from_netrc("mx.test", "", system), no_permission));
  system.variables["HOME"] = folder.path();
  EXPECT_TRUE(fails_as(credentials_from_netrc("mx.test", "", system), no_permission));
  folder.write(".netrc", "machine mx.test login alice password home");
  const auto home = credentials_from_netrc("mx.test", "", system);
  ASSERT_TRUE(succeeds(home));
  EXPECT_EQ(home->user + " " + home->password.reveal(), "alice home");
  system.variables["NETRC"] = folder.write("named", "machine mx.test login bob password named");
  EXPECT_EQ(credentials_from_netrc("mx.test", "", system)->user, "bob");
  const auto other = credentials_from_netrc("mx.test", "alice", system);
  ASSERT_TRUE(fails_as(other, no_permission));
  EXPECT_TRUE(contains(other.error().text, "mx.test") && contains(other.error().text, "alice"));
  EXPECT_FALSE(contains(other.error().text, "password named"));
}

TEST(TheNetrcFile, IsForItsOwnerOnly) {
  const Folder folder;
  FakeSystem system;
  for (const mode_t mode : {0640U, 0604U}) {
    system.variables["NETRC"] = folder.write("netrc", "machine mx.test login alice password hunter2", mode);
    const auto open = credentials_from_netrc("mx.test", "", system);
    ASSERT_TRUE(fails_as(open, no_permission));
    EXPECT_EQ(open.error().hint, "chmod 600 " + folder.path("netrc"));
  }
  system.variables["NETRC"] = folder.path();
  const auto none = credentials_from_netrc("mx.test", "", system);
  ASSERT_TRUE(fails_as(none, no_permission));
  EXPECT_TRUE(contains(none.error().text, "not a regular file")) << none.error().text;
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

TEST(AnAccountsPassword, IsNotNeededWhereACertificateOrATicketIsTheProof) {
  const FakeSystem system;
  for (const char* mechanism : {"external", "gssapi"}) {
    Auth proof = auth(Auth::Source::none, "");
    proof.mechanism = mechanism;
    const auto credentials = credentials_of(proof, "mx.test", system);
    ASSERT_TRUE(succeeds(credentials));
    EXPECT_TRUE(credentials->password.empty());
  }
}

TEST(APasswordsCommand, IsHeardIfItFails) {
  const FakeSystem system;
  const auto failed =
      credentials_of(auth(Auth::Source::command, "echo no agent >&2; echo hunter2; exit 3"), "h", system);
  ASSERT_TRUE(fails_as(failed, no_permission));
  EXPECT_TRUE(contains(failed.error().text, "no agent") && contains(failed.error().text, "3")) << failed.error().text;
  EXPECT_FALSE(contains(failed.error().text, "hunter2"));
}

}  // namespace
}  // namespace pillarbox::config
