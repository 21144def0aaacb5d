// lms server and lms daemon against a service with canned answers, found through its file in the home folder.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "cli/command_line.h"
#include "tests/client/loopback_server.h"

namespace atelier::cli {
namespace {

namespace fs = std::filesystem;
using test::LoopbackServer;
using test::ServedConnection;
using test::ServedRequest;
using testing::HasSubstr;

struct Outcome {
  int code = 0;
  std::string out, err;
};

// One server plays the control port and the HTTP listener.
class ServerCommands : public testing::Test {
 protected:
  ServerCommands() : server_([this](const ServedRequest& request, ServedConnection& out) { serve(request, out); }) {
    std::string pattern = (fs::temp_directory_path() / "atelier-server-XXXXXX").string();
    home_ = ::mkdtemp(pattern.data());
    fs::create_directories(home_ / ".internal");
    // A process id that cannot exist: whoever waits for the service to end finds it gone.
    std::ofstream(home_ / ".internal" / "http-server.json")
        << R"({"port":)" << server_.port() << R"(,"pid":2147483647,"nonce":"abc"})";
  }
  ~ServerCommands() override { fs::remove_all(home_); }

  void serve(const ServedRequest& request, ServedConnection& out) {
    std::string port = std::to_string(server_.port());
    if (request.target == "/lms-status") {
      return out.send_json(R"({"package":"atelier","version":"0.1.0","nonce":"abc"})");
    }
    if (request.target == "/lmstudio-greeting") return out.send_json(R"({"lmstudio":true})");
    if (request.target == "/api/v1/server") {
      return out.send_json(R"({"version":"0.1.0","build_id":"this","ends_with_http":)" +
                           std::string(ends_with_http_ ? "true" : "false") + R"(,"http":{"running":)" +
                           std::string(running_ ? "true" : "false") + R"(,"port":)" + port +
                           R"(,"host":"127.0.0.1"}})");
    }
    if (request.target == "/api/v1/server/http/start") {
      if (!start_error_.empty()) return out.send_json(start_error_, 409);
      return out.send_json(R"({"running":true,"port":)" + port + R"(,"host":"127.0.0.1"})");
    }
    if (request.target == "/api/v1/server/http/stop") return out.send_json(R"({"port":)" + port + "}");
    out.send_json("{}");
  }

  Outcome run(std::vector<std::string> arguments) {
    std::ostringstream out, err;
    Console console(out, err, Terminals{});
    int input = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    Environment environment{.home = home_,
                            .server_program = home_ / "atelier",
                            .api_token = {},
                            .bind_address = bind_address_,
                            .input = input};
    Shell shell{console, environment};
    Outcome outcome;
    outcome.code = cli::run(shell, std::move(arguments));
    ::close(input);
    outcome.out = out.str();
    outcome.err = err.str();
    return outcome;
  }

  void install_build(const std::string& id) {
    std::ofstream(home_ / "atelier") << "#!/bin/sh\n[ \"$1\" = --build-id ] && echo " << id << " && exit\nexit 9\n";
    fs::permissions(home_ / "atelier", fs::perms::owner_all);
  }

  std::vector<std::string> targets() const {
    std::vector<std::string> found;
    for (const ServedRequest& request : server_.requests()) {
      if (request.method == "POST") found.push_back(request.target + " " + request.body);
    }
    return found;
  }
  std::string port() const { return std::to_string(server_.port()); }

  fs::path home_;
  std::string bind_address_, start_error_;
  bool running_ = false, ends_with_http_ = false;
  LoopbackServer server_;
};

TEST_F(ServerCommands, StartOpensTheListenerAndSaysWhere) {
  auto done = run({"server", "start", "--port", "4321", "--bind", "127.0.0.1", "--cors"});
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(done.out, "");
  EXPECT_THAT(done.err, HasSubstr("Success! Server is now running on port " + port() + "\n"));
  EXPECT_THAT(done.err, HasSubstr("Warning: CORS is on"));
  EXPECT_EQ(targets(),
            (std::vector<std::string>{R"(/api/v1/server/http/start {"port":4321,"bind":"127.0.0.1","cors":true})"}));
}

TEST_F(ServerCommands, StartHasJson) {
  EXPECT_EQ(run({"server", "start", "--json"}).out,
            "{\"running\":true,\"port\":" + port() + ",\"host\":\"127.0.0.1\"}\n");
}

TEST_F(ServerCommands, StartTakesTheAddressOfTheEnvironmentAndWarns) {
  bind_address_ = "0.0.0.0";
  auto done = run({"server", "start", "--allow-unauthenticated"});
  EXPECT_THAT(done.err, HasSubstr("Warning: The server will listen on 0.0.0.0"));
  EXPECT_EQ(targets().front(), R"(/api/v1/server/http/start {"bind":"0.0.0.0","allow_unauthenticated":true})");
}

TEST_F(ServerCommands, ATakenPortLeadsToAnother) {
  start_error_ = R"({"error":{"code":"port_in_use","message":"Port 4321 is taken by python3."}})";
  auto done = run({"server", "start", "--port", "4321"});
  EXPECT_EQ(done.code, 1);
  EXPECT_THAT(done.err, HasSubstr("Error: Port 4321 is taken by python3."));
  EXPECT_THAT(done.err, HasSubstr("lms server start --port 4322"));
}

TEST_F(ServerCommands, TheSameBuildIsKept) {
  install_build("this");
  EXPECT_EQ(run({"server", "start"}).code, 0);
  EXPECT_EQ(targets(), (std::vector<std::string>{"/api/v1/server/http/start {}"}));
}

TEST_F(ServerCommands, AnotherBuildIsReplaced) {
  install_build("newer");
  auto done = run({"server", "start"});
  EXPECT_THAT(done.err, HasSubstr("another build; replacing it"));
  EXPECT_EQ(targets().front(), "/api/v1/server/shutdown {}");
}

TEST_F(ServerCommands, StopClosesTheListener) {
  running_ = true;
  ends_with_http_ = true;
  auto done = run({"server", "stop"});
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(done.err, "Stopped the server on port " + port() + ".\n");
  EXPECT_EQ(targets(), (std::vector<std::string>{"/api/v1/server/http/stop {}"}));
}

TEST_F(ServerCommands, StopOfAStoppedServerFails) {
  auto done = run({"server", "stop"});
  EXPECT_EQ(done.code, 1);
  EXPECT_EQ(done.err, "Error: The server is not running.\n");
  EXPECT_TRUE(targets().empty());
}

TEST_F(ServerCommands, StatusAsksTheService) {
  EXPECT_EQ(run({"server", "status"}).err, "The server is not running.\n");
  running_ = true;
  EXPECT_EQ(run({"server", "status"}).err, "The server is running on port " + port() + ".\n");
  EXPECT_EQ(run({"server", "status", "--json"}).out, "{\"running\":true,\"port\":" + port() + "}\n");
}

TEST_F(ServerCommands, DaemonTellsAndEnds) {
  EXPECT_EQ(run({"daemon", "up", "--json"}).out,
            "{\"status\":\"running\",\"pid\":2147483647,\"isDaemon\":true,\"version\":\"0.1.0\"}\n");
  EXPECT_THAT(run({"daemon", "up"}).err, HasSubstr("already running (PID: 2147483647)"));
  EXPECT_EQ(run({"daemon", "status", "--json"}).out, "{\"status\":\"running\",\"pid\":2147483647,\"isDaemon\":true}\n");
  EXPECT_EQ(run({"daemon", "run"}).code, 1);
  EXPECT_EQ(run({"daemon", "down"}).err, "Shutting down Atelier...\nDone.\n");
  EXPECT_EQ(targets(), (std::vector<std::string>{"/api/v1/server/shutdown {}"}));
}

}  // namespace
}  // namespace atelier::cli
