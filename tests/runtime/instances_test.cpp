// Loading, sharing, switching, idling and ending of instances, with real processes of the scripted engine.
#include <signal.h>
#include <sys/wait.h>

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include "tests/runtime/harness.h"

namespace atelier::runtime {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::SizeIs;

bool alive(int pid) { return kill(pid, 0) == 0; }  // a zombie counts as alive

std::vector<std::string> ids(const Instances& instances) {
  std::vector<std::string> result;
  for (const InstanceInfo& info : instances.list()) result.push_back(info.id);
  return result;
}

constexpr const char* kEcho = R"({"generate": {"steps": [{"echo": "prompt"}]}})";
constexpr const char* kEndless = R"({"generate": {"steps": [{"text": "x"}, {"hang": true}]}})";

// ---------------------------------------------------------------- loading

TEST(Load, ReportsProgressAndWhatTheEngineApplied) {
  Engines engines;
  engines.start();
  LoadRequest request = engines.request("m", R"({"load": {"progress": [0.25, 0.1, 0.5, 7], "context_length": 2048}})");
  request.config.parallel = 3;
  request.config.flash_attention = false;
  request.size_bytes = 123;
  std::vector<double> progress;
  LoadProgress note = [&](double fraction) { progress.push_back(fraction); };
  const auto instance = engines.loop.run(engines.instances->load(request, note, {}));
  ASSERT_TRUE(instance) << instance.error().message;
  EXPECT_THAT(progress, ElementsAre(0.25, 0.5, 1)) << "never decreasing, never above 1";
  const InstanceInfo info = (*instance)->info();
  EXPECT_EQ(info.id, "m");
  EXPECT_EQ(info.status, InstanceStatus::kIdle);
  EXPECT_EQ(info.config.parallel, 3U);
  EXPECT_EQ(info.config.flash_attention, false);
  EXPECT_EQ(info.config.context_length, 2048U);
  EXPECT_EQ(info.config.kv_cells, 4096U);
  EXPECT_EQ(info.model.architecture, "scripted");
  EXPECT_EQ(info.model.bos_text, "<s>");
  EXPECT_EQ(info.size_bytes, 123U);
  EXPECT_FALSE(info.jit);
  EXPECT_TRUE(alive(info.pid));
}

TEST(Load, IdentifiersAreCountedAndConflictsRefused) {
  Engines engines;
  engines.start();
  LoadRequest named = engines.request("m", kEcho);
  auto first = engines.loop.start(engines.load(named));
  auto second = engines.loop.start(engines.load(named));
  ASSERT_TRUE(engines.loop.wait(first));
  ASSERT_TRUE(engines.loop.wait(second));
  named.identifier = "mine";
  ASSERT_TRUE(engines.loop.run(engines.load(named)));
  const auto conflict = engines.loop.run(engines.load(named));
  ASSERT_FALSE(conflict);
  EXPECT_EQ(conflict.error().code, ErrorCode::kConflict);
  EXPECT_EQ(conflict.error().param, "identifier");
  EXPECT_THAT(ids(*engines.instances), ElementsAre("m", "m:2", "mine"));
  EXPECT_EQ(engines.instances->find("m:2")->info().model_key, "m");
  EXPECT_EQ(engines.instances->find("m:3"), nullptr);
  // A number that is free again is used again.
  ASSERT_TRUE(engines.loop.run(engines.instances->unload("m:2")));
  named.identifier.clear();
  EXPECT_EQ((*engines.loop.run(engines.load(named)))->info().id, "m:2");
}

TEST(Load, AnIdentifierIsTakenWhileItsModelLoads) {
  Engines engines;
  engines.start();
  LoadRequest request = engines.request("m", R"({"load": {"hang": true}})");
  request.identifier = "mine";
  std::stop_source stop;
  auto loading = engines.loop.start(engines.instances->load(request, nullptr, stop.get_token()));
  engines.loop.run_until([&] { return !engines.instances->list().empty(); });
  EXPECT_EQ(engines.instances->list()[0].status, InstanceStatus::kLoading);
  EXPECT_EQ(engines.instances->find("mine"), nullptr);
  EXPECT_EQ(engines.loop.run(engines.load(request)).error().code, ErrorCode::kConflict);
  stop.request_stop();
  EXPECT_EQ(engines.loop.wait(loading).error().code, ErrorCode::kCancelled);
}

TEST(Load, ARefusalGivesTheReasonAndTheLastLines) {
  Engines engines;
  engines.start();
  const auto result = engines.loop.run(
      engines.load(engines.request("m", R"({"load": {"print": ["llama: bad magic"], "log": ["from a message"],
                        "error": {"kind": "load_failed", "message": "It is no model."}}})")));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kModelLoadFailed);
  EXPECT_THAT(result.error().message, HasSubstr("It is no model. Its last lines:\n"));
  EXPECT_THAT(result.error().message, HasSubstr("from a message"));
  EXPECT_TRUE(engines.instances->list().empty());
  EXPECT_THAT(engines.folder.read("engine-m.log"), HasSubstr("llama: bad magic"));
  EXPECT_THAT(engines.folder.read("engine-m.log"), HasSubstr("from a message"));
}

TEST(Load, ARefusalForLackOfMemorySaysAllItself) {
  Engines engines;
  engines.start();
  const auto result = engines.loop.run(engines.load(engines.request("m", R"({"load": {"log": ["from a message"],
                        "error": {"kind": "insufficient_memory", "message": "needs 9 GiB, 4 GiB are free"}}})")));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kInsufficientResources);
  EXPECT_EQ(result.error().message, "needs 9 GiB, 4 GiB are free");
}

TEST(Load, ACrashGivesTheSignalAndTheLastLines) {
  Engines engines;
  engines.start();
  const auto result = engines.loop.run(
      engines.load(engines.request("m", R"({"load": {"print": ["GGML_ASSERT(x) failed"], "crash": "abort"}})")));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kModelLoadFailed);
  EXPECT_THAT(result.error().message, HasSubstr("signal 6 (Aborted)"));
  EXPECT_THAT(result.error().message, EndsWith("Its last lines:\nGGML_ASSERT(x) failed"));
  EXPECT_TRUE(engines.instances->list().empty());
}

TEST(Load, AnEngineThatIsKilledMayHaveLackedMemory) {
  Engines engines;
  engines.start();
  const auto result = engines.loop.run(engines.load(engines.request("m", R"({"load": {"crash": "kill"}})")));
  EXPECT_THAT(result.error().message, HasSubstr("signal 9 (Killed), perhaps for lack of memory"));
}

TEST(Load, AWrongAnswerIsAFailure) {
  Engines engines;
  engines.start();
  const auto result = engines.loop.run(engines.load(engines.request("m", R"({"load": {"raw": "wrong_type"}})")));
  EXPECT_EQ(result.error().code, ErrorCode::kModelLoadFailed);
  EXPECT_TRUE(engines.instances->list().empty());
}

class BadStart : public ::testing::TestWithParam<std::tuple<const char*, std::vector<std::string>, const char*>> {};

TEST_P(BadStart, IsAnErrorThatSaysWhatIsWrong) {
  const auto& [name, arguments, message] = GetParam();
  Engines engines;
  engines.config.runtime.arguments = arguments;
  engines.config.engine_start_timeout = std::chrono::milliseconds(300);
  if (std::string(name) == "missing") engines.config.runtime.exe = "/no/such/engine";
  engines.start();
  const auto result = engines.loop.run(engines.load(engines.request("m", kEcho)));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kModelLoadFailed);
  EXPECT_THAT(result.error().message, HasSubstr(message));
  EXPECT_TRUE(engines.instances->list().empty());
  for (const std::string& pid : engines.pids()) EXPECT_FALSE(alive(std::stoi(pid)));
}

INSTANTIATE_TEST_SUITE_P(
    Engines, BadStart,
    ::testing::Values(
        std::tuple("never", std::vector<std::string>{"--print", "thinking", "--hello", "never"},
                   "did not answer within 0.3 seconds of its start. Its last lines:\nthinking"),
        std::tuple("version", std::vector<std::string>{"--protocol-version", "99"},
                   "scripted-engine 1 speaks version 99 of the engine protocol, this server version 1"),
        std::tuple("garbage", std::vector<std::string>{"--hello", "garbage"}, "it sent a malformed frame"),
        std::tuple("oversized", std::vector<std::string>{"--hello", "oversized"}, "it sent a malformed frame"),
        std::tuple("first", std::vector<std::string>{"--hello", "load_first"}, "its first message was not Hello"),
        std::tuple("exit", std::vector<std::string>{"--hello", "exit"}, "exit code 5"),
        std::tuple("missing", std::vector<std::string>{}, "exec failed: No such file or directory")),
    [](const auto& test) { return std::string(std::get<0>(test.param)); });

TEST(Load, CancellingItEndsTheProcess) {
  Engines engines;
  engines.start();
  std::stop_source stop;
  // It is in the middle of its progress when the stop comes.
  LoadRequest request = engines.request("m", R"({"load": {"progress": [0.1, 0.2], "hang": true}})");
  LoadProgress progress = [&](double fraction) {
    if (fraction > 0.15) stop.request_stop();
  };
  const auto result = engines.loop.run(engines.instances->load(request, progress, stop.get_token()));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kCancelled);
  EXPECT_TRUE(engines.instances->list().empty());
  ASSERT_THAT(engines.pids(), SizeIs(1));
  EXPECT_FALSE(alive(std::stoi(engines.pids()[0])));
}

TEST(Load, CancelledBeforeItBeginsStartsNoProcess) {
  Engines engines;
  engines.start();
  std::stop_source stop;
  stop.request_stop();
  const auto result = engines.loop.run(engines.instances->load(engines.request("m", kEcho), nullptr, stop.get_token()));
  EXPECT_EQ(result.error().code, ErrorCode::kCancelled);
  EXPECT_THAT(engines.pids(), SizeIs(0));
}

TEST(Load, AFileNameThatIsNoUtf8IsRefused) {
  Engines engines;
  engines.start();
  LoadRequest request = engines.request("m", kEcho);
  request.path = engines.folder.path() / "bad\xff.gguf";
  const auto result = engines.loop.run(engines.load(request));
  EXPECT_EQ(result.error().code, ErrorCode::kModelLoadFailed);
  EXPECT_THAT(result.error().message, HasSubstr("is not valid UTF-8"));
}

// ---------------------------------------------------------------- acquiring

TEST(Acquire, ManyAtATimeShareOneLoad) {
  Engines engines;
  engines.start();
  const LoadRequest request = engines.request("m", R"({"load": {"progress": [0.5, 1], "step_ms": 20}})");
  std::vector<Running<Result<Instances::Acquired>>> waiting;
  for (int i = 0; i < 10; ++i) waiting.push_back(engines.loop.start(engines.acquire(request)));
  for (auto& one : waiting) {
    const auto& acquired = engines.loop.wait(one);
    ASSERT_TRUE(acquired) << acquired.error().message;
    EXPECT_TRUE(acquired->loaded_now);
    EXPECT_GT(acquired->load_seconds, 0);
    EXPECT_TRUE(acquired->instance->info().jit);
  }
  EXPECT_THAT(engines.pids(), SizeIs(1));
  const auto later = engines.loop.run(engines.acquire(request));
  EXPECT_FALSE(later->loaded_now);
  EXPECT_THAT(engines.pids(), SizeIs(1));
}

TEST(Acquire, JoinsALoadByNameAndItsProgress) {
  Engines engines;
  engines.start();
  const LoadRequest request = engines.request("m", R"({"load": {"progress": [0.25, 0.75], "step_ms": 30}})");
  auto loading = engines.loop.start(engines.load(request));
  engines.loop.run_until([&] { return !engines.instances->list().empty(); });
  std::vector<double> progress;
  LoadProgress note = [&](double fraction) { progress.push_back(fraction); };
  const auto acquired = engines.loop.run(engines.instances->acquire(request, note, {}));
  ASSERT_TRUE(acquired);
  EXPECT_THAT(progress, ElementsAre(0.25, 0.75, 1));
  EXPECT_FALSE(acquired->instance->info().jit);
  EXPECT_TRUE(engines.loop.wait(loading));
  EXPECT_THAT(engines.pids(), SizeIs(1));
}

TEST(Acquire, OneOfSeveralMayLeaveTheLastCancels) {
  Engines engines;
  engines.start();
  const LoadRequest request = engines.request("m", R"({"load": {"progress": [0.5], "hang": true}})");
  std::stop_source first_stop;
  std::stop_source second_stop;
  auto first = engines.loop.start(engines.acquire(request, first_stop.get_token()));
  auto second = engines.loop.start(engines.acquire(request, second_stop.get_token()));
  engines.loop.run_until([&] { return engines.pids().size() == 1; });
  const int pid = std::stoi(engines.pids()[0]);
  first_stop.request_stop();
  EXPECT_EQ(engines.loop.wait(first).error().code, ErrorCode::kCancelled);
  EXPECT_FALSE(second.done());
  EXPECT_TRUE(alive(pid));
  second_stop.request_stop();
  EXPECT_EQ(engines.loop.wait(second).error().code, ErrorCode::kCancelled);
  EXPECT_FALSE(alive(pid));
  EXPECT_TRUE(engines.instances->list().empty());
}

TEST(Acquire, ACoroutineThatIsCancelledLeavesLikeAnyOther) {
  Engines engines;
  engines.start();
  asio::cancellation_signal cancel;
  bool ended = false;
  auto work = engines.acquire(engines.request("m", R"({"load": {"progress": [0.5], "hang": true}})"));
  asio::co_spawn(engines.loop.executor(), std::move(work),
                 asio::bind_cancellation_slot(cancel.slot(),
                                              [&](std::exception_ptr, Result<Instances::Acquired>) { ended = true; }));
  engines.loop.run_until([&] { return engines.pids().size() == 1; });
  cancel.emit(asio::cancellation_type::terminal);
  engines.loop.run_until([&] { return ended && engines.instances->list().empty(); });
  EXPECT_FALSE(alive(std::stoi(engines.pids()[0])));
}

TEST(Acquire, TakesTheLeastBusyInstance) {
  Engines engines;
  const auto first = engines.loaded("m", kEndless);
  const auto second = engines.loaded("m", kEndless);
  const auto busy = generate(*first, prompt("x"));
  const auto acquired = engines.loop.run(engines.acquire(engines.request("m", kEndless)));
  EXPECT_EQ(acquired->instance->info().id, "m:2");
}

TEST(Acquire, AFailureReachesEveryoneWhoWaits) {
  Engines engines;
  engines.start();
  const LoadRequest request =
      engines.request("m", R"({"load": {"error": {"kind": "load_failed", "message": "not a model"}}})");
  auto first = engines.loop.start(engines.acquire(request));
  auto second = engines.loop.start(engines.acquire(request));
  EXPECT_THAT(engines.loop.wait(first).error().message, HasSubstr("not a model"));
  EXPECT_THAT(engines.loop.wait(second).error().message, HasSubstr("not a model"));
  EXPECT_THAT(engines.pids(), SizeIs(1));
}

TEST(Acquire, AModelThatCrashesAtLoadIsNotStartedForEveryRequest) {
  Engines engines;
  engines.start();
  LoadRequest request = engines.request("m", R"({"load": {"print": ["assertion"], "crash": "abort"}})");
  for (int i = 0; i < 20; ++i) {
    const auto result = engines.loop.run(engines.acquire(request));
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::kModelLoadFailed);
    EXPECT_THAT(result.error().message, HasSubstr("assertion"));
    if (i >= 2) {
      EXPECT_THAT(result.error().message, HasSubstr("crashed 2 times in a row"));
    }
  }
  EXPECT_THAT(engines.pids(), SizeIs(2));
  // By name it may be tried at any time, with other settings perhaps.
  EXPECT_FALSE(engines.loop.run(engines.load(request)));
  EXPECT_THAT(engines.pids(), SizeIs(3));
  // A file that was replaced is tried at once.
  request = engines.request("m", R"({"load": {"architecture": "repaired"}})");
  const auto repaired = engines.loop.run(engines.acquire(request));
  ASSERT_TRUE(repaired) << repaired.error().message;
  EXPECT_EQ(repaired->instance->info().model.architecture, "repaired");
}

// ---------------------------------------------------------------- JIT switches

TEST(Switch, WaitsForTheVictimsPredictionsAndKeepsNewOnesBehind) {
  Engines engines;
  engines.start();
  const LoadRequest a = engines.request("a", kEndless);
  const LoadRequest b = engines.request("b", kEcho);
  auto first = engines.loop.run(engines.acquire(a));
  ASSERT_TRUE(first);
  const int first_pid = first->instance->info().pid;
  auto running = generate(*first->instance, prompt("x"));
  first->instance.reset();  // the prediction alone keeps it
  while (!std::holds_alternative<Delta>(*engines.loop.run(next_event(running, kNoDeadline)))) {
  }

  auto switching = engines.loop.start(engines.acquire(b));
  engines.loop.run_until([&] { return engines.instances->find("a") == nullptr; });
  auto behind = engines.loop.start(engines.acquire(a));
  engines.loop.run_ready();
  EXPECT_FALSE(switching.done());
  EXPECT_FALSE(behind.done());
  EXPECT_TRUE(alive(first_pid));
  EXPECT_THAT(ids(*engines.instances), ElementsAre("a")) << "b waits without a process";

  running->cancel();
  EXPECT_EQ(engines.loop.run(read_all(running)).done()->reason, StopReason::kCancelled) << "it was not cut off";
  auto& switched = engines.loop.wait(switching);
  ASSERT_TRUE(switched) << switched.error().message;
  EXPECT_FALSE(alive(first_pid));
  // b is in use as long as the lease is held, so the request behind still waits.
  engines.loop.run_ready();
  EXPECT_FALSE(behind.done());
  EXPECT_THAT(ids(*engines.instances), ElementsAre("b"));
  EXPECT_EQ(engines.loop.run(read_all(generate(*switched->instance, prompt("hi")))).text, "T(hi)");
  switched->instance.reset();
  auto& back = engines.loop.wait(behind);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_TRUE(back->loaded_now);
  EXPECT_THAT(ids(*engines.instances), ElementsAre("a"));
  EXPECT_THAT(engines.pids(), SizeIs(3));
}

TEST(Switch, AVictimIsOpenAgainWhenTheSwitchIsGivenUp) {
  Engines engines;
  engines.start();
  auto first = engines.loop.run(engines.acquire(engines.request("a", kEcho)));
  ASSERT_TRUE(first);
  std::stop_source stop;
  auto switching = engines.loop.start(engines.acquire(engines.request("b", kEcho), stop.get_token()));
  engines.loop.run_until([&] { return engines.instances->find("a") == nullptr; });
  // Whoever holds it may go on.
  EXPECT_EQ(engines.loop.run(read_all(generate(*first->instance, prompt("hi")))).text, "T(hi)");
  auto behind = engines.loop.start(engines.acquire(engines.request("a", kEcho)));
  engines.loop.run_ready();
  EXPECT_FALSE(behind.done());
  stop.request_stop();
  EXPECT_EQ(engines.loop.wait(switching).error().code, ErrorCode::kCancelled);
  auto& again = engines.loop.wait(behind);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->instance->info().pid, first->instance->info().pid);
  EXPECT_THAT(engines.pids(), SizeIs(1));
}

TEST(Switch, ACrashOfTheVictimLetsItGoOn) {
  Engines engines;
  engines.start();
  auto first = engines.loop.run(engines.acquire(engines.request("a", kEndless)));
  auto running = generate(*first->instance, prompt("x"));
  auto switching = engines.loop.start(engines.acquire(engines.request("b", kEcho)));
  engines.loop.run_until([&] { return engines.instances->find("a") == nullptr; });
  kill(first->instance->info().pid, SIGKILL);
  ASSERT_TRUE(engines.loop.wait(switching));
  EXPECT_TRUE(engines.loop.run(read_all(running)).error());
}

TEST(Switch, LeavesOtherKindsAndLoadsByNameAlone) {
  Engines engines;
  engines.start();
  LoadRequest embedder = engines.request("e", kEcho);
  embedder.kind = ModelKind::kEmbedding;
  ASSERT_TRUE(engines.loop.run(engines.load(engines.request("manual", kEcho))));
  ASSERT_TRUE(engines.loop.run(engines.acquire(embedder)));
  ASSERT_TRUE(engines.loop.run(engines.acquire(engines.request("a", kEcho))));
  ASSERT_TRUE(engines.loop.run(engines.acquire(engines.request("b", kEcho))));
  EXPECT_THAT(ids(*engines.instances), ElementsAre("b", "e", "manual"));
}

TEST(Switch, DoesNotHappenWhenSeveralModelsMayStay) {
  Engines engines;
  engines.config.jit_single = false;
  engines.start();
  ASSERT_TRUE(engines.loop.run(engines.acquire(engines.request("a", kEcho))));
  ASSERT_TRUE(engines.loop.run(engines.acquire(engines.request("b", kEcho))));
  EXPECT_THAT(ids(*engines.instances), ElementsAre("a", "b"));
}

TEST(Switch, ManyAlternatingRequestsAllGetTheirAnswer) {
  Engines engines;
  engines.start();
  const auto ask = [](Engines* all, LoadRequest request) -> asio::awaitable<std::string> {
    const std::stop_token never;
    auto acquired = co_await all->instances->acquire(request, nullptr, never);
    if (!acquired) co_return acquired.error().message;
    GenerateRequest question = prompt(request.model_key);
    auto generation = generate(*acquired->instance, std::move(question));
    const Outcome outcome = co_await read_all(generation);
    co_return outcome.text;
  };
  std::vector<std::pair<std::string, Running<std::string>>> answers;
  for (int i = 0; i < 24; ++i) {
    const std::string key(1, static_cast<char>('a' + i % 3));
    answers.emplace_back("T(" + key + ")", engines.loop.start(ask(&engines, engines.request(key, kEcho))));
  }
  for (auto& [expected, answer] : answers) EXPECT_EQ(engines.loop.wait(answer), expected);
  EXPECT_THAT(engines.instances->list(), SizeIs(1));
  EXPECT_THAT(engines.pids(), SizeIs(3)) << "the requests for one model share one switch";
}

// ---------------------------------------------------------------- unloading

TEST(Unload, EndsPredictionsAndTheProcess) {
  Engines engines;
  const auto instance = engines.loaded("m", kEndless);
  const int pid = instance->info().pid;
  const auto generation = generate(*instance, prompt("x"));
  ASSERT_TRUE(engines.loop.run(engines.instances->unload("m")));
  EXPECT_FALSE(alive(pid));
  EXPECT_TRUE(engines.instances->list().empty());
  const Outcome outcome = engines.loop.run(read_all(generation));
  ASSERT_TRUE(outcome.error());
  EXPECT_EQ(outcome.error()->code, ErrorCode::kCancelled);
  EXPECT_THAT(outcome.error()->message, HasSubstr("was unloaded"));
  EXPECT_FALSE(instance->generate(prompt("x")));
  EXPECT_EQ(engines.loop.run(engines.instances->unload("m")).error().code, ErrorCode::kInstanceNotFound);
}

TEST(Unload, OfALoadingModelCancelsTheLoad) {
  Engines engines;
  engines.start();
  auto loading = engines.loop.start(engines.acquire(engines.request("m", R"({"load": {"hang": true}})")));
  engines.loop.run_until([&] { return engines.pids().size() == 1; });
  ASSERT_TRUE(engines.loop.run(engines.instances->unload("m")));
  EXPECT_EQ(engines.loop.wait(loading).error().code, ErrorCode::kCancelled);
  EXPECT_FALSE(alive(std::stoi(engines.pids()[0])));
}

TEST(Unload, AnEngineThatWillNotEndIsKilled) {
  Engines engines;
  engines.config.engine_stop_grace = std::chrono::milliseconds(20);
  const auto instance = engines.loaded("m", R"({"ignore_end": true})");
  const int pid = instance->info().pid;
  ASSERT_TRUE(engines.loop.run(engines.instances->unload("m")));
  EXPECT_FALSE(alive(pid));
}

TEST(Unload, AnAcquireMeanwhileGetsANewInstanceOfTheSameName) {
  Engines engines;
  engines.start();
  const LoadRequest request = engines.request("m", kEcho);
  const auto first = engines.loop.run(engines.acquire(request));
  auto unloading = engines.loop.start(engines.instances->unload("m"));
  engines.loop.run_until([&] { return engines.instances->find("m") == nullptr; });
  const auto second = engines.loop.run(engines.acquire(request));
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_EQ(second->instance->info().id, "m");
  EXPECT_TRUE(engines.loop.wait(unloading));
}

TEST(Ttl, UnloadsAnIdleInstanceButNoneInUse) {
  Engines engines;
  engines.start();
  LoadRequest request = engines.request("m", R"({"generate": {"steps": [{"text": "x"}, {"hang": true}]}})");
  request.ttl = std::chrono::seconds(1);
  auto acquired = engines.loop.run(engines.acquire(request));
  const int pid = acquired->instance->info().pid;
  EXPECT_EQ(acquired->instance->info().ttl, std::chrono::seconds(1));
  auto running = generate(*acquired->instance, prompt("x"));
  acquired->instance.reset();
  // More than a second of work: the time limit does not count it.
  const auto later = std::chrono::steady_clock::now() + std::chrono::milliseconds(1300);
  while (engines.loop.run(next_event(running, later))) {
  }
  EXPECT_TRUE(alive(pid));
  running.reset();
  engines.loop.run_until([&] { return engines.instances->list().empty(); });
  EXPECT_FALSE(alive(pid));
}

// ---------------------------------------------------------------- the end

TEST(Shutdown, EndsEverythingAndRefusesTheRest) {
  Engines engines;
  const auto instance = engines.loaded("m", kEndless);
  const auto second = engines.loaded("n", kEcho);
  const auto generation = generate(*instance, prompt("x"));
  auto loading = engines.loop.start(engines.acquire(engines.request("l", R"({"load": {"hang": true}})")));
  engines.loop.run_until([&] { return engines.pids().size() == 3; });
  auto waiting = engines.loop.start(engines.acquire(engines.request("w", kEcho)));
  engines.loop.run_ready();
  engines.loop.run(engines.instances->shutdown());
  for (const std::string& pid : engines.pids()) EXPECT_FALSE(alive(std::stoi(pid)));
  EXPECT_TRUE(engines.instances->list().empty());
  EXPECT_EQ(engines.loop.run(read_all(generation)).error()->code, ErrorCode::kShuttingDown);
  EXPECT_EQ(engines.loop.wait(loading).error().code, ErrorCode::kShuttingDown);
  EXPECT_EQ(engines.loop.wait(waiting).error().code, ErrorCode::kShuttingDown);
  EXPECT_EQ(engines.loop.run(engines.load(engines.request("m", kEcho))).error().code, ErrorCode::kShuttingDown);
  EXPECT_EQ(engines.loop.run(engines.acquire(engines.request("m", kEcho))).error().code, ErrorCode::kShuttingDown);
  EXPECT_EQ(engines.loop.run(engines.instances->unload("m")).error().code, ErrorCode::kShuttingDown);
}

TEST(Shutdown, DestroyingTheRegistryKillsWhatIsLeft) {
  Engines engines;
  const auto instance = engines.loaded("m", kEndless);
  const auto generation = generate(*instance, prompt("x"));
  auto loading = engines.loop.start(engines.acquire(engines.request("l", R"({"load": {"hang": true}})")));
  engines.loop.run_until([&] { return engines.pids().size() == 2; });
  engines.instances.reset();
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1) << "no children are left, not even zombies";
  EXPECT_EQ(engines.loop.run(read_all(generation)).error()->code, ErrorCode::kShuttingDown);
  EXPECT_EQ(engines.loop.wait(loading).error().code, ErrorCode::kShuttingDown);
}

TEST(Shutdown, ALoopThatEndsInTheMiddleLeavesNoProcess) {
  int pid = 0;
  {
    Engines engines;
    const auto instance = engines.loaded("m", kEndless);
    pid = instance->info().pid;
    const auto generation = generate(*instance, prompt("x"));
    engines.loop.start(read_all(generation));
    engines.loop.start(engines.acquire(engines.request("l", R"({"load": {"hang": true}})")));
    engines.loop.start(engines.instances->unload("m"));
  }
  EXPECT_FALSE(alive(pid));
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);
}

}  // namespace
}  // namespace atelier::runtime
