# The inference library: one target, atelier::llama, for the engine, its tests and its benchmarks, and nobody else.
#
# It comes from the system where the system has libllama (find_package), else from the runtime folder that
# scripts/bootstrap makes (scripts/fetch-runtime). Programs linked against a runtime folder need the C library of that
# folder too, so they are started through its loader:
#
#   atelier_llama_executable(TARGET)   link TARGET with atelier::llama; add_test(… COMMAND TARGET) then starts it through
#                                      the loader by itself
#   ATELIER_ENGINE_LAUNCHER            for custom commands: the words to put before $<TARGET_FILE:TARGET> (a list; empty
#                                      with a system library)
#   ${CMAKE_BINARY_DIR}/bin/in-runtime script for people and other languages: in-runtime PROGRAM ARGUMENT…
#
# Nothing absolute is baked into the programs; runtimes/default/runtime.json under lib/atelier tells the server how to
# start the engine (decided layout: exe, loader, library_path, backends_dir, all relative to that file).
set(ATELIER_LLAMA_ROOT ${CMAKE_SOURCE_DIR}/build/runtime/llama CACHE PATH
    "Runtime folder to build the engine against where the system has no libllama")
option(ATELIER_SYSTEM_LLAMA "Use the system's libllama where there is one" ON)

set(ATELIER_ENGINE_LAUNCHER "")
set(ATELIER_RUNTIME_FOLDER "")
add_library(atelier::llama INTERFACE IMPORTED GLOBAL)

if(ATELIER_SYSTEM_LLAMA)
  find_package(llama CONFIG QUIET)
endif()
if(llama_FOUND)
  set(ATELIER_LLAMA_VERSION ${llama_VERSION})
  find_library(ATELIER_MTMD_LIBRARY mtmd REQUIRED)
  target_link_libraries(atelier::llama INTERFACE llama ggml ggml-base ${ATELIER_MTMD_LIBRARY})
  message(STATUS "Inference library: the system's libllama ${ATELIER_LLAMA_VERSION}")
elseif(EXISTS ${ATELIER_LLAMA_ROOT}/complete)
  set(ATELIER_RUNTIME_FOLDER ${ATELIER_LLAMA_ROOT})
  file(READ ${ATELIER_LLAMA_ROOT}/runtime.json runtime)
  # Configure again when the folder was brought anew.
  set_property(DIRECTORY ${CMAKE_SOURCE_DIR} APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${ATELIER_LLAMA_ROOT}/complete)
  string(JSON ATELIER_LLAMA_VERSION GET "${runtime}" version)
  string(JSON loader GET "${runtime}" loader)
  string(JSON library_path GET "${runtime}" library_path)
  string(JSON backends_dir GET "${runtime}" backends_dir)
  set(libraries ${ATELIER_LLAMA_ROOT}/${library_path})
  set(ATELIER_ENGINE_LAUNCHER ${ATELIER_LLAMA_ROOT}/${loader} --library-path ${libraries})

  target_include_directories(atelier::llama INTERFACE ${ATELIER_LLAMA_ROOT}/root/usr/include)
  # --no-as-needed: ggml-base and mtmd are wanted even where only their plug-ins refer to them.
  # --allow-shlib-undefined: these libraries want a newer C library than the one we link with; the loader brings it.
  target_link_libraries(atelier::llama INTERFACE
    -Wl,--allow-shlib-undefined -Wl,--push-state,--no-as-needed
    ${libraries}/libllama.so ${libraries}/libmtmd.so ${libraries}/libggml.so ${libraries}/libggml-base.so
    -Wl,--pop-state)
  message(STATUS "Inference library: libllama ${ATELIER_LLAMA_VERSION} from ${ATELIER_LLAMA_ROOT}")
else()
  message(FATAL_ERROR
    "There is no inference library: the system has no libllama, and ${ATELIER_LLAMA_ROOT} is not complete.\n"
    "Run scripts/bootstrap --run, then configure again.")
endif()

# CMake would write the folder of each library above into the programs' RUNPATH; the loader knows it already.
set(CMAKE_SKIP_RPATH ON)

# Asked once for each version of the library.
string(MAKE_C_IDENTIFIER "ATELIER_LLAMA_FITS_${ATELIER_LLAMA_VERSION}" fits)
if(NOT ${fits})
  unset(${fits} CACHE)
  try_compile(${fits} ${CMAKE_BINARY_DIR}/llama_api_check
    SOURCES ${CMAKE_SOURCE_DIR}/cmake/llama_api_check.cpp
    LINK_LIBRARIES atelier::llama
    CXX_STANDARD 23 CXX_STANDARD_REQUIRED ON
    OUTPUT_VARIABLE api_report)
  if(NOT ${fits})
    unset(${fits} CACHE)
    string(REGEX MATCHALL "[^\n]*(error|undefined reference)[^\n]*" api_report "${api_report}")
    list(JOIN api_report "\n  " api_report)
    message(FATAL_ERROR
      "libllama ${ATELIER_LLAMA_VERSION} does not have the functions that the engine was written for:\n"
      "  ${api_report}\n"
      "Either the library has moved on (adapt src/engine and cmake/llama_api_check.cpp to its llama.h), or its\n"
      "folder is damaged (remove ${ATELIER_LLAMA_ROOT} and run scripts/bootstrap --run).")
  endif()
endif()

function(atelier_llama_executable target)
  target_link_libraries(${target} PRIVATE atelier::llama)
  # CMake puts this before the program in add_test (in this policy version also when not cross-compiling).
  if(ATELIER_ENGINE_LAUNCHER)
    set_target_properties(${target} PROPERTIES CROSSCOMPILING_EMULATOR "${ATELIER_ENGINE_LAUNCHER}")
  endif()
endfunction()

# The build tree mirrors the installed one, so that programs find their parts relative to themselves in both.
set(resources ${CMAKE_BINARY_DIR}/lib/atelier/runtimes/default)
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/share/atelier/models)
if(ATELIER_RUNTIME_FOLDER)
  file(RELATIVE_PATH to_runtime ${resources} ${ATELIER_RUNTIME_FOLDER})
  file(CONFIGURE OUTPUT ${resources}/runtime.json @ONLY CONTENT [[{
  "name": "default",
  "exe": "../../../../bin/atelier-engine",
  "loader": "@to_runtime@/@loader@",
  "library_path": "@to_runtime@/@library_path@",
  "backends_dir": "@to_runtime@/@backends_dir@",
  "version": "@ATELIER_LLAMA_VERSION@"
}
]])
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/bin/in-runtime @ONLY CONTENT [[#!/bin/sh
# Starts a program of this build that is linked with the inference library: in-runtime PROGRAM ARGUMENT…
runtime='@ATELIER_RUNTIME_FOLDER@'
exec "$runtime/@loader@" --argv0 "$1" --library-path "$runtime/@library_path@" "$@"
]])
else()
  file(CONFIGURE OUTPUT ${resources}/runtime.json @ONLY CONTENT [[{
  "name": "default",
  "exe": "../../../../bin/atelier-engine",
  "version": "@ATELIER_LLAMA_VERSION@"
}
]])
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/bin/in-runtime @ONLY CONTENT [[#!/bin/sh
# Starts a program of this build: in-runtime PROGRAM ARGUMENT…
exec "$@"
]])
endif()
file(CHMOD ${CMAKE_BINARY_DIR}/bin/in-runtime FILE_PERMISSIONS
     OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
