// What choosing a token costs beside the model: ours and the inference library's own samplers, in turns, on the same
// logits. Arguments are GGUF files, of which only the vocabulary is read; scripts/bench-sampler makes them.
//
// "peaked" is what a model gives that knows what comes next: most logits of a normal distribution, a few far above.
// "flat" is a model that does not know. A whole step of ours is what the engine does for a token: penalties, selection,
// draw, taking the token into the window, its bytes, and the search for stop strings. The library's is what its server
// does: filling the list of candidates, its chain, accepting, its bytes.
#include <fmt/format.h>
#include <llama.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "engine/answer_text.h"
#include "engine/log_probabilities.h"
#include "engine/logit_scan.h"
#include "engine/sampler.h"
#include "engine/vocabulary.h"

namespace atelier::engine {
namespace {

using Clock = std::chrono::steady_clock;
using Row = std::vector<float>;

constexpr int kRows = 8;
constexpr int kTurns = 400;
constexpr std::uint32_t kContext = 8192;

std::vector<Row> make_rows(std::size_t size, bool peaked) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0, peaked ? 2.2F : 1.0F);
  std::vector<Row> rows(kRows, Row(size));
  for (Row& row : rows) {
    for (float& logit : row) logit = normal(random);
    for (int i = 0; peaked && i < 30; ++i)
      row[random() % size] = 18 - 0.5F * static_cast<float>(i) + normal(random) / 4;
  }
  return rows;
}

// Microseconds of a call, median of all; each gets its own copy of a row, made before the clock starts.
double median(const std::vector<Row>& rows, int turns, const std::function<void(std::span<float>)>& call) {
  std::vector<double> took;
  Row work;
  for (int turn = 0; turn < turns; ++turn) {
    work = rows[static_cast<std::size_t>(turn) % rows.size()];
    const auto begin = Clock::now();
    call(work);
    took.push_back(std::chrono::duration<double, std::micro>(Clock::now() - begin).count());
  }
  std::nth_element(took.begin(), took.begin() + turns / 2, took.end());
  return took[static_cast<std::size_t>(turns / 2)];
}

struct ModelDeleter {
  void operator()(llama_model* model) const { llama_model_free(model); }
};
struct ChainDeleter {
  void operator()(llama_sampler* chain) const { llama_sampler_free(chain); }
};
using Chain = std::unique_ptr<llama_sampler, ChainDeleter>;

Chain library_chain(const SamplerSettings& s, std::int32_t vocabulary_size) {
  Chain chain(llama_sampler_chain_init(llama_sampler_chain_default_params()));
  const auto add = [&](llama_sampler* sampler) { llama_sampler_chain_add(chain.get(), sampler); };
  if (s.repeat_penalty != 1) {
    add(llama_sampler_init_penalties(vocabulary_size, s.repeat_last_n, s.repeat_penalty, 0, 0));
  }
  if (s.temperature <= 0) {
    add(llama_sampler_init_greedy());
    return chain;
  }
  if (s.top_k > 0) add(llama_sampler_init_top_k(s.top_k));
  if (s.top_p < 1) add(llama_sampler_init_top_p(s.top_p, 1));
  if (s.min_p > 0) add(llama_sampler_init_min_p(s.min_p, 1));
  add(llama_sampler_init_temp(s.temperature));
  add(llama_sampler_init_dist(1));
  return chain;
}

class Bench {
 public:
  explicit Bench(llama_model* model)
      : vocabulary_(llama_model_get_vocab(model)), size_(static_cast<std::size_t>(vocabulary_.size())) {}

  void run() {
    for (const bool peaked : {true, false}) {
      rows_ = make_rows(size_, peaked);
      shape_ = peaked ? "peaked" : "flat";
      SamplerSettings settings;
      settings.temperature = 0.8F;
      settings.top_k = 40;
      settings.top_p = 0.95F;
      settings.min_p = 0.05F;
      settings.repeat_penalty = 1.1F;
      compare("default chain", settings);
      settings.top_k = 0;
      compare("without top-k", settings);
      settings.min_p = 0;
      compare("top-p alone", settings);
      settings.temperature = 0;
      compare("greedy", settings);
      parts();
    }
  }

 private:
  void compare(const char* name, const SamplerSettings& settings) {
    Sampler sampler(settings, kContext, nullptr);
    AnswerText text({"\nUser:", "</answer>"});
    const auto ours = [&](std::span<float> logits) {
      sampler.adjust(logits);
      const std::int32_t token = sampler.choose(logits).value_or(0);
      sampler.accept(token);
      AnswerPiece piece;
      piece.token = token;
      piece.is_control = vocabulary_.is_control(token) || vocabulary_.is_end(token);
      text.add(std::move(piece), vocabulary_.bytes(token));
      text.take();
    };
    const Chain chain = library_chain(settings, static_cast<std::int32_t>(size_));
    std::vector<llama_token_data> data(size_);
    const auto theirs = [&](std::span<float> logits) {
      for (std::size_t i = 0; i < size_; ++i) data[i] = {static_cast<llama_token>(i), logits[i], 0};
      llama_token_data_array array{data.data(), data.size(), -1, false};
      llama_sampler_apply(chain.get(), &array);
      const llama_token token = array.selected < 0 ? 0 : array.data[array.selected].id;
      llama_sampler_accept(chain.get(), token);
      char bytes[256];
      llama_token_to_piece(vocabulary_.library_vocab(), token, bytes, sizeof bytes, 0, true);
    };
    median(rows_, 20, ours);  // fills the window
    double us = std::numeric_limits<double>::infinity();
    double library = us;
    for (int turn = 0; turn < 3; ++turn) {
      us = std::min(us, median(rows_, kTurns, ours));
      library = std::min(library, median(rows_, 40, theirs));
    }
    fmt::print("| {} | {} | {} | {:.1f} | {:.0f} | {:.0f}x |\n", size_, shape_, name, us, library, library / us);
  }

  void part(const std::string& name, const std::function<void(std::span<float>)>& call) {
    double us = std::numeric_limits<double>::infinity();
    for (int turn = 0; turn < 3; ++turn) us = std::min(us, median(rows_, kTurns, call));
    fmt::print("| {} | {} | {} | {:.1f} | | |\n", size_, shape_, name, us);
  }

  void parts() {
    std::vector<Candidate> out;
    for (const LogitKernels& kernels : logit_kernels()) {
      LogitScan scan(kernels);
      part(fmt::format("40 largest alone, {}", kernels.name), [&](std::span<float> logits) {
        scan.read(logits);
        scan.select_largest(40, out);
      });
    }
    for (const LogitKernels& kernels : logit_kernels()) {
      LogitScan scan(kernels);
      scan.read(rows_[0]);
      double sum = 0;
      part(fmt::format("sum of exponentials alone, {}", kernels.name),
           [&](std::span<float>) { sum += scan.sum_of_exponentials(); });
    }
    part("log probabilities, 5 beside", [&](std::span<float> logits) { log_probabilities(logits, 0.8F, 17, 5); });
  }

  Vocabulary vocabulary_;
  std::size_t size_;
  std::vector<Row> rows_;
  const char* shape_ = "";
};

}  // namespace
}  // namespace atelier::engine

int main(int argc, char** argv) {
  llama_log_set([](ggml_log_level, const char*, void*) {}, nullptr);
  fmt::print("| vocabulary | logits | what | ours, µs | the library's, µs | |\n|---|---|---|---|---|---|\n");
  for (int i = 1; i < argc; ++i) {
    llama_model_params params = llama_model_default_params();
    params.vocab_only = true;
    const std::unique_ptr<llama_model, atelier::engine::ModelDeleter> model(
        llama_model_load_from_file(argv[i], params));
    if (!model) {
      fmt::print(stderr, "sampler-bench: {} cannot be loaded\n", argv[i]);
      return 1;
    }
    atelier::engine::Bench(model.get()).run();
  }
  return 0;
}
