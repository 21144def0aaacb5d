// Prompts without Jinja: fixed texts before and after each message, as LM Studio's manual prompt templates have them.
// They become a small Jinja template, so that everything else (provenance, trial renderings, continuing an answer) is
// the same for both kinds.
#pragma once

#include <string>

namespace atelier::prompt {

struct ManualTemplate {
  std::string before_system, after_system, before_user, after_user, before_assistant, after_assistant;
};

// A template that writes each message between its two texts, nothing else, and ends with before_assistant where an
// answer is to follow. The texts are template text: special tokens in them are special. It knows no tools; they are
// written in the default tool format (conversation.h). Pure.
std::string manual_template_source(const ManualTemplate& texts);

}  // namespace atelier::prompt
