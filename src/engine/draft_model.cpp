#include "engine/draft_model.h"

#include <fmt/format.h>
#include <llama.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "engine/invariant.h"
#include "wire/engine.pb.h"

namespace atelier::engine {

namespace {

// Tokens of prompts that are caught up with in one step, all sequences together.
constexpr std::size_t kCatchUp = 256;
// Vocabularies of one family differ by rows that only fill up the matrix.
constexpr std::int32_t kMostPadding = 128;
// That the next guess is right, before it is made.
constexpr double kNextChance = 0.8;

// Empty, or what is different.
std::string vocabulary_difference(const llama_vocab* a, const llama_vocab* b) {
  if (llama_vocab_type(a) != llama_vocab_type(b)) return "their tokenizers are of different kinds";
  const std::int32_t size_a = llama_vocab_n_tokens(a);
  const std::int32_t size_b = llama_vocab_n_tokens(b);
  if (std::abs(size_a - size_b) > kMostPadding) return fmt::format("one has {} tokens, the other {}", size_a, size_b);
  for (std::int32_t token = 0; token < std::min(size_a, size_b); ++token) {
    const char* text_a = llama_vocab_get_text(a, token);
    const char* text_b = llama_vocab_get_text(b, token);
    if (std::strcmp(text_a, text_b) != 0)
      return fmt::format("token {} is \"{}\" in one, \"{}\" in the other", token, text_a, text_b);
  }
  if (llama_vocab_bos(a) != llama_vocab_bos(b) || llama_vocab_eos(a) != llama_vocab_eos(b)) {
    return "texts begin or end with different tokens";
  }
  return {};
}

}  // namespace

void DraftModel::BatchDeleter::operator()(llama_batch* batch) const {
  llama_batch_free(*batch);
  delete batch;
}

// ---------------------------------------------------------------- loading

Result<std::shared_ptr<DraftModel>> DraftModel::load(const std::string& path, const Model& target,
                                                     const Model::Hooks& hooks) {
  const auto refuse = [](std::string message) {
    return fail(ErrorCode::kInvalidRequest, std::move(message), "draft_model");
  };
  if (!target.can_take_back()) {
    return refuse("This model's memory cannot give up single tokens, so guesses of a draft model cannot be verified");
  }
  wire::LoadConfig target_config;
  wire::ModelInfo target_info;
  target.describe(target_config, target_info);
  wire::Load load;
  load.set_path(path);
  wire::LoadConfig& config = *load.mutable_config();
  config.set_context_length(target.context_length());
  config.set_kv_cells(target.kv_cells());
  config.set_parallel(target.parallel());
  config.set_threads(target_config.threads());
  config.set_batch_threads(target_config.batch_threads());
  config.set_flash_attention(target_config.flash_attention());
  config.set_k_cache_type(target_config.k_cache_type());
  config.set_v_cache_type(target_config.v_cache_type());
  config.set_kv_memory_bytes(0);
  auto model = Model::load(load, hooks);
  if (!model) return std::unexpected(model.error());
  const std::string difference =
      vocabulary_difference(target.vocabulary().library_vocab(), (*model)->vocabulary().library_vocab());
  if (!difference.empty()) {
    return refuse(
        fmt::format("The draft model has another vocabulary than the model: {}. Take a smaller model of the "
                    "same family",
                    difference));
  }
  if ((*model)->context() == nullptr || !(*model)->can_take_back()) {
    return refuse("The draft model's memory cannot give up single tokens; take a draft model with plain attention");
  }
  return std::shared_ptr<DraftModel>(new DraftModel(path, std::move(*model)));
}

DraftModel::DraftModel(std::string path, std::unique_ptr<Model> model)
    : path_(std::move(path)),
      model_(std::move(model)),
      cells_(model_->context(), model_->cell_limits()),
      batch_(new llama_batch(llama_batch_init(static_cast<std::int32_t>(model_->batch_size()), 0, 1))) {}

DraftModel::~DraftModel() = default;

// ---------------------------------------------------------------- sequences

std::unique_ptr<DraftModel::Sequence> DraftModel::open() {
  if (broken_ || sequences_.size() >= model_->max_sequences()) return nullptr;
  std::unique_ptr<Sequence> sequence(new Sequence(shared_from_this()));
  sequence->id_ = cells_.open();
  ENGINE_INVARIANT(static_cast<std::size_t>(sequence->id_) == sequences_.size());
  sequences_.push_back(sequence.get());
  return sequence;
}

DraftModel::Sequence::~Sequence() { model_->close(*this); }

void DraftModel::close(Sequence& sequence) {
  if (!sequence.ahead_.empty()) cells_.take_back(sequence.id_);
  cells_ahead_ -= sequence.ahead_.size();
  cells_.close(sequence.id_, broken_ ? CellCache::Leave::kNothing : CellCache::Leave::kForReuse);
  // The cache has given the last one's id to its place.
  const auto place = static_cast<std::size_t>(sequence.id_);
  sequences_[place] = sequences_.back();
  sequences_.pop_back();
  if (place < sequences_.size()) sequences_[place]->id_ = static_cast<SequenceId>(place);
}

// What was computed ahead and has been said since stays; the rest goes.
void DraftModel::follow(Sequence& sequence, std::span<const std::int32_t> tokens) {
  if (!sequence.adopted_) {
    cells_.adopt(sequence.id_, tokens);
    sequence.adopted_ = true;
  }
  if (sequence.ahead_.empty()) return;
  const auto behind = tokens.subspan(length(sequence));
  ENGINE_INVARIANT(!behind.empty());
  // The newest token is computed again even where it was guessed and left unverified: its logits are wanted.
  const std::size_t right = common_prefix(behind.first(behind.size() - 1), sequence.ahead_);
  cells_.computed(sequence.id_, behind.first(right));
  if (right < sequence.ahead_.size()) cells_.take_back(sequence.id_);
  cells_ahead_ -= sequence.ahead_.size();
  sequence.ahead_.clear();
}

bool DraftModel::knows_all(std::span<const std::int32_t> tokens) const {
  return std::all_of(tokens.begin(), tokens.end(), [&](std::int32_t t) { return model_->vocabulary().contains(t); });
}

// ---------------------------------------------------------------- guessing

void DraftModel::propose(std::span<Ask> asks, std::size_t rows, const StepCosts& costs) {
  if (broken_) return;
  std::vector<Ask*> mine;
  for (Ask& ask : asks) {
    if (ask.sequence->model_.get() != this || ask.tokens.size() >= model_->context_length()) continue;
    follow(*ask.sequence, ask.tokens);
    if (knows_all(ask.tokens.subspan(length(*ask.sequence)))) mine.push_back(&ask);
  }
  catch_up(mine);
  // The newest token is computed together with the first guess.
  std::erase_if(mine, [&](const Ask* ask) { return length(*ask->sequence) + 1 != ask->tokens.size(); });
  const double single = costs.of(1);
  const double attempt = step_seconds_ + costs.of(rows + 1) - costs.of(rows);
  std::erase_if(mine, [&](const Ask* ask) { return !ask->control->can_afford(attempt / single); });
  const Clock::time_point begun = Clock::now();
  guess(mine, rows, costs);
  if (mine.empty()) return;
  const std::chrono::duration<double> each = (Clock::now() - begun) / static_cast<double>(mine.size());
  for (Ask* ask : mine) ask->draft.time = each;
}

// All but the newest token.
void DraftModel::catch_up(std::span<Ask*> asks) {
  if (broken_) return;
  batch_->n_tokens = 0;
  std::size_t budget = std::min<std::size_t>(kCatchUp, model_->batch_size());
  std::vector<std::size_t> counts;
  for (const Ask* ask : asks) {
    const std::size_t has = length(*ask->sequence);
    const std::size_t count = std::min(ask->tokens.size() - 1 - has, budget);
    counts.push_back(count);
    budget -= count;
    for (std::size_t i = 0; i < count; ++i) add_to_batch(ask->tokens[has + i], has + i, ask->sequence->id_, false);
  }
  if (batch_->n_tokens == 0 || !cells_.make_room(cells_ahead_ + static_cast<std::size_t>(batch_->n_tokens))) return;
  if (!decode()) return;
  for (std::size_t i = 0; i < asks.size(); ++i) {
    if (counts[i] == 0) continue;
    Sequence& sequence = *asks[i]->sequence;
    cells_.computed(sequence.id_, asks[i]->tokens.subspan(length(sequence), counts[i]));
  }
}

void DraftModel::guess(std::vector<Ask*> asks, std::size_t rows, const StepCosts& costs) {
  while (!asks.empty() && !broken_) {
    if (!cells_.make_room(cells_ahead_ + asks.size())) return;
    batch_->n_tokens = 0;
    for (Ask* ask : asks) {
      const std::int32_t token = ask->draft.tokens.empty() ? ask->tokens.back() : ask->draft.tokens.back();
      Sequence& sequence = *ask->sequence;
      add_to_batch(token, length(sequence) + sequence.ahead_.size(), sequence.id_, true);
      sequence.ahead_.push_back(token);
      ++cells_ahead_;
    }
    const Clock::time_point begun = Clock::now();
    if (!decode()) return;
    const double seconds = std::chrono::duration<double>(Clock::now() - begun).count();
    step_seconds_ = step_seconds_ == 0 ? seconds : 0.9 * step_seconds_ + 0.1 * std::min(seconds, 2 * step_seconds_);
    for (std::size_t i = 0; i < asks.size(); ++i) read_guess(*asks[i], static_cast<std::int32_t>(i));
    const std::size_t drafting = asks.size();
    std::erase_if(asks, [&](const Ask* ask) { return !is_worth_another(*ask, rows, drafting, costs); });
  }
}

void DraftModel::read_guess(Ask& ask, std::int32_t row) {
  const float* logits = llama_get_logits_ith(model_->context(), row);
  ENGINE_INVARIANT(logits != nullptr);
  scan_.read({logits, static_cast<std::size_t>(model_->vocabulary().size())});
  if (scan_.empty()) return;
  ask.draft.tokens.push_back(scan_.largest());
  ask.draft.classes.push_back(class_of_probability(1.0 / scan_.sum_of_exponentials()));
}

bool DraftModel::is_worth_another(const Ask& ask, std::size_t rows, std::size_t drafting,
                                  const StepCosts& costs) const {
  const Sequence& sequence = *ask.sequence;
  // Nothing came of the last step, or it is full, or the answer would end.
  if (ask.draft.tokens.size() != sequence.ahead_.size() || ask.draft.tokens.size() >= ask.most) return false;
  if (length(sequence) + sequence.ahead_.size() + 1 >= model_->context_length()) return false;
  const std::int32_t last = ask.draft.tokens.back();
  if (model_->vocabulary().is_end(last)) return false;
  double all_right = kNextChance;
  for (const DraftClass guess : ask.draft.classes) all_right *= ask.control->chance(guess);
  const std::size_t guesses = ask.draft.tokens.size();
  const double row = costs.of(rows + guesses + 1) - costs.of(rows + guesses);
  const double worth = all_right * costs.of(rows) / static_cast<double>(rows);
  return worth > row + step_seconds_ / static_cast<double>(drafting);
}

// ---------------------------------------------------------------- batches

void DraftModel::add_to_batch(std::int32_t token, std::size_t position, SequenceId sequence, bool wants_logits) {
  llama_batch& batch = *batch_;
  ENGINE_INVARIANT(batch.n_tokens < static_cast<std::int32_t>(model_->batch_size()));
  const auto row = batch.n_tokens++;
  batch.token[row] = token;
  batch.pos[row] = static_cast<llama_pos>(position);
  batch.n_seq_id[row] = 1;
  batch.seq_id[row][0] = sequence;
  batch.logits[row] = static_cast<std::int8_t>(wants_logits);
}

bool DraftModel::decode() {
  computed_tokens_ += static_cast<std::uint64_t>(batch_->n_tokens);
  if (llama_decode(model_->context(), *batch_) == 0) {
    llama_synchronize(model_->context());
    return true;
  }
  // What the library left in the cells is not known.
  broken_ = true;
  return false;
}

}  // namespace atelier::engine
