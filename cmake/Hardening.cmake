# What every target is compiled with: warnings, hardening, and the instrumentation that a preset asks for.
include(CheckLinkerFlag)
add_library(pillarbox_flags INTERFACE)
target_compile_options(pillarbox_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wformat=2 -Wnon-virtual-dtor -Woverloaded-virtual
  -fstack-protector-strong)
target_compile_definitions(pillarbox_flags INTERFACE _GLIBCXX_ASSERTIONS)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|i.86")
  # The linker is told besides, for Debian 12's crt1.o and crti.o carry no mark of it: all that is ours has it.
  target_compile_options(pillarbox_flags INTERFACE -fcf-protection)
  check_linker_flag(CXX "-Wl,-z,ibt,-z,shstk" linker_marks_cf_protection)
  if(linker_marks_cf_protection)
    target_link_options(pillarbox_flags INTERFACE -Wl,-z,ibt,-z,shstk)
  endif()
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # -Wrestrict of GCC 12 sees overlaps in std::string that are not there (GCC bug 105329).
  target_compile_options(pillarbox_flags INTERFACE -fstack-clash-protection -ftrivial-auto-var-init=zero -Wno-restrict)
endif()
target_link_options(pillarbox_flags INTERFACE -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,--as-needed)

if(PILLARBOX_SANITIZE)
  target_compile_options(pillarbox_flags INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(pillarbox_flags INTERFACE -fsanitize=address,undefined)
elseif(CMAKE_BUILD_TYPE STREQUAL "Release")
  # Debian's own flags may bring a lower _FORTIFY_SOURCE.
  target_compile_options(pillarbox_flags INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
endif()
if(PILLARBOX_COVERAGE)
  target_compile_options(pillarbox_flags INTERFACE --coverage)
  target_link_options(pillarbox_flags INTERFACE --coverage)
endif()
if(PILLARBOX_FUZZ)
  target_compile_options(pillarbox_flags INTERFACE -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all)
  target_link_options(pillarbox_flags INTERFACE -fsanitize=address,undefined)
endif()
