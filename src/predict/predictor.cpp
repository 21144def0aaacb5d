#include "predict/predictor.h"

#include <algorithm>
#include <chrono>
#include <stop_token>
#include <utility>

#include <fmt/format.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/log.h"
#include "predict/answer_reader.h"
#include "predict/chat_prompt.h"
#include "predict/context_overflow.h"
#include "predict/event_queue.h"
#include "predict/pool.h"
#include "predict/sampling_defaults.h"
#include "prompt/conversation.h"

namespace atelier::predict {
namespace {

using boost::asio::awaitable;
using Clock = std::chrono::steady_clock;

// Events between a prediction and its dialect. The engine's stream behind it has a bound in bytes of its own.
constexpr std::size_t kQueuedEvents = 16;
// Conversations above this are rendered on the pool: they would hold up the loop.
constexpr std::size_t kRenderOnLoopBytes = 64 * 1024;

// Shared by the consumer's handle and the coroutines that work for it; the last of them frees it.
struct Work {
  Work(boost::asio::any_io_executor executor, std::shared_ptr<PredictionMetrics> metrics_in)
      : loop(executor),
        events(executor, kQueuedEvents),
        metrics(std::move(metrics_in)),
        choice_ended(executor, Clock::time_point::max()) {}

  boost::asio::any_io_executor loop;
  EventQueue<Event> events;
  std::stop_source stop;
  std::shared_ptr<PredictionMetrics> metrics;
  const Clock::time_point began = Clock::now();
  std::string model_key;  // empty until the model is found
  std::string instance_id;
  std::string draft_model;  // its key; empty: none guesses

  int running = 0;                         // choices that have not ended
  std::optional<Error> failure;            // the first choice that failed
  boost::asio::steady_timer choice_ended;  // cancelled to wake the coroutine that waits for them
};

class PredictionHandle : public Prediction {
 public:
  explicit PredictionHandle(std::shared_ptr<Work> work) : work_(std::move(work)) {}
  ~PredictionHandle() override {
    work_->events.close();
    work_->stop.request_stop();
  }
  awaitable<std::optional<Event>> next(Clock::time_point deadline) override { return work_->events.pop(deadline); }
  void cancel() override { work_->stop.request_stop(); }
  const std::string& instance_id() const override { return work_->instance_id; }

 private:
  std::shared_ptr<Work> work_;
};

// ---------------------------------------------------------------- one choice

std::optional<TextDelta> to_text_delta(int choice, runtime::Delta&& delta, bool with_tokens) {
  TextDelta text{choice, Channel::kMessage, {}, {}, delta.of_prompt};
  for (runtime::Piece& piece : delta.pieces) {
    // Markers of the template are never shown, in any dialect.
    if (piece.is_control && !delta.of_prompt) continue;
    text.text += piece.text;
    if (with_tokens) {
      text.tokens.push_back(Token{piece.token, std::move(piece.token_bytes), piece.logprob, std::move(piece.top)});
    }
  }
  if (text.text.empty() && text.tokens.empty()) return std::nullopt;
  return text;
}

// One answer to be made.
struct Choice {
  runtime::GenerateRequest request;
  std::string echo;                    // the prompt's text, to be given back first
  std::optional<AnswerFormat> format;  // of chats; a text completion is passed on as it is
};

// Passes one generation's events on until it ends. Returns its error, if it ended with one.
awaitable<std::optional<Error>> pump(std::shared_ptr<Work> work, std::unique_ptr<runtime::Generation> generation,
                                     int choice, bool with_tokens, std::string echo,
                                     std::optional<AnswerReader> reader) {
  struct Cancel {
    runtime::Generation* generation;
    void operator()() const { generation->cancel(); }
  };
  const std::stop_callback<Cancel> on_stop(work->stop.get_token(), Cancel{generation.get()});
  bool first_token = true;
  while (true) {
    std::optional<runtime::Event> event = co_await generation->next(Clock::time_point::max());
    if (!event) continue;
    if (auto* error = std::get_if<Error>(&*event)) co_return std::move(*error);

    std::vector<Event> passed_on;
    bool done = false;
    if (const auto* accepted = std::get_if<runtime::Accepted>(&*event)) {
      passed_on.emplace_back(Accepted{choice, accepted->prompt_tokens, accepted->queue_position});
      if (!echo.empty()) {
        passed_on.emplace_back(TextDelta{choice, Channel::kMessage, std::exchange(echo, {}), {}, true});
      }
    } else if (const auto* started = std::get_if<runtime::Started>(&*event)) {
      passed_on.emplace_back(Started{choice, started->cached_tokens});
    } else if (const auto* progress = std::get_if<runtime::PromptProgress>(&*event)) {
      passed_on.emplace_back(PromptProgress{choice, progress->processed_tokens, progress->total_tokens});
    } else if (auto* delta = std::get_if<runtime::Delta>(&*event)) {
      if (!delta->of_prompt && std::exchange(first_token, false)) {
        work->metrics->first_token(work->model_key, std::chrono::duration<double>(Clock::now() - work->began).count());
      }
      if (reader) {
        reader->read(std::move(*delta), passed_on);
        if (reader->is_complete()) generation->cancel();
      } else if (auto text = to_text_delta(choice, std::move(*delta), with_tokens)) {
        passed_on.emplace_back(std::move(*text));
      }
    } else if (const auto* ended = std::get_if<runtime::Done>(&*event)) {
      if (reader) {
        reader->finish(*ended, passed_on);
      } else {
        passed_on.emplace_back(to_choice_ended(choice, *ended));
      }
      work->metrics->ended(work->model_key, std::get<ChoiceEnded>(passed_on.back()));
      done = true;
    }
    for (Event& each : passed_on) {
      if (auto* end = std::get_if<ChoiceEnded>(&each)) end->usage.draft_model = work->draft_model;
      Event value = std::move(each);
      co_await work->events.push(std::move(value));
    }
    if (done) co_return std::nullopt;
  }
}

awaitable<void> run_choice(std::shared_ptr<Work> work, std::unique_ptr<runtime::Generation> generation, int choice,
                           bool with_tokens, std::string echo, std::optional<AnswerReader> reader) {
  std::optional<Error> error;
  try {
    error = co_await pump(work, std::move(generation), choice, with_tokens, std::move(echo), std::move(reader));
  } catch (const std::exception& exception) {
    error = Error{ErrorCode::kInternal, exception.what(), {}};
  }
  if (error && !work->failure) {
    work->failure = std::move(error);
    work->stop.request_stop();  // the other choices have nobody to be part of
  }
  --work->running;
  work->choice_ended.cancel();
}

// Starts one generation for each choice and waits for all of them.
awaitable<Result<void>> run_choices(std::shared_ptr<Work> work, std::shared_ptr<runtime::Instance> instance,
                                    std::vector<Choice> choices) {
  std::vector<std::unique_ptr<runtime::Generation>> generations;
  const bool with_tokens = choices.front().request.logprobs;
  for (Choice& choice : choices) {
    Result<std::unique_ptr<runtime::Generation>> generation = instance->generate(std::move(choice.request));
    if (!generation) co_return std::unexpected(std::move(generation.error()));
    generations.push_back(std::move(*generation));
  }
  work->running = static_cast<int>(generations.size());
  for (std::size_t i = 0; i < generations.size(); ++i) {
    const int number = static_cast<int>(i);
    std::optional<AnswerReader> reader;
    if (choices[i].format) reader.emplace(number, std::move(*choices[i].format), with_tokens);
    auto choice =
        run_choice(work, std::move(generations[i]), number, with_tokens, std::move(choices[i].echo), std::move(reader));
    boost::asio::co_spawn(work->loop, std::move(choice), boost::asio::detached);
  }
  while (work->running > 0) {
    const auto token = boost::asio::as_tuple(boost::asio::use_awaitable);
    co_await work->choice_ended.async_wait(token);
  }
  if (work->failure) co_return std::unexpected(*work->failure);
  co_return Result<void>();
}

// ---------------------------------------------------------------- requests for the engine

runtime::GenerateRequest base_request(const GenerationOptions& options, const models::ModelEntry& entry,
                                      const std::optional<runtime::DraftModel>& draft) {
  runtime::GenerateRequest request;
  if (draft) request.draft_model_path = draft->path;
  request.sampling = options.sampling;
  apply_sampling_defaults(request.sampling, entry.defaults.sampling);
  request.max_tokens = options.max_tokens;
  request.stop_strings = options.stop_strings;
  const std::vector<std::string>& of_template = entry.defaults.template_stop_strings;
  request.stop_strings.insert(request.stop_strings.end(), of_template.begin(), of_template.end());
  request.logprobs = options.logprobs;
  request.top_logprobs = options.top_logprobs;
  return request;
}

// The same request once for each choice; with a seed given, each choice has its own.
void add_choices(std::vector<Choice>& all, const Choice& choice, int choices) {
  const runtime::GenerateRequest& request = choice.request;
  for (int i = 0; i < choices; ++i) {
    all.push_back(choice);
    if (request.sampling.seed)
      all.back().request.sampling.seed = *request.sampling.seed + static_cast<std::uint64_t>(i);
  }
}

std::vector<runtime::PromptSegment> to_segments(const prompt::RenderedPrompt& rendered) {
  std::vector<runtime::PromptSegment> segments;
  segments.reserve(rendered.segments.size());
  for (const prompt::Segment& segment : rendered.segments) {
    segments.push_back({segment.text, segment.provenance == prompt::Provenance::kTemplate, {}});
  }
  return segments;
}

// ---------------------------------------------------------------- the way through

LoadObserver load_observer(const std::shared_ptr<Work>& work) {
  return LoadObserver{[work](const std::string& key) { work->events.push_now(LoadStarted{key}); },
                      [work](const std::string& key, double fraction) {
                        // Progress may be dropped while nobody reads; the end of the load may not.
                        if (!work->events.full()) work->events.push_now(LoadProgress{key, fraction});
                      }};
}

awaitable<Result<AcquiredModel>> acquire(std::shared_ptr<Work> work, ModelService& models, std::string model,
                                         std::optional<std::chrono::seconds> ttl) {
  LoadObserver observer = load_observer(work);
  const std::stop_token stop = work->stop.get_token();
  Result<AcquiredModel> acquired =
      co_await models.acquire(std::move(model), ModelKind::kLlm, ttl, std::move(observer), stop);
  if (!acquired) co_return acquired;
  work->model_key = acquired->entry->key;
  work->instance_id = acquired->instance->info().id;
  if (acquired->loaded_now) work->events.push_now(LoadEnded{work->instance_id, acquired->load_seconds});
  co_return acquired;
}

std::size_t text_bytes(const std::vector<prompt::Message>& messages) {
  std::size_t bytes = 0;
  for (const prompt::Message& message : messages) {
    for (const prompt::ContentPart& part : message.content) bytes += part.text.size();
  }
  return bytes;
}

awaitable<Result<prompt::RenderedPrompt>> render(const prompt::ChatTemplate& chat_template,
                                                 const prompt::RenderRequest& request,
                                                 boost::asio::any_io_executor pool) {
  if (text_bytes(request.messages) <= kRenderOnLoopBytes) co_return chat_template.render(request);
  auto on_pool = [&] { return chat_template.render(request); };
  co_return co_await run_on(pool, on_pool);
}

ContextOverflow overflow_policy(const ChatRequest& request, const models::ModelEntry& entry) {
  if (request.overflow) return *request.overflow;
  const std::optional<std::string>& of_model = entry.defaults.sampling.context_overflow_policy;
  const auto policy = of_model ? context_overflow_policy(*of_model) : std::nullopt;
  return policy.value_or(ContextOverflow::kStopAtLimit);
}

std::size_t text_bytes(const prompt::RenderedPrompt& rendered) {
  std::size_t bytes = 0;
  for (const prompt::Segment& segment : rendered.segments) bytes += segment.text.size();
  return bytes;
}

Error nothing_more_to_drop(ContextOverflow policy, std::uint64_t tokens, std::uint64_t context_length) {
  const std::string_view kept = policy == ContextOverflow::kTruncateMiddle
                                    ? "the system prompt, the first and the last user message"
                                    : "the system prompt and the last user message";
  return {ErrorCode::kContextLengthExceeded,
          fmt::format("What must stay of the conversation ({}, with tools and what came last) has {} tokens, but the "
                      "context holds {}, one of which is for the answer. Shorten it, or load the model with a longer "
                      "context",
                      kept, tokens, context_length),
          "messages"};
}

// Renders the conversation; where it leaves too little of the context for an answer, without what the policy lets go.
// Then `conversation` has the messages that are left.
awaitable<Result<prompt::RenderedPrompt>> render_within(prompt::RenderRequest& conversation, ContextOverflow policy,
                                                        std::uint64_t max_tokens, std::shared_ptr<Work> work,
                                                        runtime::Instance& instance,
                                                        const prompt::ChatTemplate& chat_template,
                                                        boost::asio::any_io_executor pool) {
  Result<prompt::RenderedPrompt> rendered = co_await render(chat_template, conversation, pool);
  const std::uint64_t context_length = instance.info().config.context_length.value_or(0);
  if (!rendered || policy == ContextOverflow::kStopAtLimit || context_length == 0) co_return rendered;
  const std::uint64_t budget = context_length - room_for_answer(max_tokens, context_length);
  // A token has at least a byte.
  if (text_bytes(*rendered) < budget) co_return rendered;

  const std::vector<prompt::Message> all = conversation.messages;
  const std::vector<Stretch> stretches = droppable(all, policy);
  std::vector<std::uint64_t> weights;
  std::uint64_t rest = weight(all, {0, all.size()});
  for (const Stretch& stretch : stretches) {
    weights.push_back(weight(all, stretch));
    rest -= weights.back();
  }
  for (const json::Value& tool : conversation.tools) rest += json::dump(tool).size();

  FitSearch search(weights, rest, budget);
  std::size_t rendered_without = 0;
  for (auto dropped = search.next(); dropped; dropped = search.next()) {
    if (*dropped != rendered_without) {
      conversation.messages = without(all, stretches, *dropped);
      rendered = co_await render(chat_template, conversation, pool);
      if (!rendered) co_return rendered;
      rendered_without = *dropped;
    }
    std::vector<runtime::PromptSegment> segments = to_segments(*rendered);
    const Result<std::uint64_t> tokens = co_await instance.count(std::move(segments), !rendered->begins_with_bos);
    if (!tokens) co_return std::unexpected(tokens.error());
    if (work->stop.stop_requested()) co_return fail(ErrorCode::kCancelled, "The request was cancelled");
    search.counted(*tokens);
  }
  if (search.tokens() >= context_length) {
    co_return std::unexpected(nothing_more_to_drop(policy, search.tokens(), context_length));
  }
  if (search.dropped() != rendered_without) {
    conversation.messages = without(all, stretches, search.dropped());
    rendered = co_await render(chat_template, conversation, pool);
    if (!rendered) co_return rendered;
  }
  if (search.dropped() > 0) {
    const std::size_t left_out = all.size() - conversation.messages.size();
    log::info("{} of {} messages to {} were left out: the prompt has {} tokens of a context of {}", left_out,
              all.size(), work->instance_id, search.tokens(), context_length);
    work->metrics->messages_dropped(work->model_key, left_out);
    work->events.push_now(MessagesDropped{left_out});
  }
  co_return rendered;
}

// Tells the engine what stays of the prompt where the answer may make it longer than the context.
awaitable<void> keep_head(runtime::GenerateRequest& request, const prompt::RenderedPrompt& rendered,
                          const prompt::RenderRequest& conversation, ContextOverflow policy,
                          std::uint64_t context_length, const prompt::ChatTemplate& chat_template,
                          boost::asio::any_io_executor pool) {
  // A token has at least a byte, but for those that a vocabulary puts around a text.
  constexpr std::uint64_t kAround = 8;
  if (request.max_tokens > 0 && text_bytes(rendered) + request.max_tokens + kAround < context_length) co_return;
  const std::vector<prompt::RenderRequest> heads = head_conversations(conversation, policy);
  if (!heads.empty()) request.kept_segments = 0;
  for (const prompt::RenderRequest& each : heads) {
    const Result<prompt::RenderedPrompt> head = co_await render(chat_template, each, pool);
    const std::size_t bytes = head ? common_bytes(rendered, *head) : 0;
    if (bytes == 0) continue;
    request.kept_segments = static_cast<std::uint32_t>(cut_at(request.prompt, bytes));
    co_return;
  }
}

awaitable<Result<std::optional<runtime::DraftModel>>> find_draft(std::shared_ptr<Work> work, ModelService& models,
                                                                 std::string key, const AcquiredModel& model) {
  InstanceInfo instance = model.instance->info();
  Result<std::optional<runtime::DraftModel>> draft = co_await models.draft_model(std::move(key), std::move(instance));
  if (draft && *draft) work->draft_model = (*draft)->key;
  co_return draft;
}

awaitable<Result<void>> run_chat(std::shared_ptr<Work> work, ModelService& models, boost::asio::any_io_executor pool,
                                 ChatRequest request) {
  const Result<AcquiredModel> model = co_await acquire(work, models, request.model, request.options.ttl);
  if (!model) co_return std::unexpected(model.error());
  std::string draft_key = request.options.draft_model;
  const auto draft = co_await find_draft(work, models, std::move(draft_key), *model);
  if (!draft) co_return std::unexpected(draft.error());
  const auto chat_template = models.chat_template(*model->entry, template_use(request));
  if (!chat_template) co_return std::unexpected(chat_template.error());

  if (std::ranges::any_of(request.messages, prompt::has_image)) {
    if (!model->entry->vision) {
      co_return fail(ErrorCode::kInvalidRequest, "The model '" + model->entry->key + "' cannot see images", "messages");
    }
    co_return fail(ErrorCode::kNotImplemented, "Images are not served by this version of Atelier yet", "messages");
  }
  ChatPrompt chat =
      chat_prompt(request, (*chat_template)->capabilities(), *model->entry, models.settings().separate_reasoning);
  const ContextOverflow policy = overflow_policy(request, *model->entry);
  const Result<prompt::RenderedPrompt> rendered = co_await render_within(
      chat.conversation, policy, request.options.max_tokens, work, *model->instance, **chat_template, pool);
  if (!rendered) co_return std::unexpected(rendered.error());
  chat.answer.output.starts_in_reasoning = rendered->opens_reasoning;
  chat.answer.begins = rendered->answer_begins;

  Choice choice{base_request(request.options, *model->entry, *draft), {}, std::move(chat.answer)};
  choice.request.prompt = to_segments(*rendered);
  choice.request.add_bos = !rendered->begins_with_bos;
  const std::uint64_t context_length = model->instance->info().config.context_length.value_or(0);
  co_await keep_head(choice.request, *rendered, chat.conversation, policy, context_length, **chat_template, pool);
  std::vector<Choice> all;
  add_choices(all, choice, request.options.choices);
  co_return co_await run_choices(work, model->instance, std::move(all));
}

awaitable<Result<void>> run_completion(std::shared_ptr<Work> work, ModelService& models, CompletionRequest request) {
  const Result<AcquiredModel> model = co_await acquire(work, models, request.model, request.options.ttl);
  if (!model) co_return std::unexpected(model.error());
  std::string draft_key = request.options.draft_model;
  const auto draft = co_await find_draft(work, models, std::move(draft_key), *model);
  if (!draft) co_return std::unexpected(draft.error());

  std::vector<Choice> all;
  for (PromptInput& input : request.prompts) {
    runtime::GenerateRequest generate = base_request(request.options, *model->entry, *draft);
    // With log probabilities the engine gives the prompt back token by token; without, its text is all there is to say.
    generate.prompt_logprobs = request.echo && request.options.logprobs;
    const bool echo_text = request.echo && !request.options.logprobs;
    std::string echo;
    runtime::PromptSegment segment;
    if (auto* text = std::get_if<std::string>(&input)) {
      segment.text = std::move(*text);
      if (echo_text) echo = segment.text;
    } else {
      segment.tokens = std::move(std::get<std::vector<std::int32_t>>(input));
      generate.add_bos = false;
      if (echo_text) {
        Result<std::string> detokenized = co_await model->instance->detokenize(segment.tokens);
        if (!detokenized) co_return std::unexpected(detokenized.error());
        echo = std::move(*detokenized);
      }
    }
    generate.prompt.push_back(std::move(segment));
    const Choice choice{std::move(generate), std::move(echo), std::nullopt};
    add_choices(all, choice, request.options.choices);
  }
  co_return co_await run_choices(work, model->instance, std::move(all));
}

// Runs the work and ends the stream with what became of it.
awaitable<void> drive(std::shared_ptr<Work> work, awaitable<Result<void>> run) {
  Result<void> result;
  try {
    result = co_await std::move(run);
  } catch (const std::exception& exception) {
    log::error("A prediction failed inside the server: {}", exception.what());
    result = fail(ErrorCode::kInternal, std::string("The server made a mistake: ") + exception.what());
  }
  if (result) {
    work->events.push_now(End{});
  } else {
    if (!work->model_key.empty()) work->metrics->failed(work->model_key, result.error().code);
    work->events.push_now(std::move(result.error()));
  }
}

}  // namespace

Predictor::Predictor(boost::asio::any_io_executor loop, ModelService& models, boost::asio::any_io_executor pool)
    : loop_(std::move(loop)),
      models_(models),
      pool_(std::move(pool)),
      metrics_(std::make_shared<PredictionMetrics>()) {}

std::unique_ptr<Prediction> Predictor::chat(ChatRequest request) {
  auto work = std::make_shared<Work>(loop_, metrics_);
  auto run = run_chat(work, models_, pool_, std::move(request));
  boost::asio::co_spawn(loop_, drive(work, std::move(run)), boost::asio::detached);
  return std::make_unique<PredictionHandle>(std::move(work));
}

std::unique_ptr<Prediction> Predictor::complete(CompletionRequest request) {
  auto work = std::make_shared<Work>(loop_, metrics_);
  auto run = run_completion(work, models_, std::move(request));
  boost::asio::co_spawn(loop_, drive(work, std::move(run)), boost::asio::detached);
  return std::make_unique<PredictionHandle>(std::move(work));
}

}  // namespace atelier::predict
