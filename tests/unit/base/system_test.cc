#include "base/system.h"

#include <gtest/gtest.h>
#include <pwd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <set>

#include "support.h"

namespace {

int lookups = 0;
bool has_name = true;
int name_answer = 0;     // of gethostname(2), when the host has none
int answer = 0;          // an errno in place of the library's answer
size_t record_size = 0;  // how much room a record takes

}  // namespace

// The linker puts it in place of the library's (tests/unit/CMakeLists.txt).
extern "C" {

int __real_gethostname(char* name, size_t size);

int __wrap_gethostname(char* name, size_t size) {
  if (has_name) return __real_gethostname(name, size);
  if (size > 0) name[0] = '\0';
  return name_answer;
}

int __real_getpwuid_r(uid_t uid, passwd* record, char* buffer, size_t size, passwd** found);

int __wrap_getpwuid_r(uid_t uid, passwd* record, char* buffer, size_t size, passwd** found) {
  ++lookups;
  *found = nullptr;
  if (answer != 0) return answer;
  if (size < record_size) return ERANGE;
  return __real_getpwuid_r(uid, record, buffer, size, found);
}
}

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
  EXPECT_FALSE(system.login()->empty());
}

TEST(TheSystem, IsLocalhostWhenTheHostHasNoName) {
  has_name = false;
  for (const int code : {0, -1}) {
    name_answer = code;
    EXPECT_EQ(System().host_name(), "localhost");
  }
  has_name = true;
}

TEST(TheSystem, LooksIntoThePasswordFileOnce) {
  lookups = 0;
  const System system;
  EXPECT_EQ(lookups, 0);
  EXPECT_FALSE(system.login()->empty());
  EXPECT_EQ(system.full_name(), system.full_name());
  EXPECT_EQ(lookups, 1);
}

TEST(TheSystem, TakesNoTroubleWithThePasswordFileForAUserWhoIsNotThere) {
  for (const int code : {EIO, EMFILE, ENFILE, ENOMEM, EINTR, EAGAIN}) {
    answer = code;
    const System system;
    const auto login = system.login();
    ASSERT_FALSE(login) << code;
    EXPECT_EQ(login.error().kind, Error::Kind::temporary);
    EXPECT_TRUE(
        login.error().text.starts_with("the login of uid " + std::to_string(::getuid()) + " can't be looked up: "))
        << login.error().text;
  }
  for (const int code : {ENOENT, ESRCH, EBADF, EPERM}) {
    answer = code;
    EXPECT_EQ(*System().login(), "uid" + std::to_string(::getuid())) << code;
  }
  answer = 0;
}

TEST(TheSystem, HasRoomForALargeRecord) {
  const std::string usual = *System().login();
  record_size = 100'000;
  EXPECT_EQ(*System().login(), usual);
  record_size = std::size_t{1} << 40U;  // there is an end to it
  EXPECT_FALSE(System().login());
  record_size = 0;
}

TEST(TheSystem, TellsAnEmptyVariableFromOneThatIsNotSet) {
  const System system;
  ::setenv("PILLARBOX_UNIT_TEST", "", 1);
  EXPECT_EQ(system.environment("PILLARBOX_UNIT_TEST"), std::optional<std::string>(""));
  ::unsetenv("PILLARBOX_UNIT_TEST");
  EXPECT_EQ(system.environment("PILLARBOX_UNIT_TEST"), std::nullopt);
}

// A host with a HOME of the test's.
class Homely final : public System {
 public:
  explicit Homely(std::optional<std::string> home) : home_(std::move(home)) {}
  [[nodiscard]] std::optional<std::string> environment(const std::string& name) const override {
    return name == "HOME" ? home_ : std::nullopt;
  }

 private:
  std::optional<std::string> home_;
};

TEST(TheHomeFolder, IsTheEnvironmentsElseThePasswordFiles) {
  const test::Folder folder;
  folder.write("file", "");
  EXPECT_EQ(Homely(folder.path()).home(), folder.path());
  const auto entry = Homely(std::nullopt).home();
  EXPECT_EQ(Homely("").home(), entry);
  EXPECT_EQ(Homely("relative").home(), entry);
  EXPECT_EQ(Homely(folder.path("missing")).home(), entry);
  EXPECT_EQ(Homely(folder.path("file")).home(), entry);
  EXPECT_EQ(Homely(folder.path()).listed_home(), entry);
  if (const passwd* user = ::getpwuid(::getuid())) {
    EXPECT_EQ(entry, user->pw_dir);
  }
}

}  // namespace
}  // namespace pillarbox::base
