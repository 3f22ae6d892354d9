#include "base/result.h"

#include <gtest/gtest.h>

#include <memory>

namespace pillarbox {
namespace {

TEST(ResultOfAValue, HoldsOneOrTheOther) {
  const Result<int> good = 7;
  EXPECT_TRUE(good.has_value());
  EXPECT_EQ(*good, 7);
  const Result<int> bad = Error{Error::Kind::io, "why"};
  EXPECT_FALSE(bad);
  EXPECT_EQ(bad.error().text, "why");
}

TEST(ResultOfAValue, NeverGivesAWrongOne) {
  const Result<int> bad = Error{Error::Kind::io, "why"};
  EXPECT_ANY_THROW((void)*bad);
  const Result<int> good = 7;
  EXPECT_ANY_THROW((void)good.error());
}

TEST(ResultOfAValue, MovesWhatCanNotBeCopied) {
  Result<std::unique_ptr<int>> result = std::make_unique<int>(3);
  const std::unique_ptr<int> taken = *std::move(result);
  EXPECT_EQ(*taken, 3);
}

TEST(ResultOfAValue, TellsAStringFromAnError) {
  const Result<std::string> text = std::string("fine");
  EXPECT_TRUE(text);
  EXPECT_EQ(text->size(), 4U);
}

TEST(ResultOfNothing, IsSuccessUnlessThereIsAnError) {
  EXPECT_TRUE(Result<void>());
  const Result<void> bad = Error{Error::Kind::data, "why", "how"};
  EXPECT_FALSE(bad);
  EXPECT_EQ(bad.error().hint, "how");
}

TEST(AnError, TellsWhatWasBeingDone) {
  const Error error = Error{Error::Kind::data, "b", "hint"}.in("a");
  EXPECT_EQ(error.text, "a: b");
  EXPECT_EQ(error.kind, Error::Kind::data);
  EXPECT_EQ(error.hint, "hint");
}

}  // namespace
}  // namespace pillarbox
