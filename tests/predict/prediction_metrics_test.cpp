#include "predict/prediction_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace atelier::predict {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string written(const PredictionMetrics& metrics) {
  metrics::Text text;
  metrics.write(text);
  return text.take();
}

ChoiceEnded answer(StopReason reason, std::uint64_t tokens) {
  ChoiceEnded ended;
  ended.reason = reason;
  ended.usage.prompt_tokens = 100;
  ended.usage.cached_tokens = 40;
  ended.usage.completion_tokens = tokens;
  ended.timing = {.queue_seconds = 0.002, .prompt_seconds = 0.5, .generation_seconds = 1};
  return ended;
}

TEST(PredictionMetrics, AddUpByModel) {
  PredictionMetrics metrics;
  metrics.first_token("a", 0.6);
  metrics.ended("a", answer(StopReason::kEndToken, 11));
  metrics.ended("a", answer(StopReason::kMaxTokens, 1));
  metrics.failed("b", ErrorCode::kContextLengthExceeded);
  metrics.messages_dropped("b", 3);
  const std::string text = written(metrics);
  EXPECT_THAT(text, HasSubstr("\natelier_predictions_total{model=\"a\",reason=\"end_token\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("\natelier_predictions_total{model=\"a\",reason=\"max_tokens\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("\natelier_prediction_prompt_tokens_total{model=\"a\"} 200\n"));
  EXPECT_THAT(text, HasSubstr("\natelier_prediction_cached_tokens_total{model=\"a\"} 80\n"));
  EXPECT_THAT(text, HasSubstr("\natelier_prediction_tokens_total{model=\"a\"} 12\n"));
  EXPECT_THAT(text, HasSubstr("{model=\"b\",code=\"context_length_exceeded\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("\natelier_prediction_dropped_messages_total{model=\"b\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("\natelier_prediction_queue_seconds_bucket{model=\"a\",le=\"0.0025\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("\natelier_prediction_first_token_seconds_count{model=\"a\"} 1\n"));
  // Ten tokens after the first in a second; an answer of one token has no pace.
  EXPECT_THAT(text, HasSubstr("\natelier_prediction_token_seconds_sum{model=\"a\"} 0.1\n"));
  EXPECT_THAT(text, HasSubstr("\natelier_prediction_token_seconds_count{model=\"a\"} 1\n"));
}

TEST(PredictionMetrics, StaySmallWhateverModelsThereAre) {
  PredictionMetrics metrics;
  for (int i = 0; i < 1000; ++i) metrics.messages_dropped("model-" + std::to_string(i), 1);
  metrics.messages_dropped("model-0", 1);
  const std::string text = written(metrics);
  EXPECT_THAT(text, HasSubstr("{model=\"model-0\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("atelier_prediction_dropped_messages_total{model=\"other\"} 900\n"));
  EXPECT_THAT(text, Not(HasSubstr("model-100\"")));
}

}  // namespace
}  // namespace atelier::predict
