#include "api/openai/routes.h"

#include <bit>
#include <chrono>
#include <cstring>

#include "api/answer.h"
#include "api/body.h"
#include "api/openai/decode.h"
#include "api/openai/encode.h"
#include "base/base64.h"

namespace atelier::api::openai {
namespace {

using boost::asio::awaitable;

awaitable<void> chat_completions(const ApiContext& context, net::Exchange& exchange) {
  Result<json::Object> body = co_await read_json_object(exchange, context.pool);
  if (!body) co_return co_await answer_error(Dialect::kOpenAi, exchange, body.error());
  Result<ChatCall> call = decode_chat(*body);
  if (!call) co_return co_await answer_error(Dialect::kOpenAi, exchange, call.error());

  ResponseOptions options = call->response;
  options.separate_reasoning = context.models.settings().separate_reasoning;
  const int choices = call->request.options.choices;
  const std::unique_ptr<predict::Prediction> prediction = context.predictor.chat(std::move(call->request));
  if (options.stream) {
    ChatStream stream(*prediction, options, choices);
    co_await answer_with_stream(context, Dialect::kOpenAi, exchange, *prediction, stream);
  } else {
    ChatAnswer answer(options, choices);
    auto collect = [&answer](const predict::Event& event) { answer.add(event); };
    auto finish = [&answer, &prediction] { return answer.to_json(prediction->instance_id()); };
    co_await answer_whole(Dialect::kOpenAi, exchange, *prediction, collect, finish);
  }
}

awaitable<void> completions(const ApiContext& context, net::Exchange& exchange) {
  Result<json::Object> body = co_await read_json_object(exchange, context.pool);
  if (!body) co_return co_await answer_error(Dialect::kOpenAi, exchange, body.error());
  Result<CompletionCall> call = decode_completion(*body);
  if (!call) co_return co_await answer_error(Dialect::kOpenAi, exchange, call.error());

  const ResponseOptions options = call->response;
  const int choices = call->request.options.choices;
  const int prompts = static_cast<int>(call->request.prompts.size());
  const std::unique_ptr<predict::Prediction> prediction = context.predictor.complete(std::move(call->request));
  if (options.stream) {
    CompletionStream stream(*prediction, options, choices);
    co_await answer_with_stream(context, Dialect::kOpenAi, exchange, *prediction, stream);
  } else {
    CompletionAnswer answer(options, prompts, choices);
    auto collect = [&answer](const predict::Event& event) { answer.add(event); };
    auto finish = [&answer, &prediction] { return answer.to_json(prediction->instance_id()); };
    co_await answer_whole(Dialect::kOpenAi, exchange, *prediction, collect, finish);
  }
}

std::string little_endian_base64(const std::vector<float>& vector) {
  std::string bytes(vector.size() * sizeof(float), '\0');
  for (std::size_t i = 0; i < vector.size(); ++i) {
    const auto bits = std::bit_cast<std::uint32_t>(vector[i]);
    for (std::size_t b = 0; b < 4; ++b) bytes[i * 4 + b] = static_cast<char>((bits >> (8 * b)) & 0xFF);
  }
  return base64::encode(bytes);
}

json::Value embedding_numbers(const std::vector<float>& vector) {
  json::Array numbers;
  numbers.reserve(vector.size());
  for (const float value : vector) numbers.emplace_back(json::shortest_double(value));
  return numbers;
}

awaitable<void> embeddings(const ApiContext& context, net::Exchange& exchange) {
  Result<json::Object> body = co_await read_json_object(exchange, context.pool);
  if (!body) co_return co_await answer_error(Dialect::kOpenAi, exchange, body.error());
  Result<EmbeddingCall> call = decode_embedding(*body);
  if (!call) co_return co_await answer_error(Dialect::kOpenAi, exchange, call.error());

  const bool as_base64 = call->base64;
  const std::stop_token gone = exchange.client_gone();
  Result<predict::EmbeddingResult> result = co_await context.models.embed(std::move(call->request), gone);
  if (!result) co_return co_await answer_error(Dialect::kOpenAi, exchange, result.error());

  json::Array data;
  for (std::size_t i = 0; i < result->vectors.size(); ++i) {
    const std::vector<float>& vector = result->vectors[i];
    json::Value embedding = as_base64 ? json::Value(little_endian_base64(vector)) : embedding_numbers(vector);
    data.push_back(json::Object{{"object", "embedding"}, {"embedding", std::move(embedding)}, {"index", i}});
  }
  const json::Value answer = json::Object{
      {"object", "list"},
      {"data", std::move(data)},
      {"model", result->model},
      {"usage", json::Object{{"prompt_tokens", result->prompt_tokens}, {"total_tokens", result->prompt_tokens}}}};
  co_await answer_json(exchange, answer);
}

// ---------------------------------------------------------------- models

json::Value model_object(const std::string& id, std::int64_t created) {
  return json::Object{{"id", id}, {"object", "model"}, {"created", created}, {"owned_by", "organization_owner"}};
}

// Downloaded models where loading on demand is on, loaded ones otherwise; instances with a name of their own too.
json::Array model_objects(const std::vector<predict::ModelDescription>& models, bool jit) {
  json::Array data;
  for (const predict::ModelDescription& model : models) {
    if (jit) data.push_back(model_object(model.entry->key, model.entry->modified_seconds));
    for (const predict::InstanceInfo& instance : model.instances) {
      if (jit && instance.id == model.entry->key) continue;
      data.push_back(model_object(instance.id, model.entry->modified_seconds));
    }
  }
  return data;
}

awaitable<void> list_models(const ApiContext& context, net::Exchange& exchange) {
  const auto models = co_await context.models.list();
  if (!models) co_return co_await answer_error(Dialect::kOpenAi, exchange, models.error());
  const json::Value answer =
      json::Object{{"object", "list"}, {"data", model_objects(*models, context.models.settings().jit)}};
  co_await answer_json(exchange, answer);
}

awaitable<void> get_model(const ApiContext& context, net::Exchange& exchange) {
  const std::string id(exchange.request().capture("id"));
  const auto models = co_await context.models.list();
  if (!models) co_return co_await answer_error(Dialect::kOpenAi, exchange, models.error());
  for (const json::Value& model : model_objects(*models, context.models.settings().jit)) {
    if (*model.find("id")->if_string() == id) co_return co_await answer_json(exchange, model);
  }
  const Error error{ErrorCode::kModelNotFound, "There is no model '" + id + "'; GET /v1/models lists what is there",
                    "model"};
  co_await answer_error(Dialect::kOpenAi, exchange, error);
}

}  // namespace

void add_routes(net::Router& router, const ApiContext& context) {
  const auto with_context = [&context](awaitable<void> (*handler)(const ApiContext&, net::Exchange&)) {
    return [&context, handler](net::Exchange& exchange) { return handler(context, exchange); };
  };
  router.add("GET", "/v1/models", with_context(list_models));
  router.add("GET", "/v1/models/{id...}", with_context(get_model));
  router.add("POST", "/v1/chat/completions", with_context(chat_completions));
  router.add("POST", "/v1/completions", with_context(completions));
  router.add("POST", "/v1/embeddings", with_context(embeddings));
}

}  // namespace atelier::api::openai
