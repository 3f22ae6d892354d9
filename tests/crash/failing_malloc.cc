// Preloaded into a program: allocation number $FAILING_MALLOC fails, in it and in each process that it starts. Where
// $MALLOC_COUNT names a file of this size, it says how many have been asked for, by the process that asked for most,
// how many failed, and whose call it was that did: the place in the program or library, and its name. C++ allocates by
// malloc(3) as well.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>

// glibc's own, by the names that are left when malloc is somebody else's.
extern "C" void* __libc_malloc(size_t);          // NOLINT(bugprone-reserved-identifier)
extern "C" void* __libc_calloc(size_t, size_t);  // NOLINT(bugprone-reserved-identifier)
extern "C" void* __libc_realloc(void*, size_t);  // NOLINT(bugprone-reserved-identifier)

namespace {

struct Shown {
  std::atomic<std::uint64_t> most, failed;
  std::uint64_t place;
  char module[232];
};
static_assert(sizeof(Shown) == 256);

Shown* shown_to_all() {
  const char* const name = std::getenv("MALLOC_COUNT");
  const int file = name ? ::open(name, O_RDWR | O_CLOEXEC) : -1;
  if (file < 0) return nullptr;
  void* const at = ::mmap(nullptr, sizeof(Shown), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  ::close(file);
  return at == MAP_FAILED ? nullptr : static_cast<Shown*>(at);
}

void show_caller(Shown& shown, const void* caller) {
  Dl_info info{};
  if (::dladdr(caller, &info) == 0) return;
  shown.place = static_cast<std::uint64_t>(static_cast<const char*>(caller) - static_cast<const char*>(info.dli_fbase));
  std::strncpy(shown.module, info.dli_fname, sizeof shown.module - 1);
}

bool fails(const void* caller) {
  static const char* const number = std::getenv("FAILING_MALLOC");
  static const std::uint64_t chosen = number ? std::strtoull(number, nullptr, 10) : 0;
  static Shown* const shown = shown_to_all();
  static std::atomic<std::uint64_t> count;
  const std::uint64_t now = ++count;
  if (shown) {
    std::uint64_t most = shown->most;
    while (most < now && !shown->most.compare_exchange_weak(most, now)) {
    }
  }
  if (now != chosen) return false;
  if (shown && shown->failed++ == 0) show_caller(*shown, caller);
  errno = ENOMEM;
  return true;
}

}  // namespace

#define VISIBLE extern "C" __attribute__((visibility("default")))

VISIBLE void* malloc(size_t size) {
  return fails(__builtin_return_address(0)) ? nullptr : __libc_malloc(size);
}
VISIBLE void* calloc(size_t count, size_t size) {
  return fails(__builtin_return_address(0)) ? nullptr : __libc_calloc(count, size);
}
VISIBLE void* realloc(void* old, size_t size) {
  return fails(__builtin_return_address(0)) ? nullptr : __libc_realloc(old, size);
}
