#include "smtp/socket.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include <cstring>
#include <string>

namespace pillarbox::smtp {
namespace {

sockaddr_storage address(const std::string& text) {
  sockaddr_storage all{};
  sockaddr_in v4{};
  sockaddr_in6 v6{};
  if (::inet_pton(AF_INET, text.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    std::memcpy(&all, &v4, sizeof v4);
  } else if (::inet_pton(AF_INET6, text.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    std::memcpy(&all, &v6, sizeof v6);
  }
  return all;
}

// A password may be told there without TLS.
TEST(Socket, WhatTheLoopbackIs) {
  for (const char* text : {"127.0.0.1", "127.255.0.9", "::1", "::ffff:127.0.0.1", "::ffff:127.9.9.9"}) {
    EXPECT_TRUE(is_loopback(address(text))) << text;
  }
  for (const char* text :
       {"126.255.255.255", "128.0.0.1", "192.0.2.127", "0.0.0.0", "::", "::2", "::ffff:192.0.2.1", "::ffff:128.0.0.1",
        "2001:db8::1", "2001:db8::7f00:1", "2001:db8:7f00::1", "::127.0.0.1", "no address"}) {
    EXPECT_FALSE(is_loopback(address(text))) << text;
  }
}

}  // namespace
}  // namespace pillarbox::smtp
