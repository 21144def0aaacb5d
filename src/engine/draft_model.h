// A smaller model with the same vocabulary that guesses what the larger one will say (speculative decoding, Leviathan
// et al. 2022; its guesses are verified as the scheduler does with any).
//
// It has a context and a cache of cells of its own, with a prefix cache as the large one's. Each prediction that is
// drafted for has a sequence here, which follows its tokens: what the sampler chose otherwise than guessed is taken
// back, and a long prompt is caught up with over several steps, in which nothing is guessed.
//
// Sequences of one step are drafted together, a token of each in a batch, for as long as the next guess is likely
// enough to be worth a row of the large model and a step of the small one.
//
// Decode thread. The model outlives its sequences; whoever has one shares it.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "engine/cell_cache.h"
#include "engine/draft_control.h"
#include "engine/logit_scan.h"
#include "engine/model.h"

struct llama_batch;

namespace atelier::engine {

class DraftModel : public std::enable_shared_from_this<DraftModel> {
 public:
  class Sequence {
   public:
    ~Sequence();
    Sequence(const Sequence&) = delete;
    Sequence& operator=(const Sequence&) = delete;

   private:
    friend class DraftModel;
    explicit Sequence(std::shared_ptr<DraftModel> model) : model_(std::move(model)) {}

    std::shared_ptr<DraftModel> model_;
    SequenceId id_ = kNoSequence;
    bool adopted_ = false;             // has been given what the cache had for it
    std::vector<std::int32_t> ahead_;  // computed behind what is known to be said
  };

  struct Ask {
    Sequence* sequence;
    std::span<const std::int32_t> tokens;  // prompt and answer so far
    std::size_t most;
    const DraftControl* control;
    Draft draft;  // the answer; empty where nothing is worth guessing, or not yet
  };

  // Loads the model beside the large one, with its context length and for as many sequences. Fails as Model::load does,
  // and with kInvalidRequest, parameter "draft_model", where the vocabularies differ or either model cannot take
  // tokens back.
  static Result<std::shared_ptr<DraftModel>> load(const std::string& path, const Model& target,
                                                  const Model::Hooks& hooks);
  ~DraftModel();
  DraftModel(const DraftModel&) = delete;
  DraftModel& operator=(const DraftModel&) = delete;

  const std::string& path() const { return path_; }
  // Tokens that went through it so far.
  std::uint64_t computed_tokens() const { return computed_tokens_; }

  // Null where as many predictions are drafted for as there is room for.
  std::unique_ptr<Sequence> open();
  // Answers those of the asks that are for this model's sequences. The step of the large model has `rows` rows without
  // guesses, and costs as `costs` says.
  void propose(std::span<Ask> asks, std::size_t rows, const StepCosts& costs);

 private:
  using Clock = std::chrono::steady_clock;
  struct BatchDeleter {
    void operator()(llama_batch* batch) const;
  };

  DraftModel(std::string path, std::unique_ptr<Model> model);
  void close(Sequence& sequence);
  std::size_t length(const Sequence& sequence) const { return cells_.tree().length(sequence.id_); }
  void follow(Sequence& sequence, std::span<const std::int32_t> tokens);
  bool knows_all(std::span<const std::int32_t> tokens) const;
  void catch_up(std::span<Ask*> asks);
  void guess(std::vector<Ask*> asks, std::size_t rows, const StepCosts& costs);
  void read_guess(Ask& ask, std::int32_t row);
  bool is_worth_another(const Ask& ask, std::size_t rows, std::size_t drafting, const StepCosts& costs) const;
  void add_to_batch(std::int32_t token, std::size_t position, SequenceId sequence, bool wants_logits);
  bool decode();

  std::string path_;
  std::unique_ptr<Model> model_;
  CellCache cells_;
  std::vector<Sequence*> sequences_;  // index is the id
  std::unique_ptr<llama_batch, BatchDeleter> batch_;
  LogitScan scan_;
  std::size_t cells_ahead_ = 0;
  std::uint64_t computed_tokens_ = 0;
  double step_seconds_ = 0;  // of a step of guessing
  bool broken_ = false;      // the library failed with it; it guesses nothing any more
};

}  // namespace atelier::engine
