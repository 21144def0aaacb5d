// Renders chat templates as often as it can: our half of bench/template_bench.py, which runs Python's jinja2 in turn
// with it. Standard input has one JSON object a line, {"template", "variables", "seconds", "whole"}; each is answered with
// {"seconds": of one rendering, "parse": of one parse, "text": what it gives} or {"error"}.
//
// Without "whole" the variables are ready, as a dictionary is for Python. With it a rendering is what the server does for
// a request: it begins with messages and tools as decoded JSON.
#include <chrono>
#include <cstdio>
#include <functional>
#include <iostream>
#include <string>

#include "base/json.h"
#include "prompt/chat.h"
#include "prompt/jinja/template.h"

namespace atelier::prompt {
namespace {

using Clock = std::chrono::steady_clock;

// Seconds that one call takes, the fastest of several series: what else runs on the machine only ever adds.
double fastest(double seconds, const std::function<void()>& call) {
  double best = 1e9;
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  int count = 1;
  while (Clock::now() < end) {
    const auto begin = Clock::now();
    for (int i = 0; i < count; ++i) call();
    const double took = std::chrono::duration<double>(Clock::now() - begin).count();
    best = std::min(best, took / count);
    if (took < 0.005) count *= 2;
  }
  return best;
}

json::Value failure(std::string message) { return json::Object{{"error", std::move(message)}}; }

std::vector<Message> messages_of(const json::Value& list) {
  std::vector<Message> messages;
  for (const json::Value& each : *list.if_array()) {
    Message& message = messages.emplace_back();
    const auto text = [&](std::string_view member) {
      const json::Value* found = each.find(member);
      return found != nullptr && found->if_string() != nullptr ? *found->if_string() : std::string();
    };
    message.role = text("role");
    message.name = text("name");
    message.tool_call_id = text("tool_call_id");
    message.content.emplace_back().text = text("content");
    if (const json::Value* calls = each.find("tool_calls")) message.tool_calls = *calls->if_array();
  }
  return messages;
}

json::Value measure_whole(const std::string& source, const json::Value& variables, double seconds) {
  const auto compiled = ChatTemplate::compile(source, {.bos = "<s>", .eos = "</s>"});
  if (!compiled) return failure(compiled.error().message);
  RenderRequest request;
  request.messages = messages_of(*variables.find("messages"));
  request.tools = *variables.find("tools")->if_array();
  const auto first = compiled->render(request);
  if (!first) return failure(first.error().message);
  const double each = fastest(seconds, [&] { (void)compiled->render(request); });
  return json::Object{{"seconds", each}, {"text", first->text()}};
}

json::Value measure(const std::string& source, const json::Value& variables, double seconds) {
  const auto compiled = jinja::Template::parse(source);
  if (!compiled) return failure(compiled.error().describe());
  jinja::Variables given;
  for (const auto& [name, value] : *variables.if_object()) given.set(name, value);
  const jinja::RenderOptions options{.now = {2025, 3, 9, 14, 5, 7, 42}, .limits = {}};
  const auto first = compiled->render(given, options);
  if (!first) return failure(first.error().describe());
  const double each = fastest(seconds, [&] { (void)compiled->render(given, options); });
  const double parse = fastest(seconds / 4, [&] { (void)jinja::Template::parse(source); });
  return json::Object{{"seconds", each}, {"parse", parse}, {"text", first->text}};
}

}  // namespace
}  // namespace atelier::prompt

int main() {
  using namespace atelier;
  std::string line;
  while (std::getline(std::cin, line)) {
    const auto job = json::parse(line);
    if (!job) {
      std::fprintf(stderr, "template-bench: %s\n", job.error().message.c_str());
      return 1;
    }
    const std::string& source = *job->find("template")->if_string();
    const double seconds = *job->find("seconds")->number();
    const json::Value& variables = *job->find("variables");
    const bool whole = job->find("whole") != nullptr;
    const json::Value answer =
        whole ? prompt::measure_whole(source, variables, seconds) : prompt::measure(source, variables, seconds);
    std::cout << json::dump(answer) << std::endl;
  }
  return 0;
}
