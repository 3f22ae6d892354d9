#include "app/progress.h"

#include <gtest/gtest.h>

namespace pillarbox::app {
namespace {

TEST(ProgressLine, SaysPercentRateAndTimeLeft) {
  EXPECT_EQ(progress_line(10'000'000, 2, 0.25, 60), "25% [######..................] 10.0 MB  5.0 MB/s  0:06 left");
  EXPECT_EQ(progress_line(10'000'000, 2, 1.0, 60), "100% [#######################] 10.0 MB  5.0 MB/s  0:00 left");
}

TEST(ProgressLine, KnowsNoPartOfAPipe) {
  EXPECT_EQ(progress_line(10'000'000, 2, std::nullopt, 80), "10.0 MB  5.0 MB/s");
}

TEST(ProgressLine, FitsItsTerminal) {
  for (std::size_t columns = 25; columns < 300; ++columns) {
    EXPECT_LE(progress_line(123'456'789'012, 100'000, 0.01, columns).size(), std::max<std::size_t>(columns, 32))
        << columns;
  }
}

TEST(ProgressLine, StandsImpossibleNumbers) {
  EXPECT_FALSE(progress_line(0, 0, 0.0, 80).empty());
  EXPECT_FALSE(progress_line(1, 0, 1e-9, 80).empty());
  EXPECT_FALSE(progress_line(~0ULL, 1e9, 2.0, 80).empty());
}

}  // namespace
}  // namespace pillarbox::app
