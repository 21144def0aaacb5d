#include "engine/embedder.h"

#include <fmt/format.h>
#include <llama.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <utility>

#include "engine/invariant.h"
#include "wire/engine.pb.h"

namespace atelier::engine {

static_assert(std::endian::native == std::endian::little, "embeddings travel as little-endian float32");

void Embedder::BatchDeleter::operator()(llama_batch* batch) const {
  llama_batch_free(*batch);
  delete batch;
}

Embedder::Embedder(Model& model, Send send)
    : model_(model),
      send_(std::move(send)),
      batch_(new llama_batch(llama_batch_init(static_cast<std::int32_t>(model.batch_size()), 0, 1))) {
  ENGINE_INVARIANT(model_.context() != nullptr && model_.for_embedding());
}

Embedder::~Embedder() = default;

void Embedder::submit(EmbedRequest request) {
  jobs_.push_back({std::move(request), {}, 0});
  answer_finished();  // one without inputs
}

bool Embedder::cancel(std::uint64_t id) {
  const auto job = std::find_if(jobs_.begin(), jobs_.end(), [&](const Job& j) { return j.request.id == id; });
  if (job == jobs_.end()) return false;
  jobs_.erase(job);
  answer_error(id, wire::ERROR_CANCELLED, "The request was cancelled");
  return true;
}

void Embedder::cancel_all() {
  while (!jobs_.empty()) cancel(jobs_.back().request.id);
}

void Embedder::add_input(const std::vector<std::int32_t>& tokens, std::int32_t sequence) {
  llama_batch& batch = *batch_;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const auto row = batch.n_tokens++;
    ENGINE_INVARIANT(row < static_cast<std::int32_t>(model_.batch_size()));
    batch.token[row] = tokens[i];
    batch.pos[row] = static_cast<llama_pos>(i);
    batch.n_seq_id[row] = 1;
    batch.seq_id[row][0] = sequence;
    batch.logits[row] = 1;  // pooling takes rows of all tokens
  }
}

std::vector<Embedder::Share> Embedder::fill_batch() {
  std::vector<Share> shares;
  batch_->n_tokens = 0;
  std::int32_t sequence = 0;
  for (Job& job : jobs_) {
    std::size_t taken = 0;
    for (std::size_t i = job.next; i < job.request.inputs.size(); ++i, ++taken) {
      const auto& tokens = job.request.inputs[i];
      const bool full = sequence == static_cast<std::int32_t>(model_.max_sequences()) ||
                        static_cast<std::size_t>(batch_->n_tokens) + tokens.size() > model_.batch_size();
      if (full) break;
      add_input(tokens, sequence++);
    }
    if (taken > 0) shares.push_back({&job, taken});
    if (job.next + taken < job.request.inputs.size()) break;
  }
  return shares;
}

bool Embedder::store_row(Job& job, std::int32_t sequence) const {
  const float* row = llama_get_embeddings_seq(model_.context(), sequence);
  if (row == nullptr) return false;
  const std::size_t count = model_.embedding_dimensions();
  double sum = 0;
  for (std::size_t i = 0; i < count; ++i) sum += static_cast<double>(row[i]) * row[i];
  if (!std::isfinite(sum)) return false;
  const double scale = job.request.normalize && sum > 0 ? 1 / std::sqrt(sum) : 1;
  for (std::size_t i = 0; i < count; ++i) job.values.push_back(static_cast<float>(row[i] * scale));
  return true;
}

void Embedder::step() {
  const std::vector<Share> shares = fill_batch();
  if (shares.empty()) return;
  llama_context* context = model_.context();
  llama_memory_t memory = llama_get_memory(context);
  if (memory != nullptr) llama_memory_clear(memory, true);
  const std::int32_t result = memory == nullptr ? llama_encode(context, *batch_) : llama_decode(context, *batch_);
  std::vector<std::uint64_t> failed;
  std::int32_t sequence = 0;
  for (const Share& share : shares) {
    bool good = result == 0;
    for (std::size_t i = 0; i < share.count; ++i, ++sequence) good = good && store_row(*share.job, sequence);
    share.job->next += share.count;
    if (!good) failed.push_back(share.job->request.id);
  }
  for (const std::uint64_t id : failed) {
    std::erase_if(jobs_, [&](const Job& job) { return job.request.id == id; });
    answer_error(id, wire::ERROR_INTERNAL,
                 result != 0 ? fmt::format("The inference library failed with {} while computing", result)
                             : std::string("The model gave no finite embedding for an input"));
  }
  answer_finished();
}

void Embedder::answer_finished() {
  while (!jobs_.empty() && jobs_.front().next == jobs_.front().request.inputs.size()) {
    const Job& job = jobs_.front();
    wire::FromEngine message;
    message.set_id(job.request.id);
    wire::Embeddings& out = *message.mutable_embeddings();
    out.set_dimensions(model_.embedding_dimensions());
    out.mutable_values()->assign(reinterpret_cast<const char*>(job.values.data()), job.values.size() * sizeof(float));
    for (const auto& tokens : job.request.inputs) out.add_token_counts(tokens.size());
    send_(message);
    jobs_.pop_front();
  }
}

void Embedder::answer_error(std::uint64_t id, int kind, const std::string& text) {
  wire::FromEngine message;
  message.set_id(id);
  message.mutable_error()->set_kind(static_cast<wire::ErrorKind>(kind));
  message.mutable_error()->set_message(text);
  send_(message);
}

}  // namespace atelier::engine
