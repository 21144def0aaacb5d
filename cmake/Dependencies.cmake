# What Atelier stands on; docs/dependencies.md says why each is here.
find_package(Threads REQUIRED)
find_package(Boost 1.81 REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(nlohmann_json 3.11 REQUIRED)
find_package(Protobuf 3.21 REQUIRED)
find_package(CURL REQUIRED)
find_package(OpenSSL 3.0 REQUIRED COMPONENTS Crypto)
find_package(yaml-cpp REQUIRED)
find_package(CLI11 REQUIRED)

# Boost.Asio and Boost.Beast are header-only.
add_library(atelier_asio INTERFACE)
target_link_libraries(atelier_asio INTERFACE Boost::headers Threads::Threads)
target_compile_definitions(atelier_asio INTERFACE BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_DISABLE_BOOST_COROUTINE)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # Asio's coroutine frames have their own operator new and delete; where the sanitizers keep GCC from inlining one
  # of the two, it takes them for a mismatch.
  target_compile_options(atelier_asio INTERFACE -Wno-mismatched-new-delete)
endif()

if(ATELIER_TESTS)
  find_package(GTest REQUIRED)
  enable_testing()
endif()
