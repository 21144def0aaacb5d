// What engines find in their environment.
#include <stdlib.h>

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/runtime/harness.h"

namespace atelier::runtime {
namespace {

std::string environment_of(int pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/environ", std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  std::string variables = text.str();
  std::replace(variables.begin(), variables.end(), '\0', '\n');
  return "\n" + variables;
}

TEST(EngineEnvironment, WhatTheUserSetIsThere) {
  setenv("OMP_WAIT_POLICY", "ACTIVE", 1);
  Engines engines;
  const auto instance = engines.loaded("m", R"({})");
  unsetenv("OMP_WAIT_POLICY");
  const std::string variables = environment_of(instance->info().pid);
  EXPECT_NE(variables.find("\nOMP_WAIT_POLICY=ACTIVE\n"), std::string::npos);
}

}  // namespace
}  // namespace atelier::runtime
