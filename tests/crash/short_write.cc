// Preloaded into a program: its write(2) number $SHORT_WRITE takes half of what it is given, and the file
// $SHORT_WRITE_DONE says so. strace(1) can't do that: it can only have a call return what it has not done.
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>

namespace {

bool is_the_one() {
  static int left = [] {
    const char* const number = std::getenv("SHORT_WRITE");
    return number ? std::atoi(number) : 0;
  }();
  return left > 0 && --left == 0;
}

}  // namespace

extern "C" __attribute__((visibility("default"))) ssize_t write(int fd, const void* data, size_t size) {
  if (size > 1 && is_the_one()) {
    const char* const done = std::getenv("SHORT_WRITE_DONE");
    if (done) ::close(::open(done, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    size /= 2;
  }
  return ::syscall(SYS_write, fd, data, size);
}
