#include "predict/prediction_metrics.h"

namespace atelier::predict {
namespace {

using metrics::Type;

constexpr std::string_view kOtherModels = "other";

std::string_view name_of(StopReason reason) {
  switch (reason) {
    case StopReason::kEndToken: return "end_token";
    case StopReason::kStopString: return "stop_string";
    case StopReason::kMaxTokens: return "max_tokens";
    case StopReason::kContextLength: return "context_length";
    case StopReason::kCancelled: return "cancelled";
    case StopReason::kToolCalls: return "tool_calls";
  }
  return "unknown";
}

}  // namespace

PredictionMetrics::Model& PredictionMetrics::of(std::string_view model_key) {
  const auto found = models_.find(model_key);
  if (found != models_.end()) return found->second;
  return models_[std::string(models_.size() < kMostModels ? model_key : kOtherModels)];
}

void PredictionMetrics::first_token(std::string_view model_key, double seconds) {
  of(model_key).first_token.observe(seconds);
}

void PredictionMetrics::ended(std::string_view model_key, const ChoiceEnded& ended) {
  Model& model = of(model_key);
  ++model.ended[ended.reason];
  model.prompt_tokens += ended.usage.prompt_tokens;
  model.cached_tokens += ended.usage.cached_tokens;
  model.completion_tokens += ended.usage.completion_tokens;
  model.queue.observe(ended.timing.queue_seconds);
  model.prompt.observe(ended.timing.prompt_seconds);
  const std::uint64_t after_first = ended.usage.completion_tokens - (ended.usage.completion_tokens > 0 ? 1 : 0);
  if (after_first > 0) model.token.observe(ended.timing.generation_seconds / static_cast<double>(after_first));
}

void PredictionMetrics::failed(std::string_view model_key, ErrorCode code) { ++of(model_key).failed[code]; }

void PredictionMetrics::messages_dropped(std::string_view model_key, std::uint64_t count) {
  of(model_key).messages_dropped += count;
}

void PredictionMetrics::write(metrics::Text& text) const {
  const auto counter = [&](std::string_view name, std::string_view help, std::uint64_t Model::* member) {
    text.family(name, Type::kCounter, help);
    for (const auto& [key, model] : models_) text.sample({{"model", key}}, model.*member);
  };
  const auto histogram = [&](std::string_view name, std::string_view help, metrics::Histogram Model::* member) {
    text.family(name, Type::kHistogram, help);
    for (const auto& [key, model] : models_) text.histogram({{"model", key}}, model.*member);
  };
  text.family("atelier_predictions_total", Type::kCounter, "Answers that ended, by the reason why they did.");
  for (const auto& [key, model] : models_) {
    for (const auto& [reason, count] : model.ended) {
      text.sample({{"model", key}, {"reason", name_of(reason)}}, count);
    }
  }
  text.family("atelier_prediction_failures_total", Type::kCounter,
              "Predictions that ended with an error after their model was found, by its code.");
  for (const auto& [key, model] : models_) {
    for (const auto& [code, count] : model.failed) text.sample({{"model", key}, {"code", to_string(code)}}, count);
  }
  counter("atelier_prediction_prompt_tokens_total", "Tokens of prompts, reused ones included.", &Model::prompt_tokens);
  counter("atelier_prediction_cached_tokens_total", "Tokens of prompts that needed no work.", &Model::cached_tokens);
  counter("atelier_prediction_tokens_total", "Tokens of answers.", &Model::completion_tokens);
  counter("atelier_prediction_dropped_messages_total",
          "Messages left out of prompts because the conversation was longer than the context.",
          &Model::messages_dropped);
  histogram("atelier_prediction_queue_seconds", "From a prompt's arrival at its engine to the first work for it.",
            &Model::queue);
  histogram("atelier_prediction_prompt_seconds", "From the first work for a prompt to the first token of its answer.",
            &Model::prompt);
  histogram("atelier_prediction_first_token_seconds",
            "From a request to the first token of an answer, a load of the model included.", &Model::first_token);
  histogram("atelier_prediction_token_seconds", "Mean time of an answer's tokens after its first.", &Model::token);
}

}  // namespace atelier::predict
