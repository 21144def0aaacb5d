// lms load, lms unload.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>

#include "cli/commands.h"
#include "cli/format.h"
#include "cli/loading.h"
#include "cli/model_choice.h"
#include "cli/preferences.h"

namespace atelier::cli {
namespace {

using client::Model;

// The `gpu` of a request, or nothing for "auto".
Result<std::optional<std::string>> gpu_of(const std::string& text) {
  if (text.empty() || text == "auto") return std::optional<std::string>();
  if (text == "off" || text == "max") return std::optional<std::string>(text);
  double ratio = -1;
  auto [stopped, problem] = std::from_chars(text.data(), text.data() + text.size(), ratio);
  if (problem == std::errc() && stopped == text.data() + text.size() && ratio >= 0 && ratio <= 1) {
    return std::optional<std::string>(text);
  }
  return fail(ErrorCode::kInvalidRequest,
              fmt::format("--gpu takes off, max, auto or a number from 0 to 1; got \"{}\".", text));
}

std::string gpu_percent(const std::string& gpu) {
  if (gpu == "max") return "100%";
  if (gpu == "off") return "0%";
  double ratio = 0;
  std::from_chars(gpu.data(), gpu.data() + gpu.size(), ratio);
  return fmt::format("{:.0f}%", ratio * 100);
}

int print_estimate(Shell& shell, const client::LoadRequest& request, const client::LoadEstimate& estimate, bool json) {
  std::string confidence = status_label(estimate.confidence);
  bool low = !estimate.confidence.empty() && confidence == "LOW";
  if (json) {
    json::Object out{{"model", request.model}};
    out.append("contextLength", estimate.context_length);
    out.append("estimatedGpuMemoryBytes", estimate.gpu_memory_bytes);
    out.append("estimatedTotalMemoryBytes", estimate.total_memory_bytes);
    out.append("fits", estimate.fits);
    if (!estimate.confidence.empty()) out.append("confidence", estimate.confidence);
    shell.console.data(json::dump(json::Value(std::move(out))) + "\n");
    return 0;
  }
  std::string text = fmt::format("Model: {}\n", printable(request.model));
  if (request.context_length) text += fmt::format("Context Length: {}\n", format_count(*request.context_length));
  if (request.gpu) text += fmt::format("GPU Offload: {}\n", gpu_percent(*request.gpu));
  text += fmt::format("Estimated GPU Memory:   {}\n", format_bytes(estimate.gpu_memory_bytes));
  text += fmt::format("Estimated Total Memory: {}\n", format_bytes(estimate.total_memory_bytes));
  if (low) text += "Confidence: LOW\n";
  text += estimate.fits ? "\nEstimate: This model may be loaded based on your resource guardrails settings.\n"
                        : "\nEstimate: This model will fail to load based on your resource guardrails settings.\n";
  shell.console.data(text);
  return 0;
}

struct LoadedName {
  std::string id;
  std::uint64_t size_bytes;
};

std::vector<LoadedName> loaded_names(const std::vector<Model>& models) {
  std::vector<LoadedName> names;
  for (const Model& model : models) {
    for (const auto& instance : model.loaded_instances) {
      names.push_back({instance.id, instance.size_bytes.value_or(model.size_bytes)});
    }
  }
  std::sort(names.begin(), names.end(), [](const LoadedName& a, const LoadedName& b) { return a.id < b.id; });
  return names;
}

int unload_all(Shell& shell, client::Client& client, const std::vector<LoadedName>& loaded) {
  if (loaded.empty()) {
    shell.console.info("No models to unload.");
    return 0;
  }
  std::size_t unloaded = 0;
  for (const LoadedName& entry : loaded) {
    shell.console.info(fmt::format("Unloading \"{}\"...", printable(entry.id)));
    auto done = client.unload(entry.id);
    if (done) {
      ++unloaded;
    } else if (done.error().code != ErrorCode::kModelNotFound && done.error().code != ErrorCode::kInstanceNotFound) {
      shell.console.error(done.error());
      return 1;
    }
  }
  shell.console.info(fmt::format("Unloaded {} model{}.", unloaded, unloaded == 1 ? "" : "s"));
  return 0;
}

int model_not_loaded(Shell& shell, const std::string& identifier) {
  shell.console.error(
      fmt::format("Model Not Found\n\n  No loaded model has the identifier \"{}\".\n\n  To see what is loaded, "
                  "run:\n\n      lms ps\n",
                  identifier));
  return 1;
}

}  // namespace

int run_load(Shell& shell, const LoadOptions& options) {
  auto gpu = gpu_of(options.gpu);
  if (!gpu) return usage_error(shell, gpu.error().message);
  if (options.speculative_mtp) {
    return usage_error(shell, "Speculation with a model's own multi-token heads is not available in this version.");
  }
  if (options.speculative_simple == options.speculative_model.empty()) {
    return usage_error(shell, "--speculative-draft-simple and --speculative-draft-model need each other.");
  }
  if (options.exact && options.model_key.empty()) return usage_error(shell, "--exact needs the path of a model.");
  auto client = connect(shell, options.connection);
  if (!client) return report(shell, client.error());
  auto models = client->list_models();
  if (!models) return report(shell, models.error());

  ModelQuery query{.text = options.model_key,
                   .exact_path = options.exact,
                   .yes = options.yes,
                   .picker_title = "Select a model to load",
                   .how_to_name = "lms load <model-key>"};
  auto recent = Preferences::read(shell.environment.home).last_loaded_models();
  auto choice = choose_model(shell, query, by_recent_use(std::move(*models), recent));
  if (!choice) return report(shell, choice.error());
  if (choice->model.type == client::ModelType::kEmbedding && options.speculative_simple) {
    return usage_error(shell, "Embedding models take no speculative options.");
  }
  client::LoadRequest request;
  request.model = choice->name;
  request.context_length = options.context_length;
  request.parallel = options.parallel;
  request.ttl_seconds = options.ttl_seconds;
  request.gpu = *gpu;
  if (!options.identifier.empty()) request.identifier = options.identifier;
  if (options.speculative_simple) request.draft_model = options.speculative_model;
  if (options.estimate_only) {
    auto estimate = client->estimate_load(request);
    if (!estimate) return report(shell, estimate.error());
    return print_estimate(shell, request, *estimate, options.json);
  }

  auto begin = std::chrono::steady_clock::now();
  Interrupt interrupt;
  auto loaded = load_with_progress(shell, *client, request, choice->model.key, interrupt);
  if (!loaded) return report(shell, loaded.error());
  std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begin;
  if (options.json) {
    json::Object out{{"identifier", loaded->instance_id},
                     {"modelKey", choice->model.key},
                     {"type", loaded->type == client::ModelType::kLlm ? "llm" : "embedding"},
                     {"sizeBytes", choice->model.size_bytes},
                     {"loadTimeSeconds", loaded->load_time_seconds}};
    shell.console.data(json::dump(json::Value(std::move(out))) + "\n");
    return 0;
  }
  bool colour = shell.console.error_colour();
  shell.console.info(
      paint(Paint::kGreen, fmt::format("Model loaded successfully in {}.", format_elapsed(elapsed)), colour));
  shell.console.info(fmt::format("({})", format_bytes(choice->model.size_bytes)));
  shell.console.info(fmt::format("To use the model in the API/SDK, use the identifier \"{}\".",
                                 paint(Paint::kCyan, printable(loaded->instance_id), colour)));
  return 0;
}

int run_unload(Shell& shell, const UnloadOptions& options) {
  if (options.all && !options.identifier.empty()) {
    return usage_error(shell, "Give either an identifier or --all, not both.");
  }
  auto client = try_connect(shell, options.connection, IfNoService::kGiveNothing);
  if (!client) return report(shell, client.error());
  std::vector<LoadedName> loaded;
  if (*client) {
    auto models = (*client)->list_models();
    if (!models) return report(shell, models.error());
    loaded = loaded_names(*models);
  }
  if (options.all)
    return loaded.empty() ? (shell.console.info("No models to unload."), 0) : unload_all(shell, **client, loaded);

  std::string identifier = options.identifier;
  if (identifier.empty()) {
    if (loaded.empty()) {
      shell.console.error("You don't have any models loaded. Use `lms load` to load one.");
      return 1;
    }
    std::size_t index = 0;
    if (loaded.size() > 1) {
      if (!shell.console.interactive()) {
        return usage_error(shell,
                           "Several models are loaded, and without a terminal nobody can be asked. Name one (lms "
                           "unload <identifier>), or unload them all with --all.");
      }
      shell.console.info("Use the --all flag to unload all models at once.");
      std::vector<std::string> names, notes;
      for (const LoadedName& entry : loaded) {
        names.push_back(printable(entry.id));
        notes.push_back(fmt::format("({})", format_bytes(entry.size_bytes)));
      }
      auto picked = pick_one(shell, "Select a model to unload |", names, notes);
      if (!picked) return report(shell, picked.error());
      index = *picked;
    }
    identifier = loaded[index].id;
  }
  if (loaded.empty()) return model_not_loaded(shell, identifier);
  auto done = (*client)->unload(identifier);
  if (!done) {
    ErrorCode code = done.error().code;
    bool unknown =
        code == ErrorCode::kModelNotFound || code == ErrorCode::kInstanceNotFound || code == ErrorCode::kNotFound;
    return unknown ? model_not_loaded(shell, identifier) : report(shell, done.error());
  }
  shell.console.info(fmt::format("Model \"{}\" unloaded.", printable(identifier)));
  return 0;
}

}  // namespace atelier::cli
