#include "runtime/restart_backoff.h"

#include <gtest/gtest.h>

namespace atelier::runtime {
namespace {

using namespace std::chrono_literals;
const RestartBackoff::Time kStart{1h};

TEST(RestartBackoff, TheFirstCrashCostsNothing) {
  RestartBackoff backoff;
  backoff.crashed("model", "v1", "signal 6", kStart);
  EXPECT_FALSE(backoff.refusal("model", "v1", kStart));
}

TEST(RestartBackoff, WaitsDoubleUpToALimit) {
  RestartBackoff backoff;
  auto now = kStart;
  backoff.crashed("model", "v1", "signal 6", now);
  for (const auto expected : {1s, 2s, 4s, 8s, 16s, 32s, 60s, 60s, 60s}) {
    backoff.crashed("model", "v1", "signal 6", now);
    const auto refusal = backoff.refusal("model", "v1", now);
    ASSERT_TRUE(refusal);
    EXPECT_EQ(refusal->wait, expected);
    EXPECT_EQ(refusal->reason, "signal 6");
    EXPECT_TRUE(backoff.refusal("model", "v1", now + expected - 1ms));
    EXPECT_FALSE(backoff.refusal("model", "v1", now + expected));
    now += expected;
  }
}

TEST(RestartBackoff, AChangedFileStartsAnew) {
  RestartBackoff backoff;
  for (int i = 0; i < 5; ++i) backoff.crashed("model", "v1", "signal 6", kStart);
  EXPECT_TRUE(backoff.refusal("model", "v1", kStart));
  EXPECT_FALSE(backoff.refusal("model", "v2", kStart));
  backoff.crashed("model", "v2", "signal 6", kStart);
  EXPECT_FALSE(backoff.refusal("model", "v2", kStart)) << "its first crash";
}

TEST(RestartBackoff, ALoadEndsIt) {
  RestartBackoff backoff;
  for (int i = 0; i < 5; ++i) backoff.crashed("model", "v1", "signal 6", kStart);
  backoff.loaded("model");
  EXPECT_FALSE(backoff.refusal("model", "v1", kStart));
}

TEST(RestartBackoff, ModelsAreIndependentAndBounded) {
  RestartBackoff backoff;
  for (int i = 0; i < 3000; ++i) backoff.crashed("model " + std::to_string(i), "v1", "", kStart);
  for (int i = 0; i < 2; ++i) backoff.crashed("mine", "v1", "", kStart);
  EXPECT_TRUE(backoff.refusal("mine", "v1", kStart));
  EXPECT_FALSE(backoff.refusal("yours", "v1", kStart));
}

}  // namespace
}  // namespace atelier::runtime
