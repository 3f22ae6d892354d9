#include "config/load.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/text.h"
#include "support.h"

namespace pillarbox::config {
namespace {

using test::contains;
using test::fails_as;
using test::FakeSystem;
using test::Folder;
using test::succeeds;

constexpr auto config_error = Error::Kind::config;

// A configuration in one file of a folder of its own.
class Configuration : public ::testing::Test {
 protected:
  Result<Loaded> load_text(std::string_view text, mode_t mode = 0600) {
    return load({.named = folder.write("pillarbox.conf", text, mode)}, system);
  }

  // The error's text without the folder in front of each file.
  std::string faults(std::string_view text) {
    const auto loaded = load_text(text);
    if (loaded) return "no fault";
    EXPECT_EQ(loaded.error().kind, config_error);
    std::string out = loaded.error().text;
    const std::string prefix = folder.path() + "/";
    for (std::size_t at = out.find(prefix); at != std::string::npos; at = out.find(prefix))
      out.erase(at, prefix.size());
    return out;
  }

  // The faults of an account with these settings, of which the first stands in line 1.
  std::string account_faults(const std::string& settings) {
    return faults("accounts = ( { name = \"a\"; host = \"h\"; " + settings + " } );\n");
  }

  Folder folder;
  FakeSystem system;
};

TEST_F(Configuration, GivesEveryValue) {
  const auto loaded = load_text(R"(
default_account = "b";
accounts = (
  { name = "a"; host = "mx.example"; port = 2525; tls = "opportunistic"; tls_verify = false; tls_ca_file = "/ca";
    auth = { user = "u"; mechanism = "login"; password_file = "/secret"; };
    from = "a@example.com"; from_full_name = "A"; domain = "d.example"; helo = "h.example"; aliases = "/al";
    timeouts = { connect = 1; reply = 2; data = 3; }; },
  { name = "b"; host = "127.0.0.1"; tls = "off"; }
);
log = { syslog = false; facility = "local3"; file = "/log"; format = "json"; };
queue = { enabled = false; directory = "/q"; retry = [ "90s", "5m", "2h", "1d" ]; };
)");
  ASSERT_TRUE(succeeds(loaded));
  const Settings& settings = loaded->settings;
  ASSERT_EQ(settings.accounts.size(), 2U);
  const Account& a = settings.accounts[0];
  ASSERT_EQ(a.hosts.size(), 1U);
  EXPECT_EQ(a.hosts[0].name, "mx.example");
  EXPECT_EQ(a.port_of(a.hosts[0]), 2525);
  EXPECT_EQ(a.tls, Tls::opportunistic);
  EXPECT_FALSE(a.tls_verify);
  EXPECT_EQ(a.tls_ca_file, "/ca");
  ASSERT_TRUE(a.auth);
  EXPECT_EQ(a.auth->user, "u");
  EXPECT_EQ(a.auth->mechanism, "login");
  EXPECT_EQ(a.auth->source, Auth::Source::file);
  EXPECT_EQ(a.auth->place, "/secret");
  EXPECT_EQ(a.from->text(), "a@example.com");
  EXPECT_EQ(a.from_full_name, "A");
  EXPECT_EQ(a.domain, "d.example");
  EXPECT_EQ(a.helo, "h.example");
  EXPECT_EQ(a.aliases, "/al");
  EXPECT_EQ(a.timeouts.connect, std::chrono::seconds(1));
  EXPECT_EQ(a.timeouts.reply, std::chrono::seconds(2));
  EXPECT_EQ(a.timeouts.data, std::chrono::seconds(3));
  EXPECT_EQ((*settings.account(std::nullopt))->name, "b");
  EXPECT_FALSE(settings.log.syslog);
  EXPECT_EQ(settings.log.facility, "local3");
  EXPECT_EQ(settings.log.file, "/log");
  EXPECT_TRUE(settings.log.json);
  EXPECT_FALSE(settings.queue.enabled);
  EXPECT_EQ(settings.queue.directory, "/q");
  EXPECT_EQ(settings.queue.retry, (std::vector{std::chrono::seconds(90), std::chrono::seconds(300),
                                               std::chrono::seconds(7200), std::chrono::seconds(86400)}));
}

TEST_F(Configuration, HasSafeDefaults) {
  const auto loaded = load_text("accounts = ( { name = \"a\"; host = \"h\"; } );");
  ASSERT_TRUE(succeeds(loaded));
  const Account& account = loaded->settings.accounts.front();
  EXPECT_EQ(account.tls, Tls::starttls);
  EXPECT_TRUE(account.tls_verify);
  EXPECT_EQ(account.port_of(account.hosts.front()), 587);
  EXPECT_FALSE(account.auth);
  EXPECT_EQ(account.aliases, "/etc/aliases");
  EXPECT_EQ(account.timeouts.reply, std::chrono::seconds(300));
  EXPECT_TRUE(loaded->settings.log.syslog);
  EXPECT_TRUE(loaded->settings.queue.enabled);
}

TEST_F(Configuration, TakesThePortFromTls) {
  const std::vector<std::pair<std::string, int>> cases = {
      {"implicit", 465}, {"starttls", 587}, {"opportunistic", 25}, {"off", 25}};
  for (const auto& [tls, port] : cases) {
    const auto loaded = load_text("accounts = ( { name = \"a\"; host = \"h\"; tls = \"" + tls + "\"; } );");
    ASSERT_TRUE(succeeds(loaded));
    const Account& account = loaded->settings.accounts.front();
    EXPECT_EQ(account.port_of(account.hosts.front()), port) << tls;
  }
}

TEST_F(Configuration, TellsAllFaultsAtOnceWithTheirLines) {
  const std::string all = faults(R"(defualt_account = "a";
accounts = (
  { name = "a"; prot = 25; },
  { name = "a"; host = "h";
    port = "25";
    tls = "maybe"; },
  { host = "h"; }
);
log = 5;
queue = { retry = "1m"; };
)");
  const auto lines = base::split(all, '\n');
  const std::vector<std::pair<std::string, std::string>> expected = {{"pillarbox.conf:1: ", "default_account"},
                                                                     {"pillarbox.conf:3: ", "port"},
                                                                     {"pillarbox.conf:3: ", "host"},
                                                                     {"pillarbox.conf:5: ", "port"},
                                                                     {"pillarbox.conf:6: ", "maybe"},
                                                                     {"pillarbox.conf:4: ", "two accounts"},
                                                                     {"pillarbox.conf:7: ", "name"},
                                                                     {"pillarbox.conf:9: ", "log"},
                                                                     {"pillarbox.conf:10: ", "retry"}};
  for (const auto& [where, what] : expected) {
    const bool found = std::any_of(lines.begin(), lines.end(), [&](std::string_view line) {
      return line.starts_with(where) && contains(line, what);
    });
    EXPECT_TRUE(found) << where << what << " is not in:\n" << all;
  }
  EXPECT_EQ(lines.size(), expected.size()) << all;
}

TEST_F(Configuration, NamesTheKeyThatWasMeant) {
  EXPECT_TRUE(contains(account_faults("prot = 25;"), "\"port\"?"));
  EXPECT_TRUE(contains(account_faults("tls_verfy = true;"), "\"tls_verify\"?"));
  EXPECT_TRUE(contains(account_faults("from_fullname = \"x\";"), "\"from_full_name\"?"));
  EXPECT_TRUE(contains(account_faults("auth = { user = \"u\"; pasword_file = \"/x\"; };"), "\"password_file\"?"));
  EXPECT_FALSE(contains(account_faults("completely_different = 1;"), "?"));
}

TEST_F(Configuration, SaysWhatIsAllowed) {
  struct Case {
    const char* settings;
    const char* words;
  };
  const std::vector<Case> cases = {
      {"port = 0;", "1 to 65535"},
      {"port = 65536;", "1 to 65535"},
      {"port = -1;", "1 to 65535"},
      {"port = 25.0;", "1 to 65535"},
      {"port = 99999999999999;", "1 to 65535"},
      {"port = 25L;", "1 to 65535"},
      {"tls = true;", "implicit"},
      {"tls = \"Starttls\";", "opportunistic"},
      {"tls_verify = \"yes\";", "true or false"},
      {"tls_verify = 1;", "true or false"},
      {"tls_ca_file = 1;", "string"},
      {"from = \"a b\";", "address"},
      {"from = \"a@b\\r\\nc\";", "control"},
      {"from_full_name = \"a\\nb\";", "control"},
      {"from_full_name = [ \"a\" ];", "string"},
      {"helo = \"a b\";", "host"},
      {"helo = \"\";", "host"},
      {"domain = \"a@b\";", "host"},
      {"auth = \"alice\";", "group"},
      {"auth = { password_file = \"/x\"; };", "user"},
      {"auth = { user = \"u\"; password_file = \"/x\"; password_env = \"X\"; };", "one of"},
      {"auth = { user = \"u\"; password_file = \"/x\"; mechanism = \"magic\"; };", "plain"},
      {"timeouts = { reply = 0; };", "1 to 86400"},
      {"timeouts = { reply = \"5m\"; };", "1 to 86400"},
      {"timeouts = 5;", "group"},
  };
  for (const Case& c : cases) {
    const std::string text = account_faults(c.settings);
    EXPECT_TRUE(text.starts_with("pillarbox.conf:1: ")) << c.settings << '\n' << text;
    EXPECT_TRUE(contains(text, c.words)) << c.settings << '\n' << text;
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 0) << c.settings << '\n' << text;
  }
}

TEST_F(Configuration, RefusesTimesThatAreNone) {
  for (const char* retry : {"5", "[ ]", "[ \"5\" ]", "[ \"m\" ]", "[ \"5x\" ]", "[ \"0m\" ]", "[ \"-1m\" ]", "[ 5 ]",
                            "[ \"1m \" ]", "[ \"99999999999999999999d\" ]"}) {
    EXPECT_TRUE(contains(faults("queue = { retry = " + std::string(retry) + "; };"), "retry")) << retry;
  }
}

TEST_F(Configuration, RefusesWhatIsNoListOfAccounts) {
  for (const char* text : {"accounts = 5;", "accounts = \"a\";", "accounts = { name = \"a\"; };",
                           "accounts = [ \"a\" ];", "accounts = ( \"a\" );"}) {
    EXPECT_TRUE(faults(text).starts_with("pillarbox.conf:1: ")) << text << '\n' << faults(text);
  }
}

TEST_F(Configuration, TellsWhereASyntaxErrorIs) {
  EXPECT_TRUE(faults("log = {\n  syslog = true\n  file = ;\n};\n").starts_with("pillarbox.conf:3: "));
  EXPECT_TRUE(faults("accounts = ( { name = \"a\"; host = \"h\"; },\n);\n").starts_with("pillarbox.conf:2: "));
  const auto loaded = load_text("accounts = ( { name = \"a\"; host = \"h\"; }, );\n");
  ASSERT_TRUE(fails_as(loaded, config_error));
  EXPECT_TRUE(contains(loaded.error().text + loaded.error().hint, "comma")) << loaded.error().text;
}

TEST_F(Configuration, TellsWhereAKeyComesASecondTime) {
  EXPECT_TRUE(faults("log = { syslog = true; };\nlog = { syslog = false; };\n").starts_with("pillarbox.conf:2: "));
}

TEST_F(Configuration, MayBeEmpty) {
  EXPECT_TRUE(succeeds(load_text("")));
  EXPECT_TRUE(succeeds(load_text("# nothing yet\n")));
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

// --- includes

TEST_F(Configuration, IncludesFilesRelativeToItsFolder) {
  folder.write("parts/accounts.conf", "accounts = ( { name = \"a\"; host = \"included\"; } );\n");
  const auto loaded = load_text("@include \"parts/accounts.conf\"\nlog = { syslog = false; };\n");
  ASSERT_TRUE(succeeds(loaded));
  EXPECT_EQ(loaded->settings.accounts.front().hosts.front().name, "included");
}

TEST_F(Configuration, NamesAnIncludedFileInItsFaults) {
  folder.write("part.conf", "queue = {\n  enabled = 5;\n};\n");
  EXPECT_TRUE(contains(faults("@include \"part.conf\"\nlog = { syslog = 5; };\n"), "part.conf:2: "));
  EXPECT_TRUE(contains(faults("@include \"part.conf\"\nlog = { syslog = 5; };\n"), "pillarbox.conf:2: "));
  folder.write("part.conf", "queue = {\n  enabled = ;\n};\n");
  EXPECT_TRUE(contains(faults("@include \"part.conf\"\n"), "part.conf:2: "));
}

TEST_F(Configuration, TellsOfAnIncludedFileThatIsMissing) {
  EXPECT_TRUE(faults("@include \"missing.conf\"\n").starts_with("pillarbox.conf:1: "));
}

TEST_F(Configuration, TakesNoIncludedFileFromOthersHands) {
  folder.write("part.conf", "accounts = ( { name = \"a\"; host = \"evil\"; } );\n", 0666);
  EXPECT_TRUE(fails_as(load_text("@include \"part.conf\"\n"), config_error));
}

TEST_F(Configuration, WithAPasswordInAnIncludedFileIsForItsOwnerOnly) {
  folder.write("part.conf",
               "accounts = ( { name = \"a\"; host = \"h\"; auth = { user = \"u\"; password = \"hunter2\"; }; } );\n",
               0644);
  EXPECT_TRUE(fails_as(load_text("@include \"part.conf\"\n"), config_error));
}

// --- several files

class ConfigurationPlaces : public Configuration {
 protected:
  void SetUp() override {
    places.system = folder.path("system.conf");
    system.variables["XDG_CONFIG_HOME"] = folder.path("xdg");
  }

  Places places;
};

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
  EXPECT_EQ(loaded->settings.log.facility, "user");
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

TEST_F(ConfigurationPlaces, NeedNoHome) {
  system.variables.clear();
  EXPECT_TRUE(succeeds(load(places, system)));
  system.variables["HOME"] = folder.path("home");
  folder.write("home/.config/pillarbox/pillarbox.conf", "log = { file = \"/h\"; };");
  const auto loaded = load(places, system);
  ASSERT_TRUE(succeeds(loaded));
  EXPECT_EQ(loaded->settings.log.file, "/h");
}

TEST_F(ConfigurationPlaces, TellTheFaultsOfBothFiles) {
  folder.write("system.conf", "log = 1;");
  folder.write("xdg/pillarbox/pillarbox.conf", "queue = 1;");
  const auto loaded = load(places, system);
  ASSERT_TRUE(fails_as(loaded, config_error));
  EXPECT_TRUE(contains(loaded.error().text, "system.conf:1: log")) << loaded.error().text;
  EXPECT_TRUE(contains(loaded.error().text, "xdg/pillarbox/pillarbox.conf:1: queue")) << loaded.error().text;
}

// --- choosing an account

TEST(ChoosingAnAccount, NamesThoseThatThereAre) {
  Settings settings;
  EXPECT_TRUE(fails_as(settings.account(std::nullopt), config_error));
  settings.accounts.resize(2);
  settings.accounts[0].name = "work";
  settings.accounts[1].name = "home";
  EXPECT_EQ((*settings.account(std::nullopt))->name, "work");
  EXPECT_EQ((*settings.account("home"))->name, "home");
  const auto unknown = settings.account("hmoe");
  ASSERT_TRUE(fails_as(unknown, config_error));
  EXPECT_TRUE(contains(unknown.error().text, "work") && contains(unknown.error().text, "home"));
  settings.default_account = "gone";
  EXPECT_TRUE(fails_as(settings.account(std::nullopt), config_error));
  EXPECT_TRUE(fails_as(settings.account(""), config_error));
}

}  // namespace
}  // namespace pillarbox::config
