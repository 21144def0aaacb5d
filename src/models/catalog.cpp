#include "models/catalog.h"

#include <fmt/core.h>
#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "base/json.h"
#include "models/assemble.h"
#include "models/facts_cache.h"

namespace atelier::models {
namespace {

constexpr std::uint64_t kMaxYamlBytes = 256 * 1024;
constexpr std::uint64_t kMaxSelectionBytes = 4 * 1024 * 1024;
constexpr std::size_t kMaxUserDefaults = 10'000;

// The user's defaults that there are, by the path of their model file below its root.
using UserFiles = std::map<std::string, files::Identity>;

UserFiles list_user_files(const files::Path& folder) {
  UserFiles found;
  if (folder.empty()) return found;
  const auto entries = [](const files::Path& path) {
    return files::list_folder(path, kMaxUserDefaults).value_or(std::vector<files::FolderEntry>());
  };
  for (const auto& publisher : entries(folder)) {
    for (const auto& model : entries(folder / publisher.name)) {
      for (const auto& file : entries(folder / publisher.name / model.name)) {
        constexpr std::string_view kEnding = ".json";
        if (!file.name.ends_with(kEnding) || found.size() >= kMaxUserDefaults) continue;
        const std::string relative = publisher.name + "/" + model.name + "/" + file.name;
        const auto identity = files::identity(folder / relative);
        if (identity) found.emplace(relative.substr(0, relative.size() - kEnding.size()), *identity);
      }
    }
  }
  return found;
}

// What model.yaml and the user say of reasoning goes before what the template shows.
void apply_reasoning_defaults(ModelEntry& entry) {
  const SamplingDefaults& defaults = entry.defaults.sampling;
  if (!entry.reasoning && defaults.reasoning_start && defaults.reasoning_parsing.value_or(true)) {
    entry.reasoning = ReasoningOptions{{"on"}, "on"};
  }
  if (!entry.reasoning || !defaults.enable_thinking) return;
  auto& [allowed, standard] = *entry.reasoning;
  const bool can_be_off = std::ranges::find(allowed, "off") != allowed.end();
  if (!can_be_off || *defaults.enable_thinking == (standard != "off")) return;
  const bool has_levels = std::ranges::find(allowed, "medium") != allowed.end();
  standard = !*defaults.enable_thinking ? "off" : has_levels ? "medium" : "on";
}

}  // namespace

struct Catalog::State {
  explicit State(CatalogOptions given)
      : options(std::move(given)),
        facts(options.cache_file, *options.system),
        snapshot(std::make_shared<CatalogSnapshot>(std::vector<ModelPtr>{}, std::vector<ModelPtr>{},
                                                   std::vector<Problem>{})) {}

  CatalogOptions options;

  std::mutex refreshing;  // guards all but the snapshot
  FactsCache facts;
  std::map<std::string, std::pair<std::string, TemplateFacts>> facts_of_templates;  // path -> identity, answer
  std::map<std::string, std::string> selected;                                      // key -> variant
  bool loaded = false;
  bool built = false;
  bool settled = false;  // nothing has to be read again while the scan stays the same
  Scan scan;
  UserFiles user_files;

  mutable std::mutex reading;
  std::shared_ptr<const CatalogSnapshot> snapshot;

  void load_state(std::vector<Problem>& problems);
  void read_selection();
  Result<void> write_selection();
  std::shared_ptr<const CatalogSnapshot> build(std::vector<Problem> problems);
  void select(std::vector<ModelEntry>& entries) const;
  void apply_user_defaults(ModelEntry& entry, std::vector<Problem>& problems) const;
  void ask_for_template_facts(ModelEntry& entry);
  void publish(std::shared_ptr<const CatalogSnapshot> next) {
    const std::lock_guard lock(reading);
    snapshot = std::move(next);
  }
};

void Catalog::State::load_state(std::vector<Problem>& problems) {
  if (const std::string trouble = facts.load(); !trouble.empty()) {
    problems.push_back({Problem::Kind::kWarning, options.cache_file, trouble});
  }
  read_selection();
  loaded = true;
}

void Catalog::State::read_selection() {
  if (options.selection_file.empty()) return;
  const auto text = files::read_file(options.selection_file, kMaxSelectionBytes, *options.system);
  if (!text) return;
  const auto document = json::parse(*text);
  const json::Object* object = document ? document->if_object() : nullptr;
  if (object == nullptr) return;
  for (const auto& [key, value] : *object) {
    if (const std::string* variant = value.if_string()) selected[key] = *variant;
  }
}

Result<void> Catalog::State::write_selection() {
  if (options.selection_file.empty()) return {};
  json::Object object;
  for (const auto& [key, variant] : selected) object.append(key, variant);
  return files::write_atomically(options.selection_file, json::dump(object, {.indent = 2}) + "\n", 0644,
                                 *options.system);
}

void Catalog::State::select(std::vector<ModelEntry>& entries) const {
  for (const auto& [key, variant] : selected) {
    const std::string wanted = key + "@" + variant;
    for (ModelEntry& entry : entries) {
      const bool has_it = std::find(entry.variants.begin(), entry.variants.end(), wanted) != entry.variants.end();
      if (entry.key == key && has_it) entry.selected_variant = wanted;
    }
  }
}

void Catalog::State::apply_user_defaults(ModelEntry& entry, std::vector<Problem>& problems) const {
  if (!user_files.contains(entry.relative_path)) return;
  const files::Path path = options.user_defaults_folder / (entry.relative_path + ".json");
  const auto text = files::read_file(path, kMaxYamlBytes, *options.system);
  auto defaults = text ? parse_user_defaults(*text) : Result<ModelDefaults>(std::unexpected(text.error()));
  if (!defaults) {
    problems.push_back({Problem::Kind::kWarning, path, defaults.error().message + "; these defaults are not used"});
    return;
  }
  for (const std::string& warning : defaults->warnings) problems.push_back({Problem::Kind::kWarning, path, warning});
  defaults->warnings.clear();
  if (defaults->chat_template) entry.chat_template = *defaults->chat_template;
  override_defaults(entry.defaults, std::move(*defaults));
}

void Catalog::State::ask_for_template_facts(ModelEntry& entry) {
  if (!options.template_facts || entry.type == ModelType::kEmbedding) return;
  // The answer belongs to the template; a file with the same template has the same one.
  auto& [text, answer] = facts_of_templates[entry.path.string()];
  std::string asked = entry.defaults.manual_prompt ? std::string() : entry.chat_template;
  for (const auto& [name, named] : entry.named_templates)
    asked.append("\0", 1).append(name).append("\0", 1).append(named);
  if (asked.empty()) {
    answer = {};
  } else if (text != asked) {
    answer = options.template_facts(entry);
  }
  text = std::move(asked);
  if (!entry.trained_for_tool_use) entry.trained_for_tool_use = answer.trained_for_tool_use;
  entry.reasoning = answer.reasoning;
  apply_reasoning_defaults(entry);
}

std::shared_ptr<const CatalogSnapshot> Catalog::State::build(std::vector<Problem> problems) {
  settled = true;
  const FileReader reader{[this](const ScannedFile& file) {
                            auto found = facts.facts(file.path, file.identity);
                            settled = settled && facts.settled(file.path);
                            return found;
                          },
                          [this](const ScannedFile& file) -> Result<ModelDefaults> {
                            const auto text = files::read_file(file.path, kMaxYamlBytes, *options.system);
                            if (!text) return std::unexpected(text.error());
                            return parse_model_yaml(*text);
                          }};
  Assembly assembly = assemble(scan.folders, reader);
  select(assembly.entries);
  std::set<std::string> paths;
  for (ModelEntry& entry : assembly.entries) {
    apply_user_defaults(entry, problems);
    ask_for_template_facts(entry);
    paths.insert(entry.path.string());
  }
  std::erase_if(facts_of_templates, [&](const auto& known) { return !paths.contains(known.first); });
  facts.drop_unused();
  if (const std::string trouble = facts.save(); !trouble.empty()) {
    problems.push_back({Problem::Kind::kWarning, options.cache_file, trouble});
  }
  problems.insert(problems.end(), scan.problems.begin(), scan.problems.end());
  problems.insert(problems.end(), assembly.problems.begin(), assembly.problems.end());
  const auto shared = [](std::vector<ModelEntry>& entries) {
    std::vector<ModelPtr> pointers;
    pointers.reserve(entries.size());
    for (ModelEntry& entry : entries) pointers.push_back(std::make_shared<const ModelEntry>(std::move(entry)));
    return pointers;
  };
  return std::make_shared<const CatalogSnapshot>(shared(assembly.entries), shared(assembly.broken),
                                                 std::move(problems));
}

Catalog::Catalog(CatalogOptions options) : state_(std::make_unique<State>(std::move(options))) {}
Catalog::~Catalog() = default;

std::shared_ptr<const CatalogSnapshot> Catalog::refresh() {
  State& state = *state_;
  const std::lock_guard lock(state.refreshing);
  std::vector<Problem> problems;
  if (!state.loaded) state.load_state(problems);
  Scan scan = scan_roots(state.options.roots);
  UserFiles user_files = list_user_files(state.options.user_defaults_folder);
  if (state.built && state.settled && scan == state.scan && user_files == state.user_files) return current();
  state.scan = std::move(scan);
  state.user_files = std::move(user_files);
  auto next = state.build(std::move(problems));
  state.built = true;
  state.publish(next);
  return next;
}

std::shared_ptr<const CatalogSnapshot> Catalog::current() const {
  const std::lock_guard lock(state_->reading);
  return state_->snapshot;
}

Result<void> Catalog::select_variant(std::string_view key, std::string_view variant) {
  const auto snapshot = refresh();
  const std::string prefix = std::string(key) + "@";
  if (variant.starts_with(prefix)) variant.remove_prefix(prefix.size());
  const std::string wanted = lower_case(variant);
  std::string there;
  for (const ModelPtr& entry : snapshot->variants_of(key)) {
    if (entry->variant == wanted) {
      State& state = *state_;
      const std::lock_guard lock(state.refreshing);
      state.selected[std::string(key)] = wanted;
      state.built = false;
      return state.write_selection();
    }
    there += (there.empty() ? "" : ", ") + entry->variant;
  }
  if (there.empty()) return fail(ErrorCode::kModelNotFound, fmt::format("there is no model '{}'", key), "model");
  return fail(ErrorCode::kModelNotFound,
              fmt::format("the model '{}' has no variant '{}'; it has {}", key, wanted, there), "variant");
}

std::uint64_t Catalog::files_read() const {
  const std::lock_guard lock(state_->refreshing);
  return state_->facts.files_read();
}

}  // namespace atelier::models
