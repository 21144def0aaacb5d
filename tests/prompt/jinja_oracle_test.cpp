// The interpreter against Python's jinja2, set up as Hugging Face's apply_chat_template sets it up: the same
// output to the byte, or an error from both. ATELIER_ORACLE_CASES asks for more cases, ATELIER_ORACLE_SEED for
// others, ATELIER_ORACLE_ONLY for all those of one kind ("filter", "mutant", …), and ATELIER_TEMPLATES_DIR names a
// folder of chat templates to compare as well.
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <string>

#include "base/json.h"
#include "gtest/gtest.h"
#include "prompt/jinja/template.h"

namespace atelier::prompt::jinja {
namespace {

std::string environment_or(const char* name, const char* fallback) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : fallback;
}

bool oracle_is_there() { return std::system("/usr/bin/python3 -c 'import jinja2' > /dev/null 2>&1") == 0; }

std::string quoted(const std::string& text) {
  std::string result = "'";
  for (const char c : text) result += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return result + "'";
}

class OracleLines {
 public:
  explicit OracleLines(const std::string& command) : pipe_(popen(command.c_str(), "r")) {}
  ~OracleLines() {
    if (pipe_ != nullptr) pclose(pipe_);
    std::free(line_);
  }
  bool next(std::string& line) {
    if (pipe_ == nullptr) return false;
    const ssize_t length = getline(&line_, &capacity_, pipe_);
    if (length < 0) return false;
    line.assign(line_, static_cast<std::size_t>(length));
    return true;
  }

 private:
  std::FILE* pipe_;
  char* line_ = nullptr;
  std::size_t capacity_ = 0;
};

std::string text_of(const json::Value& object, std::string_view key) {
  const json::Value* member = object.find(key);
  return member != nullptr && member->if_string() != nullptr ? *member->if_string() : std::string();
}

struct Outcome {
  bool failed = false;
  std::string text;  // the output, or the message
  ErrorKind kind = ErrorKind::kRuntime;
};

// The cases of a template come mixed with those of others: the last ones are kept.
const std::expected<Template, TemplateError>& parsed_template(const std::string& source) {
  static std::map<std::string, std::expected<Template, TemplateError>> kept;
  if (kept.size() > 200) kept.clear();
  auto found = kept.find(source);
  if (found == kept.end()) found = kept.emplace(source, Template::parse(source)).first;
  return found->second;
}

Outcome render(const json::Value& sample) {
  const auto& parsed = parsed_template(text_of(sample, "template"));
  if (!parsed) return {true, parsed.error().describe(), parsed.error().kind};
  Variables variables;
  for (const auto& [name, value] : *sample.find("variables")->if_object()) variables.set(name, value);
  RenderOptions options;
  options.now = CivilTime{2025, 3, 9, 14, 5, 7, 42};
  auto rendered = parsed->render(variables, options);
  if (!rendered) return {true, rendered.error().message, rendered.error().kind};
  return {false, std::move(rendered->text), ErrorKind::kRuntime};
}

bool agrees(const json::Value& sample, const Outcome& ours) {
  const json::Value* output = sample.find("output");
  if (output != nullptr) return !ours.failed && ours.text == *output->if_string();
  if (!ours.failed) return false;
  if (text_of(sample, "error") == "raised")
    return ours.kind == ErrorKind::kRaised && ours.text == text_of(sample, "message");
  return ours.kind != ErrorKind::kRaised;
}

// What Python prints of its own machinery: addresses of objects, which no template can mean.
bool prints_an_address(const json::Value& sample) {
  const std::string output = text_of(sample, "output");
  return output.find(" at 0x") != std::string::npos || output.find("<class '") != std::string::npos ||
         output.find("<function ") != std::string::npos || output.find("&lt;built-in") != std::string::npos;
}

TEST(JinjaOracle, EveryCaseGivesWhatPythonGives) {
  if (!oracle_is_there()) GTEST_SKIP() << "python3-jinja2 is not installed";
  std::string command = "/usr/bin/python3 " + quoted(ATELIER_SOURCE_DIR "/tools/jinja_oracle/oracle.py") + " --count " +
                        quoted(environment_or("ATELIER_ORACLE_CASES", "6000")) + " --seed " +
                        quoted(environment_or("ATELIER_ORACLE_SEED", "1"));
  const std::string only = environment_or("ATELIER_ORACLE_ONLY", "");
  if (!only.empty()) command += " --only " + quoted(only);
  const std::string templates = environment_or("ATELIER_TEMPLATES_DIR", "");
  if (!templates.empty()) command += " --templates " + quoted(templates);
  OracleLines lines(command);
  std::string line;
  int cases = 0, outputs = 0, different = 0;
  while (lines.next(line)) {
    const auto sample = json::parse(line);
    ASSERT_TRUE(sample.has_value()) << line;
    if (prints_an_address(*sample)) continue;
    ++cases;
    outputs += sample->find("output") != nullptr ? 1 : 0;
    const Outcome ours = render(*sample);
    if (agrees(*sample, ours)) continue;
    if (++different > 40) continue;
    ADD_FAILURE() << text_of(*sample, "name") << "\n--- template\n"
                  << text_of(*sample, "template") << "\n--- python "
                  << (sample->find("output") != nullptr ? "gives\n" + text_of(*sample, "output")
                                                        : "fails: " + text_of(*sample, "message"))
                  << "\n--- we " << (ours.failed ? "fail: " : "give\n") << ours.text;
  }
  RecordProperty("cases", cases);
  std::printf("%d cases, %d of them with output, %d different\n", cases, outputs, different);
  EXPECT_EQ(different, 0);
  if (!only.empty()) return;
  EXPECT_GE(cases, 5000);
  EXPECT_GE(outputs, 2000);
}

}  // namespace
}  // namespace atelier::prompt::jinja
