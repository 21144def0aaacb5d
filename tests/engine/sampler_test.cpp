// Our sampler against the inference library's own chain: same candidates, same probabilities.
#include "engine/sampler.h"

#include <gtest/gtest.h>
#include <llama.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <random>
#include <vector>

#include "tests/engine/test_models.h"

namespace atelier::engine::test {
namespace {

constexpr std::uint32_t kContext = 2048;

struct ChainDeleter {
  void operator()(llama_sampler* chain) const { llama_sampler_free(chain); }
};
using Chain = std::unique_ptr<llama_sampler, ChainDeleter>;

// The library's chain in llama.cpp's order, up to the temperature.
Chain library_chain(const SamplerSettings& s, const llama_vocab* vocab, std::int32_t vocabulary_size) {
  Chain chain(llama_sampler_chain_init(llama_sampler_chain_default_params()));
  const auto add = [&](llama_sampler* sampler) { llama_sampler_chain_add(chain.get(), sampler); };
  std::vector<llama_logit_bias> bias;
  for (const auto& [token, value] : s.bias) bias.push_back({token, value});
  add(llama_sampler_init_logit_bias(vocabulary_size, static_cast<std::int32_t>(bias.size()), bias.data()));
  const std::int32_t window = s.repeat_last_n < 0 ? static_cast<std::int32_t>(kContext) : s.repeat_last_n;
  add(llama_sampler_init_penalties(vocabulary_size, window, s.repeat_penalty, s.frequency_penalty, s.presence_penalty));
  if (s.dry.multiplier > 0) {
    std::vector<const char*> breakers;
    for (const std::string& breaker : s.dry.sequence_breakers) breakers.push_back(breaker.c_str());
    const std::int32_t last = s.dry.last_n < 0 ? static_cast<std::int32_t>(kContext) : s.dry.last_n;
    add(llama_sampler_init_dry(vocab, s.dry.multiplier, s.dry.base, s.dry.allowed_length, last, breakers.data(),
                               breakers.size()));
  }
  if (s.mirostat == 0) {
    if (s.top_k > 0) add(llama_sampler_init_top_k(s.top_k));
    if (s.typical_p < 1) add(llama_sampler_init_typical(s.typical_p, 1));
    if (s.top_p < 1) add(llama_sampler_init_top_p(s.top_p, 1));
    if (s.min_p > 0) add(llama_sampler_init_min_p(s.min_p, 1));
    if (s.xtc_probability > 0) add(llama_sampler_init_xtc(s.xtc_probability, s.xtc_threshold, 1, 1));
  }
  add(llama_sampler_init_temp(s.temperature));
  if (s.mirostat == 1) add(llama_sampler_init_mirostat(vocabulary_size, 1, s.mirostat_tau, s.mirostat_eta, 100));
  if (s.mirostat == 2) add(llama_sampler_init_mirostat_v2(1, s.mirostat_tau, s.mirostat_eta));
  return chain;
}

std::map<std::int32_t, double> library_probabilities(llama_sampler* chain, const std::vector<float>& logits) {
  std::vector<llama_token_data> data;
  for (std::size_t i = 0; i < logits.size(); ++i) data.push_back({static_cast<std::int32_t>(i), logits[i], 0});
  llama_token_data_array array{data.data(), data.size(), -1, false};
  llama_sampler_apply(chain, &array);
  double sum = 0;
  float best = -INFINITY;
  for (std::size_t i = 0; i < array.size; ++i) best = std::max(best, array.data[i].logit);
  for (std::size_t i = 0; i < array.size; ++i) sum += std::exp(array.data[i].logit - best);
  std::map<std::int32_t, double> out;
  for (std::size_t i = 0; i < array.size; ++i) {
    const double p = std::exp(array.data[i].logit - best) / sum;
    if (array.data[i].logit > -INFINITY) out[array.data[i].id] = p;
  }
  return out;
}

SamplerSettings random_settings(std::mt19937& random, std::int32_t vocabulary_size) {
  const auto maybe = [&](float value, float off) { return random() % 2 == 0 ? value : off; };
  const auto unit = [&] { return static_cast<float>(random() % 1000) / 1000; };
  SamplerSettings s;
  s.temperature = 0.1F + 2 * unit();
  s.top_k = random() % 2 == 0 ? 0 : static_cast<std::int32_t>(random() % 100);
  s.top_p = maybe(unit(), 1);
  s.min_p = maybe(unit() * unit(), 0);
  s.typical_p = random() % 4 == 0 ? 0.05F + 0.9F * unit() : 1;
  s.repeat_penalty = maybe(0.5F + unit(), 1);
  s.presence_penalty = maybe(4 * unit() - 2, 0);
  s.frequency_penalty = maybe(4 * unit() - 2, 0);
  s.repeat_last_n = std::vector<std::int32_t>{-1, 0, 1, 64}[random() % 4];
  s.dry.multiplier = random() % 4 == 0 ? unit() : 0;
  if (random() % 4 == 0) {
    s.xtc_probability = 1;
    s.xtc_threshold = 0.5F * unit();
  }
  for (auto n = random() % 4; n > 0; --n) {
    // A probability of zero makes the library's typical sampling compute with NaN.
    const float bias = random() % 3 == 0 && s.typical_p >= 1 ? -INFINITY : 10 * unit() - 5;
    s.bias.emplace_back(static_cast<std::int32_t>(random() % static_cast<unsigned>(vocabulary_size)), bias);
  }
  s.seed = random();
  return s;
}

class AgainstTheLibrary : public testing::Test {
 protected:
  AgainstTheLibrary()
      : direct_(kTinyLlama, true), size_(llama_vocab_n_tokens(direct_.vocab())), dry_(direct_.vocab()) {}

  // True where both have the same candidates; a difference at the very edge of a threshold is counted apart.
  void compare(const SamplerSettings& settings, std::mt19937& random) {
    Chain chain = library_chain(settings, direct_.vocab(), size_);
    Sampler sampler(settings, kContext, settings.dry.multiplier > 0 ? dry_.make(settings.dry, kContext) : nullptr);
    // Repetitive, so that penalties and DRY have something to do.
    for (auto n = random() % 200; n > 0; --n) {
      const auto token = static_cast<std::int32_t>(random() % 12);
      sampler.accept(token);
      llama_sampler_accept(chain.get(), token);
    }
    std::normal_distribution<float> normal(0, 3);
    std::vector<float> logits(static_cast<std::size_t>(size_));
    for (float& logit : logits) logit = normal(random);
    const auto expected = library_probabilities(chain.get(), logits);
    sampler.adjust(logits);
    ASSERT_TRUE(sampler.choose(logits));
    std::map<std::int32_t, double> got;
    for (const Candidate& c : sampler.candidates()) got[c.token] = c.p;
    ++compared_;
    if (got.size() != expected.size()) {
      // Sums of floats in another order may cross a threshold one candidate earlier or later.
      const auto less = std::min(got.size(), expected.size());
      ASSERT_LE(std::max(got.size(), expected.size()) - less, 1U)
          << "ours " << got.size() << ", the library's " << expected.size() << ": top_k " << settings.top_k << " top_p "
          << settings.top_p << " min_p " << settings.min_p << " typical_p " << settings.typical_p << " xtc "
          << settings.xtc_probability << "/" << settings.xtc_threshold << " dry " << settings.dry.multiplier;
      ++borderline_;
      return;
    }
    for (const auto& [token, p] : expected) {
      ASSERT_TRUE(got.contains(token)) << token;
      ASSERT_NEAR(got[token], p, 2e-5);
    }
  }

  DirectModel direct_;
  std::int32_t size_;
  DryFactory dry_;
  int compared_ = 0;
  int borderline_ = 0;
};

TEST_F(AgainstTheLibrary, SameCandidatesAndProbabilitiesForRandomSettings) {
  std::mt19937 random(1);
  for (int round = 0; round < 5000 && !HasFatalFailure(); ++round) compare(random_settings(random, size_), random);
  EXPECT_LE(borderline_, compared_ / 200);
}

TEST_F(AgainstTheLibrary, SameCandidatesWithMirostat) {
  std::mt19937 random(2);
  for (int round = 0; round < 300 && !HasFatalFailure(); ++round) {
    SamplerSettings settings;
    settings.mirostat = 1 + round % 2;
    settings.mirostat_tau = 0.5F + static_cast<float>(random() % 80) / 10;
    settings.temperature = 0.3F + static_cast<float>(random() % 20) / 10;
    compare(settings, random);
  }
  EXPECT_LE(borderline_, compared_ / 50);
}

// Vocabularies of any size, and logits that are hard for selections. Equal logits are in no order, so what is compared
// is the sorted probabilities; which tokens it must be, logit_scan_test.cpp asks.
TEST(SamplerAgainstTheLibrary, SameProbabilitiesForAnyVocabularyAndLogits) {
  load_backends();
  std::mt19937 random(5);
  int borderline = 0;
  constexpr int kRounds = 3000;
  for (int round = 0; round < kRounds; ++round) {
    const std::size_t size = round % 10 == 0 ? 1 + random() % 20000 : 1 + random() % 2500;
    SamplerSettings settings = random_settings(random, static_cast<std::int32_t>(size));
    settings.dry.multiplier = 0;
    if (random() % 8 == 0) settings.top_k = static_cast<std::int32_t>(size + random() % 5);
    const bool masks = settings.typical_p >= 1;  // the library's typical sampling computes with NaN else
    std::vector<float> logits(size);
    std::normal_distribution<float> normal(0, 3);
    const auto shape = random() % 6;
    for (std::size_t i = 0; i < size; ++i) {
      switch (shape) {
        case 0: logits[i] = normal(random); break;
        case 1: logits[i] = 1; break;
        case 2: logits[i] = masks && random() % 100 != 0 ? -INFINITY : normal(random); break;
        case 3: logits[i] = static_cast<float>(random() % 5); break;
        case 4: logits[i] = masks ? 1e6F * normal(random) : 2 * normal(random); break;
        default: logits[i] = (random() % 200 == 0 ? 15.0F : 0.0F) + normal(random) / 2; break;
      }
    }
    logits[random() % size] = 2;
    Chain chain = library_chain(settings, nullptr, static_cast<std::int32_t>(size));
    Sampler sampler(settings, kContext, nullptr);
    for (auto n = random() % 100; n > 0; --n) {
      const auto token = static_cast<std::int32_t>(random() % std::min<std::size_t>(size, 12));
      sampler.accept(token);
      llama_sampler_accept(chain.get(), token);
    }
    const auto library = library_probabilities(chain.get(), logits);
    sampler.adjust(logits);
    if (!sampler.choose(logits)) {
      ASSERT_TRUE(library.empty());
      continue;
    }
    std::vector<double> expected;
    for (const auto& [token, p] : library) expected.push_back(p);
    std::vector<double> got;
    for (const Candidate& c : sampler.candidates()) got.push_back(c.p);
    std::sort(expected.rbegin(), expected.rend());
    std::sort(got.rbegin(), got.rend());
    if (got.size() != expected.size()) {
      ++borderline;
      continue;
    }
    for (std::size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], expected[i], 2e-5) << "round " << round;
  }
  // Floats summed in another order may cross a threshold one candidate earlier or later.
  EXPECT_LE(borderline, kRounds / 200);
}

TEST_F(AgainstTheLibrary, TemperatureZeroIsTheLargestAfterPenaltiesAndBias) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal(0, 3);
  for (int round = 0; round < 300; ++round) {
    SamplerSettings settings = random_settings(random, size_);
    settings.temperature = 0;
    Sampler sampler(settings, kContext, settings.dry.multiplier > 0 ? dry_.make(settings.dry, kContext) : nullptr);
    for (int i = 0; i < 50; ++i) sampler.accept(static_cast<std::int32_t>(random() % 8));
    std::vector<float> logits(static_cast<std::size_t>(size_));
    for (float& logit : logits) logit = normal(random);
    sampler.adjust(logits);
    const auto expected = std::max_element(logits.begin(), logits.end()) - logits.begin();
    EXPECT_EQ(sampler.choose(logits), expected);
  }
}

TEST(Sampler, DrawsAsOftenAsTheProbabilitiesSay) {
  SamplerSettings settings;
  settings.seed = 42;
  Sampler sampler(settings, kContext, nullptr);
  const std::vector<float> logits = {std::log(0.5F), std::log(0.3F), std::log(0.15F), std::log(0.05F)};
  const double expected[] = {0.5, 0.3, 0.15, 0.05};
  constexpr int kDraws = 40000;
  int counts[4] = {};
  for (int i = 0; i < kDraws; ++i) ++counts[*sampler.choose(logits)];
  for (int i = 0; i < 4; ++i) {
    const double deviation = std::sqrt(kDraws * expected[i] * (1 - expected[i]));
    EXPECT_NEAR(counts[i], kDraws * expected[i], 5 * deviation);
  }
}

TEST(Sampler, MirostatHoldsTheSurpriseNearItsTarget) {
  std::mt19937 random(9);
  std::normal_distribution<float> normal(0, 2);
  for (const int version : {1, 2}) {
    SamplerSettings settings;
    settings.mirostat = version;
    settings.mirostat_tau = 3;
    settings.seed = 5;
    Sampler sampler(settings, kContext, nullptr);
    double sum = 0;
    constexpr int kSteps = 2000;
    std::vector<float> logits(2000);
    for (int i = 0; i < kSteps; ++i) {
      for (float& logit : logits) logit = normal(random);
      const auto token = sampler.choose(logits);
      for (const Candidate& c : sampler.candidates()) {
        if (c.token == *token) sum -= std::log2(c.p);
      }
    }
    EXPECT_NEAR(sum / kSteps, 3, 0.1) << version;
  }
}

TEST(Sampler, TheSameSeedGivesTheSameTokens) {
  std::mt19937 random(4);
  std::normal_distribution<float> normal(0, 2);
  SamplerSettings settings;
  settings.seed = 7;
  settings.top_k = 40;
  settings.xtc_probability = 0.5F;
  Sampler a(settings, kContext, nullptr);
  Sampler b(settings, kContext, nullptr);
  settings.seed = 8;
  Sampler other(settings, kContext, nullptr);
  int different = 0;
  for (int i = 0; i < 200; ++i) {
    std::vector<float> logits(500);
    for (float& logit : logits) logit = normal(random);
    const auto token = a.choose(logits);
    EXPECT_EQ(b.choose(logits), token);
    if (other.choose(logits) != token) ++different;
  }
  EXPECT_GT(different, 50);
}

TEST(Sampler, ABannedTokenNeverComes) {
  SamplerSettings settings;
  for (std::int32_t token = 1; token < 100; ++token) settings.bias.emplace_back(token, -INFINITY);
  for (const float temperature : {0.0F, 1.0F}) {
    settings.temperature = temperature;
    Sampler sampler(settings, kContext, nullptr);
    std::vector<float> logits(100, 1);
    logits[0] = -50;
    sampler.adjust(logits);
    EXPECT_EQ(sampler.choose(logits), 0);
    settings.bias.emplace_back(0, -INFINITY);
    Sampler nothing(settings, kContext, nullptr);
    logits.assign(100, 1);
    nothing.adjust(logits);
    EXPECT_FALSE(nothing.choose(logits));
    settings.bias.pop_back();
  }
}

}  // namespace
}  // namespace atelier::engine::test
