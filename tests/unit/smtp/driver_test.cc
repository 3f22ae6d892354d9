#include "smtp/driver.h"

#include <gtest/gtest.h>

namespace pillarbox::smtp {
namespace {

TEST(ADriver, HasAName) {
  EXPECT_EQ(parse_driver("engine"), Driver::engine);
  EXPECT_EQ(parse_driver("pipeline"), Driver::pipeline);
  EXPECT_EQ(parse_driver("auto"), Driver::automatic);
  for (const char* name : {"", "Engine", "automatic", "engine "}) EXPECT_FALSE(parse_driver(name)) << name;
}

}  // namespace
}  // namespace pillarbox::smtp
