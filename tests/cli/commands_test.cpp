// The commands, run in this process against a small server with canned answers.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "base/json.h"
#include "cli/command_line.h"
#include "tests/client/loopback_server.h"

namespace atelier::cli {
namespace {

namespace fs = std::filesystem;
using test::LoopbackServer;
using test::ServedConnection;
using test::ServedRequest;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kModels = R"({"models":[
  {"type":"llm","publisher":"qwen","key":"qwen/qwen3-8b","display_name":"Qwen3 8B","architecture":"qwen3",
   "quantization":{"name":"Q4_K_M","bits_per_weight":4},"size_bytes":5027783488,"params_string":"8B",
   "max_context_length":40960,"format":"gguf","path":"qwen/qwen3-8b","capabilities":{"vision":false,"trained_for_tool_use":true},
   "variants":["qwen/qwen3-8b@q4_k_m","qwen/qwen3-8b@q8_0"],"selected_variant":"qwen/qwen3-8b@q4_k_m","loaded_instances":[]},
  {"type":"llm","publisher":"lmstudio-community","key":"meta-llama-3.1-8b-instruct","display_name":"Llama","architecture":"llama",
   "size_bytes":4920734272,"params_string":"8B","max_context_length":131072,"format":"gguf","path":"l/m/m.gguf",
   "loaded_instances":[{"id":"meta-llama-3.1-8b-instruct","config":{"context_length":16384,"parallel":4},
     "status":"processing_prompt","queued":1,"ttl_seconds":3600,"idle_seconds":30,"size_bytes":12110000000}]},
  {"type":"embedding","publisher":"nomic","key":"text-embedding-nomic","display_name":"Nomic","architecture":"nomic-bert",
   "size_bytes":84106624,"params_string":null,"max_context_length":2048,"format":"gguf","loaded_instances":[]}]})";

std::string answer_of(std::string_view text) {
  return "data: {\"model\":\"m\",\"choices\":[{\"delta\":{\"content\":\"" + std::string(text) +
         "\"}}]}\n\ndata: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
         "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2,\"total_tokens\":5}}\n\ndata: "
         "[DONE]\n\n";
}

// A server with the models above; a test replaces single routes.
class Fake {
 public:
  Fake()
      : server([this](const ServedRequest& request, ServedConnection& out) {
          auto route = routes.find(request.method + " " + request.target);
          if (route != routes.end()) return route->second(request, out);
          if (request.target == "/lmstudio-greeting") return out.send_json(R"({"lmstudio":true})");
          if (request.target == "/api/v1/models") return out.send_json(kModels);
          if (request.target == "/api/v1/models/load") {
            return out.send_json(R"({"type":"llm","instance_id":"the-id","load_time_seconds":1.5,"status":"loaded"})");
          }
          if (request.target == "/api/v1/models/unload") return out.send_json(R"({"instance_id":"x"})");
          if (request.target == "/v1/chat/completions") {
            out.begin_events();
            out.send_chunk(answer_of("Hello."));
            return out.end_chunks();
          }
          out.send_json(R"({"error":"Unexpected endpoint or method."})", 404);
        }) {}

  std::vector<std::string> bodies(std::string_view target) const {
    std::vector<std::string> found;
    for (const ServedRequest& request : server.requests()) {
      if (request.target == target) found.push_back(request.body);
    }
    return found;
  }

  std::map<std::string, LoopbackServer::Handler> routes;
  LoopbackServer server;
};

struct Outcome {
  int code = 0;
  std::string out, err;
};

class Commands : public testing::Test {
 protected:
  Commands() {
    std::string pattern = (fs::temp_directory_path() / "atelier-cli-XXXXXX").string();
    home_ = ::mkdtemp(pattern.data());
  }
  ~Commands() override { fs::remove_all(home_); }

  Outcome run(std::vector<std::string> arguments, std::string_view input = {}) {
    std::ofstream(home_ / "input") << input;
    int descriptor = ::open((home_ / "input").c_str(), O_RDONLY | O_CLOEXEC);
    std::ostringstream out, err;
    Console console(out, err, Terminals{});
    Environment environment{
        .home = home_, .server_program = home_ / "atelier", .api_token = {}, .bind_address = {}, .input = descriptor};
    Shell shell{console, environment};
    Outcome outcome;
    outcome.code = cli::run(shell, std::move(arguments));
    ::close(descriptor);
    outcome.out = out.str();
    outcome.err = err.str();
    return outcome;
  }

  // The command against the fake server.
  Outcome ask(std::vector<std::string> arguments, std::string_view input = {}) {
    arguments.insert(arguments.end(), {"--host", "127.0.0.1", "--port", std::to_string(fake_.server.port())});
    return run(std::move(arguments), input);
  }

  Fake fake_;
  fs::path home_;
};

TEST_F(Commands, HelpGoesToStandardOutputAndSucceeds) {
  for (const std::vector<std::string>& arguments : {std::vector<std::string>{}, {"--help"}, {"-h"}, {"help"}}) {
    auto done = run(arguments);
    EXPECT_EQ(done.code, 0);
    EXPECT_THAT(done.out, HasSubstr("Usage: lms <command>"));
    EXPECT_EQ(done.err, "");
  }
  auto load = run({"load", "--help"});
  EXPECT_EQ(load.code, 0);
  EXPECT_THAT(load.out, HasSubstr("--context-length"));
  EXPECT_THAT(load.out, HasSubstr("Examples:"));
  EXPECT_THAT(load.out, Not(HasSubstr("--log-level")));
  EXPECT_EQ(run({"help", "load"}).out, load.out);
  EXPECT_EQ(run({"import", "--help"}).code, 0);  // though its file is missing
}

TEST_F(Commands, NoLineOfHelpIsWiderThanNinetyColumns) {
  for (const char* command :
       {"chat", "load", "unload", "ls", "ps", "import", "server", "daemon", "status", "version"}) {
    std::istringstream lines(run({command, "--help"}).out + run({}).out);
    for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 90u) << line;
  }
}

TEST_F(Commands, BadUsageIsAnErrorOnStandardError) {
  for (std::vector<std::string> arguments : {std::vector<std::string>{"bogus"},
                                             {"ls", "--bogus"},
                                             {"load", "x", "--ttl", "0"},
                                             {"load", "x", "--context-length", "many"},
                                             {"load", "x", "--gpu", "2"},
                                             {"load", "x", "--speculative-draft-simple"},
                                             {"ls", "x", "--variants"},
                                             {"unload", "x", "--all"},
                                             {"ps", "--verbose", "--quiet"},
                                             {"ps", "--host", "http://x"},
                                             {"ps", "--host", "x:1"},
                                             {"server", "start", "--port", "70000"},
                                             {"chat", "--reasoning", "maybe"},
                                             {"help", "bogus"}}) {
    auto done = run(arguments);
    EXPECT_EQ(done.code, 1) << arguments.front();
    EXPECT_EQ(done.out, "") << arguments.front();
    if (arguments.back() != "--quiet") {
      EXPECT_THAT(done.err, HasSubstr("Error:")) << arguments.front();
    }
  }
  EXPECT_EQ(run({"server"}).code, 1);
}

TEST_F(Commands, VersionHasThreeForms) {
  EXPECT_EQ(run({"-v"}).out, run({"version"}).out);
  EXPECT_EQ(run({"--version"}).code, 0);
  EXPECT_EQ(run({"version", "--json"}).out, "{\"version\":\"" ATELIER_VERSION "\"}\n");
}

TEST_F(Commands, WithoutAServiceNothingIsLoadedAndNothingIsStarted) {
  EXPECT_EQ(run({"ps", "--json"}).out, "[]\n");
  EXPECT_THAT(run({"ps"}).err, HasSubstr("lms load"));
  EXPECT_EQ(run({"ps"}).code, 0);
  EXPECT_THAT(run({"status"}).out, HasSubstr("Server: OFF"));
  EXPECT_EQ(run({"status", "--json"}).out, "{\"server\":{\"running\":false},\"models\":[]}\n");
  auto status = run({"server", "status"});
  EXPECT_EQ(status.code, 0);
  EXPECT_EQ(status.out, "");
  EXPECT_EQ(status.err, "The server is not running.\n");
  EXPECT_EQ(run({"server", "status", "--json"}).out, "{\"running\":false}\n");
  auto stop = run({"server", "stop"});
  EXPECT_EQ(stop.code, 1);
  EXPECT_EQ(stop.err, "Error: The server is not running.\n");
  EXPECT_EQ(run({"daemon", "down"}).code, 1);
  EXPECT_EQ(run({"daemon", "status", "--json"}).out, "{\"status\":\"not-running\"}\n");
  auto unload = run({"unload"});
  EXPECT_EQ(unload.code, 1);
  EXPECT_EQ(run({"unload", "--all"}).code, 0);
  EXPECT_THAT(run({"ls"}).err, HasSubstr("atelier"));  // the missing program is named
}

TEST_F(Commands, ServerStatusKnowsTheLastPort) {
  fs::create_directories(home_ / ".internal");
  std::ofstream(home_ / ".internal" / "http-server-config.json") << R"({"port":4321,"networkInterface":"127.0.0.1"})";
  EXPECT_EQ(run({"server", "status", "--json"}).out, "{\"running\":false,\"port\":4321}\n");
}

TEST_F(Commands, AnAddressWhereNothingAnswersIsNamed) {
  std::uint16_t port;
  {
    LoopbackServer gone([](const ServedRequest&, ServedConnection&) {});
    port = gone.port();
  }
  auto done = run({"ls", "--port", std::to_string(port)});
  EXPECT_EQ(done.code, 1);
  EXPECT_THAT(done.err, HasSubstr("does not appear to be running at 127.0.0.1:" + std::to_string(port)));
}

TEST_F(Commands, LsIsATableForPeople) {
  auto done = ask({"ls"});
  EXPECT_EQ(done.code, 0);
  EXPECT_EQ(done.out,
            "\n"
            "You have 3 models, taking up 10.03 GB of disk space.\n"
            "\n"
            "LLM                           PARAMS    ARCH     SIZE       DEVICE\n"
            "meta-llama-3.1-8b-instruct    8B        Llama    4.92 GB    Local     ✓ LOADED\n"
            "qwen/qwen3-8b (2 variants)    8B        qwen3    5.03 GB    Local\n"
            "\n"
            "EMBEDDING               PARAMS    ARCH          SIZE        DEVICE\n"
            "text-embedding-nomic              Nomic BERT    84.11 MB    Local\n"
            "\n");
}

TEST_F(Commands, LsFiltersByType) {
  EXPECT_THAT(ask({"ls", "--llm"}).out, Not(HasSubstr("EMBEDDING")));
  EXPECT_THAT(ask({"ls", "--embedding"}).out, HasSubstr("You have 1 model, taking up 84.11 MB"));
  EXPECT_EQ(ask({"ls", "--llm", "--embedding"}).out, ask({"ls"}).out);
  EXPECT_THAT(ask({"ls", "--detailed"}).err, HasSubstr("deprecated"));
}

TEST_F(Commands, LsJsonHasTheDocumentedMembers) {
  auto list = json::parse(ask({"ls", "--json"}).out);
  ASSERT_TRUE(list.has_value());
  ASSERT_EQ(list->if_array()->size(), 3u);
  EXPECT_EQ(
      json::dump(list->if_array()->at(1)),
      R"({"type":"llm","modelKey":"qwen/qwen3-8b","format":"gguf","displayName":"Qwen3 8B","publisher":"qwen",)"
      R"("path":"qwen/qwen3-8b","sizeBytes":5027783488,"indexedModelIdentifier":"qwen/qwen3-8b",)"
      R"("deviceIdentifier":null,"paramsString":"8B","architecture":"qwen3","quantization":{"name":"Q4_K_M","bits":4},)"
      R"("variants":["qwen/qwen3-8b@q4_k_m","qwen/qwen3-8b@q8_0"],"selectedVariant":"qwen/qwen3-8b@q4_k_m",)"
      R"("vision":false,"trainedForToolUse":true,"maxContextLength":40960})");
  EXPECT_EQ(list->if_array()->at(2).find("vision"), nullptr);
}

TEST_F(Commands, LsListsVariants) {
  auto done = ask({"ls", "qwen3-8b"});
  EXPECT_THAT(done.out, HasSubstr("Listing variants for qwen/qwen3-8b:"));
  EXPECT_THAT(done.out, HasSubstr(" * qwen/qwen3-8b@q4_k_m"));
  EXPECT_THAT(done.out, HasSubstr("   qwen/qwen3-8b@q8_0\n"));
  auto variants = json::parse(ask({"ls", "qwen3-8b", "--json"}).out);
  ASSERT_EQ(variants->if_array()->size(), 2u);
  EXPECT_EQ(*variants->if_array()->at(1).find("modelKey")->if_string(), "qwen/qwen3-8b@q8_0");
  EXPECT_EQ(variants->if_array()->at(1).find("sizeBytes"), nullptr);  // not known, so not told
  EXPECT_THAT(ask({"ls", "--variants"}).out, HasSubstr(" * qwen/qwen3-8b@q4_k_m"));
  auto both = json::parse(ask({"ls", "--variants", "--json"}).out);
  EXPECT_EQ(both->if_array()->at(1).find("variants")->if_array()->size(), 2u);
}

TEST_F(Commands, PsIsATableForPeople) {
  EXPECT_EQ(
      ask({"ps"}).out,
      "\n"
      "IDENTIFIER                    MODEL                         STATUS              SIZE        CONTEXT    PARALLEL"
      "    DEVICE    TTL\n"
      "meta-llama-3.1-8b-instruct    meta-llama-3.1-8b-instruct    PROCESSINGPROMPT    12.11 GB    16384      4       "
      "    Local     59m / 1h\n"
      "\n");
}

TEST_F(Commands, PsJsonAddsTheInstance) {
  auto list = json::parse(ask({"ps", "--json"}).out);
  ASSERT_EQ(list->if_array()->size(), 1u);
  const json::Value& instance = list->if_array()->front();
  EXPECT_EQ(*instance.find("identifier")->if_string(), "meta-llama-3.1-8b-instruct");
  EXPECT_EQ(instance.find("ttlMs")->integer(), 3600000);
  EXPECT_GT(instance.find("lastUsedTime")->integer(), 1600000000000);
  EXPECT_EQ(instance.find("contextLength")->integer(), 16384);
  EXPECT_EQ(*instance.find("status")->if_string(), "processingPrompt");
  EXPECT_EQ(instance.find("queued")->integer(), 1);
  EXPECT_EQ(instance.find("parallel")->integer(), 4);
  EXPECT_EQ(instance.find("sizeBytes")->integer(), 12110000000);
}

TEST_F(Commands, LoadSendsItsOptionsAndTellsTheIdentifier) {
  auto done =
      ask({"load", "qwen3-8b", "--gpu", "0.5", "-c", "4096", "--parallel", "2", "--ttl", "60", "--identifier", "w"});
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(done.out, "");
  EXPECT_THAT(done.err, HasSubstr("Model loaded successfully in "));
  EXPECT_THAT(done.err, HasSubstr("(5.03 GB)\n"));
  EXPECT_THAT(done.err, HasSubstr("use the identifier \"the-id\"."));
  auto bodies = fake_.bodies("/api/v1/models/load");
  ASSERT_EQ(bodies.size(), 1u);
  EXPECT_EQ(*json::parse(bodies[0]),
            *json::parse(R"({"model":"qwen/qwen3-8b","context_length":4096,"parallel":2,"gpu":0.5,
      "ttl":60,"identifier":"w"})"));
}

TEST_F(Commands, LoadRemembersWhatItLoaded) {
  ASSERT_EQ(ask({"load", "nomic"}).code, 0);
  ASSERT_EQ(ask({"load", "qwen3-8b@q8_0", "--json"}).code, 0);
  std::stringstream text;
  text << std::ifstream(home_ / ".internal" / "cli-pref.json").rdbuf();
  auto preferences = json::parse(text.str());
  ASSERT_TRUE(preferences.has_value());
  EXPECT_EQ(*preferences->find("lastLoadedModels"), *json::parse(R"(["qwen/qwen3-8b","text-embedding-nomic"])"));
}

TEST_F(Commands, LoadWithoutATerminalNamesTheFlag) {
  auto several = ask({"load", "8b"});
  EXPECT_EQ(several.code, 1);
  EXPECT_THAT(several.err, HasSubstr("--yes"));
  EXPECT_THAT(ask({"load"}).err, HasSubstr("lms load <model-key>"));
  EXPECT_THAT(ask({"load", "mistral"}).err, HasSubstr("No model matches \"mistral\""));
  EXPECT_TRUE(fake_.bodies("/api/v1/models/load").empty());
  auto first = ask({"load", "8b", "-y"});
  EXPECT_EQ(first.code, 0);
  EXPECT_THAT(first.err, HasSubstr("Warning: 2 models match"));
}

TEST_F(Commands, LoadReportsTheServersReason) {
  fake_.routes["POST /api/v1/models/load"] = [](const ServedRequest&, ServedConnection& out) {
    out.begin_events();
    out.send_chunk(
        "event: error\ndata: {\"error\":{\"code\":\"insufficient_resources\",\"message\":\"It needs 12 GB; 8 GB are "
        "free.\"}}\n\n");
    out.end_chunks();
  };
  auto done = ask({"load", "qwen3-8b"});
  EXPECT_EQ(done.code, 1);
  EXPECT_THAT(done.err, HasSubstr("Error: It needs 12 GB; 8 GB are free."));
}

TEST_F(Commands, EstimateIsPrintedWithoutLoading) {
  fake_.routes["POST /api/v1/models/load"] = [](const ServedRequest& request, ServedConnection& out) {
    EXPECT_THAT(request.body, HasSubstr("\"estimate_only\":true"));
    out.send_json(R"({"model":"qwen/qwen3-8b","context_length":16384,"estimated_gpu_memory_bytes":65680000000,
        "estimated_total_memory_bytes":65680000000,"fits":true,"confidence":"low"})");
  };
  EXPECT_EQ(ask({"load", "qwen3-8b", "--estimate-only", "-c", "16384", "--gpu", "0.5"}).out,
            "Model: qwen/qwen3-8b\n"
            "Context Length: 16,384\n"
            "GPU Offload: 50%\n"
            "Estimated GPU Memory:   65.68 GB\n"
            "Estimated Total Memory: 65.68 GB\n"
            "Confidence: LOW\n"
            "\n"
            "Estimate: This model may be loaded based on your resource guardrails settings.\n");
  EXPECT_THAT(ask({"load", "qwen3-8b", "--estimate-only", "--json"}).out, HasSubstr("\"fits\":true"));
}

TEST_F(Commands, UnloadTakesTheOnlyModelWithoutAsking) {
  auto done = ask({"unload"});
  EXPECT_EQ(done.code, 0);
  EXPECT_EQ(done.err, "Model \"meta-llama-3.1-8b-instruct\" unloaded.\n");
  EXPECT_EQ(fake_.bodies("/api/v1/models/unload").front(), R"({"instance_id":"meta-llama-3.1-8b-instruct"})");
  auto all = ask({"unload", "--all"});
  EXPECT_EQ(all.err, "Unloading \"meta-llama-3.1-8b-instruct\"...\nUnloaded 1 model.\n");
}

TEST_F(Commands, UnloadOfAnUnknownIdentifierFails) {
  fake_.routes["POST /api/v1/models/unload"] = [](const ServedRequest&, ServedConnection& out) {
    out.send_json(R"({"error":{"type":"model_not_found","message":"no"}})", 404);
  };
  auto done = ask({"unload", "nobody"});
  EXPECT_EQ(done.code, 1);
  EXPECT_THAT(done.err, HasSubstr("Model Not Found"));
  EXPECT_THAT(done.err, HasSubstr("lms ps"));
}

TEST_F(Commands, ChatPrintsTheAnswerAlone) {
  auto done = ask({"chat", "-p", "Hi"});
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(done.out, "Hello.\n");
  EXPECT_EQ(done.err, "");
  auto body = json::parse(fake_.bodies("/v1/chat/completions").front());
  EXPECT_EQ(*body->find("model")->if_string(), "meta-llama-3.1-8b-instruct");  // the loaded one
  const json::Array& messages = *body->find("messages")->if_array();
  ASSERT_EQ(messages.size(), 2u);
  EXPECT_EQ(*messages[0].find("role")->if_string(), "system");
  EXPECT_EQ(*messages[1].find("content")->if_string(), "Hi");
}

TEST_F(Commands, ChatTakesStandardInput) {
  auto prompt_of = [&](std::size_t index) {
    auto body = json::parse(fake_.bodies("/v1/chat/completions").at(index));
    return *body->find("messages")->if_array()->back().find("content")->if_string();
  };
  ASSERT_EQ(ask({"chat", "-p", "Summarize"}, "line 1\nline 2\n").code, 0);
  EXPECT_EQ(prompt_of(0), "Summarize\n\nline 1\nline 2");
  ASSERT_EQ(ask({"chat"}, "Hi there\n").code, 0);
  EXPECT_EQ(prompt_of(1), "Hi there");
  auto empty = ask({"chat"}, " \n");
  EXPECT_EQ(empty.code, 0);
  EXPECT_THAT(empty.err, HasSubstr("empty"));
  EXPECT_EQ(empty.out, "");
}

TEST_F(Commands, ChatStatsGoToStandardError) {
  auto done = ask({"chat", "-p", "Hi", "--stats", "-s", "Be brief.", "--reasoning", "off"});
  EXPECT_EQ(done.out, "Hello.\n");
  EXPECT_THAT(done.err, HasSubstr("Prediction Stats:\n  Stop Reason: eosFound\n"));
  EXPECT_THAT(done.err, HasSubstr("  Prompt Tokens: 3\n  Predicted Tokens: 2\n  Total Tokens: 5\n"));
  auto body = json::parse(fake_.bodies("/v1/chat/completions").front());
  EXPECT_EQ(*body->find("messages")->if_array()->front().find("content")->if_string(), "Be brief.");
  EXPECT_EQ(*body->find("reasoning_effort")->if_string(), "none");
}

TEST_F(Commands, ChatShowsReasoningBetweenItsLines) {
  fake_.routes["POST /v1/chat/completions"] = [](const ServedRequest&, ServedConnection& out) {
    out.begin_events();
    out.send_chunk("data: {\"choices\":[{\"delta\":{\"reasoning_content\":\"hm\"}}]}\n\n");
    out.send_chunk("data: {\"choices\":[{\"delta\":{\"reasoning_content\":\", yes\"}}]}\n\n");
    out.send_chunk(answer_of("Yes\\n"));
    out.end_chunks();
  };
  EXPECT_EQ(ask({"chat", "-p", "Hi"}).out, "<think>\nhm, yes\n</think>\nYes\n");
}

TEST_F(Commands, ChatLoadsTheModelThatIsNamed) {
  auto done = ask({"chat", "qwen3-8b", "-p", "Hi", "--ttl", "60"});
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(fake_.bodies("/api/v1/models/load").front(), R"({"model":"qwen/qwen3-8b","ttl":60})");
  EXPECT_THAT(fake_.bodies("/v1/chat/completions").front(), HasSubstr(R"("model":"the-id")"));
  EXPECT_EQ(ask({"chat", "text-embedding-nomic", "-p", "Hi"}).code, 1);  // no chat model
}

TEST_F(Commands, ChatWithoutALoadedModelNamesTheWay) {
  fake_.routes["GET /api/v1/models"] = [](const ServedRequest&, ServedConnection& out) {
    out.send_json(R"({"models":[{"type":"llm","key":"only","size_bytes":1,"loaded_instances":[]}]})");
  };
  auto done = ask({"chat", "-p", "Hi"});
  EXPECT_EQ(done.code, 1);
  EXPECT_THAT(done.err, HasSubstr("lms load"));
  EXPECT_TRUE(fake_.bodies("/v1/chat/completions").empty());
  EXPECT_EQ(ask({"chat", "-p", "Hi", "--yes"}).code, 0);
}

TEST_F(Commands, ChatKeepsWhatCameBeforeAnError) {
  fake_.routes["POST /v1/chat/completions"] = [](const ServedRequest&, ServedConnection& out) {
    out.begin_events();
    out.send_chunk("data: {\"choices\":[{\"delta\":{\"content\":\"Hel\"}}]}\n\n");
    out.cut();
  };
  auto done = ask({"chat", "-p", "Hi"});
  EXPECT_EQ(done.code, 1);
  EXPECT_EQ(done.out, "Hel\n");
  EXPECT_THAT(done.err, HasSubstr("Error: "));
}

TEST_F(Commands, StatusShowsServerAndModels) {
  fake_.routes["GET /api/v1/server"] = [](const ServedRequest&, ServedConnection& out) {
    out.send_json(R"({"version":"0.1.0","http":{"running":true,"port":1234,"host":"127.0.0.1"}})");
  };
  EXPECT_EQ(ask({"status"}).out,
            "Server: ON (port: 1234)\n\nLoaded Models\n  · meta-llama-3.1-8b-instruct - 12.11 GB\n");
  EXPECT_EQ(ask({"status", "--json"}).out,
            "{\"server\":{\"running\":true,\"port\":1234},\"models\":[{\"identifier\":\"meta-llama-3.1-8b-instruct\","
            "\"sizeBytes\":12110000000}]}\n");
}

TEST_F(Commands, NamesFromTheServerCannotDriveTheTerminal) {
  fake_.routes["GET /api/v1/models"] = [](const ServedRequest&, ServedConnection& out) {
    out.send_json(R"({"models":[{"type":"llm","key":"a\u001b[2Jb","size_bytes":1,
        "loaded_instances":[{"id":"c\u001b]0;x\u0007d","config":{"context_length":1}}]}]})");
  };
  for (const std::vector<std::string>& arguments : {std::vector<std::string>{"ls"}, {"ps"}}) {
    EXPECT_THAT(ask(arguments).out, Not(HasSubstr("\x1b")));
  }
}

TEST_F(Commands, QuietLeavesOnlyData) {
  auto done = ask({"load", "qwen3-8b", "--quiet"});
  EXPECT_EQ(done.code, 0);
  EXPECT_EQ(done.err, "");
  EXPECT_EQ(ask({"load", "mistral", "--quiet"}).err, "");
  EXPECT_THAT(ask({"unload", "--verbose"}).err, HasSubstr("I Model \""));
}

TEST_F(Commands, ImportMovesTheFileBelowItsName) {
  fs::path file = home_ / "my-model-Q4_K_M.gguf";
  std::ofstream(file) << "GGUF";
  auto dry = run({"import", file.string(), "--user-repo", "me/tests", "--dry-run"});
  fs::path target = home_ / "models" / "me" / "tests" / "my-model-Q4_K_M.gguf";
  EXPECT_EQ(dry.code, 0) << dry.err;
  EXPECT_THAT(dry.err, HasSubstr("Would move the file to " + target.string()));
  EXPECT_TRUE(fs::exists(file));
  auto unasked = run({"import", file.string(), "--user-repo", "me/tests"});
  EXPECT_EQ(unasked.code, 1);
  EXPECT_THAT(unasked.err, HasSubstr("--yes"));
  auto done = run({"import", file.string(), "--user-repo", "me/tests", "-y"});
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_THAT(done.err, HasSubstr("File moved to " + target.string()));
  EXPECT_TRUE(fs::exists(target));
  EXPECT_FALSE(fs::exists(file));
}

TEST_F(Commands, ImportHonoursTheFolderOfTheSettings) {
  std::ofstream(home_ / "settings.json") << R"({"downloadsFolder":")" << (home_ / "elsewhere").string() << "\"}";
  std::ofstream(home_ / "m.gguf") << "GGUF";
  auto done = run({"import", (home_ / "m.gguf").string(), "--user-repo", "a/b", "-y", "--copy"});
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_THAT(done.err, HasSubstr("File copied to "));
  EXPECT_TRUE(fs::exists(home_ / "elsewhere" / "a" / "b" / "m.gguf"));
  EXPECT_TRUE(fs::exists(home_ / "m.gguf"));
  auto again = run({"import", (home_ / "m.gguf").string(), "--user-repo", "a/b", "-y", "--copy"});
  EXPECT_EQ(again.code, 1);
}

TEST_F(Commands, ImportRefusesWhatItCannotUse) {
  std::ofstream(home_ / "m.gguf") << "GGUF";
  EXPECT_EQ(run({"import"}).code, 1);
  EXPECT_THAT(run({"import", (home_ / "missing.gguf").string()}).err, HasSubstr("There is no file"));
  EXPECT_THAT(run({"import", home_.string()}).err, HasSubstr("is not a file"));
  EXPECT_THAT(run({"import", (home_ / "m.gguf").string(), "--copy", "-L"}).err, HasSubstr("Only one of"));
  EXPECT_THAT(run({"import", (home_ / "m.gguf").string()}).err, HasSubstr("--user-repo"));
  EXPECT_EQ(run({"import", (home_ / "m.gguf").string(), "--user-repo", "../x", "-y"}).code, 1);
}

}  // namespace
}  // namespace atelier::cli
