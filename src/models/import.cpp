#include "models/import.h"

#include <fmt/core.h>
#include <algorithm>
#include <array>
#include <cerrno>
#include <set>
#include <utility>

#include "base/utf8.h"
#include "models/file_name.h"
#include "models/gguf.h"

namespace atelier::models {
namespace {

constexpr std::size_t kMaxNameLength = 100;
constexpr std::string_view kForbidden = "/<>:\"\\|?*";

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

std::string clean_name(std::string_view text, std::string_view otherwise) {
  std::string name;
  const std::string repaired = utf8::repair(text);
  for (std::size_t at = 0, count = 0; at < repaired.size() && count < kMaxNameLength; ++count) {
    const auto decoded = utf8::decode(repaired, at);
    const char first = repaired[at];
    if (decoded.length == 1 && (is_control(first) || kForbidden.find(first) != std::string_view::npos)) {
      name += '-';
    } else {
      name.append(repaired, at, decoded.length);
    }
    at += decoded.length;
  }
  const auto edge = [](char c) { return c == '.' || c == ' ' || c == '-' || c == '_'; };
  while (!name.empty() && edge(name.back())) name.pop_back();
  while (!name.empty() && edge(name.front())) name.erase(name.begin());
  return name.empty() ? std::string(otherwise) : name;
}

struct Sibling {
  std::string file;
  FileName name;
};

Result<std::vector<Sibling>> model_files_in(const files::Path& folder) {
  auto entries = files::list_folder(folder.empty() ? files::Path(".") : folder);
  if (!entries) return std::unexpected(entries.error());
  std::vector<Sibling> found;
  for (auto& entry : *entries) {
    FileName name = parse_file_name(entry.name);
    if (name.is_gguf && !entry.name.starts_with('.')) found.push_back({std::move(entry.name), std::move(name)});
  }
  return found;
}

// Names of the other files that belong to the model: its parts, then its projectors. A projector that does
// not name the model is taken only where no other model in the folder could be meant.
Result<std::vector<std::string>> companions(const std::string& file, const FileName& name,
                                            const std::vector<Sibling>& siblings) {
  std::vector<std::string> found;
  for (std::uint32_t part = 1; part <= name.part_count; ++part) {
    if (part == name.part) continue;
    const auto is_part = [&](const Sibling& sibling) {
      return sibling.name.stem == name.stem && sibling.name.part_count == name.part_count && sibling.name.part == part;
    };
    const auto at = std::find_if(siblings.begin(), siblings.end(), is_part);
    if (at == siblings.end()) {
      return fail(ErrorCode::kInvalidRequest,
                  fmt::format("'{}' is part {} of {}, and part {} is not beside it; get all parts first", file,
                              name.part, name.part_count, part));
    }
    found.push_back(at->file);
  }
  if (name.projector || !name.is_gguf) return found;
  const std::string base = lower_case(name.base);
  bool alone = true;
  for (const Sibling& sibling : siblings) {
    alone = alone && (sibling.name.projector || lower_case(sibling.name.base) == base);
  }
  for (const Sibling& sibling : siblings) {
    if (!sibling.name.projector) continue;
    if (alone || lower_case(sibling.name.stem).find(base) != std::string::npos) found.push_back(sibling.file);
  }
  return found;
}

Result<void> check_source(const files::Path& source, ImportMethod method) {
  const auto status = files::path_status(source);
  if (!status) return std::unexpected(status.error());
  if (status->kind != files::Kind::kFile) {
    return fail(ErrorCode::kInvalidRequest, fmt::format("'{}' is not a file", source.string()));
  }
  const auto itself = files::link_status(source);
  if (method == ImportMethod::kMove && itself && itself->kind == files::Kind::kLink) {
    return fail(ErrorCode::kInvalidRequest,
                fmt::format("'{}' is a symbolic link; name the file that it leads to, or use --copy, --hard-link or "
                            "--symbolic-link",
                            source.string()));
  }
  return {};
}

void warn_of_content(const files::Path& source, std::vector<std::string>& warnings) {
  const auto file = files::ReadableFile::open(source);
  if (!file) return;  // run_import will say so
  const auto read = Gguf::read(FileSource(*file));
  if (!read)
    warnings.push_back(fmt::format("'{}' cannot be used as a model: {}", source.string(), read.error().message));
}

// Does the steps one by one and remembers how to take each back.
class Importer {
 public:
  Importer(const ImportPlan& plan, const files::CopyProgress& progress, files::FileSystem& system)
      : plan_(plan), progress_(progress), system_(system) {}

  Result<ImportOutcome> run() {
    auto done = bring_in();
    if (done) done = delete_sources();
    if (done) return std::move(outcome_);
    return std::unexpected(taken_back(std::move(done.error())));
  }

 private:
  struct Done {
    const ImportStep* step;
    bool renamed;  // else: made anew, and the source is still there
  };

  Result<void> bring_in() {
    auto made = files::make_folders(plan_.folder, system_);
    if (!made) return std::unexpected(made.error());
    folders_ = std::move(*made);
    for (const ImportStep& step : plan_.steps) {
      if (auto done = bring_in(step); !done) return done;
    }
    if (const int error = system_.sync_folder(plan_.folder); error != 0 && error != EINVAL && error != ENOTSUP) {
      return std::unexpected(files::io_error("write the folder", plan_.folder, error));
    }
    return {};
  }

  Result<void> bring_in(const ImportStep& step) {
    switch (plan_.method) {
      case ImportMethod::kCopy: return copy(step);
      case ImportMethod::kMove: {
        const int error = system_.rename_to_free(step.source, step.target);
        if (error == EXDEV) return copy(step);
        return finished("move", step, error, true);
      }
      case ImportMethod::kHardLink:
        return finished("make a hard link for", step, system_.hard_link(step.source, step.target), false);
      case ImportMethod::kSymbolicLink:
        return finished("make a symbolic link to", step, system_.symbolic_link(step.source, step.target), false);
    }
    return {};
  }

  Result<void> finished(std::string_view action, const ImportStep& step, int error, bool renamed) {
    if (error == 0) {
      done_.push_back({&step, renamed});
      return {};
    }
    return std::unexpected(files::io_error(action, error == EEXIST ? step.target : step.source, error));
  }

  Result<void> copy(const ImportStep& step) {
    files::CopyOptions options;
    options.verify = plan_.method == ImportMethod::kMove;
    if (progress_) {
      options.progress = [this](std::uint64_t done, std::uint64_t) {
        return progress_(copied_ + done, plan_.total_bytes());
      };
    }
    if (auto done = files::copy_to_free(step.source, step.target, options, system_); !done) return done;
    copied_ += step.size_bytes;
    done_.push_back({&step, false});
    return {};
  }

  // After a move by copying, when every copy is complete. The first that cannot be deleted ends the import;
  // later ones only leave a file behind, since what is gone could not be brought back.
  Result<void> delete_sources() {
    if (plan_.method != ImportMethod::kMove) return {};
    bool deleted = false;
    for (const Done& done : done_) {
      if (done.renamed) {
        deleted = true;
        continue;
      }
      const int error = system_.remove_file(done.step->source);
      if (error == 0) {
        deleted = true;
      } else if (!deleted) {
        return std::unexpected(files::io_error("remove", done.step->source, error));
      } else {
        outcome_.warnings.push_back("the copy is complete, but " +
                                    files::io_error("remove", done.step->source, error).message);
      }
    }
    return {};
  }

  Error taken_back(Error error) {
    std::string left;
    for (auto at = done_.rbegin(); at != done_.rend(); ++at) {
      const int failed = at->renamed ? system_.rename_to_free(at->step->target, at->step->source)
                                     : system_.remove_file(at->step->target);
      if (failed == 0) continue;
      left +=
          fmt::format("; '{}' could not be {}: {}", at->step->target.string(), at->renamed ? "moved back" : "removed",
                      files::io_error("do so with", at->step->target, failed).message);
    }
    for (auto at = folders_.rbegin(); at != folders_.rend(); ++at) system_.remove_folder(*at);
    error.message += left.empty() ? "; nothing was imported" : left;
    return error;
  }

  const ImportPlan& plan_;
  const files::CopyProgress& progress_;
  files::FileSystem& system_;
  std::vector<files::Path> folders_;  // made by us, outermost first
  std::vector<Done> done_;
  std::uint64_t copied_ = 0;
  ImportOutcome outcome_;
};

}  // namespace

std::uint64_t ImportPlan::total_bytes() const {
  std::uint64_t total = 0;
  for (const ImportStep& step : steps) total += step.size_bytes;
  return total;
}

Result<void> check_import_name(std::string_view name, std::string_view what) {
  const auto refuse = [&](std::string_view why) {
    return fail(ErrorCode::kInvalidRequest,
                fmt::format("the {} '{}' {}", what, utf8::repair(name.substr(0, 120)), why));
  };
  if (name.empty() || utf8::count(name) > kMaxNameLength) return refuse("must have 1 to 100 characters");
  if (!utf8::is_valid(name)) return refuse("is not UTF-8");
  for (const char edge : {name.front(), name.back()}) {
    if (edge == '.' || edge == ' ') return refuse("must not begin or end with a dot or a blank");
  }
  if (name.find_first_of(kForbidden) != std::string_view::npos || std::any_of(name.begin(), name.end(), is_control)) {
    return refuse("must have none of / < > : \" \\ | ? * and no control characters");
  }
  return {};
}

Result<ImportName> parse_import_name(std::string_view user_and_repo) {
  const std::size_t slash = user_and_repo.find('/');
  if (slash == std::string_view::npos) {
    return fail(ErrorCode::kInvalidRequest,
                fmt::format("'{}' must have the form USER/REPO", utf8::repair(user_and_repo.substr(0, 120))));
  }
  ImportName name{std::string(user_and_repo.substr(0, slash)), std::string(user_and_repo.substr(slash + 1))};
  if (auto good = check_import_name(name.user, "user"); !good) return std::unexpected(good.error());
  if (auto good = check_import_name(name.repo, "repository"); !good) return std::unexpected(good.error());
  return name;
}

ImportName guess_import_name(std::string_view file_name, std::string_view user) {
  const FileName parsed = parse_file_name(file_name);
  return {clean_name(user, "imported-models"), clean_name(parsed.base.empty() ? parsed.stem : parsed.base, "model")};
}

Result<ImportPlan> plan_import(const files::Path& file, const files::Path& models_folder, const ImportName& name,
                               ImportMethod method) {
  if (auto good = check_import_name(name.user, "user"); !good) return std::unexpected(good.error());
  if (auto good = check_import_name(name.repo, "repository"); !good) return std::unexpected(good.error());
  if (auto good = check_source(file, method); !good) return std::unexpected(good.error());
  // Absolute, for links; without following the last name, so that a link keeps the name that was given.
  std::error_code error;
  const files::Path absolute = std::filesystem::absolute(file, error).lexically_normal();
  if (error) return fail(ErrorCode::kIo, fmt::format("cannot make '{}' an absolute path", file.string()));

  ImportPlan plan;
  plan.method = method;
  plan.folder = std::filesystem::absolute(models_folder, error).lexically_normal() / name.user / name.repo;
  const std::string first = absolute.filename().string();
  const FileName parsed = parse_file_name(first);
  if (!parsed.is_gguf)
    plan.warnings.push_back(fmt::format("'{}' does not end in .gguf; it will not be found as a model", first));
  const auto siblings = model_files_in(absolute.parent_path());
  if (!siblings) return std::unexpected(siblings.error());
  const auto others = companions(first, parsed, *siblings);
  if (!others) return std::unexpected(others.error());
  std::vector<std::string> names = {first};
  names.insert(names.end(), others->begin(), others->end());
  for (const std::string& each : names) {
    const files::Path source = absolute.parent_path() / each;
    if (auto good = check_source(source, method); !good) return std::unexpected(good.error());
    const auto identity = files::identity(source);
    if (!identity) return std::unexpected(identity.error());
    const files::Path target = plan.folder / each;
    if (files::link_status(target)) {
      return fail(ErrorCode::kConflict,
                  fmt::format("'{}' is there already; remove it first, or choose another USER/REPO", target.string()));
    }
    if (parsed.is_gguf) warn_of_content(source, plan.warnings);
    plan.steps.push_back({source, target, identity->size});
  }
  return plan;
}

Result<ImportOutcome> run_import(const ImportPlan& plan, const files::CopyProgress& progress,
                                 files::FileSystem& system) {
  return Importer(plan, progress, system).run();
}

}  // namespace atelier::models
