#include "tests/engine/direct_scheduler.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <llama.h>

#include <stdexcept>
#include <utility>

#include "engine/requests.h"
#include "tests/engine/test_models.h"

namespace atelier::engine::test {

std::vector<std::int32_t> random_tokens(std::mt19937& random, std::size_t count) {
  std::vector<std::int32_t> tokens(count);
  for (std::int32_t& token : tokens) token = static_cast<std::int32_t>(300 + random() % 700);
  return tokens;
}

std::vector<std::int32_t> joined(std::vector<std::int32_t> a, const std::vector<std::int32_t>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

namespace {

std::unique_ptr<KvBlockStore> open_store(KvBlockStore::Options options, const wire::Load& load, const Model& model) {
  if (options.memory_bytes == 0 && options.disk_bytes == 0) return nullptr;
  wire::LoadConfig applied;
  wire::ModelInfo info;
  model.describe(applied, info);
  const auto root = model_root_key(load, applied);
  if (!root) throw std::runtime_error(root.error().message);
  options.root = *root;
  return std::make_unique<KvBlockStore>(std::move(options));
}

}  // namespace

DirectScheduler::DirectScheduler(const std::string& path, const wire::LoadConfig& config, Scheduler::Seams seams)
    : DirectScheduler(path, config, std::move(seams), {}) {}

DirectScheduler::DirectScheduler(const std::string& path, const wire::LoadConfig& config, Scheduler::Seams seams,
                                 KvBlockStore::Options store) {
  load_backends();
  wire::Load load;
  load.set_path(path);
  *load.mutable_config() = config;
  auto model = Model::load(load, {});
  if (!model) throw std::runtime_error(model.error().message);
  model_ = std::move(*model);
  scheduler_ = std::make_unique<Scheduler>(
      *model_, [this](const wire::FromEngine& message) { answers_[message.id()].add(message); }, std::move(seams),
      open_store(std::move(store), load, *model_));
}

DirectScheduler::~DirectScheduler() = default;

std::uint64_t DirectScheduler::submit(const wire::Generate& generate, std::shared_ptr<DraftModel> draft_model) {
  auto request = generate_request(generate, model_->vocabulary(), 1);
  if (!request) throw std::runtime_error(request.error().message);
  request->id = ++last_id_;
  request->draft_model = std::move(draft_model);
  scheduler_->submit(std::move(*request));
  return last_id_;
}

void DirectScheduler::step() {
  scheduler_->step();
  const std::string difference = difference_to_library();
  if (!difference.empty()) throw std::runtime_error(difference);
}

void DirectScheduler::run() {
  while (scheduler_->has_work()) step();
}

void DirectScheduler::run_until_ended(std::uint64_t id) {
  while (!answers_[id].ended() && scheduler_->has_work()) step();
}

wire::InfoResult DirectScheduler::info() const {
  wire::InfoResult info;
  scheduler_->fill_info(info);
  return info;
}

std::string DirectScheduler::difference_to_library() const {
  llama_memory_t memory = llama_get_memory(model_->context());
  const CellCache& cells = scheduler_->cells();
  const auto sequences = static_cast<SequenceId>(llama_n_seq_max(model_->context()));
  for (SequenceId id = 0; id < sequences; ++id) {
    const auto length = cells.tree().contains(id) ? static_cast<llama_pos>(cells.tree().length(id)) : 0;
    // Of a kept one that was cut, the cells behind a window may all be gone.
    const bool may_be_gone = cells.window() > 0 && static_cast<std::size_t>(id) >= cells.running();
    if (may_be_gone && llama_memory_seq_pos_max(memory, id) == -1) continue;
    if (llama_memory_seq_pos_max(memory, id) != length - 1) {
      return fmt::format("sequence {} has {} tokens for us and {} for the library", id, length,
                         llama_memory_seq_pos_max(memory, id) + 1);
    }
    // Every cell from the first on, unless a window or a state forgets them.
    if (cells.reuse() == Reuse::kAnywhere && cells.window() == 0 && length > 0 &&
        llama_memory_seq_pos_min(memory, id) != 0) {
      return fmt::format("sequence {} begins at {}", id, llama_memory_seq_pos_min(memory, id));
    }
  }
  return {};
}

}  // namespace atelier::engine::test
