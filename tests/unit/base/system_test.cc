#include "base/system.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <set>

namespace pillarbox::base {
namespace {

TEST(RandomWord, IsSixteenLettersAndDigitsAndNeverTwiceTheSame) {
  std::set<std::string> words;
  for (int i = 0; i < 1000; ++i) {
    const std::string word = random_word();
    EXPECT_EQ(word.size(), 16U);
    EXPECT_EQ(word.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789"), std::string::npos) << word;
    words.insert(word);
  }
  EXPECT_EQ(words.size(), 1000U);
}

TEST(TheSystem, HasNames) {
  const System system;
  EXPECT_FALSE(system.host_name().empty());
  EXPECT_FALSE(system.fully_qualified_name().empty());
  EXPECT_FALSE(system.login().empty());
}

TEST(TheSystem, TellsAnEmptyVariableFromOneThatIsNotSet) {
  const System system;
  ::setenv("PILLARBOX_UNIT_TEST", "", 1);
  EXPECT_EQ(system.environment("PILLARBOX_UNIT_TEST"), std::optional<std::string>(""));
  ::unsetenv("PILLARBOX_UNIT_TEST");
  EXPECT_EQ(system.environment("PILLARBOX_UNIT_TEST"), std::nullopt);
}

}  // namespace
}  // namespace pillarbox::base
