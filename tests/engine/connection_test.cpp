// The engine as a program: how it ends, and what malformed bytes do to it.
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "tests/engine/engine_client.h"
#include "tests/engine/test_models.h"

namespace atelier::engine::test {
namespace {

std::string frame(const std::string& payload) {
  std::string out;
  for (int i = 0; i < 4; ++i) out += static_cast<char>(payload.size() >> (8 * i) & 0xFF);
  return out + payload;
}

TEST(EngineProgram, EndsWithTheSocket) {
  EngineClient engine(EngineClient::Where::kProcess);
  ASSERT_TRUE(engine.load(kTinyLlama, exact_config()).has_loaded());
  const auto id = engine.generate(greedy_request({300}, 0));
  engine.take_until([&] { return !engine.answer(id).pieces.empty() || engine.answer(id).ended(); });
  engine.close_socket();
  EXPECT_EQ(engine.wait(), 0);
}

TEST(EngineProgram, ShutdownEndsRunningWorkFirst) {
  EngineClient engine(EngineClient::Where::kProcess);
  ASSERT_TRUE(engine.load(kTinyLlama, exact_config()).has_loaded());
  wire::Generate endless = greedy_request({300}, 0);
  endless.mutable_limits()->set_ignore_end_tokens(true);
  const auto id = engine.generate(endless);
  engine.take_until([&] { return !engine.answer(id).pieces.empty(); });
  wire::ToEngine shutdown;
  shutdown.mutable_shutdown();
  engine.send(shutdown);
  EXPECT_EQ(engine.wait_for(id).done->reason(), wire::STOP_CANCELLED);
  EXPECT_EQ(engine.wait(), 0);
}

TEST(EngineProgram, MalformedFramesEndItWithAnErrorAndNoCrash) {
  const std::string cases[] = {
      frame("\xFF\xFF\xFF\xFF\xFF"),       // no message
      std::string("\xFF\xFF\xFF\xFF", 4),  // a frame of 4 GiB
      std::string("\x01\x00\x00\x04", 4),  // one byte over the limit
  };
  for (const std::string& bytes : cases) {
    EngineClient engine(EngineClient::Where::kProcess);
    engine.send_bytes(bytes);
    EXPECT_EQ(engine.wait(), 1);
  }
  EngineClient half(EngineClient::Where::kProcess);
  half.send_bytes(frame("12345").substr(0, 6));
  half.close_socket();
  EXPECT_EQ(half.wait(), 1);
}

// On a thread of this process, so that a crash or a sanitizer's finding is this test's.
TEST(EngineConnection, RandomBytesNeverDoMoreThanEndIt) {
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    EngineClient engine;
    std::string payload(random() % 60, '\0');
    for (char& c : payload) c = static_cast<char>(random());
    // Half of them begin as a request does.
    if (round % 2 == 0) payload = std::string("\x08\x01") + static_cast<char>(0x12 + 8 * (random() % 11)) + payload;
    engine.send_bytes(frame(payload));
    engine.close_socket();
    const int code = engine.wait();
    EXPECT_TRUE(code == 0 || code == 1) << code;
  }
}

TEST(EngineConnection, MutatedRequestsNeverCrashALoadedEngine) {
  std::mt19937 random(2);
  wire::ToEngine message;
  message.set_id(9);
  *message.mutable_generate() = greedy_request({300, 301}, 2);
  message.mutable_generate()->mutable_sampling()->set_top_p(0.5F);
  message.mutable_generate()->mutable_sampling()->set_dry_multiplier(0.5F);
  message.mutable_generate()->mutable_sampling()->add_logit_bias()->set_token(3);
  message.mutable_generate()->mutable_limits()->add_stop_strings("stop");
  const std::string good = message.SerializeAsString();
  auto engine = std::make_unique<EngineClient>();
  ASSERT_TRUE(engine->load(kTinyLlama, exact_config()).has_loaded());
  for (std::uint64_t round = 0; round < 400; ++round) {
    std::string bytes = good;
    for (auto n = 1 + random() % 3; n > 0; --n) bytes[random() % bytes.size()] = static_cast<char>(random());
    wire::ToEngine parsed;
    if (!parsed.ParseFromString(bytes)) continue;
    if (!parsed.has_generate()) continue;
    // A mutated limit may mean for ever.
    parsed.set_id(1000 + round);
    parsed.mutable_generate()->mutable_limits()->set_max_tokens(1);
    engine->send(parsed);
  }
  EXPECT_EQ(engine->info().cells_total(), 4096U);
  engine->close_socket();
  EXPECT_EQ(engine->wait(), 0);
}

}  // namespace
}  // namespace atelier::engine::test
