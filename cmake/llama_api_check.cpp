// Compiled and linked when the build is configured, never run: does the inference library still have the functions
// that the engine stands on, with the arguments we know? If this fails, cmake/Llama.cmake says what to do.
#include <ggml-backend.h>
#include <gguf.h>
#include <llama.h>
#include <mtmd.h>

#include <cstddef>
#include <cstdint>

namespace {

// Naming a function with its type fails to compile when the type has changed, and to link when it is gone.
llama_model* (*const load)(const char*, llama_model_params) = llama_model_load_from_file;
llama_model* (*const load_splits)(const char**, std::size_t, llama_model_params) = llama_model_load_from_splits;
llama_context* (*const make_context)(llama_model*, llama_context_params) = llama_init_from_model;
std::int32_t (*const decode)(llama_context*, llama_batch) = llama_decode;
std::int32_t (*const encode)(llama_context*, llama_batch) = llama_encode;
llama_batch (*const make_batch)(std::int32_t, std::int32_t, std::int32_t) = llama_batch_init;
float* (*const logits)(llama_context*, std::int32_t) = llama_get_logits_ith;
float* (*const embedding)(llama_context*, llama_seq_id) = llama_get_embeddings_seq;
llama_memory_t (*const memory)(const llama_context*) = llama_get_memory;
bool (*const remove_cells)(llama_memory_t, llama_seq_id, llama_pos, llama_pos) = llama_memory_seq_rm;
void (*const share_cells)(llama_memory_t, llama_seq_id, llama_seq_id, llama_pos, llama_pos) = llama_memory_seq_cp;
std::int32_t (*const tokenize)(const llama_vocab*, const char*, std::int32_t, llama_token*, std::int32_t, bool,
                               bool) = llama_tokenize;
std::int32_t (*const piece)(const llama_vocab*, llama_token, char*, std::int32_t, std::int32_t,
                            bool) = llama_token_to_piece;
bool (*const ends_answer)(const llama_vocab*, llama_token) = llama_vocab_is_eog;
void (*const load_backends)(const char*) = ggml_backend_load_all_from_path;
gguf_context* (*const open_gguf)(const char*, gguf_init_params) = gguf_init_from_file;
mtmd_context_params (*const media)() = mtmd_context_params_default;

}  // namespace

int main() {
  llama_model_params model = llama_model_default_params();
  model.n_gpu_layers = 0;
  model.vocab_only = true;
  model.progress_callback = nullptr;
  llama_context_params context = llama_context_default_params();
  context.n_ctx = 0;
  context.n_batch = 0;
  context.n_ubatch = 0;
  context.n_seq_max = 1;
  context.n_threads = 1;
  context.kv_unified = true;
  context.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_AUTO;
  context.type_k = GGML_TYPE_F16;
  context.abort_callback = nullptr;
  const bool all = load && load_splits && make_context && decode && encode && make_batch && logits && embedding &&
                   memory && remove_cells && share_cells && tokenize && piece && ends_answer && load_backends &&
                   open_gguf && media;
  return all && model.vocab_only && context.kv_unified ? 0 : 1;
}
