#include "config/load.h"

#include <malloc.h>
#include <string.h>  // NOLINT(modernize-deprecated-headers): memmem is not in <cstring>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstdlib>
#include <new>

#include "configuration.h"

namespace {

std::string_view watched;  // what should not be in memory that is given back,
int found = 0;             // and how often it was

}  // namespace

// Not inlined, or GCC takes the two for a pair that does not match.
[[gnu::noinline]] void* operator new(std::size_t size) {
  if (void* memory = std::calloc(1, size)) return memory;  // without what was there before
  throw std::bad_alloc();
}

[[gnu::noinline]] void* operator new(std::size_t size, const std::nothrow_t& /*tag*/) noexcept {
  return std::calloc(1, size);
}

[[gnu::noinline]] void operator delete(void* memory) noexcept {
  if (memory && !watched.empty()) {
    found += ::memmem(memory, ::malloc_usable_size(memory), watched.data(), watched.size()) ? 1 : 0;
  }
  std::free(memory);
}

void operator delete(void* memory, std::size_t /*size*/) noexcept {
  operator delete(memory);
}

namespace pillarbox::config {
namespace {

TEST_F(Configuration, MayBeEmpty) {
  EXPECT_TRUE(succeeds(load_text("")));
  EXPECT_TRUE(succeeds(load_text("# nothing yet\n")));
}

// --- secrets

TEST_F(Configuration, LeavesNoPasswordInMemory) {
  const std::string password = "a-password-that-is-long-enough-to-be-nowhere-else";
  folder.write("auth.conf", "auth = { user = \"u\"; password = \"" + password + "\"; };" + std::string(20000, '\n'));
  const std::string path = folder.write(
      "pillarbox.conf", "accounts = ( { name = \"a\"; host = \"h\";\n@include \"auth.conf\"\n},\n" +
                            ("{ name = \"b\"; host = \"h\"; auth = { user = \"u\"; password = \"" + password) +
                            "\"; }; } );\n" + std::string(20000, '\n'));
  watched = password;
  found = 0;
  {
    const auto loaded = load({.named = path}, system);
    EXPECT_TRUE(loaded && loaded->settings.accounts.front().auth->password.reveal() == password);
  }
  watched = {};
  EXPECT_EQ(found, 0);
}

TEST_F(Configuration, MakesTheProcessUndumpable) {
  ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
  EXPECT_TRUE(succeeds(load_text("")));
  EXPECT_EQ(::prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), 0);
}

// --- permissions

TEST_F(Configuration, IsNotTakenFromOthersHands) {
  for (const mode_t mode : {0620U, 0602U, 0666U}) {
    const auto loaded = load_text("", mode);
    ASSERT_TRUE(fails_as(loaded, config_error));
    EXPECT_TRUE(contains(loaded.error().text, folder.path("pillarbox.conf")));
    EXPECT_TRUE(contains(loaded.error().hint, "chmod")) << loaded.error().hint;
  }
  EXPECT_TRUE(succeeds(load_text("", 0644)));
}

TEST_F(Configuration, IsNotTakenFromAnotherUser) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give a file away";
  const std::string path = folder.write("other.conf", "");
  ASSERT_EQ(::chown(path.c_str(), 12345, 12345), 0);
  const auto loaded = load({.named = path}, system);
  ASSERT_TRUE(fails_as(loaded, config_error));
  EXPECT_TRUE(contains(loaded.error().text, "12345")) << loaded.error().text;
}

TEST_F(Configuration, WithAPasswordIsForItsOwnerOnly) {
  const std::string text =
      "accounts = ( { name = \"a\"; host = \"h\"; auth = { user = \"u\"; password = \"hunter2\"; }; } );";
  for (const mode_t mode : {0640U, 0604U, 0644U}) {
    const auto loaded = load_text(text, mode);
    ASSERT_TRUE(fails_as(loaded, config_error));
    EXPECT_TRUE(contains(loaded.error().hint, "chmod 600 " + folder.path("pillarbox.conf"))) << loaded.error().hint;
    EXPECT_FALSE(contains(loaded.error().text + loaded.error().hint, "hunter2"));
  }
  const auto loaded = load_text(text, 0600);
  ASSERT_TRUE(succeeds(loaded));
  EXPECT_EQ(loaded->settings.accounts.front().auth->password.reveal(), "hunter2");
}

TEST_F(Configuration, IsAFile) {
  EXPECT_TRUE(fails_as(load({.named = folder.path()}, system), config_error));
  EXPECT_TRUE(fails_as(load({.named = "/dev/null"}, system), config_error));
  const auto missing = load({.named = folder.path("missing")}, system);
  ASSERT_TRUE(fails_as(missing, config_error));
  EXPECT_TRUE(contains(missing.error().text, folder.path("missing")));
}

TEST_F(Configuration, DoesNotWaitForAFifo) {
  ASSERT_EQ(::mkfifo(folder.path("fifo").c_str(), 0600), 0);
  EXPECT_TRUE(fails_as(load({.named = folder.path("fifo")}, system), config_error));
}

// --- several files

TEST_F(ConfigurationPlaces, MayAllBeEmpty) {
  const auto loaded = load(places, system);
  ASSERT_TRUE(succeeds(loaded));
  EXPECT_TRUE(loaded->files.empty());
  EXPECT_EQ(loaded->searched, (std::vector{places.system, folder.path("xdg/pillarbox/pillarbox.conf")}));
}

TEST_F(ConfigurationPlaces, GiveTheUsersAccountsFirstAndTheUsersSettings) {
  folder.write(
      "system.conf",
      "default_account = \"s\"; accounts = ( { name = \"s\"; host = \"s\"; }, { name = \"both\"; host = \"s\"; } );"
      "log = { facility = \"user\"; file = \"/s\"; };");
  folder.write(
      "xdg/pillarbox/pillarbox.conf",
      "accounts = ( { name = \"u\"; host = \"u\"; }, { name = \"both\"; host = \"u\"; } ); log = { file = \"/u\"; };");
  const auto loaded = load(places, system);
  ASSERT_TRUE(succeeds(loaded));
  std::string order;
  for (const Account& account : loaded->settings.accounts)
    order += account.name + "=" + account.hosts.front().name + " ";
  EXPECT_EQ(order, "u=u both=u s=s ");
  EXPECT_EQ(loaded->settings.default_account, "s");
  EXPECT_EQ(loaded->settings.log.file, "/u");
  EXPECT_EQ(loaded->settings.log.facility, LOG_USER);
  EXPECT_EQ(loaded->files.size(), 2U);
}

TEST_F(ConfigurationPlaces, AreNotLookedIntoWhereAFileIsNamed) {
  folder.write("system.conf", "this is not even close");
  const std::string named = folder.write("named.conf", "log = { file = \"/n\"; };");
  system.variables["PILLARBOX_CONFIG"] = folder.path("missing.conf");
  const auto by_option = load({.named = named, .system = places.system}, system);
  ASSERT_TRUE(succeeds(by_option));
  EXPECT_EQ(by_option->settings.log.file, "/n");
  system.variables["PILLARBOX_CONFIG"] = named;
  const auto by_variable = load(places, system);
  ASSERT_TRUE(succeeds(by_variable));
  EXPECT_EQ(by_variable->settings.log.file, "/n");
}

TEST_F(ConfigurationPlaces, AreLookedIntoWhereTheVariableIsEmpty) {
  folder.write("system.conf", "log = { file = \"/s\"; };");
  system.variables["PILLARBOX_CONFIG"] = "";
  const auto loaded = load(places, system);
  ASSERT_TRUE(succeeds(loaded));
  EXPECT_EQ(loaded->settings.log.file, "/s");
}

TEST_F(ConfigurationPlaces, AreNotThereWhereHomeIsNoFolder) {
  system.variables["XDG_CONFIG_HOME"] = folder.write("file", "");
  const auto loaded = load(places, system);
  ASSERT_TRUE(succeeds(loaded));
  EXPECT_TRUE(loaded->files.empty());
}

TEST_F(ConfigurationPlaces, TellWhoseAnAccountIs) {
  const std::string text = "accounts = ( { name = \"a\"; host = \"h\"; } );";
  folder.write("system.conf", text);
  EXPECT_EQ(load(places, system)->settings.accounts.front().owner, Owner::system);
  const std::string named = folder.write("named.conf", text);
  EXPECT_EQ(load({.named = named, .system = places.system}, system)->settings.accounts.front().owner, Owner::user);
  EXPECT_EQ(load({.named = places.system, .system = places.system}, system)->settings.accounts.front().owner,
            Owner::system);
}

TEST_F(ConfigurationPlaces, AreInThePasswordFilesHomeWhereTheOtherIsNobodys) {
  constexpr std::string_view name = "/.config/pillarbox/pillarbox.conf";
  system.variables.erase("XDG_CONFIG_HOME");
  system.variables["HOME"] = folder.path("missing");
  system.listed = folder.path("listed");
  EXPECT_EQ(user_file(system), *system.listed + std::string(name));
  system.listed.reset();
  EXPECT_EQ(user_file(system), folder.path("missing") + std::string(name));
  system.listed = folder.path("listed");
  system.variables["HOME"] = folder.path();
  EXPECT_EQ(user_file(system), folder.path() + std::string(name));
}

TEST_F(ConfigurationPlaces, NeedNoHome) {
  system.variables.clear();
  EXPECT_TRUE(succeeds(load(places, system)));
  system.variables["HOME"] = folder.path("home");
  folder.write("home/.config/pillarbox/pillarbox.conf", "log = { file = \"/h\"; };");
  const auto loaded = load(places, system);
  ASSERT_TRUE(succeeds(loaded));
  EXPECT_EQ(loaded->settings.log.file, "/h");
}

// Unless it needs what the other may have.
TEST_F(ConfigurationPlaces, LeaveTheUserTheirOwnFile) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may read every file";
  const auto load_own = [&](std::string_view text) {
    folder.write("system.conf", "log = { file = \"/s\"; };", 0);
    folder.write("xdg/pillarbox/pillarbox.conf", text);
    return load(places, system);
  };
  const auto own = load_own("accounts = ( { name = \"a\"; host = \"h\"; } ); default_account = \"host\";");
  ASSERT_TRUE(succeeds(own));
  EXPECT_TRUE(succeeds(own->settings.account("a")));
  EXPECT_TRUE(fails_as(own->settings.account(std::nullopt), config_error));
  EXPECT_TRUE(contains(own->settings.account(std::nullopt).error().text, "system.conf: can't be read"));
  const auto heir = load_own("accounts = ( { name = \"a\"; host = \"h\"; inherit = \"host\"; } );");
  ASSERT_TRUE(fails_as(heir, config_error));
  EXPECT_TRUE(contains(heir.error().text, "system.conf: can't be read")) << heir.error().text;
  EXPECT_TRUE(fails_as(load({.named = places.system}, system), config_error));
  ASSERT_EQ(::unlink(folder.path("xdg/pillarbox/pillarbox.conf").c_str()), 0);
  EXPECT_TRUE(fails_as(load(places, system), config_error));
}

TEST_F(ConfigurationPlaces, TellTheFaultsOfBothFiles) {
  folder.write("system.conf", "log = 1;");
  folder.write("xdg/pillarbox/pillarbox.conf", "queue = 1;");
  const auto loaded = load(places, system);
  ASSERT_TRUE(fails_as(loaded, config_error));
  EXPECT_TRUE(contains(loaded.error().text, "system.conf:1: log")) << loaded.error().text;
  EXPECT_TRUE(contains(loaded.error().text, "xdg/pillarbox/pillarbox.conf:1: queue")) << loaded.error().text;
}

}  // namespace
}  // namespace pillarbox::config
