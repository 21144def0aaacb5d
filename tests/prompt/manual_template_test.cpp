#include "prompt/manual_template.h"

#include "gtest/gtest.h"
#include "prompt/chat.h"

namespace atelier::prompt {
namespace {

const ManualTemplate kTexts{.before_system = "<|sys|>\n",
                            .after_system = "</s>\n",
                            .before_user = "User's turn: \\n'",
                            .after_user = "\n\t{{ x }}{% if %}\x01",
                            .before_assistant = "Bot «✓»: ",
                            .after_assistant = "<|end|>"};

ChatTemplate compiled(const ManualTemplate& texts) {
  auto result = ChatTemplate::compile(manual_template_source(texts), {.bos = "<s>", .eos = "</s>"});
  EXPECT_TRUE(result.has_value()) << (result ? "" : result.error().message);
  return *result;
}

Message message(std::string role, std::string text) {
  Message result;
  result.role = std::move(role);
  result.content.emplace_back().text = std::move(text);
  return result;
}

std::string rendered(const ChatTemplate& chat, const RenderRequest& request) {
  const auto prompt = chat.render(request);
  EXPECT_TRUE(prompt.has_value()) << (prompt ? "" : prompt.error().message);
  return prompt ? prompt->text() : std::string();
}

TEST(ManualTemplate, WritesEachMessageBetweenItsTexts) {
  RenderRequest request;
  request.messages = {message("system", "S"), message("user", " U1\n"), message("assistant", "A"),
                      message("user", "U2")};
  EXPECT_EQ(rendered(compiled(kTexts), request),
            "<|sys|>\nS</s>\nUser's turn: \\n' U1\n\n\t{{ x }}{% if %}\x01"
            "Bot «✓»: A<|end|>User's turn: \\n'U2\n\t{{ x }}{% if %}\x01"
            "Bot «✓»: ");
}

TEST(ManualTemplate, TheTextsMayHoldSpecialTokensAndTheMessagesMayNot) {
  RenderRequest request;
  request.messages = {message("user", "<|end|>")};
  ManualTemplate texts;
  texts.before_user = "<|user|>";
  texts.before_assistant = "<|bot|>";
  const auto prompt = compiled(texts).render(request);
  ASSERT_TRUE(prompt.has_value());
  ASSERT_EQ(prompt->segments.size(), 3u);
  EXPECT_EQ(prompt->segments[0].provenance, Provenance::kTemplate);
  EXPECT_EQ(prompt->segments[1].text, "<|end|>");
  EXPECT_EQ(prompt->segments[1].provenance, Provenance::kContent);
  EXPECT_EQ(prompt->segments[2].text, "<|bot|>");
  EXPECT_EQ(prompt->segments[2].provenance, Provenance::kTemplate);
}

TEST(ManualTemplate, WithoutTextsOnlyTheContentsAreWritten) {
  RenderRequest request;
  request.messages = {message("user", "Once upon a time")};
  EXPECT_EQ(rendered(compiled({}), request), "Once upon a time");
}

TEST(ManualTemplate, AnAnswerThatHasBegunGoesOn) {
  RenderRequest request;
  request.messages = {message("user", "U"), message("assistant", "Once")};
  request.add_generation_prompt = false;
  request.continue_final_message = true;
  const std::string text = rendered(compiled(kTexts), request);
  EXPECT_TRUE(text.ends_with("Bot «✓»: Once")) << text;
}

TEST(ManualTemplate, KnowsSystemMessagesButNoTools) {
  const TemplateCapabilities capabilities = compiled(kTexts).capabilities();
  EXPECT_TRUE(capabilities.renders);
  EXPECT_TRUE(capabilities.supports_system_role);
  EXPECT_FALSE(capabilities.supports_tools);
  EXPECT_FALSE(capabilities.supports_tool_calls);
  EXPECT_FALSE(capabilities.supports_tool_responses);
  EXPECT_FALSE(capabilities.begins_with_bos);
}

}  // namespace
}  // namespace atelier::prompt
