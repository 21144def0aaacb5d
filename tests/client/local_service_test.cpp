#include "client/local_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>

#include <fstream>
#include <sstream>

#include "client/detached_process.h"
#include "tests/client/loopback_server.h"

namespace atelier::client {
namespace {

namespace fs = std::filesystem;
using test::LoopbackServer;
using test::ServedConnection;
using test::ServedRequest;
using testing::HasSubstr;

struct Home {
  Home() {
    std::string pattern = (fs::temp_directory_path() / "atelier-home-XXXXXX").string();
    path = ::mkdtemp(pattern.data());
    fs::create_directories(path / ".internal");
  }
  ~Home() { fs::remove_all(path); }
  void record(std::uint16_t port, const std::string& nonce) const {
    std::ofstream(path / ".internal" / "http-server.json")
        << R"({"port":)" << port << R"(,"pid":4242,"nonce":")" << nonce << "\"}";
  }
  fs::path script(const std::string& text) const {
    fs::path file = path / "atelier";
    std::ofstream(file) << "#!/bin/sh\n" << text << "\n";
    fs::permissions(file, fs::perms::owner_all);
    return file;
  }
  fs::path path;
};

LoopbackServer::Handler status_of(std::string package, std::string nonce) {
  return [=](const ServedRequest&, ServedConnection& out) {
    out.send_json(R"({"package":")" + package + R"(","version":"0.1.0","nonce":")" + nonce + "\"}");
  };
}

TEST(LocalService, FindsTheServiceWhoseNonceIsInTheFile) {
  Home home;
  LoopbackServer server(status_of("atelier", "abc"));
  home.record(server.port(), "abc");
  auto service = find_local_service(home.path);
  ASSERT_TRUE(service.has_value());
  EXPECT_EQ(service->control_port, server.port());
  EXPECT_EQ(service->pid, 4242);
  EXPECT_EQ(service->version, "0.1.0");
  EXPECT_EQ(server.requests().front().target, "/lms-status");
}

TEST(LocalService, AFileOfAnotherServiceProvesNothing) {
  Home home;
  LoopbackServer another_home(status_of("atelier", "xyz"));
  home.record(another_home.port(), "abc");
  EXPECT_FALSE(find_local_service(home.path).has_value());
  LoopbackServer another_program(status_of("lmstudio", "abc"));
  home.record(another_program.port(), "abc");
  EXPECT_FALSE(find_local_service(home.path).has_value());
}

TEST(LocalService, AStaleOrBrokenOrMissingFileMeansNoService) {
  Home home;
  EXPECT_FALSE(find_local_service(home.path).has_value());
  std::uint16_t port;
  {
    LoopbackServer gone(status_of("atelier", "abc"));
    port = gone.port();
  }
  home.record(port, "abc");
  EXPECT_FALSE(find_local_service(home.path).has_value());
  for (const char* text : {"", "{", "[]", R"({"port":0,"nonce":"a"})", R"({"port":"1","nonce":"a"})", R"({"port":80})",
                           R"({"port":99999,"nonce":"a"})"}) {
    std::ofstream(home.path / ".internal" / "http-server.json") << text;
    EXPECT_FALSE(find_local_service(home.path).has_value()) << text;
  }
}

TEST(LocalService, ARunningServiceIsNotStartedAgain) {
  Home home;
  LoopbackServer server(status_of("atelier", "abc"));
  home.record(server.port(), "abc");
  auto started = start_local_service({.home = home.path, .program = home.path / "missing"});
  ASSERT_TRUE(started.has_value());
  EXPECT_FALSE(started->started_here);
}

// The script stands for the service: it writes the record of a server that answers already.
TEST(LocalService, StartsTheProgramDetachedWithItsHome) {
  Home home;
  LoopbackServer server(status_of("atelier", "abc"));
  fs::path program = home.script(
      "echo \"$@\" > \"$ATELIER_HOME/arguments\"\n"
      "cut -d' ' -f6 /proc/$$/stat > \"$ATELIER_HOME/session\"; echo $$ > \"$ATELIER_HOME/pid\"\n"
      "ls -l /proc/$$/fd/0 > \"$ATELIER_HOME/input\"\n"
      "printf '{\"port\":" +
      std::to_string(server.port()) +
      ",\"pid\":%s,\"nonce\":\"abc\"}' $$ > \"$ATELIER_HOME/.internal/x\"\n"
      "mv \"$ATELIER_HOME/.internal/x\" \"$ATELIER_HOME/.internal/http-server.json\"");
  bool waited = false;
  ServiceStart start{.home = home.path, .program = program, .on_waiting = [&] { waited = true; }};
  auto started = start_local_service(start);
  ASSERT_TRUE(started.has_value()) << started.error().message;
  EXPECT_TRUE(started->started_here);
  EXPECT_TRUE(waited);
  auto content = [&](const char* name) {
    std::stringstream text;
    text << std::ifstream(home.path / name).rdbuf();
    return text.str();
  };
  EXPECT_EQ(content("arguments"), "service\n");
  EXPECT_EQ(content("session"), content("pid"));  // it leads a session of its own
  EXPECT_THAT(content("input"), HasSubstr("/dev/null"));
}

TEST(LocalService, AServiceThatDiesTellsItsLastWords) {
  Home home;
  fs::path program = home.script("echo 'The database is locked.' >&2; exit 3");
  auto started = start_local_service({.home = home.path, .program = program});
  ASSERT_FALSE(started.has_value());
  EXPECT_THAT(started.error().message, HasSubstr("exit code 3"));
  EXPECT_THAT(started.error().message, HasSubstr("The database is locked."));
}

TEST(LocalService, AMissingProgramIsNamed) {
  Home home;
  auto started = start_local_service({.home = home.path, .program = home.path / "bin" / "atelier"});
  ASSERT_FALSE(started.has_value());
  EXPECT_THAT(started.error().message, HasSubstr("bin/atelier"));
  std::ofstream(home.path / "no-program") << "text";
  auto refused = start_local_service({.home = home.path, .program = home.path / "no-program"});
  ASSERT_FALSE(refused.has_value());
  EXPECT_THAT(refused.error().message, HasSubstr("Permission denied"));
}

TEST(LocalService, AServiceThatCannotHaveItsFoldersSaysSo) {
  Home home;
  std::ofstream(home.path / "file") << "x";
  auto started = start_local_service({.home = home.path / "file" / "home", .program = "/bin/true"});
  ASSERT_FALSE(started.has_value());
  EXPECT_THAT(started.error().message, HasSubstr("ATELIER_HOME"));
}

TEST(LocalService, ReadsTheBuildId) {
  Home home;
  EXPECT_EQ(build_id_of(home.script("[ \"$1\" = --build-id ] && echo 0.1.0-abc")).value_or(""), "0.1.0-abc");
  EXPECT_FALSE(build_id_of(home.script("exit 1")).has_value());
  EXPECT_FALSE(build_id_of(home.path / "missing").has_value());
}

TEST(LocalService, StoppingWaitsForTheProcess) {
  Home home;
  auto child =
      start_detached({.program = "/bin/sleep", .arguments = {"600"}, .environment = {}, .output_file = "/dev/null"});
  ASSERT_TRUE(child.has_value()) << child.error().message;
  LoopbackServer server([&](const ServedRequest& request, ServedConnection& out) {
    EXPECT_EQ(request.target, "/api/v1/server/shutdown");
    ::kill(*child, SIGTERM);
    out.send_json("{}");
  });
  ASSERT_TRUE(process_exists(*child));
  LocalService service{server.port(), *child, "abc", "0.1.0"};
  auto stopped = stop_local_service(service);
  EXPECT_TRUE(stopped.has_value());
  EXPECT_FALSE(process_exists(*child));
}

}  // namespace
}  // namespace atelier::client
