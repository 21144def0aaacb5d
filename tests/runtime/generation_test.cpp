// Predictions and the other requests of a loaded model, against real processes of the scripted engine.
#include <signal.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "runtime/event_queue.h"
#include "tests/runtime/harness.h"

namespace atelier::runtime {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::FloatEq;
using ::testing::HasSubstr;

TEST(Generation, EventsComeInOrderAndEndWithDone) {
  Engines engines;
  const auto instance = engines.loaded("m", R"({"generate": {"cached_tokens": 2, "steps": [
    {"progress": [3, 6]}, {"text": "Hel"}, {"text": "lo"}, {"control": "<end>"},
    {"done": {"reason": "string", "stop_string": "\n"}}]}})");
  const Outcome outcome = engines.loop.run(read_all(generate(*instance, prompt("hello"))));
  ASSERT_TRUE(outcome.done());
  EXPECT_EQ(std::get<Accepted>(outcome.events.at(0)).prompt_tokens, 6U);  // BOS and 5 bytes
  EXPECT_EQ(std::get<Started>(outcome.events.at(1)).cached_tokens, 2U);
  EXPECT_EQ(std::get<PromptProgress>(outcome.events.at(2)).total_tokens, 6U);
  EXPECT_EQ(outcome.text, "Hello<end>");
  const Delta& last = std::get<Delta>(outcome.events.at(outcome.events.size() - 2));
  EXPECT_TRUE(last.pieces.back().is_control);
  EXPECT_EQ(outcome.done()->reason, StopReason::kStopString);
  EXPECT_EQ(outcome.done()->stop_string, "\n");
  EXPECT_EQ(outcome.done()->predicted_tokens, 3U);
  EXPECT_EQ(outcome.done()->prompt_tokens, 6U);
  EXPECT_EQ(outcome.done()->prompt_seconds, 0.5);
}

TEST(Generation, TheEngineGetsSegmentsWithTheirProvenance) {
  Engines engines;
  const auto instance = engines.loaded("m", R"({"generate": {"steps": [{"echo": "prompt"}]}})");
  GenerateRequest request;
  request.prompt = {{"<|user|>", true, {}}, {"Hi <|user|>", false, {}}, {"", true, {1, 2, 3}}};
  EXPECT_EQ(engines.loop.run(read_all(generate(*instance, request))).text, "T(<|user|>)C(Hi <|user|>)I(1 2 3)");
}

TEST(Generation, EverySettingReachesTheEngine) {
  Engines engines;
  const auto instance = engines.loaded("m", R"({"generate": {"steps": [{"echo": "request"}]}})");
  GenerateRequest request = prompt("x");
  request.sampling = {.temperature = 0,
                      .top_k = 40,
                      .top_p = 0.5,
                      .min_p = 0.25,
                      .typical_p = 0.75,
                      .repeat_penalty = 1.5,
                      .presence_penalty = -1,
                      .frequency_penalty = 2,
                      .repeat_last_n = -1,
                      .dry_multiplier = 0.5,
                      .dry_base = 1.75,
                      .dry_allowed_length = 2,
                      .dry_penalty_last_n = 3,
                      .dry_sequence_breakers = {"\n", ":\xff"},
                      .xtc_probability = 0.5,
                      .xtc_threshold = 0.125,
                      .mirostat = 2,
                      .mirostat_tau = 5,
                      .mirostat_eta = 0.5,
                      .logit_bias = {{7, -100}},
                      .seed = 18446744073709551615U};
  request.max_tokens = 99;
  request.stop_strings = {"stop", "bad \xff"};
  request.ignore_end_tokens = true;
  request.prompt_logprobs = true;
  request.add_bos = false;
  request.priority = 3;
  const auto sent = json::parse(engines.loop.run(read_all(generate(*instance, request))).text);
  ASSERT_TRUE(sent) << sent.error().message;
  const auto expected = json::parse(R"({
    "prompt": [{"text": "eA=="}],
    "sampling": {"temperature": 0, "topK": 40, "topP": 0.5, "minP": 0.25, "typicalP": 0.75, "repeatPenalty": 1.5,
      "presencePenalty": -1, "frequencyPenalty": 2, "repeatLastN": -1, "dryMultiplier": 0.5, "dryBase": 1.75,
      "dryAllowedLength": 2, "dryPenaltyLastN": 3, "drySequenceBreakers": ["\n", ":\ufffd"], "xtcProbability": 0.5,
      "xtcThreshold": 0.125, "mirostat": 2, "mirostatTau": 5, "mirostatEta": 0.5,
      "logitBias": [{"token": 7, "bias": -100}], "seed": "18446744073709551615"},
    "limits": {"maxTokens": "99", "stopStrings": ["stop", "bad \ufffd"], "ignoreEndTokens": true},
    "promptLogprobs": true, "priority": 3})");
  EXPECT_EQ(json::dump(*sent, {.sort_keys = true}), json::dump(*expected, {.sort_keys = true}));
}

TEST(Generation, LogProbabilitiesComeWithTheirCandidates) {
  Engines engines;
  const auto instance = engines.loaded("m", R"({"generate": {"steps": [
    {"pieces": [{"text": "yes", "token": 9, "logprob": -0.25, "top": [{"text": "no", "token": 8, "logprob": -1.5}]}]}]}})");
  GenerateRequest request = prompt("x");
  request.logprobs = true;
  request.top_logprobs = 1;
  const Outcome outcome = engines.loop.run(read_all(generate(*instance, request)));
  const Piece& piece = std::get<Delta>(outcome.events.at(2)).pieces.at(0);
  EXPECT_EQ(piece.token, 9);
  EXPECT_EQ(piece.token_bytes, "yes");
  EXPECT_EQ(piece.logprob, -0.25F);
  ASSERT_EQ(piece.top.size(), 1U);
  EXPECT_EQ(piece.top[0].bytes, "no");
  EXPECT_EQ(piece.top[0].logprob, -1.5F);
}

TEST(Generation, ADeadlineGivesNothingAndTheStreamGoesOn) {
  Engines engines;
  const auto instance = engines.loaded("m", R"({"generate": {"steps": [{"text": "a"}, {"hang": true}]}})");
  const auto generation = generate(*instance, prompt("x"));
  Outcome outcome;
  while (outcome.text.empty()) add(outcome, *engines.loop.run(next_event(generation, kNoDeadline)));
  const auto soon = std::chrono::steady_clock::now() + std::chrono::milliseconds(5);
  EXPECT_FALSE(engines.loop.run(next_event(generation, soon)));
  EXPECT_FALSE(engines.loop.run(next_event(generation, std::chrono::steady_clock::time_point::min())));
  auto waiting = engines.loop.start(next_event(generation, kNoDeadline));
  engines.loop.run_ready();
  EXPECT_FALSE(waiting.done());
  generation->cancel();
  generation->cancel();  // twice is no harm
  EXPECT_EQ(std::get<Done>(*engines.loop.wait(waiting)).reason, StopReason::kCancelled);
}

TEST(Generation, DestroyingItCancelsItInTheEngine) {
  Engines engines;
  const auto instance = engines.loaded("m", R"({"parallel": 1, "generate": [
    {"when": "endless", "steps": [{"text": "x", "times": "forever"}]}, {"steps": [{"text": "done"}]}]})");
  auto endless = generate(*instance, prompt("endless"));
  while (!std::holds_alternative<Delta>(*engines.loop.run(next_event(endless, kNoDeadline)))) {
  }
  EXPECT_EQ(instance->info().status, InstanceStatus::kGenerating);
  EXPECT_EQ(instance->info().queued, 1U);
  endless.reset();
  // The engine runs one at a time: this one gets its turn only because the other ended.
  EXPECT_EQ(engines.loop.run(read_all(generate(*instance, prompt("next")))).text, "done");
  EXPECT_EQ(instance->info().queued, 0U);
  EXPECT_EQ(instance->info().status, InstanceStatus::kIdle);
}

TEST(Generation, EngineErrorsKeepTheirMeaning) {
  Engines engines;
  const auto instance = engines.loaded("m", R"({"load": {"context_length": 10}, "generate": [
    {"when": "late", "steps": [{"text": "a"}, {"error": {"kind": "internal", "message": "oops"}}]},
    {"when": "bad", "refuse": {"kind": "invalid_request", "message": "no", "param": "logit_bias"}},
    {"steps": []}]})");
  const Outcome late = engines.loop.run(read_all(generate(*instance, prompt("late"))));
  ASSERT_TRUE(late.error());
  EXPECT_EQ(late.error()->code, ErrorCode::kInternal);
  EXPECT_EQ(late.error()->message, "oops");
  EXPECT_EQ(late.text, "a");
  const Outcome bad = engines.loop.run(read_all(generate(*instance, prompt("bad"))));
  EXPECT_EQ(bad.error()->code, ErrorCode::kInvalidRequest);
  EXPECT_EQ(bad.error()->param, "logit_bias");
  const Outcome length = engines.loop.run(read_all(generate(*instance, prompt("much too long a prompt"))));
  EXPECT_EQ(length.error()->code, ErrorCode::kContextLengthExceeded);
  EXPECT_THAT(length.error()->message, HasSubstr("23 tokens"));
}

TEST(Generation, RequestsBeyondTheQueueAreRefused) {
  Engines engines;
  engines.config.max_queue = 3;
  const auto instance =
      engines.loaded("m", R"({"parallel": 1, "generate": {"steps": [{"text": "a"}, {"hang": true}]}})");
  std::vector<std::shared_ptr<Generation>> generations{generate(*instance, prompt("running"))};
  while (!std::holds_alternative<Delta>(*engines.loop.run(next_event(generations[0], kNoDeadline)))) {
  }
  for (int i = 0; i < 3; ++i) generations.push_back(generate(*instance, prompt("waiting")));
  const auto refused = instance->generate(prompt("one too many"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kQueueFull);
  EXPECT_EQ(instance->info().queued, 4U);
  // A place is free once one of them has gone.
  generations.pop_back();
  engines.loop.run_until([&] { return instance->info().queued == 3; });
  EXPECT_TRUE(instance->generate(prompt("now")));
}

TEST(Generation, AStalledReaderCostsNoMemoryAndNoOtherStreamItsPace) {
  Engines engines;
  const std::string kilobyte(1000, 'x');
  const auto instance = engines.loaded("m", R"({"parallel": 16, "generate": [
        {"when": "stalled", "steps": [{"text": ")" +
                                                kilobyte + R"(", "times": 20000}, {"report": true}]},
        {"steps": [{"text": ")" + kilobyte + R"(", "times": 2000}]}]})");
  const auto stalled = generate(*instance, prompt("stalled"));
  std::vector<Running<Outcome>> others;
  for (int i = 0; i < 10; ++i) others.push_back(engines.loop.start(read_all(generate(*instance, prompt("quick")))));
  // The ten come to their end (20 MB in all) while nobody reads the stalled one.
  for (auto& other : others) {
    const Outcome& outcome = engines.loop.wait(other);
    EXPECT_EQ(outcome.pieces, 2000U);
    EXPECT_TRUE(outcome.done());
  }
  EXPECT_EQ(instance->info().queued, 1U);
  EXPECT_EQ(instance->info().status, InstanceStatus::kGenerating);
  // What was queued for it meanwhile: its 20 MB were held back in the engine. (The engine sends up to 256 pieces
  // before it sees the Pause, besides what fits the socket.)
  std::size_t queued_bytes = 0;
  while (const auto event = engines.loop.run(next_event(stalled, std::chrono::steady_clock::time_point::min()))) {
    queued_bytes += event_bytes(*event);
    if (queued_bytes > Generation::kPauseBytes) break;  // from here on reading resumes it
  }
  EXPECT_GT(queued_bytes, Generation::kPauseBytes / 2);
  const Outcome rest = engines.loop.run(read_all(stalled));
  ASSERT_TRUE(rest.done());
  EXPECT_THAT(rest.text, HasSubstr("sent=20000"));
  EXPECT_EQ(rest.done()->predicted_tokens, 20001U);
  // It was paused, and as often resumed.
  const std::string report = rest.text.substr(rest.text.find("sent="));
  int pauses = 0;
  int resumes = 0;
  ASSERT_EQ(std::sscanf(report.c_str(), "sent=20000 pauses=%d resumes=%d", &pauses, &resumes), 2) << report;
  EXPECT_GE(pauses, 1);
  EXPECT_EQ(resumes, pauses);
}

TEST(Generation, WhatWaitsForAStalledReaderIsBounded) {
  Engines engines;
  const std::string kilobyte(1000, 'x');
  const auto instance = engines.loaded("m", R"({"parallel": 16, "generate": [
    {"when": "stalled", "steps": [{"text": ")" + kilobyte +
                                                R"(", "times": "forever"}]},
    {"steps": [{"text": "x", "times": 5000}]}]})");
  const auto stalled = generate(*instance, prompt("stalled"));
  const Outcome other = engines.loop.run(read_all(generate(*instance, prompt("quick"))));
  EXPECT_TRUE(other.done());
  // Cancelled, so that nothing is added while it is emptied: what comes out is what was queued.
  stalled->cancel();
  std::size_t bytes = 0;
  const Outcome queued = engines.loop.run(read_all(stalled));
  for (const Event& event : queued.events) bytes += event_bytes(event);
  EXPECT_EQ(queued.done()->reason, StopReason::kCancelled);
  EXPECT_GT(bytes, Generation::kPauseBytes);
  EXPECT_LT(bytes, Generation::kPauseBytes + 4 * 1024 * 1024) << "the engine was told to pause, and heeded it";
}

TEST(Generation, AnEngineThatDoesNotHeedPauseIsEnded) {
  Engines engines;
  const std::string large(60'000, 'x');
  const auto instance = engines.loaded("m", R"({"generate": {"ignore_pause": true, "ignore_cancel": true,
    "steps": [{"text": ")" + large + R"(", "times": "forever"}]}})");
  const auto generation = generate(*instance, prompt("x"));
  engines.loop.run_until([&] { return instance->info().status == InstanceStatus::kDead; });
  const Outcome outcome = engines.loop.run(read_all(generation));
  ASSERT_TRUE(outcome.error());
  EXPECT_EQ(outcome.error()->code, ErrorCode::kEngineCrashed);
  EXPECT_THAT(outcome.error()->message, HasSubstr("it was told to pause"));
}

TEST(Generation, KillingTheEngineEndsAllItsStreamsAndTheNextRequestLoadsANewOne) {
  Engines engines;
  engines.start();
  const LoadRequest request = engines.request("m", R"({"parallel": 10, "generate": {"steps": [
    {"print": "about to answer"}, {"text": "a"}, {"text": "b", "times": "forever", "after_ms": 1}]}})");
  auto first = engines.loop.run(engines.acquire(request));
  ASSERT_TRUE(first);
  const int pid = first->instance->info().pid;
  // Ten of them run, ten wait.
  std::vector<Running<Outcome>> streams;
  for (int i = 0; i < 20; ++i) {
    streams.push_back(engines.loop.start(read_all(generate(*first->instance, prompt("x")))));
  }
  engines.loop.run_until([&] { return first->instance->info().status == InstanceStatus::kGenerating; });
  ASSERT_EQ(kill(pid, SIGKILL), 0);
  for (auto& stream : streams) {
    const Outcome& outcome = engines.loop.wait(stream);
    ASSERT_TRUE(outcome.error());
    EXPECT_EQ(outcome.error()->code, ErrorCode::kEngineCrashed);
    EXPECT_THAT(outcome.error()->message, HasSubstr("signal 9 (Killed)"));
    EXPECT_THAT(outcome.error()->message, HasSubstr("about to answer"));
  }
  EXPECT_EQ(engines.instances->list().size(), 0U);
  EXPECT_EQ(engines.instances->find("m"), nullptr);
  EXPECT_EQ(first->instance->info().status, InstanceStatus::kDead);
  EXPECT_EQ(first->instance->generate(prompt("x")).error().code, ErrorCode::kEngineCrashed);

  auto second = engines.loop.run(engines.acquire(request));
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_TRUE(second->loaded_now);
  EXPECT_EQ(second->instance->info().id, "m");
  EXPECT_NE(second->instance->info().pid, pid);
}

TEST(Generation, WhatTheEngineSentBeforeItCrashedArrives) {
  Engines engines;
  const auto instance = engines.loaded("m", R"({"generate": [
    {"when": "abort", "steps": [{"text": "a", "times": 1000}, {"print": "GGML_ASSERT(false) failed"}, {"crash": "abort"}]},
    {"steps": [{"text": "finished"}]}]})");
  auto other = engines.loop.start(read_all(generate(*instance, prompt("x"))));
  const Outcome outcome = engines.loop.run(read_all(generate(*instance, prompt("abort"))));
  EXPECT_EQ(outcome.pieces, 1000U);
  ASSERT_TRUE(outcome.error());
  EXPECT_THAT(outcome.error()->message, HasSubstr("signal 6 (Aborted)"));
  EXPECT_THAT(outcome.error()->message, EndsWith("Its last lines:\nGGML_ASSERT(false) failed"));
  EXPECT_TRUE(engines.loop.wait(other).done());
}

class BadFrames : public ::testing::TestWithParam<std::pair<const char*, const char*>> {};

TEST_P(BadFrames, EndOnlyTheEngineThatSentThem) {
  const auto [raw, reason] = GetParam();
  Engines engines;
  const auto good = engines.loaded("good", R"({"generate": {"steps": [{"text": "a", "times": 50, "after_ms": 1}]}})");
  const auto bad = engines.loaded(
      "bad", std::string(R"({"generate": {"steps": [{"text": "a"}, {"raw": ")") + raw + R"("}, {"hang": true}]}})");
  auto unharmed = engines.loop.start(read_all(generate(*good, prompt("x"))));
  const Outcome outcome = engines.loop.run(read_all(generate(*bad, prompt("x"))));
  ASSERT_TRUE(outcome.error());
  EXPECT_EQ(outcome.error()->code, ErrorCode::kEngineCrashed);
  EXPECT_THAT(outcome.error()->message, HasSubstr(reason));
  EXPECT_EQ(engines.loop.wait(unharmed).pieces, 50U);
  ASSERT_EQ(engines.instances->list().size(), 1U);
  EXPECT_EQ(engines.instances->list()[0].id, "good");
}

INSTANTIATE_TEST_SUITE_P(Protocol, BadFrames,
                         ::testing::Values(std::pair("malformed", "it sent a malformed frame: A frame of 5 bytes"),
                                           std::pair("oversized", "it sent a malformed frame: A frame announces"),
                                           std::pair("truncated", "exit code 3"),
                                           std::pair("wrong_type", "it answered Generate with a message of type"),
                                           std::pair("hello", "it sent Hello twice"),
                                           std::pair("close", "it closed its socket but went on running")),
                         [](const auto& test) { return std::string(test.param.first); });

TEST(Generation, AnEngineThatDoesNotReadIsRefusedMoreWork) {
  Engines engines;
  engines.config.engine_stop_grace = std::chrono::milliseconds(20);
  const auto instance =
      engines.loaded("m", R"({"generate": {"steps": [{"deaf": true}, {"text": "a"}, {"hang": true}]}})");
  const auto first = generate(*instance, prompt("x"));
  while (!std::holds_alternative<Delta>(*engines.loop.run(next_event(first, kNoDeadline)))) {
  }
  const GenerateRequest large = prompt(std::string(20'000'000, 'x'));
  std::vector<std::unique_ptr<Generation>> waiting;
  std::optional<Error> refusal;
  while (!refusal) {
    auto generation = instance->generate(large);
    if (generation) {
      waiting.push_back(std::move(*generation));
    } else {
      refusal = generation.error();
    }
    engines.loop.run_ready();
    ASSERT_LT(waiting.size(), 20U) << "400 MB wait to be written";
  }
  EXPECT_EQ(refusal->code, ErrorCode::kOverloaded);
  const Error too_large = instance->generate(prompt(std::string(70'000'000, 'x'))).error();
  EXPECT_EQ(too_large.code, ErrorCode::kInvalidRequest) << "one frame cannot hold it";
  // It can be unloaded all the same.
  EXPECT_TRUE(engines.loop.run(engines.instances->unload("m")));
}

TEST(Generation, AFloodOfOutputIsDrainedAndBounded) {
  Engines engines;
  const std::string line(100, '!');
  const auto instance = engines.loaded("m", R"({"generate": {"steps": [
    {"print": ")" + line + R"(", "times": 100000}, {"text": "a"}, {"print": "last words"}, {"crash": "exit"}]}})");
  const Outcome outcome = engines.loop.run(read_all(generate(*instance, prompt("x"))));
  EXPECT_EQ(outcome.text, "a");
  EXPECT_THAT(outcome.error()->message, EndsWith(line + "\nlast words"));
  EXPECT_LT(outcome.error()->message.size(), 3000U);
  EXPECT_LT(std::filesystem::file_size(engines.folder.path() / "engine-m.log"), 5'000'000U) << "10 MB were printed";
}

TEST(Requests, TokensAndTextGoBothWays) {
  Engines engines;
  const auto instance = engines.loaded("m", "{}");
  const std::vector<PromptSegment> segments{{"hi", true, {}}, {"!", false, {}}};
  EXPECT_THAT(engines.loop.run(instance->tokenize(segments, true)).value(), ElementsAre(256, 'h', 'i', '!'));
  EXPECT_EQ(engines.loop.run(instance->detokenize({'h', 'i', 257})).value(), "hi</s>");
  EXPECT_EQ(engines.loop.run(instance->count(segments, false)).value(), 3U);
}

TEST(Requests, StatisticsComeFromEveryEngine) {
  Engines engines;
  const auto first =
      engines.loaded("first", R"({"generate": [{"steps": [{"text": "a"}, {"text": "b", "times": "forever"}]}]})");
  const auto second = engines.loaded("second", "{}");
  const auto generation = generate(*first, prompt("x"));
  // Up to the first piece: the engine runs it then.
  for (bool piece = false; !piece;) {
    const auto event = engines.loop.run(generation->next(kNoDeadline));
    piece = std::holds_alternative<Delta>(*event);
  }
  const auto all = engines.loop.run(engines.instances->statistics(std::chrono::minutes(1)));
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].info.id, "first");
  EXPECT_EQ(all[0].engine.value().running, 1U);
  EXPECT_EQ(all[1].info.id, "second");
  EXPECT_EQ(all[1].engine.value().running, 0U);
}

TEST(Requests, StatisticsLeaveOutAnEngineThatDoesNotAnswer) {
  Engines engines;
  const auto instance = engines.loaded("m", "{}");
  const int pid = instance->info().pid;
  kill(pid, SIGSTOP);
  const auto all = engines.loop.run(engines.instances->statistics(std::chrono::milliseconds(50)));
  kill(pid, SIGCONT);
  ASSERT_EQ(all.size(), 1U);
  EXPECT_FALSE(all[0].engine.has_value());
  EXPECT_TRUE(engines.loop.run(engines.instances->statistics(std::chrono::minutes(1)))[0].engine.has_value());
}

TEST(Requests, EmbeddingsComeAsFloats) {
  Engines engines;
  const auto instance = engines.loaded("m", R"({"embed": {"vectors": [[3, 4], [0, 2]]}})");
  EmbedRequest request;
  request.inputs = {{"abc", {}}, {"", {1, 2}}, {"x", {}}};
  request.normalize = true;
  const auto result = engines.loop.run(instance->embed(request, {}));
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->dimensions, 2U);
  EXPECT_THAT(result->values, ElementsAre(FloatEq(0.6F), FloatEq(0.8F), 0, 1, FloatEq(0.6F), FloatEq(0.8F)));
  EXPECT_THAT(result->token_counts, ElementsAre(3, 2, 1));
  request.normalize = false;
  EXPECT_THAT(engines.loop.run(instance->embed(request, {}))->values, ElementsAre(3, 4, 0, 2, 3, 4));
}

TEST(Requests, AnEmbeddingCanBeCancelledAndShowsInTheStatus) {
  Engines engines;
  const auto instance = engines.loaded("m", R"({"embed": {"hang": true}})");
  EmbedRequest request;
  request.inputs = {{"abc", {}}};
  std::stop_source stop;
  auto waiting = engines.loop.start(instance->embed(request, stop.get_token()));
  engines.loop.run_until([&] { return instance->info().status == InstanceStatus::kComputingEmbedding; });
  EXPECT_EQ(instance->info().queued, 1U);
  stop.request_stop();
  EXPECT_EQ(engines.loop.wait(waiting).error().code, ErrorCode::kCancelled);
  EXPECT_EQ(instance->info().status, InstanceStatus::kIdle);
}

TEST(Requests, EndWithTheEngine) {
  Engines engines;
  const auto instance = engines.loaded("m", R"({"embed": {"crash": "segfault"}})");
  EmbedRequest request;
  request.inputs = {{"abc", {}}};
  const auto result = engines.loop.run(instance->embed(request, {}));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kEngineCrashed);
  EXPECT_THAT(result.error().message, HasSubstr("signal 11"));
  EXPECT_EQ(engines.loop.run(instance->count({}, false)).error().code, ErrorCode::kEngineCrashed);
}

}  // namespace
}  // namespace atelier::runtime
