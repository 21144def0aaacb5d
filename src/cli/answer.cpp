#include "cli/answer.h"

#include <fmt/format.h>

#include "cli/format.h"

namespace atelier::cli {
namespace {

// The names that LM Studio's programs use. A stop string and an end token look alike through this interface.
std::string_view stop_reason(const client::ChatResult& result) {
  if (result.cancelled) return "userStopped";
  if (result.finish_reason == "stop") return "eosFound";
  if (result.finish_reason == "length") return "maxPredictedTokensReached";
  if (result.finish_reason == "tool_calls") return "toolCalls";
  return result.finish_reason;
}

}  // namespace

void AnswerPrinter::write(std::string_view text) {
  if (text.empty()) return;
  at_line_start_ = text.ends_with('\n');
  if (console_.terminals().output) {
    std::string safe = printable(text);
    console_.data(reasoning_ && dim_reasoning() ? paint(Paint::kDim, safe, true) : safe);
  } else {
    console_.data(text);
  }
}

void AnswerPrinter::open_reasoning() {
  if (reasoning_) return;
  if (!dim_reasoning()) write("<think>\n");
  reasoning_ = true;
}

void AnswerPrinter::close_reasoning() {
  if (!reasoning_) return;
  if (!at_line_start_) write("\n");
  reasoning_ = false;
  write(dim_reasoning() ? "\n" : "</think>\n");
}

void AnswerPrinter::add(const client::ChatDelta& delta) {
  if (!delta.reasoning.empty()) {
    open_reasoning();
    write(delta.reasoning);
  }
  if (!delta.content.empty()) {
    close_reasoning();
    write(delta.content);
  }
}

void AnswerPrinter::finish() {
  close_reasoning();
  if (!at_line_start_) write("\n");
}

std::string stats_block(const client::ChatResult& result) {
  std::string text = "Prediction Stats:\n";
  if (auto reason = stop_reason(result); !reason.empty()) text += fmt::format("  Stop Reason: {}\n", reason);
  if (auto speed = result.tokens_per_second()) text += fmt::format("  Tokens/Second: {:.2f}\n", *speed);
  if (auto first = result.time_to_first_token) text += fmt::format("  Time to First Token: {:.3f}s\n", first->count());
  if (result.usage) {
    text += fmt::format("  Prompt Tokens: {}\n  Predicted Tokens: {}\n  Total Tokens: {}\n",
                        result.usage->prompt_tokens, result.usage->completion_tokens, result.usage->total_tokens);
  }
  return text;
}

}  // namespace atelier::cli
