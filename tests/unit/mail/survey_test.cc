#include "mail/survey.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "mail/normaliser.h"
#include "support.h"

namespace pillarbox::mail {
namespace {

using namespace std::literals;

Survey survey_of(std::string_view text, std::size_t piece = 1000) {
  Survey survey;
  for (std::size_t at = 0; at < text.size(); at += piece) survey.feed(text.substr(at, piece));
  return survey;
}

const std::vector<std::string> texts = {"",
                                        "a",
                                        "a\n",
                                        "abc\r\nde\r\n",
                                        "abc\rde",
                                        "a\r\r\nbc",
                                        "a\0bc\n"s,
                                        "\0\0"s,
                                        "abcdefghij",
                                        "\r\n\r\n",
                                        "\xc3\xb6",
                                        "\xc3",
                                        "\xf6",
                                        "a\xe2\x82\xac"
                                        "bc",
                                        "\xed\xa0\x80",
                                        "\xc3\0\xb6"s,
                                        "\xf4\x90\x80\x80",
                                        "\xf0\x9f\x93\xae",
                                        "\xe0\x80\x80",
                                        "\xc0\x80",
                                        "\xe0\xa0\x80",
                                        "\xed\x9f\xbf",
                                        "\xf0\x90\x80\x80",
                                        "\xf4\x8f\xbf\xbf",
                                        "abcdefgh\xc3\xb6ijklmnop",
                                        "\xc3\n\xb6"};

TEST(Survey, SeesTheLinesThatTheNormaliserMakes) {
  for (const std::string& text : texts) {
    Normaliser normaliser(Normaliser::Part::body, Normaliser::Nul::drop);
    std::string normal;
    ASSERT_TRUE(normaliser.feed(text, normal));
    normaliser.finish(normal);
    std::size_t longest = 0;
    for (const std::string_view line : base::split(normal, '\n')) {
      longest = std::max(longest, line.size() - (line.ends_with('\r') ? 1 : 0));
    }
    for (std::size_t piece = 1; piece < 12; ++piece) {
      EXPECT_EQ(survey_of(text, piece).longest_line(), longest) << base::escape(text);
      EXPECT_EQ(survey_of(text, piece).nuls(), normaliser.nuls_dropped()) << base::escape(text);
    }
  }
}

TEST(Survey, CostsNoMoreThanItsSizeWhereThereAreCrsAlone) {
  const std::string crs(1 << 20, '\r');
  EXPECT_LT(test::seconds_of([&] { EXPECT_EQ(survey_of("ab" + crs, crs.size()).longest_line(), 2U); }), 5);
}

TEST(Survey, KnowsUtf8InPiecesOfAnySize) {
  for (std::string text : texts) {
    for (std::size_t piece = 1; piece < 12; ++piece) {
      const Survey survey = survey_of(text, piece);
      std::string kept = text;
      std::erase(kept, '\0');
      EXPECT_EQ(survey.is_utf8(), base::is_utf8(kept)) << base::escape(text);
      EXPECT_EQ(survey.has_8bit(), !base::is_ascii(text)) << base::escape(text);
    }
  }
}

TEST(SurveyedSource, GivesWhatItShows) {
  test::PiecesSource source("abc\ndefgh", 2);
  Survey survey;
  SurveyedSource surveyed(source, survey);
  EXPECT_EQ(*test::everything(surveyed), "abc\ndefgh");
  EXPECT_EQ(survey.longest_line(), 5U);
}

}  // namespace
}  // namespace pillarbox::mail
