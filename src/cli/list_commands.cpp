// lms ls, lms ps, lms status: what there is.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "cli/commands.h"
#include "cli/format.h"
#include "cli/model_choice.h"
#include "cli/model_json.h"
#include "cli/table.h"
#include "client/local_service.h"

namespace atelier::cli {
namespace {

using client::LoadedInstance;
using client::Model;
using client::ModelType;

bool is_llm(const Model& model) { return model.type == ModelType::kLlm; }

struct Loaded {
  const Model* model;
  const LoadedInstance* instance;
};

std::vector<Loaded> loaded_of(const std::vector<Model>& models) {
  std::vector<Loaded> loaded;
  for (const Model& model : models) {
    for (const LoadedInstance& instance : model.loaded_instances) loaded.push_back({&model, &instance});
  }
  std::sort(loaded.begin(), loaded.end(),
            [](const Loaded& a, const Loaded& b) { return a.instance->id < b.instance->id; });
  return loaded;
}

std::uint64_t size_of(const Loaded& entry) { return entry.instance->size_bytes.value_or(entry.model->size_bytes); }

std::string dump_line(json::Value value) { return json::dump(value) + "\n"; }

std::string loaded_mark(const Model& model, bool colour) {
  std::size_t count = model.loaded_instances.size();
  if (count == 0) return {};
  return paint(Paint::kGreen, count == 1 ? std::string("✓ LOADED") : fmt::format("✓ LOADED ({})", count), colour);
}

std::vector<std::string> model_row(const Model& model, const std::string& name, bool colour) {
  return {name,
          printable(model.params_string),
          printable(pretty_architecture(model.architecture)),
          format_bytes(model.size_bytes),
          "Local",
          loaded_mark(model, colour)};
}

std::string section(const std::vector<Model>& models, ModelType type, const std::string& heading, bool with_variants,
                    bool colour) {
  Table table({heading, "PARAMS", "ARCH", "SIZE", "DEVICE"});
  bool any = false;
  for (const Model& model : models) {
    if (model.type != type) continue;
    any = true;
    std::string name = printable(model.key);
    if (model.variants.size() < 2) {
      table.add_row(model_row(model, name, colour));
    } else if (!with_variants) {
      table.add_row(model_row(model, fmt::format("{} ({} variants)", name, model.variants.size()), colour));
    } else {
      table.add_row({name});
      for (const std::string& variant : model.variants) {
        bool selected = variant == model.selected_variant;
        std::string label = (selected ? " * " : "   ") + printable(variant);
        if (selected) {
          table.add_row(model_row(model, label, colour));
        } else {
          table.add_row({label});
        }
      }
    }
  }
  return any ? table.render(colour) + "\n" : std::string();
}

// `lms ls KEY`
int list_variants(Shell& shell, const ListOptions& options, const std::vector<Model>& models) {
  auto choice = choose_model(shell, {.text = options.model_key, .how_to_name = "lms ls <model-key>"}, models);
  if (!choice) return report(shell, choice.error());
  const Model& model = choice->model;
  std::vector<std::string> variants = model.variants;
  if (variants.empty()) variants.push_back(model.key);
  if (options.json) {
    json::Array list;
    for (const std::string& variant : variants) list.push_back(variant_json(model, variant));
    shell.console.data(dump_line(std::move(list)));
    return 0;
  }
  bool colour = shell.console.output_colour();
  Table table({"VARIANT", "PARAMS", "ARCH", "SIZE", "DEVICE"});
  for (const std::string& variant : variants) {
    bool known = variants.size() == 1 || variant == model.selected_variant;
    std::string label = (known && variants.size() > 1 ? " * " : "   ") + printable(variant);
    if (known) {
      table.add_row(model_row(model, label, colour));
    } else {
      table.add_row({label});
    }
  }
  shell.console.data(fmt::format("\nListing variants for {}:\n\n{}\n", printable(model.key), table.render(colour)));
  return 0;
}

void print_list_json(Shell& shell, const std::vector<Model>& models, bool with_variants) {
  json::Array list;
  for (const Model& model : models) {
    if (!with_variants) {
      list.push_back(model_json(model));
      continue;
    }
    json::Array variants;
    for (const std::string& variant : model.variants) variants.push_back(variant_json(model, variant));
    list.push_back(json::Object{{"model", model_json(model)}, {"variants", std::move(variants)}});
  }
  shell.console.data(dump_line(std::move(list)));
}

std::string ttl_cell(const LoadedInstance& instance) {
  if (!instance.ttl_seconds) return {};
  std::int64_t total = *instance.ttl_seconds;
  auto idle = static_cast<std::int64_t>(instance.idle_seconds.value_or(0));
  std::int64_t remaining = std::clamp<std::int64_t>(total - idle, 0, total);
  return fmt::format("{} / {}", format_short_time(std::chrono::seconds(remaining)),
                     format_short_time(std::chrono::seconds(total)));
}

std::int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// The models of the server, or none where no service runs and none is to be started for the question.
Result<std::vector<Model>> models_if_running(Shell& shell, const ConnectionOptions& connection) {
  auto client = try_connect(shell, connection, IfNoService::kGiveNothing);
  if (!client) return std::unexpected(client.error());
  if (!*client) return std::vector<Model>();
  return (*client)->list_models();
}

}  // namespace

int run_ls(Shell& shell, const ListOptions& options) {
  if (options.variants && !options.model_key.empty()) {
    return usage_error(shell, "--variants lists every model; leave it out to list the variants of one.");
  }
  if (options.detailed) shell.console.warn("--detailed is deprecated and changes nothing.");
  auto client = connect(shell, options.connection);
  if (!client) return report(shell, client.error());
  auto all = client->list_models();
  if (!all) return report(shell, all.error());
  std::sort(all->begin(), all->end(), [](const Model& a, const Model& b) { return a.key < b.key; });

  bool everything = options.llm == options.embedding;
  std::vector<Model> models;
  for (Model& model : *all) {
    if (everything || (is_llm(model) ? options.llm : options.embedding)) models.push_back(std::move(model));
  }
  if (!options.model_key.empty()) return list_variants(shell, options, models);
  if (options.json) {
    print_list_json(shell, models, options.variants);
    return 0;
  }
  if (all->empty()) {
    shell.console.info("You have not downloaded any models yet. Bring a GGUF file in with `lms import <file>`.");
    return 0;
  }
  if (models.empty()) {
    shell.console.info(fmt::format("You have {} models, but none of them matches the filter.", all->size()));
    return 0;
  }
  std::uint64_t total = 0;
  for (const Model& model : models) total += model.size_bytes;
  bool colour = shell.console.output_colour();
  shell.console.data(fmt::format("\nYou have {} model{}, taking up {} of disk space.\n\n{}{}", models.size(),
                                 models.size() == 1 ? "" : "s", format_bytes(total),
                                 section(models, ModelType::kLlm, "LLM", options.variants, colour),
                                 section(models, ModelType::kEmbedding, "EMBEDDING", options.variants, colour)));
  return 0;
}

int run_ps(Shell& shell, const ProcessesOptions& options) {
  auto models = models_if_running(shell, options.connection);
  if (!models) return report(shell, models.error());
  std::vector<Loaded> loaded = loaded_of(*models);
  if (options.json) {
    std::stable_partition(loaded.begin(), loaded.end(), [](const Loaded& entry) { return is_llm(*entry.model); });
    json::Array list;
    for (const Loaded& entry : loaded) list.push_back(instance_json(*entry.model, *entry.instance, now_ms()));
    shell.console.data(dump_line(std::move(list)));
    return 0;
  }
  if (loaded.empty()) {
    shell.console.info("No models are currently loaded.\n\nTo load a model, run:\n\n    lms load <model path>\n");
    return 0;
  }
  Table table({"IDENTIFIER", "MODEL", "STATUS", "SIZE", "CONTEXT", "PARALLEL", "DEVICE", "TTL"});
  for (const Loaded& entry : loaded) {
    const LoadedInstance& instance = *entry.instance;
    table.add_row({printable(instance.id), printable(entry.model->key), status_label(instance.status),
                   format_bytes(size_of(entry)), fmt::format("{}", instance.context_length),
                   instance.parallel && is_llm(*entry.model) ? fmt::format("{}", *instance.parallel) : "-", "Local",
                   ttl_cell(instance)});
  }
  shell.console.data("\n" + table.render(shell.console.output_colour()) + "\n");
  return 0;
}

int run_status(Shell& shell, const StatusOptions& options) {
  auto client = try_connect(shell, options.connection, IfNoService::kGiveNothing);
  if (!client) return report(shell, client.error());
  client::HttpListener listener;
  std::vector<Model> models;
  if (*client) {
    auto info = (*client)->server_info();
    if (!info) return report(shell, info.error());
    listener = info->http;
    auto list = (*client)->list_models();
    if (!list) return report(shell, list.error());
    models = std::move(*list);
  }
  std::vector<Loaded> loaded = loaded_of(models);
  if (options.json) {
    json::Object server{{"running", listener.running}};
    if (listener.port) server.append("port", *listener.port);
    json::Array list;
    for (const Loaded& entry : loaded) {
      list.push_back(json::Object{{"identifier", entry.instance->id}, {"sizeBytes", size_of(entry)}});
    }
    shell.console.data(dump_line(json::Object{{"server", std::move(server)}, {"models", std::move(list)}}));
    return 0;
  }
  bool colour = shell.console.output_colour();
  std::string text;
  if (listener.running) {
    text = fmt::format("Server: {} (port: {})\n", paint(Paint::kGreen, "ON", colour), listener.port.value_or(0));
  } else {
    text = fmt::format("Server: {}\n\n(i) To start the server, run:\n\n    lms server start\n",
                       paint(Paint::kRed, "OFF", colour));
  }
  if (listener.running || !loaded.empty()) {
    text += "\n";
    text += loaded.empty() ? "No Models Loaded\n" : "Loaded Models\n";
    for (const Loaded& entry : loaded) {
      text += fmt::format("  · {} - {}\n", printable(entry.instance->id), format_bytes(size_of(entry)));
    }
  }
  shell.console.data(text);
  return 0;
}

}  // namespace atelier::cli
