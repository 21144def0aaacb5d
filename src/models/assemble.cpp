#include "models/assemble.h"

#include <fmt/core.h>
#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <tuple>

namespace atelier::models {
namespace {

// A model before it has its key.
struct Candidate {
  ModelEntry entry;
  std::string base;       // of the file name, small letters
  std::string stem;       // of the file name, small letters
  std::string model_key;  // of the folder, small letters, without "-gguf"
  std::string label;      // the quantization as the file's name has it, else as the file says; small letters
};

std::string without_gguf(std::string name) {
  const std::string small = lower_case(name);
  for (const std::string_view ending : {"-gguf", "_gguf", ".gguf"}) {
    if (name.size() > ending.size() && small.ends_with(ending)) {
      name.resize(name.size() - ending.size());
      break;
    }
  }
  return name;
}

// "qwen2.5-7b-instruct-GGUF" -> "Qwen2.5 7B Instruct".
std::string pretty_name(std::string_view folder) {
  const std::string words = without_gguf(std::string(folder));
  std::string name;
  for (std::size_t at = 0; at < words.size();) {
    const std::size_t end = std::min(words.find_first_of("-_ ", at), words.size());
    std::string word = words.substr(at, end - at);
    at = end + 1;
    if (word.empty()) continue;
    if (word.front() >= 'a' && word.front() <= 'z') word.front() = static_cast<char>(word.front() - 'a' + 'A');
    if (const std::string size = size_in_name(word); size.size() == word.size()) word = size;
    name += (name.empty() ? "" : " ") + word;
  }
  return name;
}

// Converters leave names such as ".", "model" or a path behind when nobody sets one.
bool is_sane_name(std::string_view name) {
  if (name.size() < 3 || name.size() > 100 || name.find_first_of("/\\\n\r\t") != std::string_view::npos) return false;
  const std::string small = lower_case(name);
  constexpr std::array<std::string_view, 6> kEmptyWords = {"model", "models", "none", "unknown", "untitled", "gguf"};
  if (std::find(kEmptyWords.begin(), kEmptyWords.end(), small) != kEmptyWords.end()) return false;
  // A commit hash is a folder's name in a download cache.
  const bool hash = small.size() >= 32 && small.find_first_not_of("0123456789abcdef") == std::string::npos;
  return !hash &&
         std::any_of(name.begin(), name.end(), [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); });
}

// Architectures that only encode.
bool is_encoder(std::string_view architecture) {
  constexpr std::array<std::string_view, 12> kArchitectures = {
      "bert",     "nomic-bert", "nomic-bert-moe", "jina-bert-v2",    "jina-bert-v3", "modern-bert",
      "neo-bert", "eurobert",   "t5encoder",      "gemma-embedding", "llama-embed",  "bert-moe"};
  return std::find(kArchitectures.begin(), kArchitectures.end(), architecture) != kArchitectures.end();
}

Quantization quantization_of(const FileName& name, const Facts& facts, std::uint64_t bytes, std::uint64_t parameters) {
  Quantization found;
  found.name = facts.quantization;
  const int bits_by_file = nominal_bits(facts.quantization);
  const int bits_by_name = nominal_bits(name.quantization);
  // The name is finer ("Q4_K_XL" where the file says Q4_K_M), but believed only where the two agree.
  if (bits_by_name != 0 && (bits_by_file == 0 || std::abs(bits_by_file - bits_by_name) <= 1)) {
    found.name = name.quantization;
  }
  found.bits = nominal_bits(found.name);
  if (parameters > 0) found.measured_bits = 8.0 * static_cast<double>(bytes) / static_cast<double>(parameters);
  return found;
}

std::string params_of(const Facts& facts, const ModelEntry& entry, std::uint64_t expert_parameters,
                      std::string_view folder, const FileName& name) {
  if (entry.defaults.params) return *entry.defaults.params;
  std::string label = size_in_name(facts.size_label);
  if (!label.empty() && facts.experts == 0) return label;
  // Mixtures are labelled by experts ("128x1.9B"); people know them by all and active parameters.
  for (const std::string_view text :
       {std::string_view(facts.size_label), std::string_view(facts.name), std::string_view(name.base), folder}) {
    const std::string size = size_in_name(text);
    if (size.find("-A") != std::string::npos) return size;
  }
  if (facts.experts == 0 || facts.experts_used == 0 || facts.experts_used >= facts.experts) {
    return label.empty() ? size_of_parameters(entry.parameters) : label;
  }
  const double share = 1 - static_cast<double>(facts.experts_used) / static_cast<double>(facts.experts);
  const auto idle = static_cast<std::uint64_t>(static_cast<double>(expert_parameters) * share);
  return size_of_parameters(entry.parameters, entry.parameters - std::min(entry.parameters, idle));
}

// The files of one model: one, or all parts that are there.
struct FileSet {
  std::vector<const ScannedFile*> files;
  std::vector<const Facts*> facts;  // one for each file that could be read
  std::uint32_t part_count = 0;
  std::string error;  // why it cannot be used
};

// Joins parts by their common stem. A set whose parts are not all there stays, with its error.
class FolderFiles {
 public:
  FolderFiles(const ScannedFolder& folder, const FileReader& reader, std::vector<Problem>& problems)
      : folder_(folder), problems_(problems) {
    for (const ScannedFile& file : folder.files) facts_.push_back(reader.facts(file));
  }

  void sort_out() {
    std::map<std::tuple<std::string, std::string, std::uint32_t>, std::size_t> split_sets;
    for (std::size_t i = 0; i < folder_.files.size(); ++i) {
      const ScannedFile& file = folder_.files[i];
      const Result<Facts>& facts = facts_[i];
      if (!facts) {
        problems_.push_back({Problem::Kind::kBroken, file.path, facts.error().message});
      } else if (facts->role == FileRole::kOther) {
        problems_.push_back({Problem::Kind::kWarning, file.path,
                             "not a model but something that goes with one (an "
                             "adapter or the like); it is not used"});
        continue;
      }
      if (file.name.projector || (facts && facts->role == FileRole::kProjector)) {
        if (facts) projectors.emplace_back(&file, &*facts);
        continue;
      }
      std::size_t at = sets.size();
      if (file.name.part > 0) {
        at = split_sets.try_emplace({file.subfolder, file.name.stem, file.name.part_count}, at).first->second;
      }
      if (at == sets.size()) sets.emplace_back();
      FileSet& set = sets[at];
      set.part_count = file.name.part_count;
      set.files.push_back(&file);
      if (facts) {
        set.facts.push_back(&*facts);
      } else if (set.error.empty()) {
        set.error = facts.error().message;
      }
    }
    for (FileSet& set : sets) check(set);
  }

  std::vector<FileSet> sets;
  std::vector<std::pair<const ScannedFile*, const Facts*>> projectors;

 private:
  void refuse(FileSet& set, std::string why) {
    if (!set.error.empty()) return;
    problems_.push_back({Problem::Kind::kBroken, set.files.front()->path, why});
    set.error = std::move(why);
  }

  void check(FileSet& set) {
    std::sort(set.files.begin(), set.files.end(),
              [](const auto* a, const auto* b) { return a->name.part < b->name.part; });
    for (std::uint32_t part = 1; part <= set.part_count; ++part) {
      const auto has = [&](const ScannedFile* file) { return file->name.part == part; };
      if (std::any_of(set.files.begin(), set.files.end(), has)) continue;
      refuse(set, fmt::format("part {} of {} is missing ({}-{:05}-of-{:05}.gguf); download or copy it into the same "
                              "folder",
                              part, set.part_count, set.files.front()->name.stem, part, set.part_count));
      return;  // of a thousand missing parts, one is enough
    }
    if (!set.error.empty()) return;
    std::sort(set.facts.begin(), set.facts.end(), [](const Facts* a, const Facts* b) { return a->part < b->part; });
    std::uint64_t tensor_bytes = 0;
    for (std::size_t i = 0; i < set.facts.size(); ++i) {
      tensor_bytes += set.facts[i]->file_tensor_bytes;
      const std::uint64_t parts = std::max<std::uint64_t>(set.facts[i]->part_count, 1);
      if (parts == std::max<std::uint64_t>(set.part_count, 1) && (parts == 1 || set.facts[i]->part == i)) continue;
      return refuse(set, fmt::format("the file says that it is part {} of {}, and its name says otherwise; give the "
                                     "parts the names that they were published with",
                                     set.facts[i]->part + 1, parts));
    }
    if (set.facts.front()->architecture.empty()) {
      return refuse(set,
                    "the file does not say its architecture (general.architecture is missing); convert the model "
                    "again");
    }
    if (tensor_bytes == 0) refuse(set, "the file has no weights (a vocabulary alone)");
  }

  const ScannedFolder& folder_;
  std::vector<Problem>& problems_;
  std::vector<Result<Facts>> facts_;
};

// The projector for a model: one that names it, else one that every model of the folder shares; of several
// precisions F16 first, which loses nothing and loads everywhere.
const std::pair<const ScannedFile*, const Facts*>* projector_for(
    const std::string& base, const std::vector<std::string>& bases,
    const std::vector<std::pair<const ScannedFile*, const Facts*>>& projectors) {
  const auto rank = [](const ScannedFile& file) {
    constexpr std::array<std::string_view, 4> kOrder = {"F16", "BF16", "Q8_0", "F32"};
    return std::find(kOrder.begin(), kOrder.end(), file.name.quantization) - kOrder.begin();
  };
  const std::pair<const ScannedFile*, const Facts*>* best = nullptr;
  bool best_names = false;
  for (const auto& projector : projectors) {
    const std::string name = lower_case(projector.first->name.stem);
    const bool names_it = name.find(base) != std::string::npos;
    const bool names_another = !names_it && std::any_of(bases.begin(), bases.end(), [&](const std::string& other) {
      return other != base && name.find(other) != std::string::npos;
    });
    if (names_another) continue;
    const bool better = best == nullptr || (names_it && !best_names) ||
                        (names_it == best_names && rank(*projector.first) < rank(*best->first));
    if (!better) continue;
    best = &projector;
    best_names = names_it;
  }
  return best;
}

ModelFile model_file(const ScannedFile& file) { return {file.path, file.identity.size}; }

Candidate candidate_of(const ScannedFolder& folder, const FileSet& set, const ModelDefaults& defaults) {
  Candidate candidate;
  const ScannedFile& first = *set.files.front();
  candidate.base = lower_case(first.name.base);
  candidate.stem = lower_case(first.name.stem);
  candidate.model_key = without_gguf(lower_case(folder.model));
  ModelEntry& entry = candidate.entry;
  entry.error = set.error;
  entry.publisher = folder.publisher;
  entry.bundled = folder.bundled;
  entry.defaults = defaults;
  entry.path = first.path;
  entry.relative_path = first.relative_path;
  entry.relative_folder = folder.publisher + "/" + folder.model;
  entry.modified_seconds = first.identity.mtime_ns / 1'000'000'000;
  for (const ScannedFile* file : set.files) {
    entry.parts.push_back(model_file(*file));
    entry.size_bytes += file->identity.size;
  }
  std::uint64_t expert_parameters = 0;
  for (const Facts* facts : set.facts) {
    entry.parameters += facts->file_parameters;
    entry.weight_bytes += facts->file_tensor_bytes;
    expert_parameters += facts->file_expert_parameters;
  }
  const Facts nothing;
  const Facts& facts = set.facts.empty() ? nothing : *set.facts.front();
  entry.architecture = facts.architecture;
  entry.quantization = quantization_of(first.name, facts, entry.weight_bytes, entry.parameters);
  candidate.label = lower_case(first.name.quantization.empty() ? entry.quantization.name : first.name.quantization);
  entry.type = is_embedding_model(facts) ? ModelType::kEmbedding : ModelType::kLlm;
  entry.params_string = params_of(facts, entry, expert_parameters, folder.model, first.name);
  entry.max_context_length = facts.context_length > 0 ? facts.context_length : defaults.max_context_length.value_or(0);
  entry.embedding_length = facts.embedding_length;
  entry.pooling = facts.pooling;
  entry.causal = facts.causal.value_or(!is_encoder(facts.architecture));
  entry.chat_template = defaults.chat_template.value_or(facts.chat_template);
  entry.named_templates = facts.named_templates;
  entry.tokenizer = facts.tokenizer;
  entry.cache = facts.cache;
  entry.trained_for_tool_use = defaults.trained_for_tool_use;
  entry.description = defaults.description.value_or(facts.description);
  entry.display_name =
      defaults.display_name.value_or(is_sane_name(facts.name) ? facts.name : pretty_name(folder.model));
  return candidate;
}

// Names for the variants of one key: the quantization where it tells them apart, else the file's stem.
void name_variants(std::vector<Candidate*>& variants) {
  std::map<std::string, int> uses;
  for (Candidate* candidate : variants) ++uses[candidate->label];
  for (Candidate* candidate : variants) {
    const bool tells = !candidate->label.empty() && uses[candidate->label] == 1;
    candidate->entry.variant = tells ? candidate->label : candidate->stem;
  }
}

bool differ_only_in_quantization(const Candidate& a, const Candidate& b) {
  return a.base == b.base && a.entry.architecture == b.entry.architecture && a.entry.parameters == b.entry.parameters &&
         a.entry.embedding_length == b.entry.embedding_length;
}

// Candidates of one key, before collisions between folders are looked for.
struct Group {
  std::string bare_key;
  std::vector<Candidate*> variants;
  std::string key;
};

constexpr std::string_view kEmbeddingPrefix = "text-embedding-";

std::string with_prefix(const Candidate& candidate, const std::string& key) {
  const bool needs_it = candidate.entry.type == ModelType::kEmbedding && !key.starts_with(kEmbeddingPrefix);
  return needs_it ? std::string(kEmbeddingPrefix) + key : key;
}

std::vector<Group> groups_of(std::vector<Candidate>& candidates) {
  std::vector<Group> groups;
  for (Candidate& candidate : candidates) {
    const auto same = std::find_if(groups.begin(), groups.end(), [&](const Group& group) {
      return differ_only_in_quantization(*group.variants.front(), candidate);
    });
    if (same != groups.end()) {
      same->variants.push_back(&candidate);
    } else {
      groups.push_back({{}, {&candidate}, {}});
    }
  }
  for (Group& group : groups) {
    const Candidate& first = *group.variants.front();
    const std::string own_name = group.variants.size() > 1 ? first.base : first.stem;
    group.bare_key = with_prefix(first, groups.size() == 1 ? first.model_key : own_name);
    name_variants(group.variants);
  }
  return groups;
}

// "publisher/key". A bundled embedding model's is "text-embedding-publisher-key": clients know embedding models by how
// their names begin. What it is need not be said twice, so "-embed" goes from the end.
std::string qualified(const Group& group) {
  const ModelEntry& entry = group.variants.front()->entry;
  const std::string publisher = lower_case(entry.publisher);
  if (!entry.bundled || entry.type != ModelType::kEmbedding) return publisher + "/" + group.bare_key;
  constexpr std::string_view kSaid = "-embed";
  std::string_view name = std::string_view(group.bare_key).substr(kEmbeddingPrefix.size());
  if (name.size() > kSaid.size() && name.ends_with(kSaid)) name.remove_suffix(kSaid.size());
  return fmt::format("{}{}-{}", kEmbeddingPrefix, publisher, name);
}

void choose_keys(std::vector<Group>& groups) {
  std::map<std::string, int> bare;
  for (const Group& group : groups) {
    if (!group.variants.front()->entry.bundled) ++bare[group.bare_key];
  }
  std::map<std::string, int> taken;
  for (Group& group : groups) {
    const bool needs_publisher = group.variants.front()->entry.bundled || bare[group.bare_key] > 1;
    group.key = needs_publisher ? qualified(group) : group.bare_key;
    // The same publisher and model in two roots, or in two spellings.
    for (int copy = ++taken[group.key]; copy > 1; copy = ++taken[group.key]) {
      group.key = fmt::format("{}-{}", group.key, copy);
    }
  }
}

void finish_group(Group& group, std::vector<ModelEntry>& entries) {
  auto& variants = group.variants;
  std::sort(variants.begin(), variants.end(),
            [](const Candidate* a, const Candidate* b) { return a->entry.variant < b->entry.variant; });
  std::vector<const ModelEntry*> all;
  std::vector<std::string> names;
  for (Candidate* candidate : variants) {
    candidate->entry.key = group.key;
    all.push_back(&candidate->entry);
    names.push_back(candidate->entry.variant_key());
  }
  const std::string selected = names[default_variant(all)];
  for (Candidate* candidate : variants) {
    if (names.size() > 1) {
      candidate->entry.variants = names;
      candidate->entry.selected_variant = selected;
    }
    entries.push_back(std::move(candidate->entry));
  }
}

struct FolderModels {
  std::vector<Candidate> good;
  std::vector<Candidate> broken;
};

FolderModels models_of(const ScannedFolder& folder, const FileReader& reader, std::vector<Problem>& problems) {
  FolderModels models;
  ModelDefaults defaults;
  if (folder.yaml) {
    auto found = reader.defaults(*folder.yaml);
    if (found) {
      defaults = std::move(*found);
      for (const std::string& warning : defaults.warnings) {
        problems.push_back({Problem::Kind::kWarning, folder.yaml->path, warning});
      }
    } else {
      problems.push_back(
          {Problem::Kind::kWarning, folder.yaml->path, found.error().message + "; the model's own defaults hold"});
    }
  }
  FolderFiles files(folder, reader, problems);
  files.sort_out();
  std::vector<std::string> bases;
  bases.reserve(files.sets.size());
  for (const FileSet& set : files.sets) bases.push_back(lower_case(set.files.front()->name.base));
  for (std::size_t i = 0; i < files.sets.size(); ++i) {
    const FileSet& set = files.sets[i];
    Candidate candidate = candidate_of(folder, set, defaults);
    if (!set.error.empty()) {
      models.broken.push_back(std::move(candidate));
      continue;
    }
    ModelEntry& entry = candidate.entry;
    const auto* projector = entry.type == ModelType::kLlm ? projector_for(bases[i], bases, files.projectors) : nullptr;
    if (projector != nullptr) {
      entry.projector = model_file(*projector->first);
      entry.size_bytes += projector->first->identity.size;
      // Older projectors do not say what they encode; they are for images.
      entry.vision = projector->second->sees_images || !projector->second->hears_sound;
      if (entry.vision) entry.type = ModelType::kVlm;
    }
    models.good.push_back(std::move(candidate));
  }
  return models;
}

// A broken model gets the key that it would have, for messages; nothing depends on it.
ModelEntry finish_broken(Candidate& candidate, bool alone) {
  ModelEntry& entry = candidate.entry;
  entry.key = alone ? candidate.model_key : candidate.stem;
  if (entry.bundled) entry.key = lower_case(entry.publisher) + "/" + entry.key;
  entry.variant = candidate.label.empty() ? candidate.stem : candidate.label;
  return std::move(entry);
}

}  // namespace

std::string_view to_string(ModelType type) {
  switch (type) {
    case ModelType::kLlm: return "llm";
    case ModelType::kVlm: return "vlm";
    case ModelType::kEmbedding: return "embedding";
  }
  return "llm";
}

bool is_embedding_model(const Facts& facts) {
  if (is_encoder(facts.architecture)) return true;
  if (facts.causal == false) return facts.pooling.has_value();  // not diffusion models, which have no pooling
  return facts.pooling.value_or(0) != 0;
}

std::size_t default_variant(const std::vector<const ModelEntry*>& variants) {
  const auto rank = [](const ModelEntry& entry) {
    const int bits = entry.quantization.bits;
    const int distance = bits == 0 ? 1000 : bits >= 4 ? (bits - 4) * 2 : (4 - bits) * 2 + 100;
    // Among those of four bits the customary one.
    return std::tuple(distance, entry.quantization.name != "Q4_K_M", ~entry.size_bytes, entry.variant);
  };
  std::size_t best = 0;
  for (std::size_t i = 1; i < variants.size(); ++i) {
    if (rank(*variants[i]) < rank(*variants[best])) best = i;
  }
  return best;
}

Assembly assemble(const std::vector<ScannedFolder>& folders, const FileReader& reader) {
  Assembly assembly;
  std::vector<FolderModels> all;
  all.reserve(folders.size());
  for (const ScannedFolder& folder : folders) all.push_back(models_of(folder, reader, assembly.problems));
  std::vector<Group> groups;
  for (FolderModels& models : all) {
    for (Group& group : groups_of(models.good)) groups.push_back(std::move(group));
  }
  choose_keys(groups);
  for (Group& group : groups) finish_group(group, assembly.entries);
  for (FolderModels& models : all) {
    const bool alone = models.good.empty() && models.broken.size() == 1;
    for (Candidate& candidate : models.broken) assembly.broken.push_back(finish_broken(candidate, alone));
  }
  std::stable_sort(assembly.entries.begin(), assembly.entries.end(), [](const ModelEntry& a, const ModelEntry& b) {
    return std::tie(a.key, a.variant) < std::tie(b.key, b.variant);
  });
  return assembly;
}

}  // namespace atelier::models
