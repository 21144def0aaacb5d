#include "cli/model_choice.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "cli/format.h"
#include "cli/fuzzy.h"
#include "cli/picker.h"

namespace atelier::cli {

std::vector<client::Model> by_recent_use(std::vector<client::Model> models, const std::vector<std::string>& recent) {
  auto place = [&recent](const client::Model& model) {
    return std::find(recent.begin(), recent.end(), model.key) - recent.begin();
  };
  std::stable_sort(models.begin(), models.end(),
                   [&place](const client::Model& a, const client::Model& b) { return place(a) < place(b); });
  return models;
}

std::vector<ModelChoice> candidates(const ModelQuery& query, const std::vector<client::Model>& models) {
  std::vector<ModelChoice> found;
  if (query.exact_path) {
    for (const client::Model& model : models) {
      if (model.path == query.text) found.push_back({model, model.key});
    }
    return found;
  }
  for (const client::Model& model : models) {
    for (const std::string& variant : model.variants) {
      auto match = fuzzy_match(query.text, variant);
      bool whole = match && (match->rank == MatchRank::kExact || match->rank == MatchRank::kLastPart);
      if (whole && variant != model.key) found.push_back({model, variant});
    }
  }
  if (!found.empty()) return found;
  std::vector<std::string_view> keys;
  keys.reserve(models.size());
  for (const client::Model& model : models) keys.push_back(model.key);
  for (std::size_t index : best_matches(query.text, keys)) found.push_back({models[index], models[index].key});
  return found;
}

Result<std::size_t> pick_one(Shell& shell, std::string title, std::vector<std::string> names,
                             std::vector<std::string> notes) {
  Picker picker(std::move(title), std::move(names), std::move(notes));
  bool on_error_stream = shell.console.terminals().error;
  bool colour = on_error_stream ? shell.console.error_colour() : shell.console.output_colour();
  auto index = pick(picker, shell.environment.input, on_error_stream ? STDERR_FILENO : STDOUT_FILENO, colour);
  if (!index) return fail(ErrorCode::kCancelled, "Nothing was chosen.");
  return *index;
}

Result<ModelChoice> choose_model(Shell& shell, const ModelQuery& query, const std::vector<client::Model>& models) {
  if (models.empty()) {
    return fail(
        ErrorCode::kModelNotFound,
        "There are no models yet. Put a GGUF file there with `lms import <file>`; `lms ls` lists what is there.");
  }
  bool may_ask = shell.console.interactive() && !query.yes;
  std::vector<ModelChoice> found = candidates(query, models);
  if (found.size() == 1 && !(query.text.empty() && may_ask)) return found.front();
  if (found.empty()) {
    std::string notice = fmt::format("No model matches \"{}\".", printable(query.text));
    if (!may_ask || query.exact_path) {
      return fail(ErrorCode::kModelNotFound, notice + " `lms ls` lists the models that are there.");
    }
    shell.console.ask(paint(Paint::kRed, notice, shell.console.error_colour()) + "\n");
    found = candidates({}, models);
  } else if (query.yes) {
    shell.console.warn(fmt::format("{} models match; taking the first, {}.", found.size(), found.front().name));
    return found.front();
  } else if (!may_ask) {
    std::string names;
    for (std::size_t i = 0; i < found.size() && i < 5; ++i) names += (i ? ", " : "") + found[i].name;
    if (found.size() > 5) names += ", …";
    return fail(
        ErrorCode::kInvalidRequest,
        fmt::format("Several models match ({}), and without a terminal nobody can be asked. Name one exactly ({}), "
                    "or take the first with --yes.",
                    names, query.how_to_name));
  }
  std::vector<std::string> names, notes;
  for (const ModelChoice& choice : found) {
    names.push_back(printable(choice.name));
    notes.push_back(fmt::format("({})", format_bytes(choice.model.size_bytes)));
  }
  auto index = pick_one(shell, query.picker_title + " |", std::move(names), std::move(notes));
  if (!index) return std::unexpected(index.error());
  return found[*index];
}

}  // namespace atelier::cli
