#include "api/openai/decode.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include <fmt/format.h>

#include "api/fields.h"
#include "predict/context_overflow.h"

namespace atelier::api::openai {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::size_t kMaxStopStrings = 64;
constexpr std::int64_t kMaxChoices = 8;
constexpr std::int64_t kMaxTopLogprobs = 20;

template <class T>
std::optional<T> as(std::optional<double> value) {
  if (!value) return std::nullopt;
  return static_cast<T>(*value);
}
template <class T>
std::optional<T> as(std::optional<std::int64_t> value) {
  if (!value) return std::nullopt;
  return static_cast<T>(*value);
}

void decode_logit_bias(Fields& fields, predict::Sampling& sampling) {
  const json::Object* object = fields.object("logit_bias");
  if (object == nullptr) return;
  for (const auto& [key, value] : *object) {
    std::int32_t token = 0;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), token);
    if (error != std::errc() || end != key.data() + key.size() || token < 0) {
      fields.fail("logit_bias", fmt::format("'logit_bias' maps token ids to numbers; '{}' is no token id", key));
      return;
    }
    const auto bias = value.number();
    if (!bias || *bias < -100 || *bias > 100) {
      fields.fail("logit_bias", fmt::format("'logit_bias' of token {} must be a number between -100 and 100", token));
      return;
    }
    // -100 is a ban in OpenAI's API.
    const float applied = *bias <= -100 ? -std::numeric_limits<float>::infinity() : static_cast<float>(*bias);
    sampling.logit_bias.emplace_back(token, applied);
  }
}

predict::Sampling decode_sampling(Fields& fields) {
  predict::Sampling sampling;
  sampling.temperature = as<float>(fields.number("temperature", 0, 2));
  sampling.top_p = as<float>(fields.number("top_p", 0, 1));
  sampling.top_k = as<std::int32_t>(fields.integer("top_k", -1, INT32_MAX));
  sampling.min_p = as<float>(fields.number("min_p", 0, 1));
  sampling.typical_p = as<float>(fields.number("typical_p", 0, 1));
  sampling.repeat_penalty = as<float>(fields.number("repeat_penalty", 0, kInfinity));
  if (sampling.repeat_penalty && *sampling.repeat_penalty <= 0) {
    fields.fail("repeat_penalty", "'repeat_penalty' must be greater than 0 (1 switches it off)");
  }
  sampling.presence_penalty = as<float>(fields.number("presence_penalty", -2, 2));
  sampling.frequency_penalty = as<float>(fields.number("frequency_penalty", -2, 2));
  sampling.repeat_last_n = as<std::int32_t>(fields.integer("repeat_last_n", -1, INT32_MAX));
  sampling.dry_multiplier = as<float>(fields.number("dry_multiplier", 0, kInfinity));
  sampling.dry_base = as<float>(fields.number("dry_base", 0, kInfinity));
  sampling.dry_allowed_length = as<std::int32_t>(fields.integer("dry_allowed_length", 0, INT32_MAX));
  sampling.dry_penalty_last_n = as<std::int32_t>(fields.integer("dry_penalty_last_n", -1, INT32_MAX));
  sampling.dry_sequence_breakers = fields.strings("dry_sequence_breakers").value_or(std::vector<std::string>());
  sampling.xtc_probability = as<float>(fields.number("xtc_probability", 0, 1));
  sampling.xtc_threshold = as<float>(fields.number("xtc_threshold", 0, 1));
  sampling.mirostat = as<std::int32_t>(fields.integer("mirostat", 0, 2));
  sampling.mirostat_tau = as<float>(fields.number("mirostat_tau", 0, kInfinity));
  sampling.mirostat_eta = as<float>(fields.number("mirostat_eta", 0, kInfinity));
  decode_logit_bias(fields, sampling);
  // -1 asks for a random seed, as its absence does.
  if (const auto seed = fields.integer("seed", -1, INT64_MAX); seed && *seed >= 0) {
    sampling.seed = static_cast<std::uint64_t>(*seed);
  }
  return sampling;
}

std::uint64_t decode_token_limit(Fields& fields, std::string_view name) {
  const auto limit = fields.integer(name, -1, INT64_MAX);
  if (limit && *limit == 0) fields.fail(name, fmt::format("'{}' must be at least 1, or -1 for no limit", name));
  return limit && *limit > 0 ? static_cast<std::uint64_t>(*limit) : 0;
}

void decode_stop(Fields& fields, predict::GenerationOptions& options) {
  auto stops = fields.strings("stop");
  if (!stops) return;
  if (stops->size() > kMaxStopStrings) {
    fields.fail("stop", fmt::format("'stop' has {} strings; at most {} are allowed", stops->size(), kMaxStopStrings));
    return;
  }
  std::erase_if(*stops, [](const std::string& text) { return text.empty(); });
  options.stop_strings = std::move(*stops);
}

predict::GenerationOptions decode_options(Fields& fields) {
  predict::GenerationOptions options;
  options.sampling = decode_sampling(fields);
  options.max_tokens = decode_token_limit(fields, "max_tokens");
  decode_stop(fields, options);
  options.choices = static_cast<int>(fields.integer("n", 1, kMaxChoices).value_or(1));
  if (const auto ttl = fields.integer("ttl", 1, INT32_MAX)) options.ttl = std::chrono::seconds(*ttl);
  options.draft_model = fields.string("draft_model").value_or("");
  return options;
}

ResponseOptions decode_response_options(Fields& fields) {
  ResponseOptions response;
  response.stream = fields.boolean("stream").value_or(false);
  if (const json::Object* object = fields.object("stream_options")) {
    Fields inner(*object, "stream_options.");
    response.include_usage = inner.boolean("include_usage").value_or(false);
    if (inner.error()) fields.fail("stream_options", inner.error()->message);
  }
  return response;
}

// What is recognised, but comes with a later version: a plain answer beats one that silently lacks it.
void refuse_unserved(Fields& fields) {
  const auto unserved = [&](std::string_view name, std::string_view what) {
    fields.fail(name,
                fmt::format("{} ('{}') is not served by this version of Atelier yet; leave '{}' out", what, name, name),
                ErrorCode::kNotImplemented);
  };
  if (fields.has("grammar")) unserved("grammar", "A grammar");
  if (fields.has("preset")) unserved("preset", "A preset");
  if (fields.has("suffix") && !fields.string("suffix").value_or("").empty()) unserved("suffix", "Fill-in-the-middle");
  if (const json::Object* format = fields.object("response_format")) {
    const json::Value* type = format->find("type");
    const std::string* name = type == nullptr ? nullptr : type->if_string();
    if (name != nullptr && (*name == "json_schema" || *name == "json_object")) {
      unserved("response_format", "Structured output");
    } else if (name == nullptr || *name != "text") {
      fields.fail("response_format", "'response_format.type' must be 'json_schema', 'json_object' or 'text'");
    }
  }
}

// ---------------------------------------------------------------- messages

struct MessageReader {
  Fields& fields;
  std::string where;  // "messages[3]"

  void fail(std::string_view member, std::string message, ErrorCode code = ErrorCode::kInvalidRequest) const {
    fields.fail(where + std::string(member), std::move(message), code);
  }

  bool add_part(const json::Value& part, std::size_t index, prompt::Message& message) const {
    const std::string place = fmt::format(".content[{}]", index);
    const json::Value* type = part.find("type");
    const std::string* name = type == nullptr ? nullptr : type->if_string();
    if (name == nullptr) {
      fail(place, fmt::format("'{}{}' must be an object with a 'type'", where, place));
      return false;
    }
    if (*name == "text" || *name == "refusal") {
      const json::Value* text = part.find(*name);
      if (text == nullptr || !text->is_string()) {
        fail(place, fmt::format("'{}{}.{}' must be a string", where, place, *name));
        return false;
      }
      message.content.push_back(prompt::ContentPart{*text->if_string()});
      return true;
    }
    if (*name == "image_url") {
      const json::Value* image = part.find("image_url");
      const json::Value* url = image != nullptr && image->is_object() ? image->find("url") : image;
      if (url == nullptr || !url->is_string()) {
        fail(place, fmt::format("'{}{}.image_url.url' must be a string", where, place));
        return false;
      }
      message.content.push_back(prompt::ContentPart{*url->if_string(), prompt::ContentPart::Kind::kImage});
      return true;
    }
    fail(place, fmt::format("'{}{}' has the type '{}', which this model cannot read", where, place, *name));
    return false;
  }

  bool add_content(const json::Value& content, prompt::Message& message) const {
    if (content.is_null()) return true;
    if (const std::string* text = content.if_string()) {
      message.content.push_back(prompt::ContentPart{*text});
      return true;
    }
    const json::Array* parts = content.if_array();
    if (parts == nullptr) {
      fail(".content",
           fmt::format("'{}.content' must be a string or an array of parts, not {}", where, kind_name(content)));
      return false;
    }
    for (std::size_t i = 0; i < parts->size(); ++i) {
      if (!add_part((*parts)[i], i, message)) return false;
    }
    return true;
  }

  // Calls that the assistant made, in today's form or the one before tools.
  bool add_tool_calls(const json::Value& value, prompt::Message& message) const {
    if (const json::Value* call = value.find("function_call"); call != nullptr && call->is_object()) {
      message.tool_calls.push_back(json::Object{{"type", "function"}, {"function", *call}});
    }
    const json::Value* calls = value.find("tool_calls");
    if (calls == nullptr || calls->is_null()) return true;
    if (!calls->is_array()) {
      fail(".tool_calls", fmt::format("'{}.tool_calls' must be an array, not {}", where, kind_name(*calls)));
      return false;
    }
    for (std::size_t i = 0; i < calls->if_array()->size(); ++i) {
      const json::Value& call = (*calls->if_array())[i];
      const json::Value* function = call.find("function");
      const json::Value* name = function == nullptr ? nullptr : function->find("name");
      if (name == nullptr || !name->is_string()) {
        fail(".tool_calls",
             fmt::format("'{}.tool_calls[{}].function.name' is required and must be a string", where, i));
        return false;
      }
      message.tool_calls.push_back(call);
    }
    return true;
  }

  std::optional<prompt::Message> read(const json::Value& value) const {
    if (!value.is_object()) {
      fail("", fmt::format("'{}' must be an object with 'role' and 'content', not {}", where, kind_name(value)));
      return std::nullopt;
    }
    const auto text_member = [&](std::string_view name) -> std::string {
      const json::Value* found = value.find(name);
      return found != nullptr && found->is_string() ? *found->if_string() : std::string();
    };
    prompt::Message message;
    message.role = text_member("role");
    static constexpr std::string_view kRoles[] = {"system", "developer", "user", "assistant", "tool", "function"};
    if (std::ranges::find(kRoles, message.role) == std::end(kRoles)) {
      fail(".role", fmt::format("'{}.role' must be one of system, developer, user, assistant, tool, function", where));
      return std::nullopt;
    }
    message.name = text_member("name");
    message.tool_call_id = text_member("tool_call_id");
    message.reasoning = text_member("reasoning_content");
    if (message.reasoning.empty()) message.reasoning = text_member("reasoning");
    if (!add_tool_calls(value, message)) return std::nullopt;
    const json::Value* content = value.find("content");
    const bool may_lack_content = message.role == "assistant";
    if ((content == nullptr || content->is_null()) && !may_lack_content) {
      fail(".content", fmt::format("'{}.content' is required for the role '{}'", where, message.role),
           ErrorCode::kMissingParameter);
      return std::nullopt;
    }
    if (content != nullptr && !add_content(*content, message)) return std::nullopt;
    return message;
  }
};

void decode_messages(Fields& fields, predict::ChatRequest& request) {
  if (!fields.has("messages")) {
    fields.require("messages");
    return;
  }
  const json::Array* messages = fields.array("messages");
  if (messages == nullptr) return;
  if (messages->empty()) {
    fields.fail("messages", "'messages' field is required and must hold at least one message");
    return;
  }
  for (std::size_t i = 0; i < messages->size(); ++i) {
    const MessageReader reader{fields, fmt::format("messages[{}]", i)};
    auto message = reader.read((*messages)[i]);
    if (!message) return;
    request.messages.push_back(std::move(*message));
  }
}

// ---------------------------------------------------------------- tools and reasoning

// A tool's definition, with the members that templates look for.
std::optional<json::Value> read_tool(Fields& fields, const json::Value& tool, const std::string& where) {
  const json::Value* type = tool.find("type");
  const std::string* type_name = type == nullptr ? nullptr : type->if_string();
  if (type_name == nullptr || *type_name != "function") {
    fields.fail(where, fmt::format("'{}.type' must be 'function'; other tools are not served on this route", where));
    return std::nullopt;
  }
  const json::Value* function = tool.find("function");
  const json::Value* name = function == nullptr ? nullptr : function->find("name");
  if (name == nullptr || !name->is_string() || name->if_string()->empty()) {
    fields.fail(where, fmt::format("'{}.function.name' is required and must be a string", where));
    return std::nullopt;
  }
  const json::Value* parameters = function->find("parameters");
  if (parameters != nullptr && !parameters->is_null() && !parameters->is_object()) {
    fields.fail(where, fmt::format("'{}.function.parameters' must be a JSON Schema object, not {}", where,
                                   kind_name(*parameters)));
    return std::nullopt;
  }
  json::Object definition = *function->if_object();
  // Templates print the schema of every tool; a tool without one takes nothing.
  if (parameters == nullptr || parameters->is_null()) {
    definition.set("parameters", json::Object{{"type", "object"}, {"properties", json::Object()}});
  }
  if (!definition.contains("description")) definition.set("description", "");
  return json::Object{{"type", "function"}, {"function", std::move(definition)}};
}

std::string tool_name(const json::Value& tool) { return *tool.find("function")->find("name")->if_string(); }

bool has_tool(const predict::ToolUse& use, std::string_view name) {
  return std::ranges::any_of(use.tools, [&](const json::Value& tool) { return tool_name(tool) == name; });
}

void require_tool(Fields& fields, predict::ToolUse& use, const json::Value* holder) {
  const json::Value* name = holder == nullptr ? nullptr : holder->find("name");
  if (name == nullptr || !name->is_string() || !has_tool(use, *name->if_string())) {
    fields.fail("tool_choice", "'tool_choice' must name one of the 'tools'");
    return;
  }
  use.choice = predict::ToolChoice::kRequired;
  use.required_tool = *name->if_string();
}

void decode_tool_choice_word(Fields& fields, std::string_view word, predict::ToolUse& use) {
  if (word == "auto") {
    use.choice = predict::ToolChoice::kAuto;
  } else if (word == "none") {
    use.choice = predict::ToolChoice::kNone;
  } else if (word == "required") {
    if (use.tools.empty()) fields.fail("tool_choice", "'tool_choice' is 'required', but there are no 'tools'");
    use.choice = predict::ToolChoice::kRequired;
  } else {
    fields.fail("tool_choice",
                fmt::format("'tool_choice' must be 'auto', 'none', 'required' or an object, not '{}'", word));
  }
}

// {"type": "allowed_tools", "allowed_tools": {"mode": …, "tools": [{"type": "function", "function": {"name"}}]}}
void decode_allowed_tools(Fields& fields, const json::Object& choice, predict::ToolUse& use) {
  const json::Value* inner = choice.find("allowed_tools");
  const json::Value root = inner != nullptr ? *inner : json::Value(choice);
  const json::Value* tools = root.find("tools");
  const json::Array* allowed = tools == nullptr ? nullptr : tools->if_array();
  if (allowed == nullptr) {
    fields.fail("tool_choice", "'tool_choice.allowed_tools.tools' must be an array of tools");
    return;
  }
  std::erase_if(use.tools, [&](const json::Value& tool) {
    return std::ranges::none_of(*allowed, [&](const json::Value& each) {
      const json::Value* function = each.find("function");
      const json::Value* name = (function != nullptr ? *function : each).find("name");
      return name != nullptr && *name == json::Value(tool_name(tool));
    });
  });
  const json::Value* mode = root.find("mode");
  decode_tool_choice_word(fields, mode != nullptr && mode->is_string() ? *mode->if_string() : "auto", use);
}

void decode_tool_choice(Fields& fields, const json::Value& choice, predict::ToolUse& use) {
  if (const std::string* word = choice.if_string()) return decode_tool_choice_word(fields, *word, use);
  const json::Value* type = choice.find("type");
  const std::string* name = type == nullptr ? nullptr : type->if_string();
  if (name != nullptr && *name == "function") return require_tool(fields, use, choice.find("function"));
  if (name != nullptr && *name == "allowed_tools") return decode_allowed_tools(fields, *choice.if_object(), use);
  fields.fail("tool_choice", fmt::format("Invalid tool_choice type: {}. Use 'auto', 'none', 'required' or "
                                         "{{\"type\": \"function\", \"function\": {{\"name\": …}}}}",
                                         name != nullptr ? "'" + *name + "'" : std::string(kind_name(choice))));
}

void decode_tools(Fields& fields, predict::ToolUse& use) {
  if (const json::Array* tools = fields.array("tools")) {
    for (std::size_t i = 0; i < tools->size(); ++i) {
      auto tool = read_tool(fields, (*tools)[i], fmt::format("tools[{}]", i));
      if (!tool) return;
      use.tools.push_back(std::move(*tool));
    }
  } else if (const json::Array* functions = fields.array("functions")) {
    // The form before tools.
    for (std::size_t i = 0; i < functions->size(); ++i) {
      const json::Value wrapped = json::Object{{"type", "function"}, {"function", (*functions)[i]}};
      auto tool = read_tool(fields, wrapped, fmt::format("functions[{}]", i));
      if (!tool) return;
      use.tools.push_back(std::move(*tool));
    }
  }
  if (const json::Value* choice = fields.value("tool_choice")) {
    decode_tool_choice(fields, *choice, use);
  } else if (const json::Value* call = fields.value("function_call")) {
    if (const std::string* word = call->if_string()) {
      decode_tool_choice_word(fields, *word, use);
    } else {
      require_tool(fields, use, call);
    }
  }
  use.parallel = fields.boolean("parallel_tool_calls").value_or(true);
}

void decode_reasoning(Fields& fields, predict::ChatRequest& request) {
  const auto effort = fields.string("reasoning_effort");
  if (!effort) return;
  using predict::ReasoningEffort;
  if (*effort == "none") {
    request.reasoning = ReasoningEffort::kOff;
  } else if (*effort == "minimal" || *effort == "low") {
    request.reasoning = ReasoningEffort::kLow;
  } else if (*effort == "medium") {
    request.reasoning = ReasoningEffort::kMedium;
  } else if (*effort == "high" || *effort == "xhigh") {
    request.reasoning = ReasoningEffort::kHigh;
  } else {
    fields.fail("reasoning_effort", "'reasoning_effort' must be 'none', 'minimal', 'low', 'medium', 'high' or 'xhigh'");
  }
}

std::optional<predict::ContextOverflow> decode_overflow(Fields& fields) {
  const auto name = fields.string("context_overflow_policy");
  if (!name) return std::nullopt;
  const auto policy = predict::context_overflow_policy(*name);
  if (!policy) {
    fields.fail("context_overflow_policy",
                "'context_overflow_policy' must be 'stopAtLimit', 'truncateMiddle' or 'rollingWindow'");
  }
  return policy;
}

// ---------------------------------------------------------------- prompts and inputs

std::optional<std::vector<std::int32_t>> token_ids(const json::Array& array) {
  std::vector<std::int32_t> ids;
  for (const json::Value& item : array) {
    const auto id = item.is_integer() ? item.integer() : std::nullopt;
    if (!id || *id < 0 || *id > INT32_MAX) return std::nullopt;
    ids.push_back(static_cast<std::int32_t>(*id));
  }
  return ids;
}

// A string, an array of strings, an array of token ids, or an array of such arrays.
std::optional<std::vector<predict::PromptInput>> decode_inputs(const json::Value& value) {
  std::vector<predict::PromptInput> inputs;
  if (const std::string* text = value.if_string()) {
    inputs.emplace_back(*text);
    return inputs;
  }
  const json::Array* array = value.if_array();
  if (array == nullptr) return std::nullopt;
  if (!array->empty() && array->front().is_number()) {
    auto ids = token_ids(*array);
    if (!ids) return std::nullopt;
    inputs.emplace_back(std::move(*ids));
    return inputs;
  }
  for (const json::Value& item : *array) {
    if (const std::string* text = item.if_string()) {
      inputs.emplace_back(*text);
    } else if (const json::Array* inner = item.if_array()) {
      auto ids = token_ids(*inner);
      if (!ids || ids->empty()) return std::nullopt;
      inputs.emplace_back(std::move(*ids));
    } else {
      return std::nullopt;
    }
  }
  return inputs;
}

}  // namespace

Result<ChatCall> decode_chat(const json::Object& body) {
  Fields fields(body);
  ChatCall call;
  call.request.model = fields.string("model").value_or("");
  decode_messages(fields, call.request);
  refuse_unserved(fields);
  call.request.options = decode_options(fields);
  predict::GenerationOptions& options = call.request.options;
  if (const auto limit = decode_token_limit(fields, "max_completion_tokens")) options.max_tokens = limit;
  call.response = decode_response_options(fields);

  options.logprobs = fields.boolean("logprobs").value_or(false);
  options.top_logprobs = static_cast<std::uint32_t>(fields.integer("top_logprobs", 0, kMaxTopLogprobs).value_or(0));
  if (options.top_logprobs > 0 && !options.logprobs) {
    fields.fail("top_logprobs", "'top_logprobs' needs 'logprobs' to be true");
  }
  call.response.logprobs = options.logprobs;

  decode_tools(fields, call.request.tool_use);
  decode_reasoning(fields, call.request);
  if (const json::Object* variables = fields.object("chat_template_kwargs"))
    call.request.template_variables = *variables;
  if (const auto thinking = fields.boolean("enable_thinking")) {
    call.request.template_variables.set("enable_thinking", *thinking);
  }
  call.request.overflow = decode_overflow(fields);
  if (fields.error()) return std::unexpected(*fields.error());
  return call;
}

Result<CompletionCall> decode_completion(const json::Object& body) {
  Fields fields(body);
  CompletionCall call;
  call.request.model = fields.string("model").value_or("");
  if (const json::Value* prompt = fields.value("prompt")) {
    auto prompts = decode_inputs(*prompt);
    if (!prompts || prompts->empty()) {
      fields.fail("prompt", "'prompt' field must be a string, an array of strings, or token ids");
    } else {
      call.request.prompts = std::move(*prompts);
    }
  } else {
    fields.require("prompt");
  }
  refuse_unserved(fields);
  call.request.options = decode_options(fields);
  predict::GenerationOptions& options = call.request.options;
  call.request.echo = fields.boolean("echo").value_or(false);
  if (const auto logprobs = fields.integer("logprobs", 0, kMaxTopLogprobs)) {
    options.logprobs = true;
    options.top_logprobs = static_cast<std::uint32_t>(*logprobs);
  }
  if (const auto best_of = fields.integer("best_of", 1, kMaxChoices); best_of && *best_of != options.choices) {
    fields.fail("best_of", "'best_of' must be equal to 'n': every answer is returned");
  }
  if (decode_overflow(fields).value_or(predict::ContextOverflow::kStopAtLimit) !=
      predict::ContextOverflow::kStopAtLimit) {
    fields.fail("context_overflow_policy",
                "'context_overflow_policy' must be 'stopAtLimit' here: a text has no messages that could be left out");
  }
  call.response = decode_response_options(fields);
  call.response.logprobs = options.logprobs;
  if (fields.error()) return std::unexpected(*fields.error());
  return call;
}

Result<EmbeddingCall> decode_embedding(const json::Object& body) {
  Fields fields(body);
  EmbeddingCall call;
  call.request.model = fields.string("model").value_or("");
  if (const json::Value* input = fields.value("input")) {
    auto inputs = decode_inputs(*input);
    if (!inputs) {
      fields.fail("input", "'input' field must be a string or an array of strings (token ids are accepted too)");
    } else {
      for (const predict::PromptInput& each : *inputs) {
        if (std::visit([](const auto& content) { return content.empty(); }, each)) {
          fields.fail("input", "'input' holds an empty string; every input needs some text");
        }
      }
      if (inputs->empty()) fields.fail("input", "'input' field must hold at least one string");
      call.request.inputs = std::move(*inputs);
    }
  } else {
    fields.require("input");
  }
  if (const auto format = fields.string("encoding_format")) {
    if (*format != "float" && *format != "base64") {
      fields.fail("encoding_format", "'encoding_format' must be 'float' or 'base64'");
    }
    call.base64 = *format == "base64";
  }
  if (const auto dimensions = fields.integer("dimensions", 1, INT32_MAX)) {
    call.request.dimensions = static_cast<std::uint32_t>(*dimensions);
  }
  call.request.truncate = fields.boolean("truncate").value_or(false);
  if (const auto ttl = fields.integer("ttl", 1, INT32_MAX)) call.request.ttl = std::chrono::seconds(*ttl);
  if (fields.error()) return std::unexpected(*fields.error());
  return call;
}

}  // namespace atelier::api::openai
