#include "queue/netstring.h"

#include <gtest/gtest.h>

namespace pillarbox::queue {
namespace {

// A string that outgrows its memory leaves what it held there.
TEST(Netstring, OfASecretIsInOnePlaceOnly) {
  const std::string secret(100, 'x');
  const std::string text = netstring(secret);
  EXPECT_EQ(text, "100:" + secret + ",");
  EXPECT_EQ(text.capacity(), text.size());
}

}  // namespace
}  // namespace pillarbox::queue
