#include "config/take.h"

#include "configuration.h"

namespace pillarbox::config {
namespace {

TEST_F(Configuration, GivesEveryValue) {
  const auto loaded = load_text(R"(
default_account = "b";
accounts = (
  { name = "a"; host = "mx.example"; port = 2525; tls = "opportunistic"; tls_verify = false; tls_ca_file = "/ca"; tls_min = "1.3"; tls_crl = "/crl";
    tls_pin = [ "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" ]; tls_certificate = "/crt"; tls_key = "/key";
    tls_ciphers = "HIGH"; tls_name = "name.example";
    auth = { user = "u"; mechanism = "login"; password_file = "/secret"; };
    from = "a@example.com"; from_match = [ "*@example.com", "b@example.org" ]; sender = "enforce";
    from_full_name = "A"; allow_from_override = false; proxy = "http://proxy.example:3128"; source_address = "192.0.2.7"; domain = "d.example"; helo = "h.example"; aliases = "/al";
    timeouts = { connect = 1; reply = 2; data = 3; }; max_recipients = 7; max_message_size = "50M";
    headers = { date = false; message_id = false; from = false; to = false; qualify = false; received = true;
                keep_bcc = true; };
    dsn = { notify = [ "delay", "failure" ]; return = "full"; }; },
  { name = "b"; hosts = [ "127.0.0.1", "mx2.example:2525", "[::1]:26", "::1" ]; port = 24; tls = "off"; }
);
log = { syslog = false; facility = "local3"; file = "/log"; format = "json"; };
queue = { enabled = false; directory = "/q"; retry = [ "90s", "5m", "2h", "1d" ]; expire = "10d";
          background = false; bounce_to = "pm@example.com"; };
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
  EXPECT_EQ(a.owner, Owner::user);
  EXPECT_EQ(a.tls_min, TlsVersion::v1_3);
  EXPECT_EQ(a.tls_crl, "/crl");
  EXPECT_EQ(a.tls_pins, (std::vector<std::string>{"sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="}));
  EXPECT_EQ(a.tls_certificate, "/crt");
  EXPECT_EQ(a.tls_key, "/key");
  EXPECT_EQ(a.tls_ciphers, "HIGH");
  EXPECT_EQ(a.tls_name, "name.example");
  EXPECT_EQ(a.from_match, (std::vector<std::string>{"*@example.com", "b@example.org"}));
  EXPECT_EQ(a.sender, Sender::enforce);
  EXPECT_FALSE(a.allow_from_override);
  EXPECT_EQ(a.proxy.reveal(), "http://proxy.example:3128");
  EXPECT_EQ(a.source_address, "192.0.2.7");
  EXPECT_EQ(a.max_recipients, 7);
  EXPECT_EQ(a.max_message_size, 50U << 20);
  EXPECT_FALSE(a.headers.date || a.headers.message_id || a.headers.from || a.headers.to || a.headers.qualify);
  EXPECT_TRUE(a.headers.received && a.headers.keep_bcc);
  EXPECT_EQ(a.dsn.notify, "FAILURE,DELAY");
  EXPECT_EQ(a.dsn.returned, "FULL");
  EXPECT_EQ((*settings.account(std::nullopt))->name, "b");
  std::string hosts;
  const Account& b = settings.accounts[1];
  for (const Host& host : b.hosts) hosts += host.name + " " + std::to_string(b.port_of(host)) + ", ";
  EXPECT_EQ(hosts, "127.0.0.1 24, mx2.example 2525, ::1 26, ::1 24, ");
  EXPECT_FALSE(settings.log.syslog);
  EXPECT_EQ(settings.log.facility, LOG_LOCAL3);
  EXPECT_EQ(settings.log.file, "/log");
  EXPECT_TRUE(settings.log.json);
  EXPECT_FALSE(settings.queue.enabled);
  EXPECT_EQ(settings.queue.directory, "/q");
  EXPECT_EQ(settings.queue.retry, (std::vector{std::chrono::seconds(90), std::chrono::seconds(300),
                                               std::chrono::seconds(7200), std::chrono::seconds(86400)}));
  EXPECT_EQ(settings.queue.expire, std::chrono::seconds(864000));
  EXPECT_FALSE(settings.queue.background);
  EXPECT_EQ(settings.queue.bounce_to->text(), "pm@example.com");
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
      {"tls_min = 1.2;", "\"1.2\""},
      {"tls_min = \"1.4\";", "\"1.3\""},
      {"tls_crl = true;", "string"},
      {"tls_pin = \"sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\";", "list"},
      {"tls_pin = [ ];", "list"},
      {"tls_pin = [ 5 ];", "base64"},
      {"tls_pin = [ \"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\" ];", "is none"},
      {"tls_pin = [ \"sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuF=\" ];", "32 octets"},
      {"tls_pin = [ \"sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFV=\" ];", "32 octets"},
      {"tls_pin = [ \"sha256//47DEQpj8HBSa;/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\" ];", "32 octets"},
      {"tls_certificate = 5;", "string"},
      {"tls_key = \"/key\";", "tls_certificate"},
      {"tls_ciphers = [ ];", "string"},
      {"tls_name = \"a b\";", "host"},
      {"tls_name = \"\";", "host"},
      {"from_match = \"*@x\";", "list"},
      {"from_match = [ \"x\" ];", "\"*@example.com\""},
      {"from_match = [ \"@x\" ];", "\"*@example.com\""},
      {"from_match = [ \"x@\" ];", "\"*@example.com\""},
      {"from_match = [ \"*@x\\t.test\" ];", "control characters"},
      {"from_match = [ \"\\\"\\t\\\"@x.test\" ];", "control characters"},
      {"from_match = [ \"*@\\xff.test\" ];", "\"*@example.com\""},
      {"from_match = [ \"*@a, *@b\" ];", "\"*@example.com\""},
      {"from_match = [ \"<*@x.test>\" ];", "\"<*@x.test>\" is none"},
      {"from_match = [ \"*@x..y\" ];", "is none"},
      {"from_match = [ \"*@x.\" ];", "is none"},
      {"from_match = [ \"-*@x\" ];", "is none"},
      {"from_match = [ \"*@m\u00fcn*.test\" ];", "is none"},
      {"sender = \"forge\";", "\"rewrite\""},
      {"allow_from_override = \"no\";", "true or false"},
      {"domain = \"\";", "domain"},
      {"domain = \"a b\";", "domain"},
      {"proxy = \"proxy.example:1080\";", "socks5h"},
      {"proxy = \"http://alice:hunter2@x y:1\";", "socks5h"},
      {"source_address = \"localhost\";", "IPv4"},
      {"source_address = \"eth0\";", "numeric"},
      {"max_recipients = 0;", "from 1"},
      {"max_recipients = \"many\";", "from 1"},
      {"max_message_size = 0;", "\"50M\""},
      {"max_message_size = -5;", "\"50M\""},
      {"max_message_size = \"0K\";", "\"50M\""},
      {"max_message_size = \"50MB\";", "\"50M\""},
      {"max_message_size = \"50\";", "\"50M\""},
      {"max_message_size = \"M\";", "\"50M\""},
      {"max_message_size = \"99999999999G\";", "\"50M\""},
      {"max_message_size = 1.5;", "\"50M\""},
      {"headers = true;", "group"},
      {"headers = { date = 1; };", "true or false"},
      {"headers = { bcc = true; };", "known here are"},
      {"dsn = { notify = \"never\"; };", "list"},
      {"dsn = { notify = [ \"never\", \"delay\" ]; };", "\"never\""},
      {"dsn = { notify = [ \"always\" ]; };", "\"success\""},
      {"dsn = { return = \"hdrs\"; };", "\"headers\""},
      {"timeouts = { connect = 86401; };", "1 to 86400"},
      {"auth = { user = \"\"; };", "empty"},
      {"auth = { user = \"u\"; mechanism = 5; };", "one of"},
      {"auth = { user = \"u\"; password = \"\"; };", "empty"},
      {"auth = { user = \"u\"; password_file = 5; };", "string"},
      {"auth = { user = \"u\"; password_command = \"\"; };", "empty"},
      {"auth = { user = \"u\"; password_env = \"\"; };", "empty"},
      {"auth = { user = \"u\"; credential = \"../x\"; };", "credential"},
      {"auth = { user = \"u\"; credential = \".\"; };", "credential"},
      {"auth = { user = \"u\"; netrc = \"/x\"; };", "true or false"},
      {"auth = { user = \"u\"; token_command = \"x\"; };", "xoauth2"},
      {"auth = { user = \"u\"; token_command = \"x\"; mechanism = \"plain\"; };", "oauthbearer"},
      {"auth = { mechanism = \"external\"; password_file = \"/x\"; };", "certificate"},
      {"auth = { user = \"u\"; netrc = true; password = \"x\"; };", "one of"},
      {"auth = { netrc = false; };", "user"},
  };
  for (const Case& c : cases) {
    const std::string text = account_faults(c.settings);
    EXPECT_TRUE(text.starts_with("pillarbox.conf:1: ")) << c.settings << '\n' << text;
    EXPECT_TRUE(contains(text, c.words)) << c.settings << '\n' << text;
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 0) << c.settings << '\n' << text;
  }
}

TEST_F(Configuration, RefusesHostsThatAreNone) {
  const auto host = [&](const std::string& setting) {
    const std::string text = faults("accounts = ( { name = \"a\"; " + setting + " } );\n");
    EXPECT_TRUE(text.starts_with("pillarbox.conf:1: ")) << setting << '\n' << text;
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 0) << text;
    return text;
  };
  EXPECT_TRUE(contains(host("host = \"h:2525\";"), "port = 2525"));
  EXPECT_TRUE(contains(host("host = \"[::1]:2525\";"), "port = 2525"));
  EXPECT_TRUE(contains(host("host = \"a,b\";"), "hosts = "));
  EXPECT_TRUE(contains(host("host = \"a\"; hosts = [ \"b\" ];"), "exclude each other"));
  EXPECT_TRUE(contains(host("host = [ \"a\" ];"), "string"));
  for (const char* text : {"\"a\"", "[ ]", "[ \"a:0\" ]", "[ \"\" ]", "[ 5 ]", "[ \"a b\" ]", "[ \"a,b\" ]",
                           "( \"a\", 5 )", "[ \"smtp://a\" ]"}) {
    EXPECT_TRUE(contains(host("hosts = " + std::string(text) + ";"), "hosts must be a list")) << text;
  }
  for (const char* text : {"", "a/b", "u@h", "smtp://h", "-h", "h\\n"}) host("host = \"" + std::string(text) + "\";");
}

TEST_F(Configuration, TakesPatternsAsAddressesAre) {
  EXPECT_EQ(
      account("from_match = [ \"*\", \"*@M\u00dcNCHEN.test\", \"*@*.m\u00fcnchen.test\", \"a.*-b@[192.0.2.*]\" ];")
          .from_match,
      (std::vector<std::string>{"*@*", "*@xn--mnchen-3ya.test", "*@*.xn--mnchen-3ya.test", "a.*-b@[192.0.2.*]"}));
  EXPECT_TRUE(
      account("from_match = [ \"*@m\u00fcnchen.test\" ];").is_for(*mail::Address::parse("a@m\u00fcnchen.test")));
}

TEST_F(Configuration, TakesASizeInBytesOrWithALetter) {
  const std::vector<std::pair<std::string, std::uint64_t>> cases = {
      {"1", 1}, {"5000000000L", 5000000000}, {"\"1K\"", 1024}, {"\"3m\"", 3U << 20}, {"\"2G\"", 2ULL << 30}};
  for (const auto& [size, bytes] : cases) {
    EXPECT_EQ(account("max_message_size = " + size + ";").max_message_size, bytes) << size;
  }
}

TEST_F(Configuration, NeedsAUserOnlyWhereThereIsNoOtherProof) {
  EXPECT_EQ(account("auth = { mechanism = \"external\"; };").auth->user, "");
  EXPECT_EQ(account("auth = { mechanism = \"gssapi\"; };").auth->user, "");
  EXPECT_EQ(account("auth = { netrc = true; };").auth->source, Auth::Source::netrc);
  EXPECT_EQ(account("auth = { user = \"u\"; };").auth->source, Auth::Source::none);
  EXPECT_TRUE(contains(account_faults("auth = { };"), "user"));
}

TEST_F(Configuration, KnowsEveryMechanism) {
  for (const std::string_view name : auth_mechanisms()) {
    EXPECT_EQ(account("auth = { user = \"u\"; mechanism = \"" + std::string(name) + "\"; };").auth->mechanism, name);
  }
  EXPECT_EQ(account("auth = { user = \"u\"; mechanism = \"PLAIN\"; };").auth->mechanism, "plain");
}

// --- variables

TEST_F(Configuration, TakesVariablesFromTheEnvironment) {
  system.variables = {{"HOST_1", "mx"}, {"EMPTY", ""}, {"MODE", "off"}};
  EXPECT_EQ(host_of(load_text("accounts = ( { name = \"a\"; host = \"${HOST_1}.example\"; } );")->settings.accounts[0]),
            "mx.example");
  EXPECT_EQ(account("tls = \"${MODE}\";").tls, Tls::off);
  EXPECT_EQ(account("from_match = [ \"*@${HOST_1}\" ];").from_match.front(), "*@mx");
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"${MODE}${MODE}", "offoff"}, {"a$$b", "a$b"}, {"$${MODE}", "${MODE}"}, {"$", "$"},  {"$MODE", "$MODE"},
      {"a${EMPTY}b", "ab"},         {"$$$$", "$$"},  {"$(x)", "$(x)"},        {"a$", "a$"}};
  for (const auto& [text, value] : cases) {
    EXPECT_EQ(account("from_full_name = \"" + text + "\";").from_full_name, value) << text;
  }
}

TEST_F(Configuration, TellsOfAVariableThatIsNone) {
  const std::string unset = faults("accounts = ( { name = \"a\";\nhost = \"${NOWHERE}\"; } );\n");
  EXPECT_TRUE(unset.starts_with("pillarbox.conf:2: host ")) << unset;
  EXPECT_TRUE(contains(unset, "NOWHERE")) << unset;
  for (const char* text : {"${", "${A", "${}", "${A B}", "${1A}", "a${A-B}", "${A$}"}) {
    const std::string fault = account_faults("from_full_name = \"" + std::string(text) + "\";");
    EXPECT_TRUE(contains(fault, "from_full_name has ")) << text << '\n' << fault;
    EXPECT_TRUE(contains(fault, "$$")) << fault;
  }
  system.variables["BAD"] = "a\nb";
  EXPECT_TRUE(contains(account_faults("from_full_name = \"${BAD}\";"), "control"));
}

TEST_F(Configuration, NeverShowsAPasswordInAFault) {
  for (const char* password : {"hunter2${", "hunter2${A-B}x", "hunter2\\n", "${UNSET}hunter2", "x${hunter2}y",
                               "${hunter2}x", "x${hunter2}", "${hunter2-}", "${hunter2}${hunter2}"}) {
    const std::string fault = account_faults("auth = { user = \"u\"; password = \"" + std::string(password) + "\"; };");
    EXPECT_TRUE(contains(fault, "password")) << fault;
    EXPECT_FALSE(contains(fault, "hunter2")) << fault;
    const std::string proxys = account_faults("proxy = \"http://u:" + std::string(password) + "@proxy.example\";");
    EXPECT_TRUE(contains(proxys, "proxy ")) << proxys;
    EXPECT_FALSE(contains(proxys, "hunter2")) << proxys;
  }
}

TEST_F(Configuration, NamesTheVariableThatAPasswordLacks) {
  for (const char* key : {"proxy = ", "auth = { user = \"u\"; password = "}) {
    const std::string fault = account_faults(key + std::string(R"("${SMTP_PASSWORD}")") + (*key == 'a' ? "; };" : ";"));
    EXPECT_TRUE(contains(fault, "needs ${SMTP_PASSWORD}")) << fault;
  }
}

// The word without quotes is a syntax error, and what is wrong with it was told with the word itself.
TEST_F(Configuration, NeverShowsAPasswordWithoutQuotes) {
  for (const char* password :
       {"password = hunter2;", "password : hunter2;", "password = [ hunter2 ];", "password = \"a\" hunter2;"}) {
    const std::string fault = account_faults("auth = { user = \"u\"; " + std::string(password) + " };");
    EXPECT_TRUE(fault.starts_with("pillarbox.conf:1: ")) << fault;
    EXPECT_FALSE(contains(fault, "hunter2")) << fault;
  }
}

TEST_F(Configuration, WithAPasswordInAVariableOnlyHoldsNone) {
  system.variables["PW"] = "hunter2";
  const std::string text =
      "accounts = ( { name = \"a\"; host = \"h\"; auth = { user = \"u\"; password = \"%\"; }; } );";
  const auto with = [&](const std::string& password) {
    return load_text(std::string(text).replace(text.find('%'), 1, password), 0644);
  };
  const auto loaded = with("${PW}");
  ASSERT_TRUE(succeeds(loaded));
  EXPECT_EQ(loaded->settings.accounts[0].auth->password.reveal(), "hunter2");
  EXPECT_TRUE(fails_as(with("${PW}x"), config_error));
  EXPECT_TRUE(fails_as(with("$$"), config_error));
}

TEST_F(Configuration, WithAProxysPasswordIsForItsOwnerOnly) {
  const std::string text = "accounts = ( { name = \"a\"; host = \"h\"; proxy = \"http://%proxy.example:1\"; } );";
  const auto with = [&](const std::string& user) {
    return load_text(std::string(text).replace(text.find('%'), 1, user), 0644);
  };
  EXPECT_TRUE(succeeds(with("")));
  EXPECT_TRUE(succeeds(with("alice@")));
  const auto loaded = with("alice:hunter2@");
  ASSERT_TRUE(fails_as(loaded, config_error));
  EXPECT_TRUE(contains(loaded.error().hint, "chmod 600"));
  EXPECT_FALSE(contains(loaded.error().text, "hunter2"));
}

// --- paths

TEST_F(Configuration, HasPathsFromHomeOrItsOwnFolder) {
  system.variables["HOME"] = "/home/alice";
  const Account read = account(
      "tls_ca_file = \"~/ca\"; tls_crl = \"crl\"; aliases = \"\"; tls_key = \"/k\"; tls_certificate = \"a/../c\";"
      "auth = { user = \"u\"; password_file = \"~/.secret\"; };");
  EXPECT_EQ(read.tls_ca_file, "/home/alice/ca");
  EXPECT_EQ(read.tls_crl, folder.path("crl"));
  EXPECT_EQ(read.aliases, "");
  EXPECT_EQ(read.tls_key, "/k");
  EXPECT_EQ(read.tls_certificate, folder.path("a/../c"));
  EXPECT_EQ(read.auth->place, "/home/alice/.secret");
  folder.write("part/of.conf", "log = { file = \"log\"; };");
  const auto loaded = load_text("@include \"part/of.conf\"\nqueue = { directory = \"q\"; };");
  ASSERT_TRUE(succeeds(loaded));
  EXPECT_EQ(loaded->settings.log.file, folder.path("part/log"));
  EXPECT_EQ(loaded->settings.queue.directory, folder.path("q"));
}

TEST_F(Configuration, KnowsNobodyElsesHome) {
  EXPECT_TRUE(contains(account_faults("tls_ca_file = \"~bob/ca\";"), "~/"));
  EXPECT_TRUE(contains(account_faults("tls_ca_file = \"~/ca\";"), "home"));  // there is none
}

TEST_F(Configuration, RefusesTimesThatAreNone) {
  for (const char* retry : {"5", "[ ]", "[ \"5\" ]", "[ \"m\" ]", "[ \"5x\" ]", "[ \"0m\" ]", "[ \"-1m\" ]", "[ 5 ]",
                            "[ \"1m \" ]", "[ \"99999999999999999999d\" ]"}) {
    EXPECT_TRUE(contains(faults("queue = { retry = " + std::string(retry) + "; };"), "retry")) << retry;
  }
  for (const char* text : {"expire = \"5\";", "expire = 5;", "expire = [ \"5d\" ];", "background = 1;",
                           "bounce_to = \"\";", "enabled = \"yes\";", "directory = 5;"}) {
    const std::string key(text, std::string_view(text).find(' '));
    EXPECT_TRUE(faults("queue = { " + std::string(text) + " };").starts_with("pillarbox.conf:1: " + key)) << text;
  }
  for (const char* text : {"syslog = 1;", "facility = \"kern\";", "file = false;", "format = \"xml\";"}) {
    const std::string key(text, std::string_view(text).find(' '));
    const std::string fault = faults("log = { " + std::string(text) + " };");
    EXPECT_TRUE(fault.starts_with("pillarbox.conf:1: " + key)) << text << fault;
  }
}

}  // namespace
}  // namespace pillarbox::config
