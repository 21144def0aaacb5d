// Whether the inference library can move cells of a model to earlier positions, and means it.
//
// llama_memory_can_shift() speaks of the kind of memory alone. The library moves a cell by turning its keys further, all
// cells of all layers in one go, those that stay by an angle of zero. That is wrong for layers without rotary positions
// and for models that scale attention by position; it scales every key of the cache once more where a model's rotation
// does (YaRN); and quantised keys are rounded again, if it does not abort. So a model is asked: the same tokens at two
// places, moved together, must say the same, and cells that were not moved must keep every bit.
//
// Takes a context of its own with a few cells, and three small batches.
#pragma once

struct llama_context_params;
struct llama_model;

namespace atelier::engine {

// `params`: those of the context that is meant. On the decode thread. False too where it cannot be found out.
bool shift_is_exact(llama_model* model, const llama_context_params& params);

}  // namespace atelier::engine
