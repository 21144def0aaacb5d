// Whether a model can be pooled to a rank. The inference library gives some number where the model has no head for it.
#pragma once

#include <string>

namespace atelier::engine {

// Looks for the head's tensors in a GGUF. True where the file cannot tell: another part of a split model may have them.
bool may_have_ranking_head(const std::string& path);

}  // namespace atelier::engine
