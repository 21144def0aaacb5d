// Which model a command means: by what was typed, by what was used lately, or by asking.
#pragma once

#include <string>
#include <vector>

#include "cli/shell.h"
#include "client/types.h"

namespace atelier::cli {

struct ModelQuery {
  std::string text{};       // may be empty: any model
  bool exact_path = false;  // the text is a path below the models folder
  bool yes = false;         // never ask
  std::string picker_title = "Select a model";
  std::string how_to_name{};  // the command that needs no question: "lms load <model-key>"
};

struct ModelChoice {
  client::Model model{};
  std::string name{};  // what to ask the server for: the key, or key@variant
};

// Models that were loaded lately first, the others in their order.
std::vector<client::Model> by_recent_use(std::vector<client::Model> models, const std::vector<std::string>& recent);

// The models that the query may mean, without asking. A query "key@variant" means one variant of one model.
std::vector<ModelChoice> candidates(const ModelQuery& query, const std::vector<client::Model>& models);

// One of the models, asking where several are possible and somebody can be asked. kCancelled: the question was given
// up.
Result<ModelChoice> choose_model(Shell& shell, const ModelQuery& query, const std::vector<client::Model>& models);

// The index of one of the names, chosen in a terminal; kCancelled where the question was given up.
Result<std::size_t> pick_one(Shell& shell, std::string title, std::vector<std::string> names,
                             std::vector<std::string> notes = {});

}  // namespace atelier::cli
