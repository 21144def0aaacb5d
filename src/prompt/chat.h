// From a conversation to the text that a model is given.
//
//     auto chat = ChatTemplate::compile(source, {.bos = "<s>", .eos = "</s>"});
//     auto prompt = chat->render({.messages = messages, .add_generation_prompt = true, .now = now});
//
// A template is compiled once per model: it is parsed, and what it can do is found out by small trial
// renderings (capabilities.h). Compiled templates are immutable; any thread may render with one at any time,
// and copying one is cheap. Rendering is a pure function of the request.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "prompt/capabilities.h"
#include "prompt/jinja/civil_time.h"
#include "prompt/message.h"
#include "prompt/provenance.h"

namespace atelier::prompt {

struct Segment {
  std::string text;  // never empty
  Provenance provenance = Provenance::kTemplate;
};

struct RenderedPrompt {
  std::vector<Segment> segments;  // neighbours differ in provenance
  // The text begins with the model's BOS token, so that the engine must not add another.
  bool begins_with_bos = false;
  // What follows is inside a reasoning section that the template has opened.
  bool opens_reasoning = false;
  // The beginning of the answer that is part of the prompt already: an output parser is fed this first.
  std::string answer_begins;

  std::string text() const;
};

struct RenderRequest {
  std::vector<Message> messages{};
  json::Array tools{};  // definitions as OpenAI has them; none: the template is told that there are no tools
  // How the tools are shown is the template's, or the default format where it knows none (capabilities).
  // Ends with what makes the model answer.
  bool add_generation_prompt = true;
  // The last message is an assistant's, and the model goes on with it: its end is not written.
  bool continue_final_message = false;
  // chat_template_kwargs and enable_thinking. They cannot replace the variables that this request sets itself.
  json::Object template_variables{};
  // What the answer begins with, in template text: the opening of a call that the model must make.
  std::string answer_opening{};
  // For templates that print the date. A local time, from the caller: nothing here reads a clock.
  CivilTime now{};
};

class ChatTemplate {
 public:
  // Fails where the source is not valid Jinja; the message has line and column.
  static Result<ChatTemplate> compile(std::string source, SpecialTokens special = {});
  // For models that have no template of their own.
  static ChatTemplate chatml(SpecialTokens special = {});

  // Fails where the template refuses the conversation (kInvalidRequest, with the template's own words) or
  // does not work.
  Result<RenderedPrompt> render(const RenderRequest& request) const;

  const TemplateCapabilities& capabilities() const;
  const std::string& source() const;

 private:
  struct State;
  explicit ChatTemplate(std::shared_ptr<const State> state) : state_(std::move(state)) {}
  std::shared_ptr<const State> state_;
};

// The local time of this machine at that moment, for RenderRequest::now.
CivilTime local_time(std::chrono::system_clock::time_point moment);

}  // namespace atelier::prompt
