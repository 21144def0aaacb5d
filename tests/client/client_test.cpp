#include "client/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <stdexcept>

#include "base/json.h"
#include "tests/client/loopback_server.h"

namespace atelier::client {
namespace {

using test::LoopbackServer;
using test::ServedConnection;
using test::ServedRequest;
using testing::HasSubstr;

Client client_of(const LoopbackServer& server, std::string token = {}) {
  auto client = Client::connect(server.url(), std::move(token));
  EXPECT_TRUE(client.has_value());
  return std::move(*client);
}

std::string text_chunk(std::string_view text) {
  return R"(data: {"model":"m","choices":[{"index":0,"delta":{"content":")" + std::string(text) +
         R"("},"logprobs":null,"finish_reason":null}]})" + "\n\n";
}

const std::string kFinish =
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2,\"total_tokens\":5}}\n\n"
    "data: [DONE]\n\n";

ChatRequest hello() { return {.model = "m", .messages = {{"user", "Hello"}}}; }

TEST(Client, RefusesAddressesThatAreNoUrls) {
  for (const char* url : {"", "127.0.0.1:1234", "ftp://x", "file:///etc/passwd"}) {
    auto client = Client::connect(url);
    ASSERT_FALSE(client.has_value()) << url;
    EXPECT_EQ(client.error().code, ErrorCode::kInvalidRequest);
  }
  EXPECT_FALSE(Client::connect("http://x", "token\r\nInjected: 1").has_value());
}

TEST(Client, SaysWhenNothingListens) {
  std::uint16_t free_port;
  {
    LoopbackServer gone([](const ServedRequest&, ServedConnection&) {});
    free_port = gone.port();
  }
  auto client = Client::connect("http://127.0.0.1:" + std::to_string(free_port));
  auto models = client->list_models();
  ASSERT_FALSE(models.has_value());
  EXPECT_EQ(models.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(models.error().message, HasSubstr(std::to_string(free_port)));
}

TEST(Client, SendsTheTokenAndKeepsTheConnection) {
  LoopbackServer server([](const ServedRequest&, ServedConnection& out) { out.send_json(R"({"models":[]})"); });
  Client client = client_of(server, "sk-lm-abc");
  ASSERT_TRUE(client.list_models().has_value());
  ASSERT_TRUE(client.list_models().has_value());
  EXPECT_EQ(server.connections(), 1);
  auto requests = server.requests();
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_EQ(requests[1].target, "/api/v1/models");
  EXPECT_THAT(requests[1].head, HasSubstr("\r\nauthorization: bearer sk-lm-abc\r\n"));
}

TEST(Client, ProbeTellsOurProtocolFromAnother) {
  std::string answer = R"({"lmstudio":true})";
  LoopbackServer server([&](const ServedRequest&, ServedConnection& out) { out.send_json(answer); });
  EXPECT_TRUE(client_of(server).probe().has_value());
  answer = R"({"hello":true})";
  EXPECT_FALSE(client_of(server).probe().has_value());
  answer = "<html>";
  EXPECT_FALSE(client_of(server).probe().has_value());
}

TEST(Client, ListsModels) {
  LoopbackServer server([](const ServedRequest&, ServedConnection& out) {
    out.send_json(R"({"models":[{"type":"llm","publisher":"qwen","key":"qwen/qwen3-8b","display_name":"Qwen3 8B",
      "architecture":"qwen3","quantization":{"name":"Q4_K_M","bits_per_weight":4},"size_bytes":5027783488,
      "params_string":"8B","max_context_length":40960,"format":"gguf","path":"qwen/qwen3-8b",
      "capabilities":{"vision":false,"trained_for_tool_use":true},
      "variants":["qwen/qwen3-8b@q4_k_m","qwen/qwen3-8b@q8_0"],"selected_variant":"qwen/qwen3-8b@q4_k_m",
      "loaded_instances":[{"id":"qwen/qwen3-8b","config":{"context_length":8192,"parallel":4},"status":"generating",
        "queued":1,"ttl_seconds":3600,"idle_seconds":2.5,"jit":true,"size_bytes":6000000000}]},
      {"type":"embedding","key":"text-embedding-x","display_name":null,"size_bytes":1,"params_string":null,
       "quantization":null,"max_context_length":512,"format":"gguf","loaded_instances":[]},
      {"no":"key"}, 7]})");
  });
  auto models = client_of(server).list_models();
  ASSERT_TRUE(models.has_value());
  ASSERT_EQ(models->size(), 2u);
  const Model& llm = models->front();
  EXPECT_EQ(llm.display_name, "Qwen3 8B");
  EXPECT_EQ(llm.size_bytes, 5027783488u);
  EXPECT_EQ(llm.quantization->bits_per_weight, 4);
  EXPECT_TRUE(llm.trained_for_tool_use);
  EXPECT_EQ(llm.variants.size(), 2u);
  ASSERT_EQ(llm.loaded_instances.size(), 1u);
  const LoadedInstance& instance = llm.loaded_instances.front();
  EXPECT_EQ(instance.context_length, 8192);
  EXPECT_EQ(instance.ttl_seconds, 3600);
  EXPECT_EQ(instance.idle_seconds, 2.5);
  EXPECT_EQ(instance.size_bytes, 6000000000u);
  EXPECT_TRUE(instance.jit);
  EXPECT_EQ((*models)[1].type, ModelType::kEmbedding);
  EXPECT_EQ((*models)[1].display_name, "text-embedding-x");
}

TEST(Client, TurnsErrorBodiesIntoErrors) {
  struct Case {
    int status;
    const char* body;
    ErrorCode code;
    const char* message;
  };
  const Case cases[] = {
      {404, R"({"error":{"type":"model_not_found","message":"No model x."}})", ErrorCode::kModelNotFound,
       "No model x."},
      {404, R"({"error":{"type":"model_not_found","code":"model_not_loaded","message":"m"}})",
       ErrorCode::kModelNotLoaded, "m"},
      {409, R"({"error":{"type":"invalid_request","code":"port_in_use","message":"Port 1234 is taken."}})",
       ErrorCode::kConflict, "Port 1234 is taken."},
      {404, R"j({"error":"Unexpected endpoint or method. (GET /x)"})j", ErrorCode::kNotFound, "Unexpected endpoint"},
      {400,
       R"({"error":{"type":"invalid_request","code":"missing_required_parameter","message":"\"model\" is required"}})",
       ErrorCode::kMissingParameter, "\"model\" is required"},
      {503, "gone", ErrorCode::kOverloaded, "status 503"},
      {500, "", ErrorCode::kInternal, "status 500"},
      {418, "[]", ErrorCode::kInvalidRequest, "status 418"},
  };
  for (const Case& c : cases) {
    LoopbackServer server([&](const ServedRequest&, ServedConnection& out) { out.send_json(c.body, c.status); });
    auto done = client_of(server).unload("x");
    ASSERT_FALSE(done.has_value()) << c.body;
    EXPECT_EQ(done.error().code, c.code) << c.body;
    EXPECT_THAT(done.error().message, HasSubstr(c.message));
  }
}

TEST(Client, AnAnswerThatIsNoJsonIsAnError) {
  LoopbackServer server([](const ServedRequest&, ServedConnection& out) { out.send_json("<html>"); });
  auto models = client_of(server).list_models();
  ASSERT_FALSE(models.has_value());
  EXPECT_EQ(models.error().code, ErrorCode::kUnavailable);
}

TEST(Client, StreamsAChat) {
  LoopbackServer server([](const ServedRequest&, ServedConnection& out) {
    out.begin_events();
    out.send_chunk(": keep-alive\n\n");
    out.send_chunk("data: {\"choices\":[{\"delta\":{\"reasoning_content\":\"hm\",\"reasoning\":\"hm\"}}]}\n\n");
    std::string rest = text_chunk("Hel") + text_chunk("l\\u00f6") + kFinish;
    out.send_chunk(rest.substr(0, 31));  // HTTP chunks need not end where events end
    out.send_chunk(rest.substr(31));
    out.end_chunks();
  });
  std::string content, reasoning;
  auto result = client_of(server).chat(hello(), [&](const ChatDelta& delta) {
    content += delta.content;
    reasoning += delta.reasoning;
  });
  ASSERT_TRUE(result.has_value()) << result.error().message;
  EXPECT_EQ(content, "Hellö");
  EXPECT_EQ(reasoning, "hm");
  EXPECT_EQ(result->content, content);
  EXPECT_EQ(result->reasoning, "hm");
  EXPECT_EQ(result->model, "m");
  EXPECT_EQ(result->finish_reason, "stop");
  EXPECT_EQ(result->usage->completion_tokens, 2);
  EXPECT_FALSE(result->cancelled);
  EXPECT_TRUE(result->time_to_first_token.has_value());
}

TEST(Client, ChatSendsWhatWasAsked) {
  LoopbackServer server([](const ServedRequest&, ServedConnection& out) {
    out.begin_events();
    out.send_chunk(kFinish);
    out.end_chunks();
  });
  ChatRequest request = hello();
  request.temperature = 0.7;
  request.stop = {"a", "b"};
  request.more.set("logit_bias", json::Object{{"1", 2}});
  ASSERT_TRUE(client_of(server).chat(request, {}).has_value());
  auto body = json::parse(server.requests().front().body);
  EXPECT_EQ(*body, *json::parse(R"({"model":"m","messages":[{"role":"user","content":"Hello"}],"stream":true,
      "stream_options":{"include_usage":true},"temperature":0.7,"stop":["a","b"],"logit_bias":{"1":2}})"));
}

TEST(Client, AnErrorBeforeTheStreamKeepsItsMessage) {
  LoopbackServer server([](const ServedRequest&, ServedConnection& out) {
    out.send_json(R"({"error":{"message":"The prompt has 9 tokens.","code":"context_length_exceeded"}})", 400);
  });
  auto result = client_of(server).chat(hello(), {});
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, ErrorCode::kContextLengthExceeded);
  EXPECT_EQ(result.error().message, "The prompt has 9 tokens.");
}

TEST(Client, AnErrorInsideTheStreamEndsTheChat) {
  LoopbackServer server([](const ServedRequest&, ServedConnection& out) {
    out.begin_events();
    out.send_chunk(text_chunk("Hel"));
    out.send_chunk(
        "data: {\"error\":{\"message\":\"The engine died.\",\"code\":\"engine_crashed\"}}\n\ndata: [DONE]\n\n");
    out.end_chunks();
  });
  std::string content;
  auto result = client_of(server).chat(hello(), [&](const ChatDelta& delta) { content += delta.content; });
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, ErrorCode::kEngineCrashed);
  EXPECT_EQ(content, "Hel");
}

TEST(Client, AConnectionCutInMidStreamIsAnError) {
  LoopbackServer server([](const ServedRequest&, ServedConnection& out) {
    out.begin_events();
    out.send_chunk(text_chunk("Hel"));
    out.cut();
  });
  auto result = client_of(server).chat(hello(), {});
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, ErrorCode::kUnavailable);
}

TEST(Client, AStreamThatEndsWithoutItsSentinelIsAnError) {
  LoopbackServer server([](const ServedRequest&, ServedConnection& out) {
    out.begin_events();
    out.send_chunk(text_chunk("Hel"));
    out.end_chunks();
  });
  auto result = client_of(server).chat(hello(), {});
  ASSERT_FALSE(result.has_value());
  EXPECT_THAT(result.error().message, HasSubstr("before the answer was complete"));
}

TEST(Client, CancellingClosesTheConnectionAndKeepsTheText) {
  std::promise<void> closed;
  LoopbackServer server([&](const ServedRequest&, ServedConnection& out) {
    out.begin_events();
    out.send_chunk(text_chunk("Hel"));
    if (out.wait_until_client_closes()) closed.set_value();
  });
  std::stop_source stop;
  std::promise<void> first_text;
  std::thread canceller([&] {
    first_text.get_future().wait();
    stop.request_stop();
  });
  auto result = client_of(server).chat(hello(), [&](const ChatDelta&) { first_text.set_value(); }, stop.get_token());
  canceller.join();
  ASSERT_TRUE(result.has_value()) << result.error().message;
  EXPECT_TRUE(result->cancelled);
  EXPECT_EQ(result->content, "Hel");
  closed.get_future().wait();  // the server saw it
}

TEST(Client, ATokenThatIsAlreadyStoppedSendsNothing) {
  LoopbackServer server([](const ServedRequest&, ServedConnection&) {});
  std::stop_source stop;
  stop.request_stop();
  auto result = client_of(server).chat(hello(), {}, stop.get_token());
  ASSERT_TRUE(result.has_value());
  EXPECT_TRUE(result->cancelled);
  EXPECT_TRUE(server.requests().empty());
}

TEST(Client, AClientGoesOnAfterACancelledChat) {
  LoopbackServer server([](const ServedRequest& request, ServedConnection& out) {
    if (request.method == "GET") return out.send_json(R"({"models":[]})");
    out.begin_events();
    out.send_chunk(text_chunk("x"));
    out.wait_until_client_closes();
  });
  Client client = client_of(server);
  std::stop_source stop;
  auto result = client.chat(hello(), [&](const ChatDelta&) { stop.request_stop(); }, stop.get_token());
  ASSERT_TRUE(result.has_value());
  EXPECT_TRUE(result->cancelled);
  EXPECT_TRUE(client.list_models().has_value());
}

TEST(Client, AnExceptionOfTheCallbackComesOut) {
  LoopbackServer server([](const ServedRequest&, ServedConnection& out) {
    out.begin_events();
    out.send_chunk(text_chunk("x") + kFinish);
    out.end_chunks();
  });
  Client client = client_of(server);
  EXPECT_THROW((void)client.chat(hello(), [](const ChatDelta&) { throw std::runtime_error("mine"); }),
               std::runtime_error);
  EXPECT_TRUE(client.chat(hello(), {}).has_value());
}

TEST(Client, LoadsWithProgress) {
  LoopbackServer server([](const ServedRequest& request, ServedConnection& out) {
    EXPECT_THAT(request.head, HasSubstr("\r\naccept: text/event-stream\r\n"));
    out.begin_events();
    out.send_chunk("event: model_load.start\ndata: {\"type\":\"model_load.start\"}\n\n");
    out.send_chunk("event: model_load.progress\ndata: {\"progress\":0.25}\n\n");
    out.send_chunk("event: model_load.progress\ndata: {\"progress\":1}\n\n");
    out.send_chunk(
        "event: model_load.end\ndata: "
        "{\"type\":\"model_load.end\",\"model_type\":\"embedding\",\"instance_id\":\"m:2\","
        "\"load_time_seconds\":1.5,\"status\":\"loaded\"}\n\n");
    out.end_chunks();
  });
  std::vector<double> progress;
  LoadRequest request{.model = "m", .context_length = 4096, .gpu = "0.5", .ttl_seconds = 60};
  auto loaded = client_of(server).load(request, [&](double fraction) { progress.push_back(fraction); });
  ASSERT_TRUE(loaded.has_value()) << loaded.error().message;
  EXPECT_EQ(progress, (std::vector<double>{0.25, 1}));
  EXPECT_EQ(loaded->instance_id, "m:2");
  EXPECT_EQ(loaded->type, ModelType::kEmbedding);
  EXPECT_EQ(loaded->load_time_seconds, 1.5);
  EXPECT_EQ(*json::parse(server.requests().front().body),
            *json::parse(R"({"model":"m","context_length":4096,"gpu":0.5,"ttl":60})"));
}

TEST(Client, UnderstandsALoadAnsweredWithoutAStream) {
  LoopbackServer server([](const ServedRequest&, ServedConnection& out) {
    out.send_json(R"({"type":"llm","instance_id":"m","load_time_seconds":2,"status":"loaded"})");
  });
  auto loaded = client_of(server).load({.model = "m"}, {});
  ASSERT_TRUE(loaded.has_value());
  EXPECT_EQ(loaded->instance_id, "m");
}

TEST(Client, AFailedLoadIsAnErrorEvent) {
  LoopbackServer server([](const ServedRequest&, ServedConnection& out) {
    out.begin_events();
    out.send_chunk(
        "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"internal_error\",\"code\":\"model_load_failed\","
        "\"message\":\"not a GGUF file\"}}\n\n");
    out.end_chunks();
  });
  auto loaded = client_of(server).load({.model = "m"}, {});
  ASSERT_FALSE(loaded.has_value());
  EXPECT_EQ(loaded.error().code, ErrorCode::kModelLoadFailed);
  EXPECT_EQ(loaded.error().message, "not a GGUF file");
}

TEST(Client, EstimatesAndServerInfo) {
  LoopbackServer server([](const ServedRequest& request, ServedConnection& out) {
    if (request.target == "/api/v1/server") {
      return out.send_json(R"({"version":"0.1.0","build_id":"b","pid":7,"uptime_seconds":1.5,
          "http":{"running":true,"port":1234,"host":"127.0.0.1"},"models_folder":"/m","queue":{},"settings":{"cors":true}})");
    }
    out.send_json(R"({"model":"m","context_length":8192,"estimated_gpu_memory_bytes":0,
        "estimated_total_memory_bytes":65680000000,"fits":true,"confidence":"low"})");
  });
  Client client = client_of(server);
  auto estimate = client.estimate_load({.model = "m"});
  ASSERT_TRUE(estimate.has_value());
  EXPECT_EQ(estimate->total_memory_bytes, 65680000000u);
  EXPECT_TRUE(estimate->fits);
  auto info = client.server_info();
  ASSERT_TRUE(info.has_value());
  EXPECT_EQ(info->http.port, 1234);
  EXPECT_TRUE(info->http.running);
  EXPECT_EQ(info->build_id, "b");
}

TEST(Client, AnswersThatDripByByteAreTheSame) {
  LoopbackServer server([](const ServedRequest&, ServedConnection& out) {
    out.begin_events();
    for (char c : text_chunk("one") + text_chunk("two") + kFinish) out.send_chunk({&c, 1});
    out.end_chunks();
  });
  auto result = client_of(server).chat(hello(), {});
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(result->content, "onetwo");
}

}  // namespace
}  // namespace atelier::client
