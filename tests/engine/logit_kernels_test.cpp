#include "engine/logit_kernels.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace atelier::engine {
namespace {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// Floats of any bits, NaN and infinities among them.
std::vector<float> any_floats(std::mt19937& random, std::size_t chunks) {
  std::vector<float> values(chunks * kChunk);
  for (float& value : values) value = std::bit_cast<float>(static_cast<std::uint32_t>(random()));
  return values;
}

TEST(LogitKernels, MaximaAreThoseOfThePlainLoop) {
  std::mt19937 random(1);
  const LogitKernels& plain = logit_kernels().back();
  for (const LogitKernels& kernels : logit_kernels()) {
    for (int round = 0; round < 100; ++round) {
      const std::size_t chunks = random() % 6;
      auto values = any_floats(random, chunks);
      if (round % 3 == 0) {
        for (float& value : values) value = random() % 3 == 0 ? kNan : random() % 2 == 0 ? kMinusInfinity : 1;
      }
      std::vector<float> columns(chunks * kColumns);
      std::vector<float> largest(chunks);
      auto expected_columns = columns;
      auto expected_largest = largest;
      plain.maxima(values.data(), chunks, expected_columns.data(), expected_largest.data());
      kernels.maxima(values.data(), chunks, columns.data(), largest.data());
      ASSERT_EQ(columns, expected_columns) << kernels.name;
      ASSERT_EQ(largest, expected_largest) << kernels.name;
    }
  }
}

TEST(LogitKernels, PlainMaximaAreMaxima) {
  std::mt19937 random(2);
  const auto values = any_floats(random, 3);
  std::vector<float> columns(3 * kColumns);
  std::vector<float> largest(3);
  logit_kernels().back().maxima(values.data(), 3, columns.data(), largest.data());
  for (std::size_t chunk = 0; chunk < 3; ++chunk) {
    float best = kMinusInfinity;
    for (std::size_t column = 0; column < kColumns; ++column) {
      float expected = kMinusInfinity;
      for (std::size_t i = chunk * kChunk + column; i < (chunk + 1) * kChunk; i += kColumns) {
        if (!std::isnan(values[i])) expected = std::max(expected, values[i]);
      }
      EXPECT_EQ(columns[chunk * kColumns + column], expected);
      best = std::max(best, expected);
    }
    EXPECT_EQ(largest[chunk], best);
  }
}

TEST(LogitKernels, ExponentialsHaveTheSameBitsOnEveryKernel) {
  std::mt19937 random(3);
  std::uniform_real_distribution<float> spread(0.1F, 60);
  const LogitKernels& plain = logit_kernels().back();
  for (const LogitKernels& kernels : logit_kernels()) {
    for (int round = 0; round < 60; ++round) {
      const std::size_t chunks = random() % 5;
      std::vector<float> values(chunks * kChunk);
      std::normal_distribution<float> normal(0, spread(random));
      float largest = 3;
      for (float& value : values) {
        value = random() % 100 == 0 ? kNan : random() % 100 == 0 ? kMinusInfinity : normal(random);
        if (value > largest) largest = value;
      }
      if (round % 5 == 0) values = any_floats(random, chunks);
      const float scale = spread(random) / 20;
      std::vector<float> out(values.size());
      auto expected_out = out;
      ExponentialSum sum;
      ExponentialSum expected_sum;
      ExponentialSum sum_alone;
      plain.exponentials(values.data(), chunks, largest, scale, expected_out.data(), expected_sum);
      kernels.exponentials(values.data(), chunks, largest, scale, out.data(), sum);
      kernels.exponentials(values.data(), chunks, largest, scale, nullptr, sum_alone);
      for (std::size_t i = 0; i < out.size(); ++i) {
        ASSERT_EQ(std::bit_cast<std::uint32_t>(out[i]), std::bit_cast<std::uint32_t>(expected_out[i]))
            << kernels.name << " " << values[i];
      }
      ASSERT_EQ(std::bit_cast<std::uint64_t>(sum.total()), std::bit_cast<std::uint64_t>(expected_sum.total()));
      ASSERT_EQ(std::bit_cast<std::uint64_t>(sum_alone.total()), std::bit_cast<std::uint64_t>(expected_sum.total()));
    }
  }
}

TEST(LogitKernels, OneExponentialIsOneOfTheKernels) {
  std::vector<float> values(kChunk);
  for (std::size_t i = 0; i < kChunk; ++i) values[i] = -0.09F * static_cast<float>(i);
  std::vector<float> out(kChunk);
  ExponentialSum sum;
  logit_kernels().front().exponentials(values.data(), 1, 0, 1, out.data(), sum);
  for (std::size_t i = 0; i < kChunk; ++i) EXPECT_EQ(out[i], exponential(values[i])) << values[i];
}

// Every 61st float between -86 and 0.
TEST(LogitKernels, TheExponentialIsAsExactAsItSays) {
  double worst = 0;
  for (std::uint32_t bits = 0; std::bit_cast<float>(bits) < 86; bits += 61) {
    const float x = -std::bit_cast<float>(bits);
    const double exact = std::exp(static_cast<double>(x));
    worst = std::max(worst, std::fabs(exponential(x) - exact) / exact / (1 - static_cast<double>(x)));
  }
  EXPECT_LT(worst, 1e-7);
  EXPECT_EQ(exponential(0), 1);
  EXPECT_EQ(exponential(-90), 0);
  EXPECT_EQ(exponential(kMinusInfinity), 0);
  EXPECT_EQ(exponential(kNan), 0);
}

TEST(LogitKernels, SumsAreWithinTheirBound) {
  std::mt19937 random(4);
  for (int round = 0; round < 60; ++round) {
    std::vector<float> values(8 * kChunk);
    std::normal_distribution<float> normal(0, static_cast<float>(round + 1) / 4);
    float largest = kMinusInfinity;
    for (float& value : values) largest = std::max(largest, value = round % 7 == 0 ? 1.5F : normal(random));
    const float scale = 1 / (0.3F + static_cast<float>(round % 5) / 3);
    double exact = 0;
    for (const float value : values) exact += std::exp((static_cast<double>(value) - largest) * scale);
    ExponentialSum sum;
    logit_kernels().front().exponentials(values.data(), 8, largest, scale, nullptr, sum);
    EXPECT_NEAR(sum.total(), exact, 2e-6 * exact);
  }
}

}  // namespace
}  // namespace atelier::engine
