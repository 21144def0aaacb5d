#include "predict/sampling_defaults.h"

#include <gtest/gtest.h>

namespace atelier::predict {
namespace {

TEST(SamplingDefaults, AreTheApplicationsWhereNobodySaysOtherwise) {
  runtime::Sampling sampling;
  apply_sampling_defaults(sampling, {});
  EXPECT_EQ(sampling.temperature, 0.8F);
  EXPECT_EQ(sampling.top_p, 0.95F);
  EXPECT_EQ(sampling.top_k, 40);
  EXPECT_EQ(sampling.min_p, 0.05F);
  EXPECT_EQ(sampling.repeat_penalty, 1.1F);
  EXPECT_EQ(sampling.repeat_last_n, 64);
  EXPECT_FALSE(sampling.presence_penalty);
  EXPECT_FALSE(sampling.seed);
  EXPECT_FALSE(sampling.xtc_threshold);
}

TEST(SamplingDefaults, PreferTheRequestThenTheModel) {
  models::SamplingDefaults model;
  model.temperature = 0.7;
  model.top_k = 20;
  runtime::Sampling sampling;
  sampling.top_k = 5;
  apply_sampling_defaults(sampling, model);
  EXPECT_EQ(sampling.temperature, 0.7F);
  EXPECT_EQ(sampling.top_k, 5);
}

TEST(SamplingDefaults, GiveXtcItsThresholdOnlyWhenItIsOn) {
  runtime::Sampling sampling;
  sampling.xtc_probability = 0.5F;
  apply_sampling_defaults(sampling, {});
  EXPECT_EQ(sampling.xtc_threshold, 0.1F);
}

}  // namespace
}  // namespace atelier::predict
