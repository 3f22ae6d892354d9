#include "mail/received.h"

#include <gtest/gtest.h>

#include "base/clock.h"
#include "mail/header.h"
#include "support.h"

namespace pillarbox::mail {
namespace {

TEST(Received, IsOneFoldedFieldWithHostAndDate) {
  const auto when = std::chrono::system_clock::from_time_t(0);
  const std::string field = received_field("host.example.com", 1000, when);
  EXPECT_EQ(field,
            "Received: by host.example.com (Pillarbox, from userid 1000);\r\n\t" + base::rfc5322_date(when) + "\r\n");
  auto read = read_header(test::memory(field + "\r\n"), Normaliser::Nul::refuse);
  ASSERT_TRUE(test::succeeds(read));
  ASSERT_EQ(read->header.fields.size(), 1U);
  EXPECT_EQ(read->header.fields[0].name(), "Received");
}

TEST(Received, HasLinesOfSeventyEightBytesForAnOrdinaryHost) {
  const std::string field = received_field("host.example.com", 4294967295U, std::chrono::system_clock::now());
  for (std::size_t at = 0; at < field.size();) {
    const std::size_t end = field.find("\r\n", at);
    ASSERT_NE(end, std::string::npos);
    EXPECT_LE(end - at, 78U);
    at = end + 2;
  }
}

}  // namespace
}  // namespace pillarbox::mail
