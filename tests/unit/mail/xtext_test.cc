#include "mail/xtext.h"

#include <gtest/gtest.h>

namespace pillarbox::mail {
namespace {

using namespace std::string_literals;

TEST(Xtext, EscapesWhatIsNotPrintableAndItsOwnSigns) {
  EXPECT_EQ(xtext("QQ314159!\\\"~"), "QQ314159!\\\"~");
  EXPECT_EQ(xtext("a b+c=d\x7f\r\n\0"s), "a+20b+2Bc+3Dd+7F+0D+0A+00");
  EXPECT_EQ(xtext("\xc3\xb6"), "+C3+B6");
  EXPECT_EQ(xtext(""), "");
}

TEST(Xtext, ComesBackAsItWas) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  EXPECT_EQ(from_xtext(xtext(all)), all);
  EXPECT_EQ(from_xtext("a+2bb"), "a+b");
}

TEST(Xtext, IsNoneWithoutTwoDigits) {
  for (const char* text : {"+", "a+", "a+2", "+2G", "+G2", "++2B", "+ 2", "+-1", "+0x"}) {
    EXPECT_FALSE(from_xtext(text)) << text;
  }
}

TEST(OriginalRecipient, HasATypeAndAnAddress) {
  for (const std::string& text :
       {std::string("rfc822;b+2B1@x.test"), std::string("utf-8;\\x{E9}@x.test"), "rfc822;" + std::string(493, 'x')}) {
    EXPECT_TRUE(is_original_recipient(text)) << text;
  }
  for (const std::string& text :
       {std::string(), std::string("b@x.test"), std::string(";b"), std::string("rfc822;"), std::string("rfc 822;b"),
        std::string("rfc822;a b"), std::string("rfc822;a=b"), std::string("rfc822;a+b"), std::string("rfc822;\xc3\xa9"),
        std::string("rfc822;a\r\nb"), "rfc822;" + std::string(494, 'x')}) {
    EXPECT_FALSE(is_original_recipient(text)) << text;
  }
}

TEST(EnvelopeId, IsPrintableAndNotLong) {
  for (const std::string& text : {"x"s, "q 1"s, "a+b=c"s, std::string(100, 'x')}) EXPECT_TRUE(is_envelope_id(text));
  for (const std::string& text : {""s, "a\tb"s, "a\r\nb"s, "\x7f"s, "\xc3\xb6"s, std::string(101, 'x')}) {
    EXPECT_FALSE(is_envelope_id(text)) << text;
  }
}

TEST(Notify, IsNeverOrSomeOfThree) {
  EXPECT_EQ(parse_notify("never"), "NEVER");
  EXPECT_EQ(parse_notify("Failure"), "FAILURE");
  EXPECT_EQ(parse_notify("delay,SUCCESS,delay"), "SUCCESS,DELAY");
  for (const char* bad : {"", "never,success", "failure,", "failure success", "all", ",", " never"}) {
    EXPECT_FALSE(parse_notify(bad)) << bad;
  }
}

TEST(Utf8Xtext, NamesCodePoints) {
  EXPECT_EQ(utf8_xtext("a@b.test"), "a@b.test");
  EXPECT_EQ(utf8_xtext("\xc3\xb6"), "\\x{F6}");
  EXPECT_EQ(utf8_xtext("\xe4\xbe\x8b+x"), "\\x{4F8B}\\x{2B}x");
  EXPECT_EQ(utf8_xtext("\xf0\x9f\x93\xae"), "\\x{1F4EE}");
  EXPECT_EQ(utf8_xtext("\xf4\x8f\xbf\xbf"), "\\x{10FFFF}");
}

TEST(Utf8Xtext, EscapesWhatXtextDoesAndTheBackslashInTwoDigits) {
  EXPECT_EQ(utf8_xtext("a b=\\\t"), "a\\x{20}b\\x{3D}\\x{5C}\\x{09}");
}

}  // namespace
}  // namespace pillarbox::mail
