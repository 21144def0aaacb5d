// `lms load` and `lms unload` as a person at a terminal has them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "tests/cli/program_in_terminal.h"
#include "tests/client/loopback_server.h"

namespace atelier::cli {
namespace {

using test::LoopbackServer;
using test::ProgramInTerminal;
using test::ServedConnection;
using test::ServedRequest;

// Two models, each loaded once. A load reaches 42 % and then does what the test says.
class LoadServer {
 public:
  explicit LoadServer(std::function<void(ServedConnection&)> then = {})
      : then_(std::move(then)), server_([this](const ServedRequest& request, ServedConnection& out) {
          if (request.target == "/lmstudio-greeting") return out.send_json(R"({"lmstudio":true})");
          if (request.target == "/api/v1/models") {
            return out.send_json(R"({"models":[
                {"type":"llm","key":"first","size_bytes":1000,"loaded_instances":[{"id":"first","config":{"context_length":1}}]},
                {"type":"llm","key":"second","size_bytes":2000,"loaded_instances":[{"id":"second","config":{"context_length":1}}]}]})");
          }
          if (request.target == "/api/v1/models/unload") return out.send_json("{}");
          out.begin_events();
          out.send_chunk("event: model_load.progress\ndata: {\"progress\":0.42}\n\n");
          then_(out);
        }) {}

  std::vector<std::string> arguments(std::vector<std::string> words) const {
    words.insert(words.end(), {"--port", std::to_string(server_.port())});
    return words;
  }
  std::string last_body() const { return server_.requests().back().body; }

 private:
  std::function<void(ServedConnection&)> then_;
  LoopbackServer server_;
};

void finish_load(ServedConnection& out) {
  out.send_chunk("event: model_load.end\ndata: {\"instance_id\":\"the-id\",\"model_type\":\"llm\"}\n\n");
  out.end_chunks();
}

TEST(LoadInTerminal, ShowsProgressAndTheResult) {
  LoadServer server(finish_load);
  ProgramInTerminal program(server.arguments({"load", "second"}));
  program.terminal().wait_for("Loading second  42% [██████████");
  program.terminal().wait_for("Model loaded successfully");
  program.terminal().wait_for("\"the-id\"");
  EXPECT_EQ(program.exit_code(), 0);
}

TEST(LoadInTerminal, CtrlCCancelsTheLoad) {
  std::promise<void> left;
  LoadServer server([&](ServedConnection& out) {
    if (out.wait_until_client_closes()) left.set_value();
  });
  ProgramInTerminal program(server.arguments({"load", "second"}));
  program.terminal().wait_for("42%");
  program.terminal().type("\x03");
  left.get_future().wait();
  program.terminal().wait_for("Load cancelled.");
  EXPECT_EQ(program.exit_code(), 1);
}

TEST(LoadInTerminal, AsksWhichModel) {
  LoadServer server(finish_load);
  ProgramInTerminal program(server.arguments({"load"}));
  program.terminal().wait_for("Select a model to load |");
  program.terminal().wait_for("second (2.00 KB)");
  program.terminal().wait_for("Enter to accept");
  program.terminal().type("sec\r");
  program.terminal().wait_for("Model loaded successfully");
  EXPECT_EQ(program.exit_code(), 0);
}

TEST(LoadInTerminal, CtrlCInThePickerGivesUp) {
  LoadServer server(finish_load);
  ProgramInTerminal program(server.arguments({"load"}));
  program.terminal().wait_for("Enter to accept");
  program.terminal().type("\x03");
  EXPECT_EQ(program.exit_code(), 1);
}

TEST(LoadInTerminal, ANameThatMatchesNothingLeadsToThePicker) {
  LoadServer server(finish_load);
  ProgramInTerminal program(server.arguments({"load", "mistral"}));
  program.terminal().wait_for("No model matches \"mistral\".");
  program.terminal().wait_for("Enter to accept");
  program.terminal().type("\r");
  program.terminal().wait_for("Loading first");
  EXPECT_EQ(program.exit_code(), 0);
}

TEST(UnloadInTerminal, AsksWhichModelAndHintsAtAll) {
  LoadServer server;
  ProgramInTerminal program(server.arguments({"unload"}));
  program.terminal().wait_for("--all");
  program.terminal().wait_for("Enter to accept");
  program.terminal().type("\x1b[B\r");
  program.terminal().wait_for("Model \"second\" unloaded.");
  EXPECT_EQ(program.exit_code(), 0);
  EXPECT_EQ(server.last_body(), R"({"instance_id":"second"})");
}

}  // namespace
}  // namespace atelier::cli
