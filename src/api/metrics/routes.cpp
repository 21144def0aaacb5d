#include "api/metrics/routes.h"

#include <algorithm>
#include <vector>

#include "base/metrics.h"

namespace atelier::api {
namespace {

using boost::asio::awaitable;
using metrics::Type;
using predict::EngineStatistics;
using predict::InstanceStatistics;

// One family after the other, each with all engines.
class EngineText {
 public:
  EngineText(metrics::Text& text, const std::vector<InstanceStatistics>& all) : text_(text), all_(all) {}

  template <class Value>
  void each(std::string_view name, Type type, std::string_view help, Value value) {
    text_.family(name, type, help);
    for (const InstanceStatistics& instance : all_) {
      if (!counts(instance)) continue;
      text_.sample({{"instance", instance.info.id}, {"model", instance.info.model_key}},
                   static_cast<std::uint64_t>(value(*instance.engine)));
    }
  }

  void histograms(std::string_view name, std::string_view help, metrics::HistogramCounts EngineStatistics::* which) {
    text_.family(name, Type::kHistogram, help);
    for (const InstanceStatistics& instance : all_) {
      if (!counts(instance)) continue;
      text_.histogram({{"instance", instance.info.id}, {"model", instance.info.model_key}}, *instance.engine.*which);
    }
  }

  // The same with one more label: parts of a whole.
  struct Part {
    std::string_view label;
    std::uint64_t (*value)(const EngineStatistics&);
  };
  void parts(std::string_view name, Type type, std::string_view help, std::string_view label,
             const std::vector<Part>& parts) {
    text_.family(name, type, help);
    for (const InstanceStatistics& instance : all_) {
      if (!counts(instance)) continue;
      for (const Part& part : parts) {
        text_.sample({{"instance", instance.info.id}, {"model", instance.info.model_key}, {label, part.label}},
                     part.value(*instance.engine));
      }
    }
  }

 private:
  // Engines of embedding models schedule nothing.
  static bool counts(const InstanceStatistics& instance) {
    return instance.engine && instance.info.kind == predict::ModelKind::kLlm;
  }
  metrics::Text& text_;
  const std::vector<InstanceStatistics>& all_;
};

void write_instances(metrics::Text& text, const std::vector<InstanceStatistics>& all) {
  text.family("atelier_engine_up", Type::kGauge, "Whether the engine of a loaded model said in time what it counts.");
  for (const InstanceStatistics& instance : all) {
    text.sample({{"instance", instance.info.id}, {"model", instance.info.model_key}},
                std::uint64_t{instance.engine ? 1u : 0u});
  }
  text.family("atelier_instance_requests", Type::kGauge, "Requests to a loaded model that wait or run.");
  for (const InstanceStatistics& instance : all) {
    text.sample({{"instance", instance.info.id}, {"model", instance.info.model_key}},
                std::uint64_t{instance.info.queued});
  }
  text.family("atelier_instance_load_seconds", Type::kGauge, "What the model's load took.");
  for (const InstanceStatistics& instance : all) {
    text.sample({{"instance", instance.info.id}, {"model", instance.info.model_key}}, instance.info.load_seconds);
  }
}

void write_work(EngineText& engines) {
  using S = EngineStatistics;
  engines.each("atelier_engine_running", Type::kGauge, "Predictions that take part in the engine's steps.",
               [](const S& s) { return s.running; });
  engines.each("atelier_engine_waiting", Type::kGauge, "Predictions that are not admitted yet.",
               [](const S& s) { return s.waiting; });
  engines.each("atelier_engine_paused", Type::kGauge, "Predictions that wait for a slow client.",
               [](const S& s) { return s.paused; });
  engines.each("atelier_engine_steps_total", Type::kCounter, "Batches that the model computed.",
               [](const S& s) { return s.decode_steps; });
  engines.histograms("atelier_engine_step_seconds", "What computing a batch took.", &S::step_seconds);
  engines.histograms("atelier_engine_step_tokens", "Tokens of a batch, of prompts, answers and guesses together.",
                     &S::step_tokens);
  engines.each("atelier_engine_preemptions_total", Type::kCounter,
               "Predictions that gave their cells to others and went on later.",
               [](const S& s) { return s.preemptions; });
  engines.parts(
      "atelier_engine_context_shifts_total", Type::kCounter,
      "Times that a full context lost its older half, by what became of the cells that stayed.", "cells",
      {{"moved", [](const S& s) { return s.context_shifts - std::min(s.context_shifts, s.context_shifts_computed); }},
       {"computed", [](const S& s) { return s.context_shifts_computed; }}});
  engines.each("atelier_engine_predicted_tokens_total", Type::kCounter, "Tokens that were sampled.",
               [](const S& s) { return s.predicted_tokens; });
  engines.parts(
      "atelier_engine_draft_tokens_total", Type::kCounter, "Tokens that were guessed and verified, by what came of it.",
      "result",
      {{"accepted", [](const S& s) { return s.draft_tokens_accepted; }},
       {"rejected", [](const S& s) { return s.draft_tokens - std::min(s.draft_tokens, s.draft_tokens_accepted); }}});
}

void write_cache(EngineText& engines) {
  using S = EngineStatistics;
  engines.each("atelier_engine_prompt_tokens_computed_total", Type::kCounter, "Tokens of prompts that were computed.",
               [](const S& s) { return s.prompt_tokens_computed; });
  engines.parts("atelier_engine_prompt_tokens_reused_total", Type::kCounter,
                "Tokens of prompts that had been computed before, by where they were.", "tier",
                {{"cells",
                  [](const S& s) {
                    const std::uint64_t others = s.prompt_tokens_from_memory + s.prompt_tokens_from_disk;
                    return s.prompt_tokens_reused - std::min(s.prompt_tokens_reused, others);
                  }},
                 {"memory", [](const S& s) { return s.prompt_tokens_from_memory; }},
                 {"disk", [](const S& s) { return s.prompt_tokens_from_disk; }}});
  engines.each("atelier_engine_prompt_tokens_unusable_total", Type::kCounter,
               "Tokens of prompts that were there and computed again, because the model cannot be cut at that place.",
               [](const S& s) { return s.prompt_tokens_unusable; });
  engines.each("atelier_engine_checkpoints_kept_total", Type::kCounter,
               "States that prompts left on their way for others, of models that cannot be cut anywhere.",
               [](const S& s) { return s.checkpoints_kept; });
  engines.each("atelier_engine_checkpoints_used_total", Type::kCounter, "Prompts that went on from such a state.",
               [](const S& s) { return s.checkpoints_used; });
  engines.each("atelier_engine_kv_cells", Type::kGauge, "Cells of the KV cache.",
               [](const S& s) { return s.cells_total; });
  engines.each("atelier_engine_kv_cells_used", Type::kGauge, "Cells that predictions hold.",
               [](const S& s) { return s.cells_used; });
  engines.each("atelier_engine_kv_cells_cached", Type::kGauge, "Cells of ended predictions, free when they are needed.",
               [](const S& s) { return s.cells_cached; });
  engines.each("atelier_engine_kv_cells_evicted_total", Type::kCounter, "Cached cells that were needed by others.",
               [](const S& s) { return s.cells_evicted; });
  engines.each("atelier_engine_cached_sequences", Type::kGauge, "Ended predictions with cells in the cache.",
               [](const S& s) { return s.sequences_cached; });
  engines.each("atelier_engine_kv_memory_bytes", Type::kGauge, "Memory with parts of the KV cache beside the cells.",
               [](const S& s) { return s.kv_memory_bytes; });
  engines.each("atelier_engine_kv_disk_blocks", Type::kGauge, "Files with parts of the model's KV cache.",
               [](const S& s) { return s.kv_disk_blocks; });
}

awaitable<void> metrics_text(const ApiContext& context, const MetricsSources& sources, net::Exchange& exchange) {
  const std::vector<InstanceStatistics> instances = co_await context.models.statistics(sources.engine_time);
  metrics::Text text;
  text.family("atelier_build_info", Type::kGauge, "Always 1; the version is in the label.");
  text.sample({{"version", sources.version}}, std::uint64_t{1});
  sources.http.write(text);
  context.predictor.metrics().write(text);
  write_instances(text, instances);
  EngineText engines(text, instances);
  write_work(engines);
  write_cache(engines);
  net::Response response;
  response.content_type = metrics::kContentType;
  response.body = text.take();
  co_await exchange.respond(std::move(response));
}

}  // namespace

void add_metrics_route(net::Router& router, const ApiContext& context, const MetricsSources& sources) {
  router.add("GET", "/metrics",
             [&context, &sources](net::Exchange& exchange) { return metrics_text(context, sources, exchange); });
}

}  // namespace atelier::api
