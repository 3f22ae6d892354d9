#include "base/secret.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <new>
#include <type_traits>

namespace pillarbox::base {
namespace {

TEST(Secret, CanNotBeCopied) {
  static_assert(!std::is_copy_constructible_v<Secret> && !std::is_copy_assignable_v<Secret>);
  static_assert(std::is_nothrow_move_constructible_v<Secret>);
}

// A move would leave the bytes of a short one where they stood.
TEST(Secret, IsGoneFromTheTextThatItIsMadeOf) {
  static_assert(!std::is_constructible_v<Secret, std::string&> && !std::is_constructible_v<Secret, const std::string&>);
  std::string text = "not_a_hunter2";
  const Secret secret(std::move(text));
  EXPECT_EQ(secret.reveal(), "not_a_hunter2");
  const std::string_view object(reinterpret_cast<const char*>(&text), sizeof text);
  EXPECT_EQ(object.find("nter2"), std::string_view::npos);
}

TEST(Secret, IsGoneWhereItMovedFrom) {
  for (const std::string& text : {std::string("short"), std::string(100, 'x')}) {
    Secret a{std::string(text)};
    const char* place = a.reveal().data();
    Secret b(std::move(a));
    EXPECT_EQ(b.reveal(), text);
    EXPECT_TRUE(a.empty());  // NOLINT(bugprone-use-after-move): that is the question
    // A long text's memory is b's now; a short one's bytes stood in a itself.
    const bool inside = a.reveal().data() == place;
    EXPECT_EQ(inside, text.size() < 16);
    for (std::size_t i = 0; inside && i < text.size(); ++i) EXPECT_EQ(place[i], '\0');
    Secret c(std::string("another secret, long enough for the heap"));
    c = std::move(b);
    EXPECT_EQ(c.reveal(), text);
    EXPECT_TRUE(b.empty());  // NOLINT(bugprone-use-after-move)
  }
}

TEST(Secret, SurvivesAssignmentToItself) {
  Secret a(std::string("secret"));
  Secret& same = a;
  a = std::move(same);
  EXPECT_EQ(a.reveal(), "secret");
}

// A short secret lies within the object, so its bytes can be looked at afterwards.
TEST(Secret, LeavesNothingInItsMemory) {
  alignas(Secret) std::array<unsigned char, sizeof(Secret)> memory{};
  auto* secret = new (memory.data()) Secret(std::string("hunter2"));
  ASSERT_EQ(secret->reveal(), "hunter2");
  secret->~Secret();
  const std::string_view after(reinterpret_cast<const char*>(memory.data()), memory.size());
  EXPECT_EQ(after.find("hunter2"), std::string_view::npos);
  EXPECT_EQ(after.find("unter"), std::string_view::npos);
}

// A short text moves to the heap, and what it leaves in the object is looked at.
TEST(Appending, LeavesNoCopyBehind) {
  std::string text = "not_a_hunter2";
  append(text, std::string(100, 'x'));
  EXPECT_EQ(text, "not_a_hunter2" + std::string(100, 'x'));
  const std::string_view object(reinterpret_cast<const char*>(&text), sizeof text);
  EXPECT_EQ(object.find("nter2"), std::string_view::npos);
}

TEST(Appending, MovesATextNotForEachByte) {
  std::string text;
  int moves = 0;
  for (int i = 0; i < 2500; ++i) {
    const char* place = text.data();
    append(text, "x");
    moves += text.data() == place ? 0 : 1;
  }
  EXPECT_EQ(text, std::string(2500, 'x'));
  EXPECT_LT(moves, 10);
}

TEST(Wiping, CoversWhatWasThereBefore) {
  std::string text = "a secret that is long enough for the heap";
  text.reserve(200);
  const char* place = text.data();
  text.resize(3);  // the rest is spare capacity now
  wipe(text);
  EXPECT_TRUE(text.empty());
  ASSERT_EQ(text.data(), place);
  for (std::size_t i = 0; i < text.capacity(); ++i) ASSERT_EQ(place[i], '\0') << i;
}

}  // namespace
}  // namespace pillarbox::base
