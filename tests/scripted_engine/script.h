// The script that the scripted engine plays; README.md describes the file. Unknown members are errors, so that
// a misspelt one cannot make a test pass.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"

namespace atelier::scripted {

// How the engine ends itself.
enum class Crash { kNone, kAbort, kExit, kKill, kSegfault };

struct ScriptError {
  std::string kind = "internal";  // load_failed, context_length_exceeded, … (proto/engine.proto, lower case)
  std::string message = "scripted error";
  std::string param;
};

struct ScriptPiece {
  std::string text;
  bool is_control = false;
  std::optional<std::int32_t> token;
  std::optional<double> logprob;
  std::vector<ScriptPiece> top;
};

struct ScriptDone {
  std::string reason = "end_token";
  std::string stop_string;
  std::optional<std::int32_t> end_token;
};

struct Step {
  enum class Kind {
    kPieces,
    kProgress,
    kEcho,
    kReport,
    kError,
    kDone,
    kCrash,
    kRaw,
    kHang,
    kDeaf,
    kPrint,
    kLog,
    kWait
  };
  Kind kind = Kind::kWait;
  std::chrono::milliseconds after{0};  // wait before it
  std::uint64_t times = 1;             // 0: without end
  std::vector<ScriptPiece> pieces;
  bool of_prompt = false;
  std::uint64_t processed = 0;
  std::uint64_t total = 0;
  std::string text;  // echo: "prompt" or "request"; raw, print, log: see README.md
  ScriptError error;
  ScriptDone done;
  Crash crash = Crash::kNone;
};

struct Rule {
  std::string when;  // occurs in the prompt's text; empty: always
  std::chrono::milliseconds accept_after{0};
  std::chrono::milliseconds start_after{0};
  std::optional<ScriptError> refuse;  // instead of Accepted
  std::uint64_t cached_tokens = 0;
  bool ignore_cancel = false;
  bool ignore_pause = false;
  std::vector<Step> steps;
};

struct Script {
  bool ignore_end = false;     // goes on after end of file and SIGTERM
  std::uint32_t parallel = 0;  // 0: as the load says, else 4
  struct {
    std::chrono::milliseconds step{0};
    std::vector<double> progress;
    std::vector<std::string> print;
    std::vector<std::string> log;
    std::optional<ScriptError> error;
    Crash crash = Crash::kNone;
    bool hang = false;
    std::string raw;
    std::uint32_t context_length = 4096;
    std::string architecture = "scripted";
  } load;
  struct {
    std::uint64_t weight_bytes = 1'000'000;
    std::uint64_t kv_cache_bytes = 2'000'000;
    std::uint64_t compute_bytes = 300'000;
    std::uint64_t gpu_bytes = 0;
    std::uint64_t available_bytes = 0;
    bool fits = true;
    bool lowered = false;
    bool exact = true;
    std::optional<ScriptError> error;
    Crash crash = Crash::kNone;
    bool hang = false;
    std::string raw;
  } estimate;
  std::vector<Rule> generate;
  struct {
    std::chrono::milliseconds after{0};
    std::vector<std::vector<float>> vectors{{1, 0, 0}};
    std::optional<ScriptError> error;
    Crash crash = Crash::kNone;
    bool hang = false;
  } embed;
};

// The script of a model: the file itself, or for NAME.gguf the file NAME.script.json beside it; a GGUF without
// one gets a script that echoes the prompt.
Result<Script> read_script(const std::filesystem::path& model);

Result<Script> parse_script(std::string_view text);

}  // namespace atelier::scripted
