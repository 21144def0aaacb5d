# Flags that every target of Atelier is compiled with.
add_library(atelier_compiler INTERFACE)
target_compile_options(atelier_compiler INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wimplicit-fallthrough)
if(ATELIER_WERROR)
  target_compile_options(atelier_compiler INTERFACE -Werror)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # GCC 12 reports copies inside std::string that cannot happen (GCC bug 105329, 105651).
  target_compile_options(atelier_compiler INTERFACE -Wno-restrict)
endif()
target_compile_options(atelier_compiler INTERFACE $<$<CONFIG:Release>:-g1>)
target_compile_definitions(atelier_compiler INTERFACE
  ATELIER_VERSION="${PROJECT_VERSION}"
  $<$<CONFIG:Debug>:_GLIBCXX_ASSERTIONS>)
if(ATELIER_FUZZ)
  # Coverage for libFuzzer in every room; the targets of tests/fuzz link its main().
  target_compile_options(atelier_compiler INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(ATELIER_SANITIZE)
  target_compile_options(atelier_compiler INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=undefined
                         -fno-omit-frame-pointer -O1)
  target_link_options(atelier_compiler INTERFACE -fsanitize=address,undefined)
endif()

find_program(ATELIER_CCACHE ccache)
if(ATELIER_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # Paths below the source tree are hashed relative to it, so that several build folders share one cache.
  set(CMAKE_CXX_COMPILER_LAUNCHER
      ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${ATELIER_CCACHE})
endif()
