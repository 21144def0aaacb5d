// Predict events to OpenAI's JSON: chat.completion(.chunk) and text_completion (rest-api §15.2, §15.4, §9.2).
// No I/O; one object per request.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "api/answer.h"
#include "api/openai/decode.h"
#include "base/json.h"
#include "predict/events.h"

namespace atelier::api::openai {

std::string_view finish_reason(predict::StopReason reason);

// What every object of one answer repeats.
struct AnswerHead {
  std::string id;
  std::int64_t created = 0;  // Unix seconds
  std::string model;         // the instance's identifier
};

// Sums the choices' usage; prompts are counted once however many choices they have.
class UsageCounter {
 public:
  explicit UsageCounter(int choices_per_prompt) : choices_per_prompt_(choices_per_prompt) {}
  void add(const predict::ChoiceEnded& ended);
  json::Value to_json() const;
  // `stats`: empty, or what became of a draft model's guesses.
  json::Object stats_json() const;

 private:
  int choices_per_prompt_;
  predict::Usage sum_;
};

// `logprobs` of a chat choice: entries for the tokens, or null where none were asked for.
json::Value chat_logprobs(const std::vector<predict::Token>& tokens, bool asked);
// `logprobs` of a text completion; offsets count characters of the text from `text_offset` on.
class TextLogprobs {
 public:
  void add(const std::vector<predict::Token>& tokens);
  json::Value take();  // the entries since the last call

 private:
  json::Array tokens_, logprobs_, top_, offsets_;
  std::size_t offset_ = 0;
};

// Streams. `prediction` gives the instance's identifier once begin() is called.
class ChatStream : public StreamEncoder {
 public:
  ChatStream(const predict::Prediction& prediction, ResponseOptions options, int choices);
  void begin(std::string& out) override;
  void event(const predict::Event& event, std::string& out) override;
  void end(std::string& out) override;
  void error(const Error& error, std::string& out) override;
  std::string_view keep_alive() const override;

 private:
  void chunk(std::string& out, json::Value choices, const json::Value* usage = nullptr) const;
  void text(const predict::TextDelta& delta, std::string& out) const;
  void tool_call(int choice, json::Object call, std::string& out) const;
  const predict::Prediction& prediction_;
  ResponseOptions options_;
  int choices_;
  AnswerHead head_;
  UsageCounter usage_;
  json::Object stats_;
};

class CompletionStream : public StreamEncoder {
 public:
  CompletionStream(const predict::Prediction& prediction, ResponseOptions options, int choices_per_prompt);
  void begin(std::string& out) override;
  void event(const predict::Event& event, std::string& out) override;
  void end(std::string& out) override;
  void error(const Error& error, std::string& out) override;
  std::string_view keep_alive() const override;

 private:
  void chunk(std::string& out, json::Value choices, const json::Value* usage = nullptr) const;
  const predict::Prediction& prediction_;
  ResponseOptions options_;
  AnswerHead head_;
  UsageCounter usage_;
  std::map<int, TextLogprobs> logprobs_;
};

// Whole answers.
class ChatAnswer {
 public:
  ChatAnswer(ResponseOptions options, int choices)
      : options_(options), choices_(static_cast<std::size_t>(choices)), usage_(choices) {}
  void add(const predict::Event& event);
  json::Value to_json(const std::string& instance_id) const;

 private:
  struct ToolCall {
    std::string id, name, arguments;
  };
  struct Choice {
    std::string text, reasoning, analysis;
    std::vector<ToolCall> calls;  // those that ended, and the open one
    std::vector<predict::Token> tokens;
    predict::StopReason reason = predict::StopReason::kEndToken;
  };
  Choice& choice_of(int number) { return choices_.at(static_cast<std::size_t>(number)); }
  json::Object message(const Choice& choice) const;

  ResponseOptions options_;
  std::vector<Choice> choices_;
  UsageCounter usage_;
  json::Object stats_;
};

class CompletionAnswer {
 public:
  CompletionAnswer(ResponseOptions options, int prompts, int choices_per_prompt)
      : options_(options),
        choices_(static_cast<std::size_t>(prompts * choices_per_prompt)),
        usage_(choices_per_prompt) {}
  void add(const predict::Event& event);
  json::Value to_json(const std::string& instance_id);

 private:
  struct Choice {
    std::string text;
    TextLogprobs logprobs;
    predict::StopReason reason = predict::StopReason::kEndToken;
  };
  ResponseOptions options_;
  std::vector<Choice> choices_;
  UsageCounter usage_;
};

}  // namespace atelier::api::openai
