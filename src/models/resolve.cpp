// Names to models, and the nearest keys where there is none (CatalogSnapshot).
#include <fmt/core.h>
#include <algorithm>
#include <numeric>
#include <set>

#include "base/utf8.h"
#include "models/catalog.h"

namespace atelier::models {
namespace {

constexpr std::size_t kMaxName = 1'024;
constexpr std::size_t kSuggestions = 3;

// The letters of Unicode outside ASCII are left as they are.
std::string small(std::string_view text) { return lower_case(text); }

// Edits that make one text the other (Levenshtein). Both are short.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({row[j] + 1, row[j + 1] + 1, replaced});
    }
  }
  return row[b.size()];
}

// Names that mean a whole file or folder, beside the key.
bool has_path(const ModelEntry& entry, std::string_view path, bool any_case) {
  const auto same = [&](std::string_view mine) { return any_case ? small(mine) == path : mine == path; };
  if (same(entry.relative_path) || same(entry.relative_folder)) return true;
  for (const ModelFile& part : entry.parts) {
    // Parts lie beside the first one.
    const std::size_t slash = entry.relative_path.rfind('/');
    if (same(entry.relative_path.substr(0, slash + 1) + part.path.filename().string())) return true;
  }
  return false;
}

std::set<std::string> file_names(const ModelEntry& entry) {
  std::set<std::string> names;
  for (const ModelFile& part : entry.parts) {
    const std::string name = small(part.path.filename().string());
    const FileName parsed = parse_file_name(name);
    names.insert({name, parsed.stem, parsed.base});
  }
  if (const std::size_t slash = entry.relative_folder.rfind('/'); slash != std::string::npos) {
    names.insert(small(entry.relative_folder.substr(slash + 1)));
  }
  constexpr std::string_view kPrefix = "text-embedding-";
  if (entry.key.starts_with(kPrefix)) names.insert(entry.key.substr(kPrefix.size()));
  return names;
}

// One model, whichever of its variants the name fits: the selected one among them, else the first.
struct Match {
  ModelPtr model;
  std::vector<std::string> keys;  // all that fit, without variants
};

template <class Fits>
Match find_models(const std::vector<ModelPtr>& entries, Fits fits) {
  Match match;
  for (const ModelPtr& entry : entries) {
    if (!fits(*entry)) continue;
    if (match.keys.empty() || match.keys.back() != entry->key) match.keys.push_back(entry->key);
    if (match.model == nullptr || entry->selected_variant == entry->variant_key()) match.model = entry;
  }
  return match;
}

std::string quoted_list(const std::vector<std::string>& names, std::string_view last_word) {
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) text += i + 1 == names.size() ? fmt::format(" {} ", last_word) : ", ";
    text += "'" + names[i] + "'";
  }
  return text;
}

// Keys that were perhaps meant, nearest first.
std::vector<std::string> nearest_keys(const std::vector<ModelPtr>& models, std::string_view name) {
  std::vector<std::pair<std::size_t, std::string>> ranked;
  const std::string wanted = small(name.substr(0, 200));
  for (const ModelPtr& model : models) {
    const std::string tail = model->key.substr(model->key.rfind('/') + 1);
    const bool inside = wanted.size() >= 3 && (model->key.find(wanted) != std::string::npos ||
                                               (tail.size() >= 3 && wanted.find(tail) != std::string::npos));
    const std::size_t edits = std::min(distance(wanted, model->key), distance(wanted, tail));
    if (inside) {
      ranked.emplace_back(0, model->key);
    } else if (edits * 2 <= std::max(wanted.size(), tail.size())) {
      ranked.emplace_back(edits, model->key);
    }
  }
  std::sort(ranked.begin(), ranked.end());
  std::vector<std::string> keys;
  for (const auto& [edits, key] : ranked) {
    if (keys.size() < kSuggestions) keys.push_back(key);
  }
  return keys;
}

// "key@variant" in two; the variant is empty where there is none.
std::pair<std::string_view, std::string_view> split_variant(std::string_view name) {
  const std::size_t at = name.rfind('@');
  if (at == std::string_view::npos) return {name, {}};
  return {name.substr(0, at), name.substr(at + 1)};
}

}  // namespace

CatalogSnapshot::CatalogSnapshot(std::vector<ModelPtr> entries, std::vector<ModelPtr> broken,
                                 std::vector<Problem> problems)
    : entries_(std::move(entries)), broken_(std::move(broken)), problems_(std::move(problems)) {
  for (const ModelPtr& entry : entries_) {
    if (entry->selected_variant.empty() || entry->selected_variant == entry->variant_key()) models_.push_back(entry);
  }
}

std::vector<ModelPtr> CatalogSnapshot::variants_of(std::string_view key) const {
  std::vector<ModelPtr> found;
  for (const ModelPtr& entry : entries_) {
    if (entry->key == key) found.push_back(entry);
  }
  return found;
}

Result<ModelPtr> CatalogSnapshot::resolve(std::string_view model) const {
  const std::string shown = utf8::repair(model.substr(0, 200));
  if (model.empty()) return fail(ErrorCode::kModelNotFound, "no model was named", "model");
  if (model.size() > kMaxName) {
    return fail(ErrorCode::kModelNotFound,
                fmt::format("the model's name has {} bytes, more than any can have", model.size()), "model");
  }
  const std::string lower = small(model);
  const auto key_fits = [](const ModelEntry& entry, std::string_view name, bool by_end) {
    const auto [key, variant] = split_variant(name);
    const auto same = [&](std::string_view wanted) {
      if (entry.key == wanted) return true;
      return by_end && entry.key.size() > wanted.size() + 1 && entry.key.ends_with(wanted) &&
             entry.key[entry.key.size() - wanted.size() - 1] == '/';
    };
    return same(name) || (!variant.empty() && variant == entry.variant && same(key));
  };
  std::vector<std::string> several;
  ModelPtr found;
  const auto try_step = [&](const auto& fits) {
    if (found != nullptr || !several.empty()) return;
    Match match = find_models(entries_, fits);
    if (match.keys.size() == 1) found = std::move(match.model);
    if (match.keys.size() > 1) several = std::move(match.keys);
  };
  try_step([&](const ModelEntry& entry) { return key_fits(entry, model, false); });
  try_step([&](const ModelEntry& entry) { return has_path(entry, model, false); });
  try_step([&](const ModelEntry& entry) { return key_fits(entry, lower, false); });
  try_step([&](const ModelEntry& entry) { return has_path(entry, lower, true); });
  try_step([&](const ModelEntry& entry) { return key_fits(entry, lower, true); });
  try_step([&](const ModelEntry& entry) { return file_names(entry).contains(lower); });
  if (found != nullptr) return found;
  if (!several.empty()) {
    if (several.size() > 10) several.resize(10);
    return fail(ErrorCode::kModelNotFound,
                fmt::format("'{}' fits several models: {}; name one of them", shown, quoted_list(several, "and")),
                "model");
  }
  for (const ModelPtr& entry : broken_) {
    if (key_fits(*entry, lower, true) || has_path(*entry, lower, true) || file_names(*entry).contains(lower)) {
      return fail(ErrorCode::kModelLoadFailed,
                  fmt::format("the model '{}' is on disk and cannot be used: {}: {}", shown, entry->relative_path,
                              entry->error),
                  "model");
    }
  }
  if (models_.empty()) {
    return fail(ErrorCode::kModelNotFound,
                fmt::format("there is no model '{}': no models are on disk yet; add one with lms import", shown),
                "model");
  }
  if (const auto near = nearest_keys(models_, model); !near.empty()) {
    return fail(
        ErrorCode::kModelNotFound,
        fmt::format("there is no model '{}'; did you mean {}? lms ls shows all", shown, quoted_list(near, "or")),
        "model");
  }
  return fail(ErrorCode::kModelNotFound,
              fmt::format("there is no model '{}'; lms ls shows those that there are", shown), "model");
}

}  // namespace atelier::models
