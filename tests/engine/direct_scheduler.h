// A scheduler without socket and threads: tests say when each step is taken and what time it is.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "engine/model.h"
#include "engine/scheduler.h"
#include "tests/engine/engine_client.h"

namespace atelier::engine::test {

// Ordinary tokens of the tiny models, by chance; and one list behind the other.
std::vector<std::int32_t> random_tokens(std::mt19937& random, std::size_t count);
std::vector<std::int32_t> joined(std::vector<std::int32_t> a, const std::vector<std::int32_t>& b);

class DirectScheduler {
 public:
  // Throws where the model cannot be loaded.
  DirectScheduler(const std::string& path, const wire::LoadConfig& config, Scheduler::Seams seams = {});
  // With a place beside the cells; the root key is the model's.
  DirectScheduler(const std::string& path, const wire::LoadConfig& config, Scheduler::Seams seams,
                  KvBlockStore::Options store);
  ~DirectScheduler();

  // Gives the request's id.
  std::uint64_t submit(const wire::Generate& generate, std::shared_ptr<DraftModel> draft_model = nullptr);
  // Steps until nothing is left to do, checking after each.
  void run();
  void run_until_ended(std::uint64_t id);
  void step();
  Answer& answer(std::uint64_t id) { return answers_[id]; }
  wire::InfoResult info() const;
  Scheduler& scheduler() { return *scheduler_; }
  Model& model() { return *model_; }

  // Empty, or where what we think of the cells is not what the library has.
  std::string difference_to_library() const;

 private:
  std::unique_ptr<Model> model_;
  std::map<std::uint64_t, Answer> answers_;
  std::unique_ptr<Scheduler> scheduler_;
  std::uint64_t last_id_ = 0;
};

}  // namespace atelier::engine::test
