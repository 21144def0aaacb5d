// `lms chat` as a person at a terminal has it: the program runs at one end of a pseudo-terminal, the test types at the
// other.
#include "cli/conversation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>

#include "base/json.h"
#include "tests/cli/program_in_terminal.h"
#include "tests/client/loopback_server.h"

namespace atelier::cli {
namespace {

using test::LoopbackServer;
using test::ServedConnection;
using test::ServedRequest;

TEST(SlashCommand, IsAWordAndAnArgument) {
  auto command = parse_slash_command("  /system-prompt  Be brief. \n");
  ASSERT_TRUE(command.has_value());
  EXPECT_EQ(command->name, "system-prompt");
  EXPECT_EQ(command->argument, "Be brief.");
  EXPECT_EQ(parse_slash_command("/exit")->argument, "");
  EXPECT_EQ(parse_slash_command("/")->name, "");
}

TEST(SlashCommand, TextForTheModelIsNone) {
  for (const char* text : {"hello", "", "a /exit", "/think about it", "/no_think", "/usr/bin is a folder"}) {
    EXPECT_FALSE(parse_slash_command(text).has_value()) << text;
  }
}

std::string delta_of(std::string_view text) {
  return "data: {\"choices\":[{\"delta\":{\"content\":\"" + std::string(text) + "\"}}]}\n\n";
}

const std::string kEnd = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";

// A server that answers "Answer N.", and for a prompt "long" begins and waits until the client goes away.
class ChatServer {
 public:
  ChatServer() : server_([this](const ServedRequest& request, ServedConnection& out) { serve(request, out); }) {}

  std::uint16_t port() const { return server_.port(); }
  std::future<void> left() { return left_.get_future(); }
  // The messages of the n-th request.
  json::Array messages(std::size_t index) const {
    std::vector<std::string> bodies;
    for (const ServedRequest& request : server_.requests()) {
      if (request.target == "/v1/chat/completions") bodies.push_back(request.body);
    }
    return *json::parse(bodies.at(index))->find("messages")->if_array();
  }
  std::string content(std::size_t request, std::size_t message) const {
    return *messages(request).at(message).find("content")->if_string();
  }

 private:
  void serve(const ServedRequest& request, ServedConnection& out) {
    if (request.target == "/lmstudio-greeting") return out.send_json(R"({"lmstudio":true})");
    if (request.target == "/api/v1/models") {
      return out.send_json(R"({"models":[{"type":"llm","key":"m","display_name":"Test Model","size_bytes":1000,
          "loaded_instances":[{"id":"m","config":{"context_length":100}}]},
          {"type":"llm","key":"other","display_name":"Other Model","size_bytes":1000,
          "loaded_instances":[{"id":"other","config":{"context_length":100},"idle_seconds":5}]}]})");
    }
    out.begin_events();
    std::string prompt = *json::parse(request.body)->find("messages")->if_array()->back().find("content")->if_string();
    if (prompt == "long") {
      out.send_chunk(delta_of("It begins"));
      if (out.wait_until_client_closes()) left_.set_value();
      return;
    }
    out.send_chunk(delta_of("Answer ") + delta_of(std::to_string(++answers_) + ".") + kEnd);
    out.end_chunks();
  }

  std::promise<void> left_;
  std::atomic<int> answers_ = 0;
  LoopbackServer server_;
};

class ChatInTerminal : public testing::Test {
 protected:
  ChatInTerminal() : program_({"chat", "--port", std::to_string(server_.port())}), terminal_(program_.terminal()) {
    terminal_.wait_for("Chatting with Test Model");
    wait_for_prompt();
  }

  // The editor asks the terminal to mark pasted text just before it reads.
  void wait_for_prompt() {
    terminal_.wait_for("\x1b[?2004h");
    terminal_.wait_for("› ");
  }
  int exit_code() { return program_.exit_code(); }

  ChatServer server_;
  test::ProgramInTerminal program_;
  test::Terminal& terminal_;
};

TEST_F(ChatInTerminal, KeepsTheConversation) {
  terminal_.type("Hello\r");
  terminal_.wait_for("Answer 1.");
  wait_for_prompt();
  terminal_.type("gr\xC3\xBC\xC3\x9F dich\r");
  terminal_.wait_for("Answer 2.");
  wait_for_prompt();
  terminal_.type("/exit\r");
  EXPECT_EQ(exit_code(), 0);
  json::Array messages = server_.messages(1);
  ASSERT_EQ(messages.size(), 4u);
  EXPECT_EQ(server_.content(1, 1), "Hello");
  EXPECT_EQ(server_.content(1, 2), "Answer 1.");
  EXPECT_EQ(server_.content(1, 3), "grüß dich");
}

TEST_F(ChatInTerminal, CtrlCEndsTheAnswerAndNotTheChat) {
  auto left = server_.left();
  terminal_.type("long\r");
  terminal_.wait_for("It begins");
  terminal_.type("\x03");
  left.wait();
  terminal_.wait_for("(stopped)");
  wait_for_prompt();
  terminal_.type("Go on\r");
  terminal_.wait_for("Answer 1.");
  wait_for_prompt();
  EXPECT_EQ(server_.content(1, 2), "It begins");
  terminal_.type("\x03");  // at the prompt it leaves
  EXPECT_EQ(exit_code(), 0);
}

TEST_F(ChatInTerminal, CtrlDLeaves) {
  terminal_.type("\x04");
  EXPECT_EQ(exit_code(), 0);
}

TEST_F(ChatInTerminal, SlashCommandsChangeTheConversation) {
  terminal_.type("Hello\r");
  terminal_.wait_for("Answer 1.");
  wait_for_prompt();
  terminal_.type("/clear\r");
  terminal_.wait_for("anew");
  wait_for_prompt();
  terminal_.type("/system-prompt Be brief.\r");
  terminal_.wait_for("System prompt: Be brief.");
  wait_for_prompt();
  terminal_.type("/sta\t\r");
  terminal_.wait_for("Statistics: on.");
  wait_for_prompt();
  terminal_.type("/nonsense\r");
  terminal_.wait_for("no command /nonsense");
  wait_for_prompt();
  terminal_.type("/model other\r");
  terminal_.wait_for("Chatting with Other Model.");
  wait_for_prompt();
  terminal_.type("/no_think Hi\r");
  terminal_.wait_for("Answer 2.");
  terminal_.wait_for("Stop Reason: eosFound");
  wait_for_prompt();
  json::Array messages = server_.messages(1);
  ASSERT_EQ(messages.size(), 2u);
  EXPECT_EQ(server_.content(1, 0), "Be brief.");
  EXPECT_EQ(server_.content(1, 1), "/no_think Hi");
}

TEST_F(ChatInTerminal, PastedLinesAreOneMessage) {
  terminal_.type("Read: \x1b[200~one\rtwo\rthree\x1b[201~");
  terminal_.wait_for("[3 pasted lines]");
  terminal_.type(" please\r");
  terminal_.wait_for("Answer 1.");
  EXPECT_EQ(server_.content(0, 1), "Read: one\ntwo\nthree please");
}

TEST_F(ChatInTerminal, TheHistoryComesBackWithTheArrowKey) {
  terminal_.type("Hello\r");
  terminal_.wait_for("Answer 1.");
  wait_for_prompt();
  terminal_.type("\x1b[A\r");
  terminal_.wait_for("Answer 2.");
  EXPECT_EQ(server_.content(1, 3), "Hello");
}

}  // namespace
}  // namespace atelier::cli
