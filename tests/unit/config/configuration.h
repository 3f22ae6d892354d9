// A configuration in a folder of its own, for tests of its reading.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "base/text.h"
#include "config/load.h"
#include "support.h"

namespace pillarbox::config {

using test::contains;
using test::fails_as;
using test::succeeds;

constexpr auto config_error = Error::Kind::config;

class Configuration : public ::testing::Test {
 protected:
  Result<Loaded> load_text(std::string_view text, mode_t mode = 0600) {
    return load({.named = folder.write("pillarbox.conf", text, mode)}, system);
  }

  // The error's text without the folder in front of each file.
  std::string faults(std::string_view text) {
    const auto loaded = load_text(text);
    if (loaded) return "no fault";
    EXPECT_EQ(loaded.error().kind, config_error);
    return without_folder(loaded.error().text);
  }

  std::string without_folder(std::string text) {
    const std::string prefix = folder.path() + "/";
    for (std::size_t at = text.find(prefix); at != std::string::npos; at = text.find(prefix)) {
      text.erase(at, prefix.size());
    }
    return text;
  }

  // The faults of an account with these settings, of which the first stands in line 1.
  std::string account_faults(const std::string& settings) {
    return faults("accounts = ( { name = \"a\"; host = \"h\"; " + settings + " } );\n");
  }

  // An account with these settings, or one without a name if they are faulty.
  Account account(const std::string& settings) {
    auto loaded = load_text("accounts = ( { name = \"a\"; host = \"h\"; " + settings + " } );\n");
    EXPECT_TRUE(succeeds(loaded)) << settings;
    return loaded ? std::move(loaded->settings.accounts.front()) : Account();
  }

  test::Folder folder;
  test::FakeSystem system;
};

// A system's and a user's file.
class ConfigurationPlaces : public Configuration {
 protected:
  void SetUp() override {
    places.system = folder.path("system.conf");
    system.variables["XDG_CONFIG_HOME"] = folder.path("xdg");
  }

  Result<Loaded> load_both(std::string_view of_system, std::string_view of_user) {
    folder.write("system.conf", of_system);
    folder.write("xdg/pillarbox/pillarbox.conf", of_user);
    return load(places, system);
  }

  Places places;
};

// An account's one host.
inline const std::string& host_of(const Account& account) {
  return account.hosts.at(0).name;
}

}  // namespace pillarbox::config
