#include "app/smtp_server.h"

#include <gtest/gtest.h>

#include "support.h"

namespace pillarbox::app {
namespace {

using test::contains;

class SmtpServerTest : public ::testing::Test {
 protected:
  int code(std::string_view line) { return server.command(line).code; }

  // The code of a MAIL or RCPT with these parameters, each time anew.
  int mail_with(std::string_view parameters) {
    code("RSET");
    return code("MAIL FROM:<a@x.test> " + std::string(parameters));
  }
  int recipient_with(std::string_view parameters) {
    code("MAIL FROM:<a@x.test>");
    return code("RCPT TO:<b@x.test> " + std::string(parameters));
  }

  SmtpServer server{"host", 1000};
};

TEST_F(SmtpServerTest, TakesAnEnvelope) {
  EXPECT_EQ(server.greeting().code, 220);
  EXPECT_EQ(code("EHLO [127.0.0.1]"), 250);
  EXPECT_EQ(code("MAIL FROM:<s@x.test>"), 250);
  EXPECT_EQ(code("RCPT TO:<root>"), 250);
  EXPECT_EQ(code("rcpt to: <\\root>"), 250);
  EXPECT_EQ(code("RCPT TO:b@x.test"), 250);
  EXPECT_EQ(code("DATA"), 354);
  const SmtpMail mail = server.take();
  EXPECT_EQ(mail.sender, "<s@x.test>");
  EXPECT_EQ(mail.recipients, (std::vector<std::string>{"<root>", "<\\root>", "b@x.test"}));
  EXPECT_FALSE(mail.dsn.wanted());
  EXPECT_EQ(code("DATA"), 503) << "the next one begins anew";
  EXPECT_EQ(code("QUIT"), 221);
  EXPECT_TRUE(server.ended());
}

TEST_F(SmtpServerTest, OffersWhatItKeepsAndNoMore) {
  const std::string text = wire_text(server.command("EHLO x"));
  EXPECT_EQ(text,
            "250-host\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-8BITMIME\r\n250-DSN\r\n250 ENHANCEDSTATUSCODES\r\n");
  EXPECT_EQ(wire_text(server.command("helo x")), "250 host\r\n");
  EXPECT_EQ(code("STARTTLS"), 502);
  EXPECT_EQ(code("AUTH PLAIN AGEAYg=="), 502);
}

TEST_F(SmtpServerTest, RefusesWhatWillBeTooLarge) {
  for (const char* size : {"SIZE=1001", "SIZE=99999999999", "BODY=8BITMIME SIZE=1001"}) {
    EXPECT_EQ(wire_text(server.command("MAIL FROM:<a@x.test> " + std::string(size))).substr(0, 10), "552 5.3.4 ")
        << size;
    EXPECT_EQ(code("RCPT TO:<b@x.test>"), 503) << size;
  }
}

TEST_F(SmtpServerTest, KnowsTheNullSender) {
  for (const char* line : {"MAIL FROM:<>", "MAIL FROM: <>", "mail  from:<> BODY=8BITMIME"}) {
    EXPECT_EQ(code(line), 250) << line;
    EXPECT_EQ(server.take().sender, "<>") << line;
  }
}

TEST_F(SmtpServerTest, HoldsToTheOrder) {
  EXPECT_EQ(code("RCPT TO:<a@x.test>"), 503);
  EXPECT_EQ(code("DATA"), 503);
  EXPECT_EQ(code("MAIL FROM:<a@x.test>"), 250);
  EXPECT_EQ(code("MAIL FROM:<b@x.test>"), 503);
  EXPECT_EQ(code("DATA"), 503);
  EXPECT_EQ(code("RCPT TO:<b@x.test>"), 250);
  EXPECT_EQ(code("RSET"), 250);
  EXPECT_EQ(code("DATA"), 503);
  EXPECT_EQ(code("MAIL FROM:<a@x.test>"), 250);
  EXPECT_EQ(code("EHLO x"), 250);
  EXPECT_EQ(code("RCPT TO:<b@x.test>"), 503) << "EHLO is a RSET, too";
}

TEST_F(SmtpServerTest, RefusesWhatIsNoAddress) {
  for (const char* path : {"<bad@@x>", "<-x@y.test>", "<a@x.test, b@x.test>", "<G: a@x.test;>"}) {
    EXPECT_EQ(code("MAIL FROM:" + std::string(path)), 553) << path;
  }
  for (const char* path : {"", "<a@x.test", "<a@x.test>x", "<a@x.test>RET=FULL"}) {
    EXPECT_EQ(code("MAIL FROM:" + std::string(path)), 501) << path;
  }
  EXPECT_EQ(code("MAIL TO:<a@x.test>"), 501);
  EXPECT_EQ(code("MAIL"), 501);
  EXPECT_EQ(code("MAIL FROM:<\"a b>\"@x.test> SIZE=1"), 250);
  for (const char* path : {"<>", "<bad@@x>", "<-x@y.test>", "<a@x.test,b@x.test>", "<,>", "< >"}) {
    EXPECT_EQ(code("RCPT TO:" + std::string(path)), 553) << path;
  }
  EXPECT_EQ(code("DATA"), 503) << "none was taken";
}

TEST_F(SmtpServerTest, ReadsParameters) {
  for (const char* good : {"", "BODY=7BIT", "body=8bitmime", "SIZE=0", "SIZE=1000", "RET=FULL", "RET=hdrs",
                           "ENVID=a+20b", "SMTPUTF8", "BODY=8BITMIME  SIZE=12\tRET=FULL"}) {
    EXPECT_EQ(mail_with(good), 250) << good;
  }
  for (const char* bad : {"BODY=BINARYMIME", "BODY", "SIZE=x", "SIZE", "SIZE=-1", "RET=x", "ENVID",
                          "ENVID=", "ENVID=a+2", "ENVID=a+0D", "ENVID=+zz", "SMTPUTF8=1"}) {
    EXPECT_EQ(mail_with(bad), 501) << bad;
  }
  EXPECT_EQ(mail_with("ENVID=" + std::string(99, 'x') + "+2B"), 250) << "as it is meant, not as it is written";
  EXPECT_EQ(mail_with("ENVID=" + std::string(101, 'x')), 501);
  for (const char* unknown : {"AUTH=<>", "X=Y", "=", "NOTIFY=NEVER"}) EXPECT_EQ(mail_with(unknown), 555) << unknown;
  EXPECT_EQ(code("RCPT TO:<b@x.test>"), 503) << "a refused MAIL is none";
  for (const char* good : {"NOTIFY=NEVER", "NOTIFY=success,Delay", "ORCPT=rfc822;b+2Bc@x.test"}) {
    EXPECT_EQ(recipient_with(good), 250) << good;
  }
  for (const char* bad :
       {"NOTIFY=", "NOTIFY=NEVER,SUCCESS", "ORCPT=b@x.test", "ORCPT=;b", "ORCPT=rfc822;a+2", "ORCPT=a b;c"})
    EXPECT_EQ(recipient_with(bad), 501) << bad;
  EXPECT_EQ(recipient_with("RET=FULL"), 555);
}

TEST_F(SmtpServerTest, HandsOnWhatReportsAreWanted) {
  mail_with("RET=HDRS ENVID=a+20b");
  const smtp::Dsn dsn = server.take().dsn;
  EXPECT_EQ(dsn.returned, "HDRS");
  EXPECT_EQ(dsn.envelope_id, "a b");
}

TEST_F(SmtpServerTest, HandsOnWhatEachRecipientWants) {
  code("MAIL FROM:<>");
  code("RCPT TO:<b@x.test> NOTIFY=delay,FAILURE");
  code("RCPT TO:<c@x.test>");
  code("RCPT TO:<bad@@x> NOTIFY=NEVER");
  code("RCPT TO:<d@x.test> ORCPT=rfc822;b+2Bc@x.test NOTIFY=NEVER");
  const auto asked = server.take().asked;
  ASSERT_EQ(asked.size(), 3U);
  EXPECT_EQ(asked[0].notify, "FAILURE,DELAY");
  EXPECT_TRUE(asked[1].empty());
  EXPECT_EQ(asked[2].notify, "NEVER");
  EXPECT_EQ(asked[2].original, "rfc822;b+2Bc@x.test");
  code("MAIL FROM:<>");
  EXPECT_TRUE(server.take().asked.empty());
}

TEST_F(SmtpServerTest, AnswersTheRest) {
  EXPECT_EQ(code("noop anything"), 250);
  EXPECT_EQ(code("HELP"), 214);
  EXPECT_EQ(code("VRFY root"), 252);
  EXPECT_EQ(code("EXPN team"), 502);
  EXPECT_EQ(code("EHLO"), 501);
  for (const std::string& line : {std::string("FROB"), std::string(), std::string(" QUIT"), std::string("BDAT 3 LAST"),
                                  std::string("NO\rOP"), std::string("NOOP\0", 5), std::string("NOOP \x1b[2J")}) {
    EXPECT_EQ(code(line), 500) << line;
  }
  EXPECT_EQ(code("NOOP " + std::string(505, 'x')), 250);
  EXPECT_EQ(code("NOOP " + std::string(506, 'x')), 500);
  EXPECT_FALSE(server.ended());
}

TEST(SmtpReply, IsOfPrintableLinesThatFit) {
  EXPECT_EQ(wire_text({250, {"a", "b"}}), "250-a\r\n250 b\r\n");
  const std::string text = wire_text({554, {"a\r\nb\x1b" + std::string(2000, 'x')}});
  EXPECT_LE(text.size(), 512U);
  EXPECT_TRUE(text.ends_with("\r\n"));
  EXPECT_EQ(text.find('\n'), text.size() - 1);
}

TEST(SmtpReply, TellsTroubleFromRefusal) {
  EXPECT_EQ(reply_to({Error::Kind::data, "x"}).code, 554);
  EXPECT_EQ(reply_to({Error::Kind::no_user, "x"}).code, 550);
  for (const auto kind : {Error::Kind::config, Error::Kind::io, Error::Kind::temporary, Error::Kind::no_permission}) {
    EXPECT_EQ(reply_to({kind, "x"}).code, 451);
  }
  EXPECT_TRUE(contains(reply_to({Error::Kind::config, "no configuration"}).text(), "no configuration"));
}

}  // namespace
}  // namespace pillarbox::app
