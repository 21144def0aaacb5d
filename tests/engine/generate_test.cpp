// Generation through the socket, against the inference library used directly.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/engine/engine_client.h"
#include "tests/engine/test_models.h"

namespace atelier::engine::test {
namespace {

std::vector<std::int32_t> prompt_of(DirectModel& direct, const std::string& text) {
  return direct.tokenize(text, true, true);
}

TEST(Generate, GreedyEqualsTheLibrarysOwn) {
  for (const std::string& path : {kTinyLlama, kTinyQwen2, kTinySentencePiece}) {
    DirectModel direct(path);
    EngineClient engine;
    ASSERT_TRUE(engine.load(path, exact_config()).has_loaded()) << path;
    const auto prompt = prompt_of(direct, "A model that runs on your own machine answers");
    const Answer& answer = engine.wait_for(engine.generate(greedy_request(prompt, 200)));
    ASSERT_TRUE(answer.done) << (answer.error ? answer.error->message() : "");
    EXPECT_EQ(answer.tokens(), direct.greedy(prompt, 200)) << path;
    EXPECT_EQ(answer.done->prompt_tokens(), prompt.size());
  }
}

}  // namespace
}  // namespace atelier::engine::test
