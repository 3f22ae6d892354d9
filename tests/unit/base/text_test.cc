#include "base/text.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace pillarbox::base {
namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;

TEST(Utf8, IsWellFormedAfterRfc3629) {
  for (const std::string_view text : {""sv, "abc"sv, "\0"sv, "\xc3\xb6"sv, "\xe4\xbe\x8b"sv, "\xf0\x9f\x93\xae"sv,
                                      "\xed\x9f\xbf"sv, "\xee\x80\x80"sv, "\xf4\x8f\xbf\xbf"sv, "\xe0\xa0\x80"sv}) {
    EXPECT_TRUE(is_utf8(text)) << escape(text);
  }
}

TEST(Utf8, IsNotOverlongCutSurrogateOrTooLarge) {
  for (const std::string_view text :
       {"\x80"sv, "\xff"sv, "\xc0\x80"sv, "\xc1\xbf"sv, "\xc3"sv, "\xc3("sv, "\xe0\x80\x80"sv, "\xe0\x9f\xbf"sv,
        "\xe4\xbe"sv, "\xed\xa0\x80"sv, "\xed\xbf\xbf"sv, "\xf0\x8f\xbf\xbf"sv, "\xf0\x9f\x93"sv, "\xf4\x90\x80\x80"sv,
        "\xf5\x80\x80\x80"sv, "a\xc3"sv, "\xc3\xb6\xb6"sv}) {
    EXPECT_FALSE(is_utf8(text)) << escape(text);
  }
}

TEST(Ascii, IsClassifiedForEveryByte) {
  for (int i = 0; i < 256; ++i) {
    const char c = static_cast<char>(i);
    EXPECT_EQ(is_digit(c), i >= '0' && i <= '9');
    EXPECT_EQ(is_alpha(c), (i >= 'a' && i <= 'z') || (i >= 'A' && i <= 'Z'));
    EXPECT_EQ(is_control(c), i < 32 || i == 127);
    EXPECT_EQ(is_blank(c), i == ' ' || i == '\t');
    EXPECT_EQ(is_ascii(c), i < 128);
    EXPECT_EQ(lower(c), i >= 'A' && i <= 'Z' ? static_cast<char>(i + 32) : c);
  }
}

TEST(Comparing, KnowsAsciiCaseOnly) {
  EXPECT_TRUE(iequals("aBc", "AbC"));
  EXPECT_FALSE(iequals("abc", "abcd"));
  EXPECT_FALSE(iequals("\xc3\xb6", "\xc3\x96"));
  EXPECT_FALSE(iequals("[", "{")) << "they are 32 apart, as letters are";
  EXPECT_TRUE(iequals("", ""));
  EXPECT_TRUE(istarts_with("SMTP://x", "smtp://"));
  EXPECT_FALSE(istarts_with("smt", "smtp"));
  EXPECT_TRUE(istarts_with("smtp", ""));
  EXPECT_EQ(lower("A\xc3\x96Z"), "a\xc3\x96z");
  EXPECT_EQ(upper("a\xc3\xb6z"), "A\xc3\xb6Z");
}

TEST(Trimming, TakesBlanksAndLineEndsOffBothEnds) {
  EXPECT_EQ(trim(" \t\r\n a b \r\n"), "a b");
  EXPECT_EQ(trim(" \r\n"), "");
  EXPECT_EQ(trim(""), "");
  EXPECT_EQ(trim("a"), "a");
}

TEST(Splitting, KeepsEmptyParts) {
  using Parts = std::vector<std::string_view>;
  EXPECT_EQ(split("a,b,,c", ','), (Parts{"a", "b", "", "c"}));
  EXPECT_EQ(split("", ','), (Parts{""}));
  EXPECT_EQ(split(",", ','), (Parts{"", ""}));
}

TEST(Number, IsTheWholeText) {
  EXPECT_EQ(number("0"), 0U);
  EXPECT_EQ(number("007"), 7U);
  EXPECT_EQ(number("18446744073709551615"), 18446744073709551615U);
  for (const std::string_view text : {""sv, " "sv, " 1"sv, "1 "sv, "+1"sv, "-1"sv, "1x"sv, "0x1"sv, "1.0"sv, "1\0"sv,
                                      "18446744073709551616"sv, "99999999999999999999999999"sv}) {
    EXPECT_EQ(number(text), std::nullopt) << escape(text);
  }
}

TEST(Escaping, ShowsWhatATerminalWouldObey) {
  EXPECT_EQ(escape("a\r\n\tb"), "a\\r\\n\\tb");
  EXPECT_EQ(escape("\x1b[31m"), "\\x1b[31m");
  EXPECT_EQ(escape("\0\x07\x7f"sv), "\\x00\\x07\\x7f");
  EXPECT_EQ(escape("a\\b"), "a\\\\b");
  EXPECT_EQ(escape("\xc2\x9b"
                   "31m"),
            "\\xc2\\x9b31m")
      << "C1's CSI";
  EXPECT_EQ(escape("\xc2\xa0"), "\xc2\xa0") << "just above C1";
  EXPECT_EQ(escape("\xff\xc3\xb6\xc3"), "\\xff\xc3\xb6\\xc3");
}

// What would turn the direction of the text around it, or begin a line in some viewers.
TEST(Escaping, ShowsWhatReordersALine) {
  EXPECT_EQ(escape("a\u202Eb"), "a\\xe2\\x80\\xaeb");
  EXPECT_EQ(visible("a\u202Eb"), "a\\xe2\\x80\\xaeb");
  EXPECT_EQ(quote("a\u202Eb"), "\"a\\xe2\\x80\\xaeb\"");
  EXPECT_EQ(json_string("a\u202Eb"), "\"a\\u202eb\"");
  for (const std::string_view order : {"\u061C", "\u200E", "\u200F", "\u2028", "\u2029", "\u202A", "\u202B", "\u202C",
                                       "\u202D", "\u202E", "\u2066", "\u2067", "\u2068", "\u2069"}) {
    EXPECT_TRUE(is_ascii(escape(order)) && is_ascii(visible(order)) && is_ascii(json_string(order))) << escape(order);
  }
  for (const std::string_view text : {"\u061B", "\u061D", "\u200D", "\u2010", "\u2027", "\u202F", "\u2065", "\u206A",
                                      "\u05D0", "\u0627", "\U0001F4EE", "\U000E202E"}) {
    EXPECT_EQ(escape(text), text) << "a character like others";
    EXPECT_EQ(json_string(text), '"' + std::string(text) + '"');
  }
}

TEST(Escaping, LeavesNoControlByteWhateverComes) {
  for (int a = 0; a < 256; ++a) {
    for (int b = 0; b < 256; ++b) {
      const std::string text = {static_cast<char>(a), static_cast<char>(b)};
      for (const std::string& out : {escape(text), quote(text), json_string(text)}) {
        ASSERT_TRUE(is_utf8(out)) << a << ' ' << b;
        for (std::size_t i = 0; i < out.size(); ++i) {
          ASSERT_FALSE(is_control(out[i])) << a << ' ' << b;
          ASSERT_FALSE(out[i] == '\xc2' && static_cast<unsigned char>(out[i + 1]) < 0xa0) << a << ' ' << b;
        }
      }
    }
  }
}

TEST(Escaping, IsDifferentForDifferentTexts) {
  EXPECT_NE(escape("\n"), escape("\\n"));
  EXPECT_NE(escape("\xff"), escape("\\xff"));
}

TEST(Visible, KeepsBackslashAndTab) {
  EXPECT_EQ(visible("a\\b\tc\r\x1b"), "a\\b\tc\\r\\x1b");
}

TEST(Quoting, IsForValuesThatNeedIt) {
  EXPECT_EQ(quote("plain-value=1"), "plain-value=1");
  EXPECT_EQ(quote(""), "\"\"");
  EXPECT_EQ(quote("a b"), "\"a b\"");
  EXPECT_EQ(quote("a\"b"), "\"a\\\"b\"");
  EXPECT_EQ(quote("a\\b"), "\"a\\\\b\"");
  EXPECT_EQ(quote("a\nb"), "\"a\\nb\"");
  EXPECT_EQ(quote("<a@b.c>"), "<a@b.c>");
  EXPECT_EQ(quote("\xc3\xb6"), "\xc3\xb6");
  EXPECT_EQ(quote("a\\"), "\"a\\\\\"") << "the last quotation mark is not escaped";
}

TEST(JsonString, IsJsonWhateverComes) {
  EXPECT_EQ(json_string(""), "\"\"");
  EXPECT_EQ(json_string("a\"b\\c/"), "\"a\\\"b\\\\c/\"");
  EXPECT_EQ(json_string("\n\t\0\x7f"sv), "\"\\u000a\\u0009\\u0000\\u007f\"");
  EXPECT_EQ(json_string("\xc2\x85"), "\"\\u0085\"");
  EXPECT_EQ(json_string("\xc3\xb6"), "\"\xc3\xb6\"");
  EXPECT_EQ(json_string("a\xff\xc3"), "\"a\\ufffd\\ufffd\"");
  EXPECT_EQ(json_string("\xed\xa0\x80"), "\"\\ufffd\\ufffd\\ufffd\"") << "half a surrogate pair";
}

TEST(Decimal, RoundsToItsDecimals) {
  EXPECT_EQ(decimal(0.112), "0.112");
  EXPECT_EQ(decimal(0), "0.000");
  EXPECT_EQ(decimal(0.061499), "0.061");
  EXPECT_EQ(decimal(3600), "3600.000");
  EXPECT_EQ(decimal(12.25, 1), "12.2");
  EXPECT_EQ(decimal(0.000123, 6), "0.000123");
}

TEST(Base64, IsThatOfRfc4648) {
  const std::vector<std::pair<std::string, std::string>> pairs = {{"", ""},
                                                                  {"f", "Zg=="},
                                                                  {"fo", "Zm8="},
                                                                  {"foo", "Zm9v"},
                                                                  {"foob", "Zm9vYg=="},
                                                                  {"fooba", "Zm9vYmE="},
                                                                  {"foobar", "Zm9vYmFy"},
                                                                  {"\xff\xfe\xfb\x00"s, "//77AA=="}};
  for (const auto& [bytes, text] : pairs) {
    EXPECT_EQ(base64(bytes), text);
    EXPECT_EQ(from_base64(text), bytes);
  }
}

TEST(Base64, IsNoOtherText) {
  for (const char* text : {"Zg", "Zg=", "Zm9v\n", "Zm 9", "Zm9*", "Z===", "====", "=Zm9", "Zm=v"}) {
    EXPECT_FALSE(from_base64(text)) << text;
  }
}

TEST(Hex, IsTwoCapitalDigits) {
  EXPECT_EQ(hex('\0') + hex('\n') + hex('~') + hex('\xff'), "000A7EFF");
}

}  // namespace
}  // namespace pillarbox::base
