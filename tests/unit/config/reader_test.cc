#include "config/reader.h"

#include <fstream>
#include <map>

#include "configuration.h"

namespace pillarbox::config {
namespace {

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

TEST_F(Configuration, RefusesWhatIsNoListOfAccounts) {
  for (const char* text : {"accounts = 5;", "accounts = \"a\";", "accounts = { name = \"a\"; };",
                           "accounts = [ \"a\" ];", "accounts = ( \"a\" );"}) {
    EXPECT_TRUE(faults(text).starts_with("pillarbox.conf:1: ")) << text << '\n' << faults(text);
  }
}

TEST_F(Configuration, TellsAFaultOfTheDefaultsOnce) {
  const std::string fault = faults(
      "defaults = { port = 0; name = \"x\"; };\n"
      "accounts = ( { name = \"a\"; host = \"h\"; }, { name = \"b\"; host = \"h\"; inherit = \"a\"; } );\n");
  EXPECT_EQ(std::count(fault.begin(), fault.end(), '\n'), 1) << fault;
  EXPECT_TRUE(contains(fault, "pillarbox.conf:1: port ")) << fault;
  EXPECT_TRUE(contains(fault, "pillarbox.conf:1: unknown key \"name\"")) << fault;
  EXPECT_TRUE(faults("defaults = 5;").starts_with("pillarbox.conf:1: defaults must be a group"));
}

TEST_F(Configuration, NamesADefaultAccountThatThereIs) {
  const std::string fault = faults("accounts = ( { name = \"a\"; host = \"h\"; } );\ndefault_account = \"b\";\n");
  EXPECT_EQ(fault, "pillarbox.conf:2: default_account names no account: \"b\"; there are: a");
  EXPECT_EQ(faults("default_account = \"b\";"), "pillarbox.conf:1: default_account names no account: \"b\"");
  EXPECT_TRUE(contains(faults("accounts = ( { name = \"a\"; }, { name = \"a\"; host = \"h\"; }, { host = \"h\"; },\n"
                              "{ name = \"c\"; host = \"h\"; } ); default_account = \"b\";"),
                       "there are: a, c"));
}

// --- defaults and inheritance

// The accounts of a text, by name.
std::map<std::string, const Account*> by_name(const Loaded& loaded) {
  std::map<std::string, const Account*> accounts;
  for (const Account& account : loaded.settings.accounts) accounts[account.name] = &account;
  return accounts;
}

TEST_F(Configuration, MergesDefaultsAndInheritedAndOwnKeyByKey) {
  const auto loaded = load_text(R"(
accounts = (
  { name = "child"; inherit = "middle"; helo = "child.test"; timeouts = { data = 9; }; },
  { name = "middle"; inherit = "root"; port = 26; auth = { password_env = "PW"; }; headers = { to = false; }; },
  { name = "root"; host = "root.test"; port = 27; helo = "root.test"; tls = "implicit"; from = "root@root.test";
    auth = { user = "root"; mechanism = "login"; password_file = "/root"; }; timeouts = { reply = 8; data = 8; };
    dsn = { return = "full"; }; },
  { name = "alone"; hosts = [ "a.test:1", "b.test" ]; }
);
defaults = { host = "default.test"; port = 28; tls = "off"; tls_verify = false; timeouts = { connect = 7; reply = 7; data = 7; };
             auth = { user = "default"; password_command = "x"; }; headers = { date = false; to = true; };
             dsn = { notify = [ "never" ]; }; };
)");
  ASSERT_TRUE(succeeds(loaded));
  const auto accounts = by_name(*loaded);
  const Account& child = *accounts.at("child");
  EXPECT_EQ(host_of(child), "root.test");
  EXPECT_EQ(child.port, 26);
  EXPECT_EQ(child.helo, "child.test");
  EXPECT_EQ(child.tls, Tls::implicit);
  EXPECT_FALSE(child.tls_verify);
  EXPECT_EQ(child.from->text(), "root@root.test");
  EXPECT_EQ(child.auth->user, "root");
  EXPECT_EQ(child.auth->mechanism, "login");
  EXPECT_EQ(child.auth->source, Auth::Source::environment);
  EXPECT_EQ(child.auth->place, "PW");
  EXPECT_EQ(child.timeouts.connect, std::chrono::seconds(7));
  EXPECT_EQ(child.timeouts.reply, std::chrono::seconds(8));
  EXPECT_EQ(child.timeouts.data, std::chrono::seconds(9));
  EXPECT_FALSE(child.headers.date || child.headers.to);
  EXPECT_EQ(child.dsn.notify + " " + child.dsn.returned, "NEVER FULL");
  const Account& alone = *accounts.at("alone");
  ASSERT_EQ(alone.hosts.size(), 2U);
  EXPECT_EQ(alone.port_of(alone.hosts[0]), 1);
  EXPECT_EQ(alone.port_of(alone.hosts[1]), 28);
  EXPECT_EQ(alone.auth->source, Auth::Source::command);
  EXPECT_EQ(accounts.at("root")->auth->source, Auth::Source::file);
}

TEST_F(Configuration, TakesTheNearestSourceOfThePassword) {
  const auto source = [&](const std::string& farther, const std::string& nearer) {
    const auto loaded = load_text("defaults = { auth = { user = \"u\"; " + farther +
                                  " }; }; accounts = ( { name = \"a\"; host = \"h\"; auth = { " + nearer + " }; } );");
    EXPECT_TRUE(succeeds(loaded));
    const Auth& auth = *loaded->settings.accounts.at(0).auth;
    EXPECT_EQ(auth.password.reveal(), auth.source == Auth::Source::password ? "pw" : "");
    return auth.source;
  };
  EXPECT_EQ(source("password = \"pw\";", "password_file = \"/x\";"), Auth::Source::file);
  EXPECT_EQ(source("password_file = \"/x\";", "password = \"pw\";"), Auth::Source::password);
  EXPECT_EQ(source("password = \"pw\";", "netrc = true;"), Auth::Source::netrc);
  EXPECT_EQ(source("netrc = true;", "netrc = false;"), Auth::Source::none);
  EXPECT_EQ(source("password = \"pw\";", "netrc = false;"), Auth::Source::password);
  EXPECT_EQ(source("password = \"pw\";", "mechanism = \"login\";"), Auth::Source::password);
}

TEST_F(Configuration, TakesALoginOrItsPasswordBack) {
  const auto auth = [&](const std::string& farther, const std::string& nearer) {
    auto loaded = load_text("defaults = { auth = { user = \"u\"; " + farther +
                            " }; }; accounts = ( { name = \"a\"; host = \"h\"; auth = { " + nearer + " }; } );");
    EXPECT_TRUE(succeeds(loaded)) << nearer;
    return std::move(loaded->settings.accounts.at(0).auth);
  };
  EXPECT_EQ(auth("password_file = \"/x\";", "password_file = \"\";")->source, Auth::Source::none);
  EXPECT_EQ(auth("password = \"pw\";", "password_file = \"\";")->source, Auth::Source::password);
  EXPECT_EQ(auth("netrc = true;", "password_file = \"\"; password = \"pw\";")->source, Auth::Source::password);
  for (const char* source : {"password_file = \"/x\";", "password = \"pw\";", "netrc = true;", "credential = \"c\";"}) {
    const auto external = auth(source, "mechanism = \"external\";");
    EXPECT_EQ(external->source, Auth::Source::none) << source;
    EXPECT_EQ(external->user, "u");
    EXPECT_FALSE(auth(source, "mechanism = \"none\";").has_value());
  }
  EXPECT_EQ(auth("mechanism = \"none\"; password = \"pw\";", "user = \"v\";")->source, Auth::Source::none);
}

TEST_F(Configuration, InheritsFromAnAccountThatThereIs) {
  const auto inherit = [&](const std::string& a, const std::string& b) {
    return faults("accounts = (\n{ name = \"a\"; host = \"h\"; inherit = \"" + a +
                  "\"; },\n{ name = \"b\"; host = \"h\"; inherit = \"" + b + "\"; } );\n");
  };
  EXPECT_EQ(inherit("b", "c"), "pillarbox.conf:3: inherit names no account: \"c\"; there are: a");
  EXPECT_EQ(inherit("a", "a"), "pillarbox.conf:2: the account inherits from itself");
  const std::string both = inherit("b", "a");
  EXPECT_TRUE(contains(both, "pillarbox.conf:2: accounts inherit from each other")) << both;
  EXPECT_TRUE(contains(both, "pillarbox.conf:3: accounts inherit from each other")) << both;
  EXPECT_TRUE(contains(account_faults("inherit = 5;"), "string"));
}

TEST_F(Configuration, InheritsNoName) {
  EXPECT_TRUE(contains(faults("accounts = ( { name = \"a\"; host = \"h\"; }, { inherit = \"a\"; } );"), "has no name"));
}

TEST_F(ConfigurationPlaces, GiveTheUsersAccountsBothDefaults) {
  const auto loaded = load_both(
      "defaults = { host = \"s.test\"; helo = \"s.test\"; port = 1; auth = { user = \"s\"; password_file = \"/s\"; }; "
      "};"
      "accounts = ( { name = \"s\"; }, { name = \"both\"; from_full_name = \"S\"; } );",
      "defaults = { helo = \"u.test\"; auth = { user = \"u\"; }; }; accounts = ( { name = \"u\"; }, { name = \"both\"; "
      "} );");
  ASSERT_TRUE(succeeds(loaded));
  const auto accounts = by_name(*loaded);
  EXPECT_EQ(accounts.at("s")->helo, "s.test");
  EXPECT_EQ(accounts.at("s")->auth->user, "s");
  EXPECT_EQ(accounts.at("s")->owner, Owner::system);
  EXPECT_EQ(accounts.at("u")->helo, "u.test");
  EXPECT_EQ(host_of(*accounts.at("u")), "s.test");
  EXPECT_EQ(accounts.at("u")->auth->user, "u");
  EXPECT_EQ(accounts.at("u")->auth->place, "/s");
  EXPECT_EQ(accounts.at("u")->owner, Owner::user);
  // An account is replaced whole.
  EXPECT_EQ(accounts.at("both")->from_full_name, "");
  EXPECT_EQ(accounts.at("both")->owner, Owner::user);
}

TEST_F(ConfigurationPlaces, LetAUsersAccountInheritFromTheSystems) {
  const auto loaded = load_both(
      "accounts = ( { name = \"work\"; host = \"s.test\"; inherit = \"far\"; }, { name = \"far\"; host = \"f\"; port = "
      "5; } );",
      "accounts = ( { name = \"u\"; inherit = \"far\"; }, { name = \"far\"; host = \"uf\"; },"
      "             { name = \"work\"; inherit = \"work\"; helo = \"u.test\"; } );");
  ASSERT_TRUE(succeeds(loaded));
  const auto accounts = by_name(*loaded);
  EXPECT_EQ(host_of(*accounts.at("u")), "uf");  // the user's own comes first
  EXPECT_EQ(host_of(*accounts.at("work")), "s.test");
  EXPECT_EQ(accounts.at("work")->port, 5);
  EXPECT_EQ(accounts.at("work")->helo, "u.test");
  EXPECT_EQ(accounts.at("work")->owner, Owner::user);
  EXPECT_TRUE(fails_as(load_both("accounts = ( { name = \"s\"; host = \"h\"; inherit = \"u\"; } );",
                                 "accounts = ( { name = \"u\"; host = \"h\"; } );"),
                       config_error));
}

TEST_F(ConfigurationPlaces, DoNotMissWhatAFileThatCannotBeReadWouldName) {
  const auto loaded = load_both(
      "accounts = (,);", "default_account = \"s\"; accounts = ( { name = \"u\"; inherit = \"s\"; host = \"h\"; } );");
  ASSERT_TRUE(fails_as(loaded, config_error));
  EXPECT_EQ(std::count(loaded.error().text.begin(), loaded.error().text.end(), '\n'), 0) << loaded.error().text;
}

// --- the sample

TEST_F(Configuration, HasTheDefaultsThatTheSampleTells) {
  std::ifstream file(PILLARBOX_SAMPLE);
  std::string text;
  for (std::string line; std::getline(file, line);) {
    const std::size_t mark = line.find_first_not_of(' ');
    if (mark != std::string::npos && line[mark] == '#') line.erase(mark, 1);
    text += line + "\n";
  }
  system.variables["HOME"] = "/home/alice";
  const auto loaded = load_text(text);
  ASSERT_TRUE(succeeds(loaded));
  const Account& told = loaded->settings.accounts.front();
  const Account plain = account("");
  EXPECT_EQ(told.port_of(told.hosts[0]), plain.port_of(plain.hosts[0]));
  EXPECT_EQ(told.tls, plain.tls);
  EXPECT_EQ(told.tls_verify, plain.tls_verify);
  EXPECT_EQ(told.tls_min, plain.tls_min);
  EXPECT_EQ(told.auth->mechanism, Auth().mechanism);
  EXPECT_EQ(told.sender, plain.sender);
  EXPECT_EQ(told.allow_from_override, plain.allow_from_override);
  EXPECT_EQ(told.aliases, plain.aliases);
  EXPECT_EQ(told.timeouts.connect, plain.timeouts.connect);
  EXPECT_EQ(told.timeouts.reply, plain.timeouts.reply);
  EXPECT_EQ(told.timeouts.data, plain.timeouts.data);
  EXPECT_EQ(told.max_recipients, plain.max_recipients);
  EXPECT_EQ(told.max_message_size, plain.max_message_size);
  const auto switches = [](const Headers& h) {
    return std::vector<bool>{h.date, h.message_id, h.from, h.to, h.qualify, h.received, h.keep_bcc};
  };
  EXPECT_EQ(switches(told.headers), switches(plain.headers));
  EXPECT_EQ(loaded->settings.log.syslog, Log().syslog);
  EXPECT_EQ(loaded->settings.log.facility, Log().facility);
  EXPECT_EQ(loaded->settings.log.json, Log().json);
  EXPECT_EQ(loaded->settings.queue.enabled, Queue().enabled);
  EXPECT_EQ(loaded->settings.queue.retry, Queue().retry);
  EXPECT_EQ(loaded->settings.queue.expire, Queue().expire);
  EXPECT_EQ(loaded->settings.queue.background, Queue().background);
}

}  // namespace
}  // namespace pillarbox::config
