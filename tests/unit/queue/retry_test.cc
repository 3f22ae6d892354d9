#include "queue/retry.h"

#include <gtest/gtest.h>

#include "queue.h"

namespace pillarbox::queue {
namespace {

using namespace test;  // NOLINT(google-build-using-namespace)

const Steps steps = {1min, 5min, 30min, 2h};

TEST(Retry, TakesTheStepsOneAfterAnotherAndThenTheLast) {
  const std::vector<std::chrono::seconds> expected = {1min, 1min, 5min, 30min, 2h, 2h, 2h};
  for (unsigned tries = 0; tries < expected.size(); ++tries) {
    EXPECT_EQ(next_try(steps, tries, noon, 0.5), noon + expected[tries]) << tries;
  }
  EXPECT_EQ(next_try(steps, 4'000'000'000U, noon, 0.5), noon + 2h);
}

TEST(Retry, SpreadsByTenPerCent) {
  EXPECT_EQ(next_try(steps, 4, noon, 0), noon + 108min);
  EXPECT_NEAR(static_cast<double>((next_try(steps, 4, noon, 1) - noon - 132min).count()), 0, 1000);
  EXPECT_EQ(next_try(steps, 4, noon, 99), next_try(steps, 4, noon, 1));
}

TEST(Retry, WithoutStepsAtOnce) {
  EXPECT_EQ(next_try({}, 3, noon, 0.5), noon);
  State state = State::fresh(1);
  state.next = noon + 1h;
  EXPECT_TRUE(is_due(state, {}, noon));
}

TEST(Retry, IsDueFromItsTimeOn) {
  State state = State::fresh(1);
  EXPECT_TRUE(is_due(state, steps, noon));
  state.next = noon;
  EXPECT_FALSE(is_due(state, steps, noon - 1s));
  EXPECT_TRUE(is_due(state, steps, noon));
}

TEST(Retry, WhatItSaysItselfIsNeverTooFarOff) {
  State state = State::fresh(1);
  for (const double spread : {0.0, 0.3, 0.7, 1.0}) {
    state.next = next_try(steps, 9, noon, spread);
    EXPECT_FALSE(is_due(state, steps, noon));
  }
}

TEST(Retry, AClockThatWasSetBackParksNothing) {
  State state = State::fresh(1);
  state.next = noon + 132min + 5s;
  EXPECT_TRUE(is_due(state, steps, noon));
  state.next = noon + 24h * 3650;
  EXPECT_TRUE(is_due(state, steps, noon));
  state.next = Time::max();
  EXPECT_TRUE(is_due(state, steps, Time()));
}

TEST(Retry, ExpiresWhenOldAndTriedSince) {
  const Entry entry = entry_to();  // of noon
  State state = State::fresh(1);
  const auto expire = 120h;
  EXPECT_FALSE(is_expired(entry, state, expire, noon + 24h * 3650)) << "never tried";
  state.last = noon + 119h;
  EXPECT_FALSE(is_expired(entry, state, expire, noon + 24h * 3650)) << "not since: the clock may have leapt";
  state.last = noon + 120h;
  EXPECT_FALSE(is_expired(entry, state, expire, noon + 121h)) << "not when it was older than that";
  state.last = noon + 121h;
  EXPECT_FALSE(is_expired(entry, state, expire, noon + 120h)) << "no older than that";
  EXPECT_TRUE(is_expired(entry, state, expire, noon + 121h));
  EXPECT_FALSE(is_expired(entry, state, expire, noon)) << "a clock that was set back";
}

}  // namespace
}  // namespace pillarbox::queue
