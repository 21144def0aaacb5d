// Embeddings: every input is one sequence of a batch, pooled by the library to one row.
//
// Inputs of all waiting requests fill the batches together, in order of arrival; a request is answered when its
// last input is done. Decode thread only.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "engine/model.h"

struct llama_batch;

namespace atelier::wire {
class FromEngine;
}

namespace atelier::engine {

// An Embed message, checked and tokenised: every input has at least one token and fits the context.
struct EmbedRequest {
  std::uint64_t id = 0;
  std::vector<std::vector<std::int32_t>> inputs;
  bool normalize = false;
};

class Embedder {
 public:
  using Send = std::function<void(const wire::FromEngine&)>;

  // The model was loaded for embedding and outlives the embedder.
  Embedder(Model& model, Send send);
  ~Embedder();
  Embedder(const Embedder&) = delete;
  Embedder& operator=(const Embedder&) = delete;

  void submit(EmbedRequest request);
  // True where there was such a request; it is answered with Error (ERROR_CANCELLED).
  bool cancel(std::uint64_t id);
  void cancel_all();
  bool has_work() const { return !jobs_.empty(); }
  // One batch.
  void step();

 private:
  struct Job {
    EmbedRequest request;
    std::vector<float> values;
    std::size_t next = 0;  // input
  };
  struct BatchDeleter {
    void operator()(llama_batch* batch) const;
  };
  // Inputs in the batch, by job.
  struct Share {
    Job* job;
    std::size_t count;
  };

  std::vector<Share> fill_batch();
  void add_input(const std::vector<std::int32_t>& tokens, std::int32_t sequence);
  bool store_row(Job& job, std::int32_t sequence) const;
  void answer_finished();
  void answer_error(std::uint64_t id, int kind, const std::string& message);

  Model& model_;
  Send send_;
  std::deque<Job> jobs_;
  std::unique_ptr<llama_batch, BatchDeleter> batch_;
};

}  // namespace atelier::engine
