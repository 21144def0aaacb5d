// Brings model files into the models folder: MODELS/USER/REPO/FILE.gguf, as `lms import` does. All parts of
// a split model and the projectors beside it come together. plan_import looks and decides, changing
// nothing; run_import does it, completely or not at all: nothing is ever overwritten, and after any failure
// (a full disk, a file in use) the target is as before and the sources are intact. A move between file
// systems copies, compares every byte, and only then deletes.
//
// Blocks on the disk; no state.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/files.h"

namespace atelier::models {

enum class ImportMethod { kMove, kCopy, kHardLink, kSymbolicLink };

// The name of a publisher or model folder: 1 to 100 characters of UTF-8, no leading or trailing dot or
// blank, none of / < > : " \ | ? * and no control characters. `what` is how a message calls it.
Result<void> check_import_name(std::string_view name, std::string_view what);

struct ImportName {
  std::string user;
  std::string repo;
};
// "USER/REPO", both checked.
Result<ImportName> parse_import_name(std::string_view user_and_repo);
// Where a file goes when nobody says: the given user, and the file's name without quantization and part
// number. Characters that a folder may not have become '-'.
ImportName guess_import_name(std::string_view file_name, std::string_view user);

struct ImportStep {
  files::Path source;
  files::Path target;
  std::uint64_t size_bytes = 0;
};

struct ImportPlan {
  ImportMethod method = ImportMethod::kMove;
  files::Path folder;                 // the target folder
  std::vector<ImportStep> steps;      // the named file first
  std::vector<std::string> warnings;  // not a .gguf; not readable as one
  std::uint64_t total_bytes() const;
};

// kNotFound: no such file; kInvalidRequest: a bad name, a part that is missing, a symbolic link to move;
// kConflict: a target that is taken.
Result<ImportPlan> plan_import(const files::Path& file, const files::Path& models_folder, const ImportName& name,
                               ImportMethod method);

// What is left to say after a success: a source that could not be deleted after it was copied.
struct ImportOutcome {
  std::vector<std::string> warnings;
};
Result<ImportOutcome> run_import(const ImportPlan& plan, const files::CopyProgress& progress = {},
                                 files::FileSystem& system = files::FileSystem::real());

}  // namespace atelier::models
