#include "app/template_command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include "api/openai/decode.h"
#include "app/settings.h"
#include "base/json.h"
#include "base/paths.h"
#include "base/utf8.h"
#include "models/catalog.h"
#include "predict/chat_prompt.h"
#include "predict/model_service.h"
#include "prompt/chat.h"
#include "prompt/jinja/template.h"

namespace atelier::app {
namespace {

constexpr std::size_t kMaxTemplateBytes = 16u << 20;
constexpr std::size_t kMaxInputBytes = 256u << 20;
// How much of a line of a template is shown under an error.
constexpr std::size_t kShownColumns = 100;

struct RenderOptions {
  std::string template_file, model, now;
  bool segments = false;
};

struct ShowOptions {
  std::string model;
  bool json = false;
};

// ---------------------------------------------------------------- input and output

int complain(std::string_view message) {
  fmt::print(stderr, "atelier template: {}\n", message);
  return 1;
}

int print(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) {
    return complain(fmt::format("standard output cannot be written: {}",
                                std::error_code(errno, std::generic_category()).message()));
  }
  return 0;
}

// Everything that a stream has. `what` names it in messages.
Result<std::string> read_text(std::FILE* stream, std::size_t max_bytes, std::string_view what) {
  std::string text;
  char buffer[64 * 1024];
  for (;;) {
    const std::size_t got = std::fread(buffer, 1, sizeof buffer, stream);
    text.append(buffer, got);
    if (text.size() > max_bytes) {
      return fail(ErrorCode::kInvalidRequest,
                  fmt::format("{} has more than {} MiB, which is the most that is read", what, max_bytes >> 20));
    }
    if (got == sizeof buffer) continue;
    if (std::ferror(stream) != 0) {
      return fail(ErrorCode::kIo, fmt::format("{} cannot be read: {}", what,
                                              std::error_code(errno, std::generic_category()).message()));
    }
    break;
  }
  for (std::size_t at = 0; at < text.size();) {
    const utf8::Decoded decoded = utf8::decode(text, at);
    if (!decoded.valid) {
      return fail(ErrorCode::kInvalidRequest, fmt::format("{} is not UTF-8: byte {} (0x{:02x}) does not belong there",
                                                          what, at + 1, static_cast<unsigned char>(text[at])));
    }
    at += decoded.length;
  }
  return text;
}

// A file or, as a shell makes it of <(…), a pipe.
Result<std::string> read_file(const std::string& file) {
  std::FILE* stream = std::fopen(file.c_str(), "rbe");
  if (stream == nullptr) {
    return fail(ErrorCode::kIo, fmt::format("'{}' cannot be opened: {}", file,
                                            std::error_code(errno, std::generic_category()).message()));
  }
  Result<std::string> text = read_text(stream, kMaxTemplateBytes, fmt::format("'{}'", file));
  std::fclose(stream);
  return text;
}

// Read before anything else is looked at, so that a program that writes it is never cut off.
Result<json::Value> read_object(std::string_view expected) {
  if (isatty(STDIN_FILENO) != 0) fmt::print(stderr, "Reading {} from the terminal; Ctrl+D ends it.\n", expected);
  const auto text = read_text(stdin, kMaxInputBytes, "standard input");
  if (!text) return std::unexpected(text.error());
  if (text->find_first_not_of(" \t\r\n") == std::string::npos) {
    return fail(ErrorCode::kInvalidRequest, fmt::format("standard input is empty; {} is expected there", expected));
  }
  auto value = json::parse(*text);
  if (!value) return fail(ErrorCode::kInvalidRequest, "standard input is not JSON: " + value.error().message);
  if (!value->is_object()) {
    return fail(ErrorCode::kInvalidRequest,
                fmt::format("standard input is not a JSON object; {} is expected", expected));
  }
  return value;
}

Result<prompt::CivilTime> time_of(const RenderOptions& options) {
  if (options.now.empty()) return prompt::local_time(std::chrono::system_clock::now());
  auto time = prompt::CivilTime::parse(options.now);
  if (!time) return fail(ErrorCode::kInvalidRequest, "--now: " + time.error().message);
  return time;
}

json::Value segment_json(std::string_view text, prompt::Provenance provenance) {
  return json::Object{{"provenance", provenance == prompt::Provenance::kContent ? "content" : "template"},
                      {"text", text}};
}

int print_json(const json::Value& value) {
  return print(json::dump(value, {.indent = 2, .key_separator = ": "}) + "\n");
}

// ---------------------------------------------------------------- render --template

// The line that an error is about, and a mark under its column.
std::string place_in(std::string_view source, const prompt::jinja::TemplateError& error) {
  if (error.line <= 0 || error.column <= 0) return {};
  for (int line = 1; line < error.line; ++line) {
    const std::size_t end = source.find_first_of("\r\n", 0);
    if (end == std::string_view::npos) return {};
    source.remove_prefix(end + (source.substr(end).starts_with("\r\n") ? 2 : 1));
  }
  std::string shown, before;
  int column = 1;
  for (std::size_t at = 0; at < source.size() && source[at] != '\n' && source[at] != '\r'; ++column) {
    const std::size_t length = utf8::decode(source, at).length;
    const bool control = static_cast<unsigned char>(source[at]) < 0x20;
    if (column + static_cast<int>(kShownColumns) / 2 >= error.column) {
      if (shown.size() >= kShownColumns) break;
      shown += control ? " " : source.substr(at, length);
      if (column < error.column) before += ' ';
    }
    at += length;
  }
  return fmt::format("\n    {}\n    {}^", shown, before);
}

// Special tokens are the template's side; everything else that is given is content.
prompt::Provenance provenance_of(std::string_view variable) {
  return variable.ends_with("_token") ? prompt::Provenance::kTemplate : prompt::Provenance::kContent;
}

int render_file(const RenderOptions& options) {
  using prompt::jinja::Template;
  const auto input = read_object("a JSON object with the template's variables");
  if (!input) return complain(input.error().message);
  const auto now = time_of(options);
  if (!now) return complain(now.error().message);
  const auto source = read_file(options.template_file);
  if (!source) return complain(source.error().message);
  const auto refuse = [&](const prompt::jinja::TemplateError& error) {
    const bool raised = error.kind == prompt::jinja::ErrorKind::kRaised;
    return complain(fmt::format("{}: {}{}{}", options.template_file,
                                raised ? "the template refuses these variables: " : "", error.describe(),
                                place_in(*source, error)));
  };
  const auto compiled = Template::parse(*source);
  if (!compiled) return refuse(compiled.error());
  prompt::jinja::Variables variables;
  for (const auto& [name, value] : *input->if_object()) variables.set(name, value, provenance_of(name));
  const auto rendered = compiled->render(variables, {.now = *now, .limits = {}});
  if (!rendered) return refuse(rendered.error());
  if (!options.segments) return print(rendered->text);
  json::Array segments;
  std::size_t begin = 0;
  for (const prompt::jinja::Run& run : rendered->runs) {
    segments.push_back(segment_json(std::string_view(rendered->text).substr(begin, run.end - begin), run.provenance));
    begin = run.end;
  }
  if (begin < rendered->text.size()) {
    segments.push_back(segment_json(std::string_view(rendered->text).substr(begin), prompt::Provenance::kTemplate));
  }
  return print_json(json::Object{{"segments", std::move(segments)}});
}

// ---------------------------------------------------------------- models

// As the service finds it, through its settings; nothing is written but the memory of what files hold.
Result<models::ModelPtr> find_model(const std::string& name) {
  const auto home = paths::find_home();
  if (!home) return std::unexpected(home.error());
  const auto resources = paths::find_resources();
  if (!resources) return std::unexpected(resources.error());
  const auto settings = Settings::read(*home);
  if (!settings) return std::unexpected(settings.error());
  models::CatalogOptions options;
  options.roots = {{settings->models_folder, false}, {resources->bundled_models(), true}};
  options.user_defaults_folder = home->user_model_defaults();
  std::error_code ignored;
  if (std::filesystem::is_directory(home->internal(), ignored)) {
    options.cache_file = home->internal() / "model-catalog.json";
    options.selection_file = home->internal() / "selected-variants.json";
  }
  models::Catalog catalog(std::move(options));
  auto model = catalog.refresh()->resolve(name);
  if (model && (*model)->type == models::ModelType::kEmbedding) {
    return fail(ErrorCode::kInvalidModelType,
                fmt::format("'{}' is an embedding model; it has no use for a chat template", (*model)->key));
  }
  return model;
}

int render_model(const RenderOptions& options) {
  auto input = read_object("the body of a chat request");
  if (!input) return complain(input.error().message);
  const auto now = time_of(options);
  if (!now) return complain(now.error().message);
  const auto model = find_model(options.model);
  if (!model) return complain(model.error().message);
  json::Object& body = *input->if_object();
  body.erase("response_format");  // shapes the answer, not the prompt
  const auto call = api::openai::decode_chat(body);
  if (!call) return complain(call.error().message);
  const auto chat_template = predict::compile_chat_template(**model, predict::template_use(call->request));
  if (!chat_template) return complain(chat_template.error().message);
  prompt::RenderRequest request =
      predict::chat_prompt(call->request, chat_template->capabilities(), **model, true).conversation;
  request.now = *now;
  const auto rendered = chat_template->render(request);
  if (!rendered) return complain(rendered.error().message);
  if (!options.segments) return print(rendered->text());
  json::Array segments;
  for (const prompt::Segment& segment : rendered->segments) {
    segments.push_back(segment_json(segment.text, segment.provenance));
  }
  return print_json(json::Object{{"segments", std::move(segments)},
                                 {"begins_with_bos", rendered->begins_with_bos},
                                 {"opens_reasoning", rendered->opens_reasoning}});
}

json::Object capabilities_json(const prompt::TemplateCapabilities& has) {
  return json::Object{{"renders", has.renders},
                      {"content_as_text", has.content_as_text},
                      {"content_as_parts", has.content_as_parts},
                      {"supports_system_role", has.supports_system_role},
                      {"needs_alternation", has.needs_alternation},
                      {"supports_tools", has.supports_tools},
                      {"native_tool_format", has.native_tool_format != nullptr},
                      {"tool_format", has.tool_format().name},
                      {"no_tools_is_undefined", has.no_tools_is_undefined},
                      {"supports_tool_calls", has.supports_tool_calls},
                      {"supports_parallel_calls", has.supports_parallel_calls},
                      {"supports_tool_responses", has.supports_tool_responses},
                      {"arguments_as_text", has.arguments_as_text},
                      {"calls_want_null_content", has.calls_want_null_content},
                      {"reasoning_member", has.reasoning_member},
                      {"thinking_variable", has.thinking_variable},
                      {"thinks_by_default", has.thinks_by_default},
                      {"supports_effort", has.supports_effort},
                      {"default_effort", has.default_effort},
                      {"opens_reasoning", has.opens_reasoning},
                      {"reasoning_start", has.reasoning_start},
                      {"reasoning_end", has.reasoning_end},
                      {"begins_with_bos", has.begins_with_bos}};
}

json::Object special_tokens_json(const models::TokenizerFacts& tokenizer) {
  json::Object tokens;
  const auto add = [&](std::string_view name, const models::SpecialToken& token) {
    if (!token.text.empty()) tokens.set(name, token.text);
  };
  add("bos_token", tokenizer.bos);
  add("eos_token", tokenizer.eos);
  add("unk_token", tokenizer.unknown);
  add("sep_token", tokenizer.separator);
  add("pad_token", tokenizer.padding);
  return tokens;
}

int show(const ShowOptions& options) {
  const auto model = find_model(options.model);
  if (!model) return complain(model.error().message);
  const models::ModelEntry& entry = **model;
  const auto compiled = predict::compile_chat_template(entry);
  const std::string& source = compiled ? compiled->source() : entry.chat_template;
  const bool has_own = !entry.chat_template.empty() || entry.defaults.manual_prompt;
  if (!options.json) {
    if (!has_own) {
      fmt::print(stderr, "'{}' has no chat template of its own; this one is used for it.\n", entry.key);
    }
    return print(source);
  }
  json::Object shown{{"model", entry.key}, {"variant", entry.variant_key()}, {"path", entry.path.string()}};
  shown.set("own_template", has_own);
  shown.set("template", source);
  json::Object named;
  for (const auto& [name, text] : entry.named_templates) named.set(name, text);
  if (!named.empty()) shown.set("named_templates", std::move(named));
  shown.set("special_tokens", special_tokens_json(entry.tokenizer));
  if (compiled) {
    shown.set("capabilities", capabilities_json(compiled->capabilities()));
  } else {
    shown.set("error", compiled.error().message);
  }
  return print_json(std::move(shown));
}

constexpr const char* kGroupFooter =
    "Examples:\n"
    "  atelier template show MODEL > own.jinja\n"
    "  atelier template render --template own.jinja < variables.json\n"
    "  atelier template render --model MODEL < request.json\n"
    "`atelier template COMMAND --help` says more of each.";

constexpr const char* kRenderFooter =
    "With --template, standard input is a JSON object with the template's variables, and the output is what Hugging\n"
    "Face's apply_chat_template gives for them: nothing is added, adapted or left out. A variable that is not given "
    "is\n"
    "undefined; one that is null is none.\n"
    "  echo '{\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}], \"add_generation_prompt\": true,\n"
    "         \"bos_token\": \"<s>\"}' | atelier template render --template own.jinja --now 2025-03-09T14:05\n"
    "With --model, standard input is the body of a request to /v1/chat/completions (messages, tools,\n"
    "chat_template_kwargs, enable_thinking), and the output is the prompt that the server would give the model.\n"
    "  echo '{\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}], \"enable_thinking\": false}' |\n"
    "    atelier template render --model MODEL --segments\n"
    "Errors go to standard error with line and column, and the exit code is 1; 2 for a wrong command line.";

constexpr const char* kShowFooter =
    "Prints the template byte for byte: the user's or the one of model.yaml where there is one, else the model file's "
    "own,\n"
    "else the ChatML that models without a template get.\n"
    "Example:\n"
    "  atelier template show qwen3-8b --json";

}  // namespace

struct TemplateCommand::Parts {
  CLI::App* group = nullptr;
  CLI::App* render = nullptr;
  CLI::App* show = nullptr;
  RenderOptions render_options;
  ShowOptions show_options;
};

TemplateCommand::TemplateCommand(CLI::App& app) : parts_(std::make_unique<Parts>()) {
  Parts& parts = *parts_;
  parts.group = app.add_subcommand("template", "Show and render chat templates, without a running server");
  parts.group->footer(kGroupFooter);
  parts.group->require_subcommand(1);

  parts.render = parts.group->add_subcommand("render", "Print what a template makes of the JSON on standard input");
  parts.render->footer(kRenderFooter);
  RenderOptions& render = parts.render_options;
  parts.render->add_option("--template", render.template_file, "A file with a Jinja template")->type_name("FILE");
  parts.render->add_option("--model", render.model, "The template of a downloaded model, named as in a request")
      ->type_name("MODEL");
  parts.render->add_option("--now", render.now, "The local time that strftime_now gives (default: the clock's)")
      ->type_name("ISO-TIME");
  parts.render->add_flag("--segments", render.segments,
                         "Print JSON that tells the template's text from the content, which can hold no special token");

  parts.show = parts.group->add_subcommand("show", "Print the chat template of a downloaded model");
  parts.show->footer(kShowFooter);
  parts.show->add_option("MODEL", parts.show_options.model, "The model, named as in a request")->required();
  parts.show->add_flag("--json", parts.show_options.json, "Print its capabilities and special tokens too, as JSON");
}

TemplateCommand::~TemplateCommand() = default;

bool TemplateCommand::named() const { return parts_->group->parsed(); }

int TemplateCommand::run() const {
  if (parts_->show->parsed()) return show(parts_->show_options);
  const RenderOptions& options = parts_->render_options;
  if (options.model.empty() == options.template_file.empty()) {
    return usage_error("either --template FILE or --model MODEL is needed");
  }
  return options.model.empty() ? render_file(options) : render_model(options);
}

int TemplateCommand::usage_error(const char* problem) const {
  const bool whole_group = !parts_->render->parsed() && !parts_->show->parsed();
  const CLI::App* asked = whole_group ? parts_->group : parts_->render->parsed() ? parts_->render : parts_->show;
  fmt::print(stderr, "atelier template: {}\n\n{}", problem, asked->help(whole_group ? "atelier" : "atelier template"));
  return 2;
}

}  // namespace atelier::app
