#include "api/openai/encode.h"

#include <chrono>

#include "base/ids.h"
#include "base/utf8.h"
#include "net/sse.h"

namespace atelier::api::openai {
namespace {

constexpr std::string_view kChatChunk = "chat.completion.chunk";

std::int64_t unix_now() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// The bytes of a token as text, where they may be a part of a character.
std::string token_text(const std::string& bytes) { return utf8::repair(bytes); }

json::Value byte_values(const std::string& bytes) {
  json::Array array;
  for (const char byte : bytes) array.emplace_back(static_cast<int>(static_cast<unsigned char>(byte)));
  return array;
}

json::Value logprob_entry(const std::string& bytes, std::optional<float> logprob) {
  return json::Object{{"token", token_text(bytes)},
                      {"logprob", logprob ? json::Value(json::shortest_double(*logprob)) : json::Value()},
                      {"bytes", byte_values(bytes)}};
}

json::Value choice_chunk(int index, json::Object delta, json::Value logprobs, json::Value finish) {
  return json::Array{json::Object{{"index", index},
                                  {"delta", std::move(delta)},
                                  {"logprobs", std::move(logprobs)},
                                  {"finish_reason", std::move(finish)}}};
}

json::Value text_chunk(int index, std::string text, json::Value logprobs, json::Value finish) {
  return json::Array{json::Object{{"index", index},
                                  {"text", std::move(text)},
                                  {"logprobs", std::move(logprobs)},
                                  {"finish_reason", std::move(finish)}}};
}

void append_chunk(std::string& out, const AnswerHead& head, std::string_view object, json::Value choices,
                  const json::Value* usage, const json::Object* stats = nullptr) {
  json::Object chunk{{"id", head.id}, {"object", object}, {"created", head.created}, {"model", head.model}};
  if (object == kChatChunk) chunk.append("system_fingerprint", head.model);
  chunk.append("choices", std::move(choices));
  if (usage != nullptr) chunk.append("usage", *usage);
  if (stats != nullptr) chunk.append("stats", *stats);
  net::sse::append_data(out, json::dump(chunk));
}

void append_error(std::string& out, const Error& error) {
  net::sse::append_data(out, json::dump(error_body(Dialect::kOpenAi, error)));
  out += net::sse::kDone;
}

}  // namespace

std::string_view finish_reason(predict::StopReason reason) {
  switch (reason) {
    case predict::StopReason::kMaxTokens:
    case predict::StopReason::kContextLength: return "length";
    case predict::StopReason::kToolCalls: return "tool_calls";
    case predict::StopReason::kEndToken:
    case predict::StopReason::kStopString:
    case predict::StopReason::kCancelled: return "stop";
  }
  return "stop";
}

void UsageCounter::add(const predict::ChoiceEnded& ended) {
  sum_.completion_tokens += ended.usage.completion_tokens;
  sum_.reasoning_tokens += ended.usage.reasoning_tokens;
  sum_.dropped_tokens += ended.usage.dropped_tokens;
  sum_.draft_model = ended.usage.draft_model;
  sum_.accepted_draft_tokens += ended.usage.accepted_draft_tokens;
  sum_.rejected_draft_tokens += ended.usage.rejected_draft_tokens;
  sum_.ignored_draft_tokens += ended.usage.ignored_draft_tokens;
  if (ended.choice % choices_per_prompt_ != 0) return;
  sum_.prompt_tokens += ended.usage.prompt_tokens;
  sum_.cached_tokens += ended.usage.cached_tokens;
}

json::Value UsageCounter::to_json() const {
  return json::Object{{"prompt_tokens", sum_.prompt_tokens},
                      {"completion_tokens", sum_.completion_tokens},
                      {"total_tokens", sum_.prompt_tokens + sum_.completion_tokens},
                      {"prompt_tokens_details", json::Object{{"cached_tokens", sum_.cached_tokens}}},
                      {"completion_tokens_details", json::Object{{"reasoning_tokens", sum_.reasoning_tokens}}}};
}

json::Object UsageCounter::stats_json() const {
  json::Object stats;
  if (sum_.dropped_tokens > 0) stats.set("dropped_tokens", sum_.dropped_tokens);
  if (sum_.draft_model.empty()) return stats;
  const std::uint64_t total = sum_.accepted_draft_tokens + sum_.rejected_draft_tokens + sum_.ignored_draft_tokens;
  stats.set("draft_model", sum_.draft_model);
  stats.set("total_draft_tokens_count", total);
  stats.set("accepted_draft_tokens_count", sum_.accepted_draft_tokens);
  stats.set("rejected_draft_tokens_count", sum_.rejected_draft_tokens);
  stats.set("ignored_draft_tokens_count", sum_.ignored_draft_tokens);
  return stats;
}

json::Value chat_logprobs(const std::vector<predict::Token>& tokens, bool asked) {
  if (!asked) return nullptr;
  json::Array content;
  for (const predict::Token& token : tokens) {
    json::Value entry = logprob_entry(token.bytes, token.logprob);
    json::Array top;
    for (const predict::TokenLogprob& other : token.top) top.push_back(logprob_entry(other.bytes, other.logprob));
    entry.if_object()->append("top_logprobs", std::move(top));
    content.push_back(std::move(entry));
  }
  return json::Object{{"content", std::move(content)}, {"refusal", nullptr}};
}

void TextLogprobs::add(const std::vector<predict::Token>& tokens) {
  for (const predict::Token& token : tokens) {
    const std::string text = token_text(token.bytes);
    tokens_.emplace_back(text);
    logprobs_.push_back(token.logprob ? json::Value(json::shortest_double(*token.logprob)) : json::Value());
    if (token.logprob) {
      json::Object top;
      for (const predict::TokenLogprob& other : token.top) {
        top.set(token_text(other.bytes), json::shortest_double(other.logprob));
      }
      top_.emplace_back(std::move(top));
    } else {
      top_.emplace_back(nullptr);
    }
    offsets_.emplace_back(offset_);
    offset_ += utf8::count(text);
  }
}

json::Value TextLogprobs::take() {
  return json::Object{{"tokens", std::exchange(tokens_, {})},
                      {"token_logprobs", std::exchange(logprobs_, {})},
                      {"top_logprobs", std::exchange(top_, {})},
                      {"text_offset", std::exchange(offsets_, {})}};
}

// ---------------------------------------------------------------- chat

ChatStream::ChatStream(const predict::Prediction& prediction, ResponseOptions options, int choices)
    : prediction_(prediction), options_(options), choices_(choices), usage_(choices) {}

void ChatStream::chunk(std::string& out, json::Value choices, const json::Value* usage) const {
  append_chunk(out, head_, kChatChunk, std::move(choices), usage);
}

void ChatStream::begin(std::string& out) {
  head_ = {ids::chat_completion(), unix_now(), prediction_.instance_id()};
  for (int i = 0; i < choices_; ++i) {
    chunk(out, choice_chunk(i, json::Object{{"role", "assistant"}, {"content", ""}}, nullptr, nullptr));
  }
}

// Reasoning in its fields (rest-api §12): gpt-oss has had `reasoning` from the start.
void ChatStream::text(const predict::TextDelta& delta, std::string& out) const {
  const bool of_message = delta.channel == predict::Channel::kMessage;
  json::Object content;
  if (of_message) content.append("content", delta.text);
  if (delta.channel == predict::Channel::kAnalysis) content.append("reasoning", delta.text);
  if (!of_message && options_.separate_reasoning) content.append("reasoning_content", delta.text);
  json::Value logprobs = of_message ? chat_logprobs(delta.tokens, options_.logprobs) : json::Value();
  chunk(out, choice_chunk(delta.choice, std::move(content), std::move(logprobs), nullptr));
}

void ChatStream::tool_call(int choice, json::Object call, std::string& out) const {
  chunk(out, choice_chunk(choice, json::Object{{"tool_calls", json::Array{std::move(call)}}}, nullptr, nullptr));
}

void ChatStream::event(const predict::Event& event, std::string& out) {
  if (const auto* delta = std::get_if<predict::TextDelta>(&event)) {
    text(*delta, out);
  } else if (const auto* start = std::get_if<predict::ToolCallStarted>(&event)) {
    tool_call(start->choice,
              json::Object{{"index", start->index},
                           {"id", start->id},
                           {"type", "function"},
                           {"function", json::Object{{"name", start->name}, {"arguments", ""}}}},
              out);
  } else if (const auto* arguments = std::get_if<predict::ToolCallArguments>(&event)) {
    tool_call(arguments->choice,
              json::Object{{"index", arguments->index}, {"function", json::Object{{"arguments", arguments->json}}}},
              out);
  } else if (const auto* failed = std::get_if<predict::ToolCallFailed>(&event)) {
    // What was sent of it cannot be taken back; what the model wrote is at least not lost.
    text(predict::TextDelta{failed->choice, predict::Channel::kMessage, failed->text, {}, false}, out);
  } else if (const auto* ended = std::get_if<predict::ChoiceEnded>(&event)) {
    usage_.add(*ended);
    chunk(out, choice_chunk(ended->choice, {}, nullptr, finish_reason(ended->reason)));
  } else if (const auto* dropped = std::get_if<predict::MessagesDropped>(&event)) {
    stats_.set("dropped_messages", dropped->count);
  }
}

void ChatStream::end(std::string& out) {
  if (options_.include_usage) {
    const json::Value usage = usage_.to_json();
    json::Object stats = usage_.stats_json();
    for (const auto& [name, value] : stats_) stats.append(name, value);
    append_chunk(out, head_, kChatChunk, json::Array(), &usage, stats.empty() ? nullptr : &stats);
  }
  out += net::sse::kDone;
}

void ChatStream::error(const Error& error, std::string& out) { append_error(out, error); }
std::string_view ChatStream::keep_alive() const { return net::sse::kKeepAlive; }

void ChatAnswer::add(const predict::Event& event) {
  if (const auto* delta = std::get_if<predict::TextDelta>(&event)) {
    Choice& choice = choice_of(delta->choice);
    switch (delta->channel) {
      case predict::Channel::kMessage:
        choice.text += delta->text;
        choice.tokens.insert(choice.tokens.end(), delta->tokens.begin(), delta->tokens.end());
        break;
      case predict::Channel::kReasoning: choice.reasoning += delta->text; break;
      case predict::Channel::kAnalysis: choice.analysis += delta->text; break;
    }
  } else if (const auto* start = std::get_if<predict::ToolCallStarted>(&event)) {
    choice_of(start->choice).calls.push_back({start->id, start->name, {}});
  } else if (const auto* arguments = std::get_if<predict::ToolCallArguments>(&event)) {
    choice_of(arguments->choice).calls.back().arguments += arguments->json;
  } else if (const auto* failed = std::get_if<predict::ToolCallFailed>(&event)) {
    choice_of(failed->choice).calls.pop_back();
    choice_of(failed->choice).text += failed->text;
  } else if (const auto* ended = std::get_if<predict::ChoiceEnded>(&event)) {
    choice_of(ended->choice).reason = ended->reason;
    usage_.add(*ended);
  } else if (const auto* dropped = std::get_if<predict::MessagesDropped>(&event)) {
    stats_.set("dropped_messages", dropped->count);
  }
}

json::Object ChatAnswer::message(const Choice& choice) const {
  const bool only_calls = choice.text.empty() && !choice.calls.empty();
  json::Object message{{"role", "assistant"}, {"content", only_calls ? json::Value() : json::Value(choice.text)}};
  if (!choice.analysis.empty()) message.append("reasoning", choice.analysis);
  const std::string& reasoning = choice.reasoning.empty() ? choice.analysis : choice.reasoning;
  if (!reasoning.empty() && options_.separate_reasoning) message.append("reasoning_content", reasoning);
  json::Array calls;
  for (const ToolCall& call : choice.calls) {
    calls.push_back(json::Object{{"id", call.id},
                                 {"type", "function"},
                                 {"function", json::Object{{"name", call.name}, {"arguments", call.arguments}}}});
  }
  if (!calls.empty()) message.append("tool_calls", std::move(calls));
  return message;
}

json::Value ChatAnswer::to_json(const std::string& instance_id) const {
  json::Array choices;
  for (std::size_t i = 0; i < choices_.size(); ++i) {
    const Choice& choice = choices_[i];
    choices.push_back(json::Object{{"index", i},
                                   {"logprobs", chat_logprobs(choice.tokens, options_.logprobs)},
                                   {"finish_reason", finish_reason(choice.reason)},
                                   {"message", message(choice)}});
  }
  json::Object stats = usage_.stats_json();
  for (const auto& [name, value] : stats_) stats.append(name, value);
  return json::Object{{"id", ids::chat_completion()}, {"object", "chat.completion"},      {"created", unix_now()},
                      {"model", instance_id},         {"choices", std::move(choices)},    {"usage", usage_.to_json()},
                      {"stats", std::move(stats)},    {"system_fingerprint", instance_id}};
}

// ---------------------------------------------------------------- text completion

CompletionStream::CompletionStream(const predict::Prediction& prediction, ResponseOptions options,
                                   int choices_per_prompt)
    : prediction_(prediction), options_(options), usage_(choices_per_prompt) {}

void CompletionStream::chunk(std::string& out, json::Value choices, const json::Value* usage) const {
  append_chunk(out, head_, "text_completion", std::move(choices), usage);
}

void CompletionStream::begin(std::string&) { head_ = {ids::text_completion(), unix_now(), prediction_.instance_id()}; }

void CompletionStream::event(const predict::Event& event, std::string& out) {
  if (const auto* delta = std::get_if<predict::TextDelta>(&event)) {
    json::Value logprobs;
    if (options_.logprobs) {
      TextLogprobs& entries = logprobs_[delta->choice];
      entries.add(delta->tokens);
      logprobs = entries.take();
    }
    chunk(out, text_chunk(delta->choice, delta->text, std::move(logprobs), nullptr));
  } else if (const auto* ended = std::get_if<predict::ChoiceEnded>(&event)) {
    usage_.add(*ended);
    chunk(out, text_chunk(ended->choice, "", nullptr, finish_reason(ended->reason)));
  }
}

void CompletionStream::end(std::string& out) {
  if (options_.include_usage) {
    const json::Value usage = usage_.to_json();
    chunk(out, json::Array(), &usage);
  }
  out += net::sse::kDone;
}

void CompletionStream::error(const Error& error, std::string& out) { append_error(out, error); }
std::string_view CompletionStream::keep_alive() const { return net::sse::kKeepAlive; }

void CompletionAnswer::add(const predict::Event& event) {
  if (const auto* delta = std::get_if<predict::TextDelta>(&event)) {
    Choice& choice = choices_.at(static_cast<std::size_t>(delta->choice));
    choice.text += delta->text;
    choice.logprobs.add(delta->tokens);
  } else if (const auto* ended = std::get_if<predict::ChoiceEnded>(&event)) {
    choices_.at(static_cast<std::size_t>(ended->choice)).reason = ended->reason;
    usage_.add(*ended);
  }
}

json::Value CompletionAnswer::to_json(const std::string& instance_id) {
  json::Array choices;
  for (std::size_t i = 0; i < choices_.size(); ++i) {
    Choice& choice = choices_[i];
    choices.push_back(json::Object{{"index", i},
                                   {"text", choice.text},
                                   {"logprobs", options_.logprobs ? choice.logprobs.take() : json::Value()},
                                   {"finish_reason", finish_reason(choice.reason)}});
  }
  return json::Object{{"id", ids::text_completion()}, {"object", "text_completion"},   {"created", unix_now()},
                      {"model", instance_id},         {"choices", std::move(choices)}, {"usage", usage_.to_json()},
                      {"stats", usage_.stats_json()}};
}

}  // namespace atelier::api::openai
