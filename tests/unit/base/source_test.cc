#include "base/source.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <thread>

#include "support.h"

namespace pillarbox::base {
namespace {

using test::everything;
using test::fails_as;
using test::Folder;
using test::memory;
using test::PiecesSource;
using test::succeeds;

TEST(FileSource, GivesAFileWhole) {
  const Folder folder;
  const std::string content(200001, 'x');
  const std::string path = folder.write("a", content);
  for (const std::size_t piece : {1000U, 65536U, 1000000U}) {
    auto source = open_source(path);
    ASSERT_TRUE(succeeds(source));
    EXPECT_EQ(*everything(**source, piece), content);
  }
}

TEST(FileSource, EndsWithAnEmptyFile) {
  const Folder folder;
  auto source = open_source(folder.write("a", ""));
  ASSERT_TRUE(succeeds(source));
  EXPECT_EQ(*everything(**source), "");
}

TEST(FileSource, FailsWhereAFileShrinks) {
  const Folder folder;
  const std::string path = folder.write("a", std::string(10000, 'x'));
  for (const off_t left : {5000, 0}) {
    auto source = open_source(path);
    ASSERT_TRUE(succeeds(source));
    std::vector<char> first(100);
    ASSERT_TRUE(succeeds((*source)->read(first)));
    ASSERT_EQ(::truncate(path.c_str(), left), 0);
    EXPECT_TRUE(fails_as(everything(**source), Error::Kind::io));
    ASSERT_EQ(::truncate(path.c_str(), 10000), 0);
  }
}

TEST(FileSource, EndsWhereAGrowingFileEndedAtItsOpening) {
  const Folder folder;
  const std::string path = folder.write("a", "12345");
  auto source = open_source(path);
  ASSERT_TRUE(succeeds(source));
  std::ofstream(path, std::ios::app) << "67890";
  EXPECT_EQ(*everything(**source, 3), "12345");
}

TEST(FileSource, BeginsWhereItsDescriptorStands) {
  const Folder folder;
  const UniqueFd fd(::open(folder.write("a", "head body").c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_EQ(::lseek(fd.get(), 5, SEEK_SET), 5);
  FileSource source(fd.get(), "a");
  EXPECT_EQ(*everything(source), "body");
  ASSERT_EQ(::lseek(fd.get(), 100, SEEK_SET), 100);
  FileSource beyond(fd.get(), "a");
  EXPECT_EQ(*everything(beyond), "");
}

TEST(FileSource, LeavesABorrowedDescriptorOpen) {
  const Folder folder;
  const UniqueFd fd(::open(folder.write("a", "x").c_str(), O_RDONLY | O_CLOEXEC));
  { const FileSource source(fd.get(), "a"); }
  EXPECT_GE(::fcntl(fd.get(), F_GETFD), 0);
}

TEST(FileSource, ReadsAPipeToItsEnd) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  FileSource source(UniqueFd{ends[0]}, "pipe");
  ASSERT_EQ(::write(ends[1], "one", 3), 3);
  std::vector<char> first(10);
  EXPECT_EQ(*source.read(first), 3U);
  ASSERT_EQ(::write(ends[1], "two", 3), 3);
  ::close(ends[1]);
  EXPECT_EQ(*everything(source), "two");
}

TEST(FileSource, WaitsForWhatANonBlockingPipeHasNotYet) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK), 0);
  FileSource source(UniqueFd{ends[0]}, "pipe");
  std::atomic<bool> over = false;
  std::thread writer([&] {
    for (const char* word : {"one", "two"}) {
      pollfd emptied{.fd = ends[0], .events = POLLIN, .revents = 0};
      while (!over && ::poll(&emptied, 1, 0) > 0) std::this_thread::yield();
      EXPECT_EQ(::write(ends[1], word, 3), 3);
    }
    ::close(ends[1]);
  });
  const auto read = everything(source);
  over = true;
  writer.join();
  ASSERT_TRUE(succeeds(read));
  EXPECT_EQ(*read, "onetwo");
}

TEST(FileSource, ASignalWhileItWaitsIsNoError) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK), 0);
  FileSource source(UniqueFd{ends[0]}, "pipe");
  struct sigaction before {};
  struct sigaction ignorant {};
  ignorant.sa_handler = [](int) {};
  ASSERT_EQ(::sigaction(SIGUSR1, &ignorant, &before), 0);
  std::thread writer([&, reader = ::pthread_self()] {
    for (int i = 0; i < 50; ++i) {  // one of them comes while it waits
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      ::pthread_kill(reader, SIGUSR1);
    }
    EXPECT_EQ(::write(ends[1], "one", 3), 3);
    ::close(ends[1]);
  });
  const auto read = everything(source);
  writer.join();
  ASSERT_EQ(::sigaction(SIGUSR1, &before, nullptr), 0);
  ASSERT_TRUE(succeeds(read));
  EXPECT_EQ(*read, "one");
}

TEST(FileSource, OfADirectoryIsAnErrorAndNoEnd) {
  const Folder folder;
  EXPECT_TRUE(fails_as(open_source(folder.path()), Error::Kind::no_input));
  FileSource source(UniqueFd(::open(folder.path().c_str(), O_RDONLY | O_CLOEXEC)), "standard input");
  EXPECT_TRUE(fails_as(everything(source), Error::Kind::io));
}

TEST(FileSource, OfAClosedDescriptorIsAnErrorAndNoEnd) {
  FileSource source(-1, "standard input");
  EXPECT_TRUE(fails_as(everything(source), Error::Kind::io));
}

TEST(OpeningASource, NamesTheFileAndTheReason) {
  const Folder folder;
  const auto missing = open_source(folder.path("missing"));
  ASSERT_TRUE(fails_as(missing, Error::Kind::no_input));
  EXPECT_TRUE(test::contains(missing.error().text, folder.path("missing")));
  EXPECT_TRUE(test::contains(missing.error().text, "No such file"));
}

TEST(PrefixedSource, GivesPrefixAndRest) {
  for (const std::size_t piece : {1U, 2U, 3U, 100U}) {
    PrefixedSource source("abc", std::make_unique<PiecesSource>("defg", 2));
    EXPECT_EQ(*everything(source, piece), "abcdefg");
  }
  PrefixedSource empty("", memory(""));
  EXPECT_EQ(*everything(empty), "");
  PrefixedSource failing("abc", std::make_unique<PiecesSource>("", 1, true));
  EXPECT_TRUE(fails_as(everything(failing), Error::Kind::io));
}

TEST(GoingBack, ToTheMarkAsOftenAsAsked) {
  const Folder folder;
  const std::string path = folder.write("f", "abcdefgh");
  std::vector<std::unique_ptr<Source>> sources;
  sources.push_back(memory("abcdefgh"));
  sources.push_back(*open_source(path));
  sources.push_back(std::make_unique<PrefixedSource>("abc", memory("defgh")));
  for (const auto& source : sources) {
    std::array<char, 2> two{};
    ASSERT_EQ(*source->read(two), 2U);
    ASSERT_TRUE(source->mark());
    for (int time = 0; time < 3; ++time) {
      EXPECT_EQ(*everything(*source, 3), "cdefgh");
      ASSERT_TRUE(source->back());
      ASSERT_GE(*source->read(two), 1U);  // from the middle as well
      ASSERT_TRUE(source->back());
      EXPECT_EQ(source->left(), 6U);
    }
  }
}

TEST(GoingBack, NotInAPipe) {
  PiecesSource pipe("abc");
  EXPECT_FALSE(pipe.mark());
  PrefixedSource prefixed("abc", std::make_unique<PiecesSource>("def"));
  EXPECT_FALSE(prefixed.mark());
}

TEST(KeptSource, GoesBackFromItsEnd) {
  KeptSource source(std::make_unique<PiecesSource>("abcdefgh", 3), 8);
  EXPECT_FALSE(source.back()) << "its end is not known";
  for (int time = 0; time < 3; ++time) {
    EXPECT_EQ(*everything(source, 3), "abcdefgh");
    EXPECT_TRUE(source.back());
  }
}

TEST(KeptSource, KeepsNotMoreThanItsLimit) {
  KeptSource source(std::make_unique<PiecesSource>("abcdefghi", 3), 8);
  EXPECT_EQ(*everything(source, 3), "abcdefghi");
  EXPECT_FALSE(source.back());
  KeptSource failing(std::make_unique<PiecesSource>("abc", 3, true), 8);
  EXPECT_TRUE(fails_as(everything(failing), Error::Kind::io));
  EXPECT_FALSE(failing.back());
}

TEST(Draining, ReadsToTheEndOrTheFailure) {
  PiecesSource source(std::string(300000, 'x'), 1000);
  drain(source);
  EXPECT_EQ(source.delivered(), 300000U);
  PiecesSource failing("x", 1, true);
  drain(failing);
  EXPECT_EQ(failing.reads(), 2U);
}

TEST(Draining, LeavesWhatNeverEnds) {
  PiecesSource fits(std::string(100000, 'x'), 1000);
  drain(fits, 100000);
  EXPECT_EQ(fits.delivered(), 100000U);
  PiecesSource large(std::string(300000, 'x'), 1000);
  drain(large, 100000);
  EXPECT_EQ(large.delivered(), 101000U);
}

TEST(ReadingAll, HasALimit) {
  PiecesSource fits(std::string(1000, 'x'), 7);
  EXPECT_EQ(read_all(fits, 1000)->size(), 1000U);
  PiecesSource large(std::string(1001, 'x'), 7);
  EXPECT_TRUE(fails_as(read_all(large, 1000), Error::Kind::data));
  PiecesSource failing("x", 1, true);
  EXPECT_TRUE(fails_as(read_all(failing, 1000), Error::Kind::io));
}

}  // namespace
}  // namespace pillarbox::base
