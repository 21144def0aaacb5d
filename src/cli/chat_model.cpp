#include "cli/chat_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "cli/format.h"
#include "cli/loading.h"
#include "cli/model_choice.h"
#include "cli/preferences.h"

namespace atelier::cli {
namespace {

using client::LoadedInstance;
using client::Model;

ChatModel chat_model(const Model& model, const std::string& instance_id) {
  return {instance_id, printable(model.display_name)};
}

// The loaded model that was used last, if any.
std::optional<ChatModel> last_used_loaded(const std::vector<Model>& models) {
  std::optional<ChatModel> best;
  double best_idle = std::numeric_limits<double>::infinity();
  for (const Model& model : models) {
    for (const LoadedInstance& instance : model.loaded_instances) {
      double idle = instance.idle_seconds.value_or(0);
      if (!best || idle < best_idle) {
        best = chat_model(model, instance.id);
        best_idle = idle;
      }
    }
  }
  return best;
}

std::optional<ChatModel> instance_named(const std::vector<Model>& models, const std::string& id) {
  for (const Model& model : models) {
    for (const LoadedInstance& instance : model.loaded_instances) {
      if (instance.id == id) return chat_model(model, id);
    }
  }
  return std::nullopt;
}

}  // namespace

Result<ChatModel> open_chat_model(Shell& shell, client::Client& client, const ChatModelQuery& query,
                                  Interrupt& interrupt) {
  auto all = client.list_models();
  if (!all) return std::unexpected(all.error());
  if (!query.text.empty()) {
    if (auto named = instance_named(*all, query.text)) return *named;
  }
  std::vector<Model> models;
  for (Model& model : *all) {
    if (model.type == client::ModelType::kLlm) models.push_back(std::move(model));
  }
  if (query.text.empty() && query.prefer_loaded) {
    if (auto loaded = last_used_loaded(models)) return *loaded;
    if (!models.empty() && !shell.console.interactive() && !query.yes) {
      return fail(
          ErrorCode::kModelNotLoaded,
          "No model is loaded. Load one with `lms load <model-key>`, name one (lms chat <model-key>), or let --yes "
          "take the one that was used last.");
    }
  }
  models = by_recent_use(std::move(models), Preferences::read(shell.environment.home).last_loaded_models());
  ModelQuery choice_query{.text = query.text,
                          .yes = query.yes,
                          .picker_title = "Select a model to chat with",
                          .how_to_name = "lms chat <model-key>"};
  auto choice = choose_model(shell, choice_query, models);
  if (!choice) return std::unexpected(choice.error());
  if (choice->name == choice->model.key && !choice->model.loaded_instances.empty()) {
    return chat_model(choice->model, choice->model.loaded_instances.front().id);
  }
  client::LoadRequest request;
  request.model = choice->name;
  request.ttl_seconds = query.ttl_seconds;
  auto loaded = load_with_progress(shell, client, request, choice->model.key, interrupt);
  if (!loaded) return std::unexpected(loaded.error());
  return chat_model(choice->model, loaded->instance_id);
}

}  // namespace atelier::cli
