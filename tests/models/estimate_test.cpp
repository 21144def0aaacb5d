#include "models/estimate.h"

#include <gtest/gtest.h>

namespace atelier::models {
namespace {

// The shape of a Llama 3.2 1B.
ModelEntry llama_1b() {
  ModelEntry model;
  model.weight_bytes = 700'000'000;
  model.tokenizer.vocabulary = 128'256;
  model.cache.layers = 16;
  model.cache.embedding_length = 2048;
  model.cache.feed_forward_length = 8192;
  model.cache.heads = 32;
  model.cache.kv_heads = {8};
  model.cache.key_length = 64;
  model.cache.value_length = 64;
  return model;
}

LoadShape shape_of(std::uint64_t cells) {
  LoadShape shape;
  shape.kv_cells = cells;
  return shape;
}

TEST(Estimate, CountsTheCache) {
  const ModelEntry model = llama_1b();
  EXPECT_EQ(estimate(model, shape_of(4096)).kv_cache, 128ull << 20);  // 32 KiB a token
  LoadShape small = shape_of(4096);
  small.key_type = small.value_type = CacheType::kQ8_0;
  EXPECT_EQ(estimate(model, small).kv_cache, (128ull << 20) / 64 * 34);
  EXPECT_EQ(estimate(model, shape_of(4000)).kv_cache, 128ull << 20) << "rounded up to 256 cells";
  EXPECT_EQ(estimate(model, shape_of(4096)).weights, 700'000'000u);
}

TEST(Estimate, CountsTheGraphAsLlamaCppReservesIt) {
  const ModelEntry model = llama_1b();
  const auto near = [](std::uint64_t bytes, double reserved_mib) {
    constexpr double kProcessMib = 48;
    const double mib = static_cast<double>(bytes) / (1 << 20) - kProcessMib;
    return mib > reserved_mib * 0.98 && mib < reserved_mib * 1.05;
  };
  EXPECT_TRUE(near(estimate(model, shape_of(8'192)).compute, 282.5));
  EXPECT_TRUE(near(estimate(model, shape_of(32'768)).compute, 302.5));
  LoadShape without = shape_of(8'192);
  without.flash_attention = false;
  EXPECT_TRUE(near(estimate(model, without).compute, 554.0));
}

TEST(Estimate, KeptStatesAreAsManyAsFitAndNoFewerThanRun) {
  ModelEntry model = llama_1b();
  model.cache.kv_heads = {0};
  model.cache.recurrent_elements = 1'000'000;  // 64 MB for all layers of one sequence
  LoadShape shape = shape_of(4096);
  EXPECT_EQ(estimate(model, shape).recurrent_state, 4 * 64'000'000u);
  shape.kept_state_bytes = 0;
  EXPECT_EQ(estimate(model, shape).recurrent_state, 10 * 64'000'000u);
  // Half of the weights, 350 MB, hold eleven of these.
  model.cache.recurrent_elements = 480'000;
  shape.kept_state_bytes = 1ull << 30;
  EXPECT_EQ(estimate(model, shape).recurrent_state, 15 * 30'720'000u);
  model.cache.recurrent_elements = 10;
  EXPECT_EQ(estimate(model, shape).recurrent_state, 68 * 640u);
  EXPECT_EQ(estimate(llama_1b(), shape).recurrent_state, 0u);
}

TEST(Estimate, SlidingLayersKeepTheirWindow) {
  ModelEntry model = llama_1b();
  const auto full = estimate(model, shape_of(65'536)).kv_cache;
  model.cache.sliding_window = 1024;
  model.cache.sliding_layers.assign(16, true);
  model.cache.sliding_layers[15] = false;
  const auto sliding = estimate(model, shape_of(65'536)).kv_cache;
  EXPECT_EQ(sliding, full / 16 + full / 16 * 15 * (4 * 1024 + 512) / 65'536);
  EXPECT_EQ(estimate(model, shape_of(256)).kv_cache, 8ull << 20) << "never more than the whole cache";
}

TEST(Estimate, LayersDiffer) {
  ModelEntry model = llama_1b();
  model.cache.kv_heads.assign(16, 0);
  model.cache.kv_heads[3] = 8;
  model.cache.recurrent_elements = 1'000'000;
  const auto hybrid = estimate(model, shape_of(4096));
  EXPECT_EQ(hybrid.kv_cache, 8ull << 20);
  EXPECT_EQ(hybrid.recurrent_state, 15ull * 4 * 4'000'000);
  ModelEntry latent = llama_1b();
  latent.cache.latent_length = 576;
  EXPECT_EQ(estimate(latent, shape_of(4096)).kv_cache, 16ull * 4096 * 576 * 2);
}

TEST(Estimate, EncodersHaveNoCache) {
  ModelEntry model = llama_1b();
  model.causal = false;
  EXPECT_EQ(estimate(model, shape_of(8192)).kv_cache, 0u);
}

TEST(Estimate, CountsProjectors) {
  ModelEntry model = llama_1b();
  model.projector = ModelFile{"mmproj.gguf", 800'000'000};
  const auto with = estimate(model, shape_of(4096));
  EXPECT_EQ(with.projector, 1'200'000'000u);
  EXPECT_EQ(with.total(), with.weights + with.projector + with.kv_cache + with.recurrent_state + with.compute);
}

TEST(Estimate, FindsTheCellsThatFit) {
  const ModelEntry model = llama_1b();
  const LoadShape wanted = shape_of(131'072);
  const std::uint64_t enough = estimate(model, wanted).total();
  EXPECT_EQ(cells_that_fit(model, wanted, enough), 131'072u);
  const auto fewer = cells_that_fit(model, wanted, enough - 1);
  ASSERT_TRUE(fewer);
  EXPECT_EQ(*fewer, 131'072u - 256);
  const auto few = cells_that_fit(model, wanted, 1'500'000'000);
  ASSERT_TRUE(few);
  EXPECT_LE(estimate(model, shape_of(*few)).total(), 1'500'000'000u);
  EXPECT_GT(estimate(model, shape_of(*few + 256)).total(), 1'500'000'000u);
  EXPECT_EQ(cells_that_fit(model, wanted, 100'000'000), std::nullopt);
  EXPECT_EQ(cells_that_fit(model, wanted, 1'500'000'000, *few + 1), std::nullopt);
}

TEST(Estimate, MadeUpMetadataStaysFinite) {
  ModelEntry model = llama_1b();
  model.cache.layers = 4096;
  model.cache.kv_heads = {1'000'000'000};
  model.cache.key_length = ~0ull;
  model.cache.value_length = ~0ull;
  model.cache.recurrent_elements = ~0ull;
  model.tokenizer.vocabulary = ~0ull;
  model.projector = ModelFile{"x", ~0ull >> 1};
  EXPECT_GE(estimate(model, shape_of(1ull << 40)).kv_cache, 1'000'000'000'000'000'000u);
}

TEST(Estimate, KnowsCacheTypes) {
  EXPECT_EQ(cache_type_from("f16"), CacheType::kF16);
  EXPECT_EQ(cache_type_from("iq4_nl"), CacheType::kIq4Nl);
  EXPECT_EQ(cache_type_from("q3"), std::nullopt);
}

}  // namespace
}  // namespace atelier::models
