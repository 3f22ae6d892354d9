#include "config/import.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/text.h"
#include "support.h"

namespace pillarbox::config {
namespace {

using test::contains;
using test::fails_as;
using test::succeeds;

using Value = Imported::Value;
using Files = std::map<std::string, std::string>;

Result<Imported> import_text(std::string_view text, const std::string& path, const Files& files = {}) {
  return import_configuration(text, path, [&](const std::string& name) -> Result<std::string> {
    const auto found = files.find(name);
    if (found == files.end()) return Error{Error::Kind::no_input, name + ": there is no such file"};
    return found->second;
  });
}

std::string converted(std::string_view text, const std::string& path, const Files& files = {}) {
  const auto imported = import_text(text, path, files);
  EXPECT_TRUE(succeeds(imported));
  return imported ? to_libconfig(*imported) : "";
}

// A line of the source and what it becomes: a setting, or a comment.
struct Case {
  std::string line;
  std::string expected;
};

// Each line behind the same beginning; and each has its note, or a setting that is not there without it.
void check(const std::string& begin, const std::string& path, const std::vector<Case>& cases, const Files& files = {}) {
  const std::string without = converted(begin, path, files);
  for (const Case& each : cases) {
    const std::string text = converted(begin + each.line + "\n", path, files);
    EXPECT_TRUE(contains(text, each.expected)) << each.line << "\n" << text;
    EXPECT_FALSE(contains(without, each.expected)) << "is there without " << each.line;
  }
}

std::size_t count(std::string_view text, std::string_view part) {
  std::size_t times = 0;
  for (std::size_t at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1)) ++times;
  return times;
}

// ---------------------------------------------------------------- msmtp

const std::string account = "account a\nhost h.test\n";  // so that what follows is line 3
const std::string tls_login = "account a\nhost h.test\ntls on\nauth on\nuser u\n";

TEST(Msmtp, Server) {
  check("account a\n", "msmtprc", {{"host h.test", "host = \"h.test\";"}, {"host 192.0.2.1", "host = \"192.0.2.1\";"}});
  check(account, "msmtprc",
        {{"port 2525", "port = 2525;"},
         {"port 0", "// msmtprc:3: port: is not a number from 1 to 65535"},
         {"port", "// msmtprc:3: port: is not"},
         {"tls on", "tls = \"starttls\";"},
         {"tls", "tls = \"starttls\";"},
         {"tls on\ntls_starttls off", "tls = \"implicit\";"},
         {"tls on\ntls_starttls off", "port = 465;"},
         {"tls on\ntls_nostarttls", "tls = \"implicit\";"},
         {"tls perhaps", "// msmtprc:3: tls: is neither on nor off"},
         {"protocol lmtp", "// msmtprc:3: protocol: "},
         {"socket /run/x", "// msmtprc:3: socket: "},
         {"eval echo port 26", "// msmtprc:3: eval: "}});
}

TEST(Msmtp, DefaultsAreItsOwn) {
  const std::string text = converted(account, "msmtprc");
  EXPECT_TRUE(contains(text, "port = 25;")) << text;
  EXPECT_TRUE(contains(text, "tls = \"off\";")) << text;
  EXPECT_TRUE(contains(text, "aliases = \"\";")) << text;
  EXPECT_TRUE(contains(converted("account a\nhost h\ntls on\n", "msmtprc"), "port = 25;"));
  EXPECT_FALSE(contains(text, "auth"));
  EXPECT_FALSE(contains(converted(account + "protocol smtp\ntls_trust_file system\ndsn_notify off\n", "msmtprc"),
                        "// msmtprc:3"));
}

TEST(Msmtp, Tls) {
  check("account a\nhost h.test\ntls on\n", "msmtprc",
        {{"tls_trust_file /ca.pem", "tls_ca_file = \"/ca.pem\";"},
         {"tls_trust_file ~/ca.pem", "tls_ca_file = \"~/ca.pem\";"},
         {"tls_trust_file ~bob/ca.pem", "// msmtprc:4: tls_trust_file: "},
         {"tls_trust_file ca.pem", "// msmtprc:4: tls_trust_file: is not an absolute path"},
         {"tls_trust_file", "// msmtprc:4: tls_trust_file: "},
         {"tls_crl_file /crl.pem", "tls_crl = \"/crl.pem\";"},
         {"tls_fingerprint 00:11", "// msmtprc:4: tls_fingerprint: "},
         {"tls_certcheck off", "tls_verify = false;"},
         {"tls_nocertcheck", "tls_verify = false;"},
         {"tls_cert_file /c.pem", "tls_certificate = \"/c.pem\";"},
         {"tls_cert_file /c.pem\ntls_key_file /k.pem", "tls_key = \"/k.pem\";"},
         {"tls_key_file /k.pem", "a key without its certificate"},
         {"tls_cert_file pkcs11:model=x", "// msmtprc:4: tls_cert_file: "},
         {"tls_priorities NORMAL", "// msmtprc:4: tls_priorities: "},
         {"tls_min_dh_prime_bits 1024", "// msmtprc:4: tls_min_dh_prime_bits: "},
         {"tls_force_sslv3", "// msmtprc:4: tls_force_sslv3: "},
         {"tls_host_override other.test", "tls_name = \"other.test\";"}});
}

TEST(Msmtp, Login) {
  check(account + "tls on\n", "msmtprc",
        {{"auth on\nuser alice\npassword s", "user = \"alice\";"},
         {"auth\nuser alice\npassword \" s \"", "password = \" s \";"},
         {"auth on\nuser alice\npasswordeval \"pass show x\"", "password_command = \"pass show x\";"},
         {"auth on\nuser alice", "netrc = true;"},
         {"auth on\nuser alice", "// msmtprc:5: user: there is no password here"},
         {"auth on\nuser u\npassword p\npasswordeval c", "// msmtprc:7: passwordeval: the password comes first"},
         {"auth on\npassword p", "// msmtprc:4: auth: there is no user"},
         {"auth on\npassword p", "// msmtprc:5: password: "},
         {"auth off\nuser u", "// msmtprc:5: user: there is no login"},
         {"password p", "// msmtprc:4: password: there is no login"},
         {"auth ntlm\nuser u\npassword p\nntlmdomain D", "// msmtprc:7: ntlmdomain: "},
         {"auth external", "mechanism = \"external\";"},
         {"auth external\npassword p", "// msmtprc:5: password: this mechanism has none"}});
  for (const std::string mechanism :
       {"plain", "login", "cram-md5", "scram-sha-256", "external", "gssapi", "ntlm", "xoauth2", "oauthbearer"}) {
    check(tls_login, "msmtprc", {{"auth " + mechanism, "mechanism = \"" + mechanism + "\";"}});
  }
  for (const std::string mechanism : {"digest-md5", "scram-sha-1", "scram-sha-1-plus", "frob"}) {
    const std::string text =
        converted("account a\nhost h\ntls on\nauth " + mechanism + "\nuser u\npassword p\n", "msmtprc");
    EXPECT_TRUE(contains(text, "// msmtprc:4: auth: ")) << text;
    EXPECT_TRUE(contains(text, "user = \"u\";")) << text;
    EXPECT_FALSE(contains(text, "mechanism =")) << text;
  }
  EXPECT_TRUE(contains(converted(account + "auth on\nuser u\npassword p\n", "msmtprc"), "there is a login and no TLS"));
  EXPECT_FALSE(contains(converted("account a\nhost localhost\nauth on\nuser u\npassword p\n", "msmtprc"), "no TLS"));
}

TEST(Msmtp, Sender) {
  check(account, "msmtprc",
        {{"from alice@x.test", "from = \"alice@x.test\";"},
         {"from *@x.test", "from_match = [ \"*@x.test\" ];"},
         {"from a?@x.test", "// msmtprc:3: from: "},
         {"from *", "// msmtprc:3: from: a pattern"},
         {"from *@x\x01y.test", "// msmtprc:3: from: no address"},
         {"from *@\xff.test", "// msmtprc:3: from: no address"},
         {"from %U@x.test", "domain = \"x.test\";"},
         {"from %U@%M", "domain = \"mail.test\";"},
         {"from %U@%M", "// msmtprc:3: from: %M became"},
         {"from %U@%H", "// msmtprc:3: from: "},
         {"from %U", "// msmtprc:3: from: "},
         {"from a%U@x.test", "// msmtprc:3: from: "},
         {"from @", "// msmtprc:3: from: is not an address"},
         {"auto_from on\nmaildomain x.test", "domain = \"x.test\";"},
         {"auto_from on\nfrom a@b.c", "// msmtprc:4: from: auto_from takes its place"},
         {"maildomain x.test", "// msmtprc:3: maildomain: "},
         {"from_full_name Alice \"A\" X", "from_full_name = \"Alice \\\"A\\\" X\";"},
         {"allow_from_override off", "allow_from_override = false;"}},
        {{"/etc/mailname", "mail.test\n"}});
  EXPECT_FALSE(contains(converted(account + "from %U@%C\n", "msmtprc"), "// msmtprc:3"));
  EXPECT_TRUE(contains(converted(account + "from a@%M\n", "msmtprc"), "// msmtprc:3: from: /etc/mailname"));
}

TEST(Msmtp, HeaderAndReports) {
  check(account, "msmtprc",
        {{"set_from_header off", "from = false;"},
         {"add_missing_from_header off", "from = false;"},
         {"from a@b.c\nset_from_header on", "sender = \"enforce\";"},
         {"set_from_header on", "// msmtprc:3: set_from_header: "},
         {"set_date_header off", "date = false;"},
         {"add_missing_date_header off", "date = false;"},
         {"set_date_header on", "// msmtprc:3: set_date_header: "},
         {"set_msgid_header off", "message_id = false;"},
         {"remove_bcc_headers off", "keep_bcc = true;"},
         {"keepbcc on", "keep_bcc = true;"},
         {"undisclosed_recipients on", "// msmtprc:3: undisclosed_recipients: "},
         {"dsn_notify never", "notify = [ \"never\" ];"},
         {"dsn_notify failure,delay", "notify = [ \"failure\", \"delay\" ];"},
         {"dsn_notify never,delay", "// msmtprc:3: dsn_notify: "},
         {"dsn_return headers", "return = \"headers\";"},
         {"dsn_return full", "return = \"full\";"},
         {"dsn_return half", "// msmtprc:3: dsn_return: "}});
}

TEST(Msmtp, WhatIsNoHostIsNone) {
  for (const std::string host : {"h:25", "::x", "[2001]", "-h", "a b", "a/b", "u@h", "\xff", "h\x01"}) {
    const auto imported = import_text("account a\nhost " + host + "\naccount default : a\n", "msmtprc");
    ASSERT_TRUE(succeeds(imported));
    EXPECT_TRUE(imported->accounts.empty()) << host;
    EXPECT_FALSE(imported->settings.contains("default_account")) << host;
    EXPECT_TRUE(contains(to_libconfig(*imported), "// msmtprc:2: host: is not the name or the address of a host"))
        << host;
  }
  check(account, "msmtprc",
        {{"domain a:b", "// msmtprc:3: domain: is not the name of a host"},
         {"from *@a b", "// msmtprc:3: from: no address can be like it"},
         {"from *@x.te\\st", "// msmtprc:3: from: no address can be like it"},
         {"from %U@a..b", "// msmtprc:3: from: is not the name of a domain"},
         {"auto_from on\nmaildomain a..b", "// msmtprc:4: maildomain: is not the name of a domain"},
         {"auto_from on\nmaildomain m\xc3\xbcnchen.example", "domain = \"m\xc3\xbcnchen.example\";"}});
}

TEST(Msmtp, NetworkAndAliases) {
  check(account, "msmtprc",
        {{"domain helo.test", "helo = \"helo.test\";"},
         {"domain %H", "// msmtprc:3: domain: "},
         {"domain x%M", "// msmtprc:3: domain: "},
         {"source_ip 192.0.2.7", "source_address = \"192.0.2.7\";"},
         {"source_ip eth0", "// msmtprc:3: source_ip: "},
         {"proxy_host localhost", "proxy = \"socks5h://localhost:1080\";"},
         {"proxy_host ::1\nproxy_port 9050", "proxy = \"socks5h://[::1]:9050\";"},
         {"proxy_port 9050", "// msmtprc:3: proxy_port: "},
         {"timeout 20", "reply = 20;"},
         {"timeout off", "// msmtprc:3: timeout: "},
         {"timeout 100000", "// msmtprc:3: timeout: "},
         {"connect_timeout 5", "connect = 5;"},
         {"aliases /etc/aliases", "aliases = \"/etc/aliases\";"},
         {"aliases /etc/aliases", "// msmtprc:3: aliases: "},
         {"aliases /etc/aliases", "there is no alias for everybody"},
         {"frobnicate yes", "// msmtprc:3: frobnicate: is not known"}});
}

TEST(Msmtp, Log) {
  check(account, "msmtprc",
        {{"logfile ~/.msmtp.log", "file = \"~/.msmtp.log\";"},
         {"logfile ~/.msmtp.log", "syslog = false;"},
         {"logfile -", "// msmtprc:3: logfile: "},
         {"logfile_time_format %s", "// msmtprc:3: logfile_time_format: "},
         {"syslog on", "facility = \"user\";"},
         {"syslog LOG_MAIL", "facility = \"mail\";"},
         {"syslog LOG_LOCAL3", "facility = \"local3\";"},
         {"syslog off", "syslog = false;"},
         {"syslog LOG_LOCAL8", "// msmtprc:3: syslog: "}});
  EXPECT_TRUE(contains(converted(account, "msmtprc"), "msmtp keeps no log here"));
  const std::string two = converted("account a\nhost h\nlogfile /a\naccount b\nhost h\nlogfile /b\n", "msmtprc");
  EXPECT_TRUE(contains(two, "file = \"/a\";")) << two;
  EXPECT_TRUE(contains(two, "// msmtprc:6: logfile: there is one log")) << two;
}

TEST(Msmtp, AccountsInherit) {
  const auto imported = import_text(R"(
defaults
tls on
port 587
account base
host base.test
user u
account one : base
from one@x.test
defaults
port 2525
account two : base, one
host two.test
account three
host three.test
)",
                                    "msmtprc");
  ASSERT_TRUE(succeeds(imported));
  ASSERT_EQ(imported->accounts.size(), 4U);
  const auto value = [&](std::size_t i, const std::string& key) { return imported->accounts[i].settings.at(key); };
  EXPECT_EQ(value(1, "host"), Value(std::string("base.test")));
  EXPECT_EQ(value(1, "port"), Value(587));
  EXPECT_EQ(value(2, "host"), Value(std::string("two.test")));
  EXPECT_EQ(value(2, "from"), Value(std::string("one@x.test")));
  EXPECT_EQ(value(2, "port"), Value(2525)) << "what a parent has of the defaults is not handed on";
  EXPECT_EQ(value(3, "tls"), Value(std::string("starttls")));
}

TEST(Msmtp, DefaultAccount) {
  const std::string two = "account a\nhost a.test\naccount b\nhost b.test\n";
  EXPECT_TRUE(contains(converted(two + "account default : b\n", "msmtprc"), "default_account = \"b\";"));
  EXPECT_EQ(count(converted(two + "account default : b\n", "msmtprc"), "name = "), 2U);
  const std::string own = converted(two + "account default : b\nport 26\n", "msmtprc");
  EXPECT_TRUE(contains(own, "default_account = \"default\";")) << own;
  EXPECT_EQ(count(own, "name = "), 3U);
  const std::string none = converted(two, "msmtprc");
  EXPECT_FALSE(contains(none, "default_account =")) << none;
  EXPECT_TRUE(contains(none, "no default account")) << none;
}

TEST(Msmtp, NothingIsLostSilently) {
  const std::string text = converted(R"(defaults
timeout 5
account base
user x
account a
host a.test
port 26
port 27
account a
host again.test
account c : nobody
host c.test
account
host nameless.test
)",
                                     "msmtprc");
  EXPECT_TRUE(contains(text, "// msmtprc:3: account: has no host")) << text;
  EXPECT_TRUE(contains(text, "// msmtprc:4: user: has no effect")) << text;
  EXPECT_TRUE(contains(text, "// msmtprc:7: port: has no effect")) << text;
  EXPECT_TRUE(contains(text, "// msmtprc:9: account: is left out: there is one")) << text;
  EXPECT_TRUE(contains(text, "// msmtprc:10: host: its account is left out")) << text;
  EXPECT_TRUE(contains(text, "// msmtprc:11: account: inherits from an account that is not defined")) << text;
  EXPECT_TRUE(contains(text, "// msmtprc:13: account: is left out")) << text;
  EXPECT_TRUE(contains(text, "port = 27;")) << text;
}

TEST(Msmtp, DefaultsAreSpokenOfOnce) {
  const std::string text =
      converted("defaults\ntls_priorities X\naccount a\nhost a\naccount b\nhost b\naccount default : a\n", "msmtprc");
  EXPECT_EQ(count(text, "msmtprc:2: tls_priorities"), 1U) << text;
}

// ---------------------------------------------------------------- ssmtp

TEST(Ssmtp, EveryDirective) {
  check("mailhub=h.test\n", "ssmtp.conf",
        {{"RemotePort=26", "port = 26;"},
         {"UseTLS=YES", "tls = \"implicit\";"},
         {"UseSTARTTLS=yes", "tls = \"starttls\";"},
         {"UseTLS=YES\nUseSTARTTLS=YES", "tls = \"starttls\";"},
         {"usetls=YES", "ssmtp does not check the server's certificate"},
         {"UseTLS=YES\nTLS_CA_File=/ca.pem", "tls_ca_file = \"/ca.pem\";"},
         {"TLS_CA_Dir=/ca", "// ssmtp.conf:2: TLS_CA_Dir: "},
         {"UseTLSCert=YES", "tls_certificate = \"/etc/ssl/certs/ssmtp.pem\";"},
         {"UseTLSCert=YES\nTLSCert=/c.pem", "tls_key = \"/c.pem\";"},
         {"UseTLSCert=YES\nTLSCert=/c.pem\nTLSKey=/k.pem", "tls_key = \"/k.pem\";"},
         {"TLSCert=/c.pem", "// ssmtp.conf:2: TLSCert: UseTLSCert is not YES"},
         {"TLSKey=/c.pem", "// ssmtp.conf:2: TLSKey: "},
         {"AuthUser=u\nAuthPass=p=#x", "password = \"p=#x\";"},
         {"AuthUser=u\nAuthPass=p=#x", "// ssmtp.conf:3: AuthPass: "},
         {"AuthUser=u\nAuthUser=v\nAuthPass=p", "user = \"u\";"},
         {"AuthUser=u\nAuthUser=v\nAuthPass=p", "// ssmtp.conf:3: AuthUser: "},
         {"AuthUser=u", "// ssmtp.conf:2: AuthUser: is left out"},
         {"AuthPass=p", "// ssmtp.conf:2: AuthPass: is left out"},
         {"AuthUser=u\nAuthPass=p\nAuthMethod=CRAM-MD5", "mechanism = \"cram-md5\";"},
         {"AuthUser=u\nAuthPass=p\nAuthMethod=LOGIN", "mechanism = \"login\";"},
         {"AuthUser=u\nAuthPass=p\nAuthMethod=frob", "// ssmtp.conf:4: AuthMethod: "},
         {"AuthMethod=login", "// ssmtp.conf:2: AuthMethod: "},
         {"UseOldAUTH=YES", "// ssmtp.conf:2: UseOldAUTH: "},
         {"root=me@x.test", "// ssmtp.conf:2: root: "},
         {"root=me@x.test", "there is no alias for everybody"},
         {"MinUserId=500", "// ssmtp.conf:2: MinUserId: "},
         {"rewriteDomain=x.test", "domain = \"x.test\";"},
         {"rewriteDomain=me@x.test", "domain = \"x.test\";"},
         {"hostname = h.x.test", "helo = \"h.x.test\";"},
         {"hostname=h.x.test", "domain = \"h.x.test\";"},
         {"FromLineOverride=YES", "// ssmtp.conf:2: FromLineOverride: "},
         {"AddHeader=X", "// ssmtp.conf:2: AddHeader: "},
         {"Debug=YES", "// ssmtp.conf:2: Debug: "},
         {"Frob=1", "// ssmtp.conf:2: Frob: is not known"},
         {"frob", "// ssmtp.conf:2: there is no \"=\""},
         {"hostname=-x", "// ssmtp.conf:2: hostname: is not the name"}});
}

TEST(Ssmtp, DefaultsAreItsOwn) {
  const std::string text = converted("mailhub=h.test\n", "ssmtp.conf");
  EXPECT_TRUE(contains(text, "port = 25;") && contains(text, "tls = \"off\";")) << text;
  EXPECT_TRUE(contains(text, "allow_from_override = false;")) << text;
  EXPECT_FALSE(contains(converted("mailhub=h\nFromLineOverride=YES\n", "ssmtp.conf"), "allow_from_override"));
  EXPECT_TRUE(contains(converted("mailhub=h:587\n", "ssmtp.conf"), "port = 587;"));
  EXPECT_TRUE(contains(converted("mailhub=h:587\nRemotePort=26\n", "ssmtp.conf"), "port = 26;"));
  EXPECT_TRUE(contains(converted("RemotePort=26\nmailhub=h:587\n", "ssmtp.conf"), "port = 587;"));
  EXPECT_TRUE(contains(converted("mailhub=[2001:db8::1]:587\n", "ssmtp.conf"), "host = \"[2001:db8::1]\";"));
  EXPECT_TRUE(contains(converted("UseSTARTTLS=YES\nUseTLS=NO\nmailhub=h\n", "ssmtp.conf"), "tls = \"off\";"));
  EXPECT_TRUE(contains(converted("UseTLS=YES\n", "ssmtp.conf"), "host = \"mailhub\";"));
  const std::string twice = converted("mailhub=a\nMAILHUB=b\n", "ssmtp.conf");
  EXPECT_TRUE(contains(twice, "host = \"b\";") && contains(twice, "// ssmtp.conf:1: mailhub: line 2")) << twice;
}

// ---------------------------------------------------------------- esmtp

TEST(Esmtp, EveryDirective) {
  check("hostname = h.test\n", "esmtprc",
        {{"starttls = required", "tls = \"starttls\";"},
         {"tls enabled", "tls = \"opportunistic\";"},
         {"starttls = frob", "// esmtprc:2: starttls: "},
         {"username = u password = p", "user = \"u\";"},
         {"user 'u' pass \"p q\"", "password = \"p q\";"},
         {"pass = 'a\"b\\\\c\\x24\\'d'", "// esmtprc:2: password: is left out"},
         {"user u pass = 'a\"b\\\\c\\x24\\'d\\101'", "password = \"a\\\"b\\\\c$$'de\";"},
         {"username = u", "// esmtprc:2: username: is left out"},
         {"certificate_passphrase = x", "// esmtprc:2: certificate_passphrase: "},
         {"passphrase = x", "// esmtprc:2: certificate_passphrase: "},
         {"preconnect = \"ssh x\"", "// esmtprc:2: preconnect: "},
         {"postconnect = \"ssh x\"", "// esmtprc:2: postconnect: "},
         {"mda = \"/usr/bin/procmail -d %T\"", "// esmtprc:2: mda: "},
         {"force_mda = \"me\"", "// esmtprc:2: force_mda: "},
         {"helo = helo.test", "helo = \"helo.test\";"},
         {"qualifydomain = x.test", "domain = \"x.test\";"},
         {"force sender = a@b.c", "// esmtprc:2: force sender: "},
         {"force", "// esmtprc:2: force: is not known"},
         {"force reverse_path = a@b.c", "sender = \"rewrite\";"},
         {"force reverse_path = %u@x.test", "domain = \"x.test\";"},
         {"force reverse_path = x%u@x.test", "// esmtprc:2: force reverse_path: "},
         {"message_id = disabled", "message_id = false;"},
         {"message_id = frob", "// esmtprc:2: message_id: "},
         {"frob = 1", "// esmtprc:2: frob: is not known"},
         {"username", "// esmtprc:2: username: has no value"},
         {"username = \"u", "// esmtprc:2: a quote is not closed"},
         {"hostname = other.test", "// esmtprc:1: hostname: line 2 says it again"},
         {"identity = a@b.c\nhost = i.test", "from = \"a@b.c\";"},
         {"identity = a@b.c\nhost = i.test\nforce reverse_path = x@b.c", "// esmtprc:4: force reverse_path: "},
         {"identity = a@b.c\nhost = i.test\ndefault", "default_account = \"a@b.c\";"},
         {"identity = a@b.c host i\nidentity = a@b.c host j", "// esmtprc:3: identity: is left out"}});
}

TEST(Esmtp, DefaultsAreItsOwn) {
  const std::string text = converted("hostname = h.test\n", "esmtprc");
  EXPECT_TRUE(contains(text, "port = 587;") && contains(text, "tls = \"off\";")) << text;
  EXPECT_TRUE(contains(converted("hostname h:smtp\n", "esmtprc"), "port = 25;"));
  EXPECT_TRUE(contains(converted("hostname h:2525\n", "esmtprc"), "port = 2525;"));
  EXPECT_TRUE(contains(converted("hostname h:frob\n", "esmtprc"), "// esmtprc:1: hostname: is not a number"));
  const std::string local = converted("identity a@b.c\nusername u\npassword p\n", "esmtprc");
  EXPECT_TRUE(contains(local, "host = \"localhost\";") && contains(local, "port = 25;")) << local;
}

TEST(Esmtp, NothingIsInheritedFromBeforeTheFirstIdentity) {
  const std::string text = converted("mda = x\nstarttls = required\nidentity a@b.c\nhost = i.test\n", "esmtprc");
  EXPECT_EQ(count(text, "name = "), 1U);
  EXPECT_TRUE(contains(text, "tls = \"off\";")) << text;
  EXPECT_TRUE(contains(text, "// esmtprc:1: mda: ")) << text;
  EXPECT_TRUE(contains(text, "// esmtprc:2: starttls: stands before")) << text;
}

// ---------------------------------------------------------------- dma

TEST(Dma, EveryDirective) {
  const Files files = {{"/auth.conf", "# c\nbob|other.test:x\nalice|h.test:p:w d\n\nfrob\n"},
                       {"/mailname", "m.test\n"}};
  check("SMARTHOST h.test\n", "dma.conf",
        {{"PORT 587", "port = 587;"},
         {"PORT 70000", "// dma.conf:2: PORT: "},
         {"ALIASES /x/aliases", "aliases = \"/x/aliases\";"},
         {"NULLCLIENT", "aliases = \"\";"},
         {"SPOOLDIR /var/spool/dma", "// dma.conf:2: SPOOLDIR: "},
         {"AUTHPATH /auth.conf", "user = \"alice\";"},
         {"AUTHPATH /auth.conf", "password = \"p:w d\";"},
         {"AUTHPATH /auth.conf", "// /auth.conf:2: is a login for another server"},
         {"AUTHPATH /auth.conf", "// /auth.conf:5: is not \"user|host:password\""},
         {"AUTHPATH /nowhere", "// dma.conf:2: AUTHPATH: /nowhere: "},
         {"AUTHPATH /mailname", "// dma.conf:2: AUTHPATH: there is no login"},
         {"SECURETRANSFER", "tls = \"implicit\";"},
         {"SECURETRANS", "tls = \"implicit\";"},
         {"SECURETRANSFER\nSTARTTLS", "tls = \"starttls\";"},
         {"SECURETRANSFER\nSTARTTLS\nOPPORTUNISTIC_TLS", "tls = \"opportunistic\";"},
         {"STARTTLS", "// dma.conf:2: STARTTLS: "},
         {"OPPORTUNISTIC_TLS", "// dma.conf:2: OPPORTUNISTIC_TLS: "},
         {"SECURETRANSFER", "dma does not check the server's certificate"},
         {"FINGERPRINT aabb", "// dma.conf:2: FINGERPRINT: "},
         {"CERTFILE /c.pem", "tls_certificate = \"/c.pem\";"},
         {"CERTFILE /c.pem", "tls_key = \"/c.pem\";"},
         {"SECURE", "// dma.conf:2: SECURE: "},
         {"INSECURE", "// dma.conf:2: INSECURE: "},
         {"DEFER", "// dma.conf:2: DEFER: "},
         {"FULLBOUNCE", "// dma.conf:2: FULLBOUNCE: "},
         {"NOHELO", "// dma.conf:2: NOHELO: "},
         {"DEBUGLOG /x", "// dma.conf:2: DEBUGLOG: "},
         {"VIRTPATH /x", "// dma.conf:2: VIRTPATH: "},
         {"MAILNAME m.test", "helo = \"m.test\";"},
         {"MAILNAME /mailname", "domain = \"m.test\";"},
         {"MAILNAME /nowhere", "// dma.conf:2: MAILNAME: /nowhere"},
         {"MASQUERADE joe@x.test", "from = \"joe@x.test\";"},
         {"MASQUERADE joe@x.test", "sender = \"rewrite\";"},
         {"MASQUERADE x.test", "domain = \"x.test\";"},
         {"MASQUERADE x.test", "allow_from_override = false;"},
         {"MAILNAME m.test\nMASQUERADE joe@", "from = \"joe@m.test\";"},
         {"MASQUERADE joe@", "// dma.conf:2: MASQUERADE: "},
         {"FROB x", "// dma.conf:2: FROB: is not known"},
         {"SMARTHOST other.test", "// dma.conf:1: SMARTHOST: line 2 says it again"}},
        files);
}

TEST(Dma, DefaultsAreItsOwn) {
  const std::string text = converted("SMARTHOST h.test # mine\n#STARTTLS\n", "dma.conf");
  EXPECT_TRUE(contains(text, "port = 25;") && contains(text, "tls = \"off\";")) << text;
  EXPECT_TRUE(contains(text, "host = \"h.test\";")) << text;
}

TEST(Dma, WithoutASmartHostThereIsNoServer) {
  const auto imported = import_text("PORT 26\nDEFER\n", "dma.conf");
  ASSERT_TRUE(succeeds(imported));
  EXPECT_TRUE(imported->accounts.empty());
  EXPECT_TRUE(contains(to_libconfig(*imported), "there is no SMARTHOST"));
  EXPECT_TRUE(contains(to_libconfig(*imported), "// dma.conf:2: DEFER: "));
}

// ---------------------------------------------------------------- nullmailer

TEST(Nullmailer, EveryOption) {
  const auto remote = [](const std::string& options) { return "h.test smtp " + options; };
  for (const Case& each : std::vector<Case>{{"port=2525", "port = 2525;"},
                                            {"--port=2525", "port = 2525;"},
                                            {"-p2525", "port = 2525;"},
                                            {"-p=2525", "port = 2525;"},
                                            {"port=x", "// remotes:1: port: "},
                                            {"--user=u --pass='my pass'", "password = \"my pass\";"},
                                            {"user=u pass=\"a\\\"b\"c", "password = \"a\\\"bc\";"},
                                            {"--user=u", "// remotes:1: user: is left out"},
                                            {"user=u pass=p auth-login", "mechanism = \"login\";"},
                                            {"auth-login", "// remotes:1: auth-login: "},
                                            {"--ssl", "tls = \"implicit\";"},
                                            {"tls", "port = 465;"},
                                            {"--starttls", "tls = \"starttls\";"},
                                            {"--starttls", "port = 25;"},
                                            {"--insecure", "tls_verify = false;"},
                                            {"tls-anon-auth", "// remotes:1: tls-anon-auth: "},
                                            {"x509certfile=/c", "tls_key = \"/c\";"},
                                            {"x509certfile=/c x509keyfile=/k", "tls_key = \"/k\";"},
                                            {"x509cafile=/ca", "tls_ca_file = \"/ca\";"},
                                            {"x509crlfile=/crl", "tls_crl = \"/crl\";"},
                                            {"x509fmtder", "// remotes:1: x509fmtder: "},
                                            {"source=192.0.2.1", "source_address = \"192.0.2.1\";"},
                                            {"source=me.test", "// remotes:1: source: "},
                                            {"-d", "// remotes:1: d: "},
                                            {"--syslog", "// remotes:1: syslog: "},
                                            {"frob=1", "// remotes:1: frob: is not known"},
                                            {"user='u", "// remotes:1: a quote is not closed"}}) {
    const std::string text = converted(remote(each.line), "remotes");
    EXPECT_TRUE(contains(text, each.expected)) << each.line << "\n" << text;
    EXPECT_TRUE(contains(text, "host = \"h.test\";")) << text;
  }
}

TEST(Nullmailer, SeveralServers) {
  const std::string alike = converted("a.test\nb.test smtp port=26\n# c\n::1 smtp\n", "remotes");
  EXPECT_TRUE(contains(alike, "hosts = [ \"a.test:25\", \"b.test:26\", \"[::1]:25\" ];")) << alike;
  EXPECT_EQ(count(alike, "name = "), 1U);
  const std::string unlike = converted("a.test\na.test smtp ssl\nc.test qmqp\n", "remotes");
  EXPECT_EQ(count(unlike, "name = "), 2U) << unlike;
  EXPECT_TRUE(contains(unlike, "name = \"a.test-2\";")) << unlike;
  EXPECT_TRUE(contains(unlike, "nullmailer tries the next")) << unlike;
  EXPECT_TRUE(contains(unlike, "domain is for what is in defaulthost")) << unlike;
  EXPECT_TRUE(contains(unlike, "for adminaddr: an alias")) << unlike;
  EXPECT_TRUE(contains(unlike, "// remotes:3: qmqp: ")) << unlike;
}

// ---------------------------------------------------------------- which format it is

TEST(Recognition, ByContent) {
  const auto program = [](std::string_view text, const std::string& path) {
    const auto imported = import_text(text, path);
    return imported ? imported->program : "none";
  };
  EXPECT_EQ(program("account a\nhost h\n", "config"), "msmtp");
  EXPECT_EQ(program("hostname = h:25\nusername = u\n", "config"), "esmtp");
  EXPECT_EQ(program("mailhub=h\nhostname=h.test\n", "config"), "ssmtp");
  EXPECT_EQ(program("SMARTHOST h\nSECURETRANSFER\n", "config"), "dma");
  EXPECT_EQ(program("h.test smtp --ssl\n", "config"), "nullmailer");
  EXPECT_EQ(program("hostname=h.test\n", "/etc/ssmtp/ssmtp.conf"), "ssmtp");
  EXPECT_EQ(program("host h\n", "/x/.esmtprc"), "esmtp");
  EXPECT_EQ(program("h.test\n", "/etc/nullmailer/remotes"), "nullmailer");
  EXPECT_EQ(program("account a\nhost h\n", "/etc/dma/dma.conf"), "msmtp") << "a name is but a hint";
  const std::string msmtprc = "defaults\n" + account + "port 25\nauth on\nuser u\npassword hunter2\n";
  for (const std::string path : {"remotes", "remotes/config", "oldmail/x", "/home/headmaster/x", "esmtprc"}) {
    EXPECT_EQ(program(msmtprc, path), "msmtp") << path;
  }
  EXPECT_EQ(program("hostname=h.test\nhost=h.test\n", "/etc/ssmtp/ssmtp.conf"), "esmtp") << "as more lines say";
  EXPECT_EQ(program("h.test\n", "/remotes/x"), "none") << "a host alone is one in a file of that name only";
  for (const std::string_view text :
       {"", "\n\n# c\n", "\x01\x02 nothing of the kind\n", "h.test\n", "host h\nport 25\nfrob\n",
        "account a\nnothing\nof\nthe\nkind\n", "[section]\nkey = value\n"}) {
    EXPECT_EQ(program(text, "foo"), "none") << text;
  }
  EXPECT_TRUE(fails_as(import_text("x", "/some/foo"), Error::Kind::data));
  EXPECT_TRUE(contains(import_text("x", "/some/foo").error().text, "/some/foo"));
}

// ---------------------------------------------------------------- what comes in is hostile, what goes out is sound

TEST(Hostile, LineEndsOfWindows) {
  for (const auto& [text, path] : std::vector<std::pair<std::string, std::string>>{
           {"account a\nhost h.test\nauth on\nuser u\npassword p\n", "msmtprc"},
           {"hostname = h.test\nusername = u\npassword = p\n", "esmtprc"},
           {"mailhub=h.test\nAuthUser=u\nAuthPass=p\n", "ssmtp.conf"},
           {"SMARTHOST h.test\nPORT 26\n", "dma.conf"},
           {"h.test smtp user=u pass=p\n", "remotes"}}) {
    std::string windows;
    for (const char c : text) windows += c == '\n' ? "\r\n" : std::string(1, c);
    EXPECT_EQ(converted(windows, path), converted(text, path));
    EXPECT_TRUE(contains(converted(windows, path), "host = \"h.test\";"));
  }
}

TEST(Hostile, EverySignOfAPassword) {
  const std::string password = "a\"b\\c#d=e$f${HOME}:g'h \xC3\xA4 \xFF";
  const std::string written = "password = \"a\\\"b\\\\c#d=e$$f$${HOME}:g'h \xC3\xA4 \xFF\";";
  EXPECT_TRUE(contains(converted(account + "auth on\nuser u\npassword " + password + "\n", "msmtprc"), written));
  const Files files = {{"/auth.conf", "u|h.test:" + password + "\n"}};
  EXPECT_TRUE(contains(converted("SMARTHOST h.test\nAUTHPATH /auth.conf\n", "dma.conf", files), written));
}

TEST(Hostile, WhatAConfigurationCannotHoldIsNoted) {
  using namespace std::string_literals;
  for (const std::string& password : {"a\0b"s, "a\x07"s + "b", "a\tb"s, "a\x7f"s}) {
    const std::string text = converted(account + "auth on\nuser u\npassword " + password + "\n", "msmtprc");
    EXPECT_TRUE(contains(text, "// msmtprc:5: password: there are control characters")) << text;
    EXPECT_FALSE(contains(text, "password =")) << text;
  }
  const std::string named = converted("account \x1b[31m\nhost h\naccount b\nhost h\n", "msmtprc");
  EXPECT_FALSE(contains(named, "\x1b"));
}

TEST(Hostile, ACommentIsOneLine) {
  const auto imported = import_text(account + "frob\x1b[2J\"*/ x\n", "a\nb/msmtprc");
  ASSERT_TRUE(succeeds(imported));
  const std::string text = to_libconfig(*imported);
  for (const std::string_view line : base::split(text, '\n')) {
    EXPECT_TRUE(std::none_of(line.begin(), line.end(), [](char c) { return base::is_control(c); })) << line;
  }
  EXPECT_TRUE(contains(text, "// a\\nb/msmtprc:3: frob\\x1b[2J"));
}

// An unknown word is told by its name only where it can't be the value that an option has lost.
TEST(Hostile, AWordThatMayBeAPasswordIsNotShown) {
  for (const auto& [text, path] : std::vector<std::pair<std::string, std::string>>{
           {"b.test\nh.test --pass=hunter2 --user=bob\n", "remotes"},
           {"h.test hunter2\nb.test\nc.test\n", "remotes"},
           {"h.test smtp --user=bob --pass hunter2\n", "remotes"},
           {"h.test smtp --user=bob --pass hunter2=\n", "remotes"},
           {"h.test smtp --pass hunter2 hunter2 x\n", "remotes"},
           {"hostname = h.test\nusername = u\npassword = \"x\" hunter2\n", "esmtprc"},
           {"hostname = h.test\npassword = x;hunter2=y\n", "esmtprc"},
           {"hostname = h.test\nhunter2\nforce hunter2\n'hunter2' = x\n", "esmtprc"},
           {"hostname = h.test\npasswd = hunter2\n", "esmtprc"},
           {"mailhub=h.test\nAuthUser=u\nAuthPass hunter2\nhunter2\n", "ssmtp.conf"},
           {"SMARTHOST h.test\nhunter2\n", "dma.conf"},
           {account + "auth on\nuser u\npassword\nhunter2\n", "msmtprc"},
           {"defaults\nhunter2\n" + account + "account a\nhunter2\n", "msmtprc"}}) {
    const std::string out = converted(text, path);
    EXPECT_FALSE(contains(out, "hunter2")) << text << out;
    EXPECT_TRUE(contains(out, "// " + path + ":")) << text << out;
  }
}

TEST(Hostile, ALineOfAMegabyte) {
  const std::string much(1U << 20U, 'x');
  const std::string text = converted(account + much + " y\nauth on\nuser u\npassword " + much + "\n", "msmtprc");
  EXPECT_TRUE(contains(text, "password = \"" + much + "\";"));
  EXPECT_LT(text.size(), much.size() + 5000) << "an unknown directive's name is shortened";
  for (const std::string path : {"esmtprc", "ssmtp.conf", "dma.conf", "remotes"}) (void)import_text(much, path);
  (void)import_text("hostname = '" + much, "esmtprc");
  (void)import_text("h smtp user='" + much, "remotes");
}

TEST(Hostile, ManyAccountsTakeNoTime) {
  std::string accounts;
  std::string servers;
  for (int i = 0; i < 20000; ++i) {
    accounts += "account a" + std::to_string(i) + "\nhost h\n";
    servers += "h smtp port=" + std::to_string(i % 2 + 1) + (i % 3 == 0 ? " ssl\n" : "\n");
  }
  EXPECT_EQ(import_text(accounts, "msmtprc")->accounts.size(), 20000U);
  EXPECT_EQ(import_text(servers, "remotes")->accounts.size(), 20000U);
}

TEST(Imported, IsWrittenInTheManualsOrderAndWhole) {
  Imported imported;
  imported.settings["default_account"] = std::string("a");
  imported.settings["log.file"] = std::string("/log");
  ImportedAccount& only = imported.accounts.emplace_back();
  only.name = "a";
  for (const char* key : {"tls", "auth.password", "unheard.of", "host", "dsn.return", "auth.user", "new", "port"}) {
    only.settings[key] = 1;
  }
  const std::string text = to_libconfig(imported);
  EXPECT_TRUE(
      contains(text,
               "default_account = \"a\";\nlog = {\n  file = \"/log\";\n};\n"
               "accounts = (\n  {\n    name = \"a\";\n    host = 1;\n    port = 1;\n    tls = 1;\n"
               "    auth = {\n      user = 1;\n      password = 1;\n    };\n    dsn = {\n      return = 1;\n    };\n"
               "    new = 1;\n    unheard = {\n      of = 1;\n    };\n  }\n);\n"))
      << text;
}

TEST(Imported, SaysThatThereIsAPassword) {
  const std::string with = converted(tls_login + "password p\n", "msmtprc");
  EXPECT_TRUE(contains(with, "chmod 600")) << with;
  EXPECT_FALSE(contains(converted(tls_login + "passwordeval p\n", "msmtprc"), "chmod 600"));
}

}  // namespace
}  // namespace pillarbox::config
