// lms import.
#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <filesystem>

#include "base/files.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/format.h"
#include "cli/interrupt.h"
#include "cli/model_choice.h"
#include "cli/preferences.h"
#include "cli/question.h"
#include "models/import.h"

namespace atelier::cli {
namespace {

namespace fs = std::filesystem;
using models::ImportMethod;
using models::ImportName;

constexpr std::string_view kMoveWarned = "importWillMoveWarned";

// How a method is told: before, and after.
struct MethodWords {
  std::string_view would, done;
};
MethodWords words_of(ImportMethod method) {
  switch (method) {
    case ImportMethod::kMove: return {"Would move the file to", "File moved to"};
    case ImportMethod::kCopy: return {"Would copy the file to", "File copied to"};
    case ImportMethod::kHardLink: return {"Would create a hard link at", "Hard link created at"};
    case ImportMethod::kSymbolicLink: return {"Would create a symbolic link at", "Symbolic link created at"};
  }
  return {};
}

ImportMethod method_of(const ImportOptions& options) {
  if (options.copy) return ImportMethod::kCopy;
  if (options.hard_link) return ImportMethod::kHardLink;
  return options.symbolic_link ? ImportMethod::kSymbolicLink : ImportMethod::kMove;
}

// `downloadsFolder` of settings.json, else HOME/models.
Result<fs::path> models_folder(const fs::path& home) {
  fs::path settings = home / "settings.json";
  auto text = files::read_file(settings, 16 * 1024 * 1024);
  if (!text && text.error().code == ErrorCode::kNotFound) return home / "models";
  if (!text) return std::unexpected(text.error());
  auto parsed = json::parse(*text);
  if (!parsed) {
    return fail(ErrorCode::kCorrupt, fmt::format("{} is not JSON: {}", settings.string(), parsed.error().message));
  }
  const json::Value* folder = parsed->find("downloadsFolder");
  if (folder && folder->if_string() && !folder->if_string()->empty()) return fs::path(*folder->if_string());
  return home / "models";
}

std::string os_user() {
  const passwd* entry = ::getpwuid(::getuid());
  return entry && entry->pw_name && *entry->pw_name ? entry->pw_name : "user";
}

Result<std::string> asked_name(Shell& shell, std::string_view question, const std::string& fallback) {
  while (true) {
    auto answer = ask_text(shell, question, fallback);
    if (!answer) return fail(ErrorCode::kCancelled, "Import cancelled.");
    auto good = models::check_import_name(*answer, question);
    if (good) return *answer;
    shell.console.error(good.error());
  }
}

Result<ImportName> asked_target(Shell& shell, const ImportName& guess) {
  auto choice =
      pick_one(shell, "Where does the model belong? |", {"Name its creator and the model", "Leave it uncategorised"},
               {"", "(imported-models/uncategorized)"});
  if (!choice) return std::unexpected(choice.error());
  if (*choice == 1) return ImportName{"imported-models", "uncategorized"};
  auto user = asked_name(shell, "Creator of the model", guess.user);
  if (!user) return std::unexpected(user.error());
  auto repo = asked_name(shell, "Name of the model", guess.repo);
  if (!repo) return std::unexpected(repo.error());
  return ImportName{*user, *repo};
}

Result<ImportName> target_of(Shell& shell, const ImportOptions& options, const fs::path& file) {
  if (!options.user_repo.empty()) return models::parse_import_name(options.user_repo);
  ImportName guess = models::guess_import_name(file.filename().string(), os_user());
  if (options.yes) return guess;
  if (!shell.console.interactive()) {
    return fail(
        ErrorCode::kInvalidRequest,
        "Without a terminal nobody can be asked where the model belongs. Say it with --user-repo <user/repo>, or let "
        "--yes guess.");
  }
  return asked_target(shell, guess);
}

// Yes where the user agrees, or said so beforehand.
Result<void> agreed(Shell& shell, const ImportOptions& options, const std::string& question, bool default_yes) {
  if (options.yes) return {};
  if (!shell.console.interactive()) {
    return fail(ErrorCode::kInvalidRequest,
                fmt::format("{} Without a terminal nobody can be asked; agree with --yes.", question));
  }
  if (ask_yes_no(shell, question, default_yes) == Answer::kYes) return {};
  return fail(ErrorCode::kCancelled, "Import cancelled.");
}

Result<void> confirm(Shell& shell, const ImportOptions& options, const models::ImportPlan& plan) {
  for (const std::string& warning : plan.warnings) shell.console.warn(printable(warning));
  if (!plan.warnings.empty()) {
    if (auto go_on = agreed(shell, options, "Import the file nevertheless?", false); !go_on) return go_on;
  }
  if (plan.method != ImportMethod::kMove) return {};
  Preferences preferences = Preferences::read(shell.environment.home);
  if (preferences.flag(kMoveWarned)) return {};
  auto go_on = agreed(shell, options,
                      "The file will be moved into the models folder and will no longer be where it is now (--copy, "
                      "--hard-link and --symbolic-link leave it there). Go on?",
                      true);
  if (!go_on) return go_on;
  preferences.set_flag(kMoveWarned);
  if (auto saved = preferences.save(); !saved) shell.console.debug(saved.error().message);
  return {};
}

Result<models::ImportOutcome> import_with_progress(Shell& shell, const models::ImportPlan& plan) {
  Interrupt interrupt;
  Progress progress(shell.console);
  auto on_progress = [&](std::uint64_t done, std::uint64_t total) {
    if (interrupt.clear()) return false;
    if (total > 0) progress.show("Importing", static_cast<double>(done) / static_cast<double>(total));
    return true;
  };
  return models::run_import(plan, on_progress);
}

}  // namespace

int run_import(Shell& shell, const ImportOptions& options) {
  if (options.copy + options.hard_link + options.symbolic_link > 1) {
    return usage_error(shell, "Only one of --copy, --hard-link and --symbolic-link can be given.");
  }
  fs::path file = options.file;
  std::error_code problem;
  if (!fs::exists(file, problem)) return usage_error(shell, fmt::format("There is no file {}.", file.string()));
  if (!fs::is_regular_file(file, problem)) return usage_error(shell, fmt::format("{} is not a file.", file.string()));
  auto folder = models_folder(shell.environment.home);
  if (!folder) return report(shell, folder.error());
  auto name = target_of(shell, options, file);
  if (!name) return report(shell, name.error());
  auto plan = models::plan_import(file, *folder, *name, method_of(options));
  if (!plan) return report(shell, plan.error());

  MethodWords words = words_of(plan->method);
  if (options.dry_run) {
    for (const std::string& warning : plan->warnings) shell.console.warn(printable(warning));
    for (const models::ImportStep& step : plan->steps) {
      shell.console.info(fmt::format("{} {}", words.would, printable(step.target.string())));
    }
    shell.console.info("Nothing was done: this was a dry run.");
    return 0;
  }
  if (auto go_on = confirm(shell, options, *plan); !go_on) return report(shell, go_on.error());
  auto outcome = import_with_progress(shell, *plan);
  if (!outcome) return report(shell, outcome.error());
  for (const std::string& warning : outcome->warnings) shell.console.warn(printable(warning));
  for (const models::ImportStep& step : plan->steps) {
    shell.console.info(fmt::format("{} {}", words.done, printable(step.target.string())));
  }
  return 0;
}

}  // namespace atelier::cli
