// Makes models of files: joins the parts of split ones, gives projectors to the models beside them, tells
// variants from different models, and chooses the keys (docs/models.md has the rules in words).
//
// Keys, in short: the MODEL folder in small letters without "-gguf"; files in one folder that differ only
// in quantization are variants of that key; files that differ in more have keys of their own, from their
// names; "text-embedding-" before embedding models; "publisher/" before bundled models and where two models
// would have the same key. A broken file never changes the key of a good one.
// Pure functions of what was scanned and read.
#pragma once

#include <functional>
#include <vector>

#include "models/model_entry.h"
#include "models/scan.h"

namespace atelier::models {

struct Assembly {
  std::vector<ModelEntry> entries;  // every variant that can be loaded, ordered by key, then variant
  std::vector<ModelEntry> broken;   // with their error and the keys they would have
  std::vector<Problem> problems;
};

// What the assembler asks for while it works.
struct FileReader {
  std::function<Result<Facts>(const ScannedFile& file)> facts;
  std::function<Result<ModelDefaults>(const ScannedFile& file)> defaults;
};

Assembly assemble(const std::vector<ScannedFolder>& folders, const FileReader& reader);

// Whether the facts are those of a model that gives vectors, not text: its architecture, or a pooling type.
bool is_embedding_model(const Facts& facts);

// The variant that the bare key means when nobody chose: about four bits per weight, which is what most
// people download, then the next larger, then the largest below.
std::size_t default_variant(const std::vector<const ModelEntry*>& variants);

}  // namespace atelier::models
