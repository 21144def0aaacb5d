#include "cli/command_line.h"

#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <exception>
#include <functional>

#include "cli/commands.h"
#include "cli/help.h"

namespace atelier::cli {
namespace {

// What every command has; hidden in help.
struct LogOptions {
  std::string level;
  bool verbose = false, quiet = false;
};

struct Options {
  LogOptions log;
  ListOptions ls;
  ProcessesOptions ps;
  LoadOptions load;
  UnloadOptions unload;
  ChatOptions chat;
  ImportOptions import_file;
  ServerStartOptions server_start;
  StatusOptions status;
  bool server_status_json = false, daemon_up_json = false, daemon_status_json = false, version_json = false;
  std::vector<std::string> help_words;
};

// CLI11's own check for positive numbers answers with the largest double, written out.
CLI::Validator at_least_one() {
  return CLI::Validator(
      [](std::string& text) {
        bool digits = !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
        if (digits && text.find_first_not_of('0') != std::string::npos) return std::string();
        return fmt::format("\"{}\" is no whole number of at least 1", text);
      },
      "");
}

using Action = std::function<int(Shell&)>;

// Collects the commands; the one that was named leaves its action.
class CommandLine {
 public:
  CommandLine() : app_("", "lms") {
    app_.set_help_flag();
    app_.add_flag("-h,--help", help_);
    app_.add_flag("-v,--version", version_);
    app_.require_subcommand(0, 1);
    add_model_commands();
    add_server_commands();
    add_other_commands();
  }

  // The action to run, or an exit code where there is nothing more to do.
  int run(Shell& shell, std::vector<std::string> arguments) {
    std::reverse(arguments.begin(), arguments.end());  // as the parser wants them
    try {
      app_.parse(std::move(arguments));
    } catch (const CLI::ParseError& problem) {
      // Help is asked for even where the rest of the line is incomplete.
      if (const CLI::App* asked = help_wanted()) return show_help(shell, asked);
      return usage_error(shell, fmt::format("{} See `{} --help`.", sentence(problem.what()), name_of(deepest())));
    }
    if (const CLI::App* asked = help_wanted()) return show_help(shell, asked);
    if (version_) return run_version(shell, false);
    if (!set_log_level(shell)) return 1;
    if (!action_) {
      const CLI::App* named = deepest();
      if (named == &app_) {
        shell.console.data(root_help(shell.console.output_colour()));
        return 0;
      }
      // A group such as `lms server` alone is not a command.
      shell.console.ask(help_of(named));
      return 1;
    }
    return action_(shell);
  }

 private:
  static std::string sentence(std::string text) {
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
    if (!text.empty() && text.back() != '.') text += '.';
    return text;
  }

  CLI::App* command(CLI::App* parent, const std::string& name, const std::string& description, Action action) {
    CLI::App* added = parent->add_subcommand(name, description);
    added->set_help_flag();
    added->add_flag("-h,--help", help_, "Show this help");
    if (action) {
      added->callback([this, action = std::move(action)] { action_ = action; });
      added->add_option("--log-level", options_.log.level)
          ->check(CLI::IsMember({"debug", "info", "warn", "error", "none"}))
          ->group("");
      added->add_flag("--verbose", options_.log.verbose)->group("");
      added->add_flag("--quiet", options_.log.quiet)->group("");
    } else {
      added->require_subcommand(0, 1);
    }
    return added;
  }

  static void add_connection(CLI::App* added, ConnectionOptions& connection) {
    added->add_option("--host", connection.host)->group("");
    added->add_option("--port", connection.port)->check(CLI::Range(0, 65535))->group("");
    added->add_option("--api-token", connection.api_token)->group("");
  }

  void add_model_commands() {
    CLI::App* chat = command(&app_, "chat", "Talk with a model in the terminal",
                             [this](Shell& shell) { return run_chat(shell, options_.chat); });
    chat->add_option("model", options_.chat.model, "Model to talk with; default: one that is loaded");
    chat->add_option("-p,--prompt", options_.chat.prompt, "Print one answer to this and exit");
    chat->add_option("-s,--system-prompt", options_.chat.system_prompt, "Instruction for the model");
    chat->add_flag("--stats", options_.chat.stats, "Show statistics after each answer");
    chat->add_option("--ttl", options_.chat.ttl_seconds, "Seconds to keep the model after the chat (3600)")
        ->check(at_least_one());
    chat->add_option("--reasoning", options_.chat.reasoning, "Let the model reason: auto, on or off")
        ->check(CLI::IsMember({"auto", "on", "off"}));
    chat->add_flag("--dont-fetch-catalog")->group("");
    chat->add_flag("-y,--yes", options_.chat.yes, "Ask nothing; take the first model that fits");
    add_connection(chat, options_.chat.connection);

    add_load_command();

    CLI::App* unload = command(&app_, "unload", "Take a model out of memory",
                               [this](Shell& shell) { return run_unload(shell, options_.unload); });
    unload->add_option("identifier", options_.unload.identifier, "Loaded model (see lms ps)");
    unload->add_flag("-a,--all", options_.unload.all, "Unload every model");
    add_connection(unload, options_.unload.connection);

    CLI::App* ls =
        command(&app_, "ls", "List the models on disk", [this](Shell& shell) { return run_ls(shell, options_.ls); });
    ls->add_option("modelKey", options_.ls.model_key, "List the variants of this model");
    ls->add_flag("--llm", options_.ls.llm, "Only language models");
    ls->add_flag("--embedding", options_.ls.embedding, "Only embedding models");
    ls->add_flag("--variants", options_.ls.variants, "List the variants of every model");
    ls->add_flag("--json", options_.ls.json, "Print JSON");
    ls->add_flag("--detailed", options_.ls.detailed)->group("");
    add_connection(ls, options_.ls.connection);

    CLI::App* ps =
        command(&app_, "ps", "List the models in memory", [this](Shell& shell) { return run_ps(shell, options_.ps); });
    ps->add_flag("--json", options_.ps.json, "Print JSON");
    add_connection(ps, options_.ps.connection);

    CLI::App* import_file = command(&app_, "import", "Bring a model file into the models folder",
                                    [this](Shell& shell) { return run_import(shell, options_.import_file); });
    ImportOptions& to = options_.import_file;
    import_file->add_option("file-path", to.file, "GGUF file")->required();
    import_file->add_option("--user-repo", to.user_repo, "Target as user/repo");
    import_file->add_flag("-y,--yes", to.yes, "Ask nothing; guess the target");
    import_file->add_flag("-c,--copy", to.copy, "Copy instead of moving");
    import_file->add_flag("-L,--hard-link", to.hard_link, "Make a hard link instead of moving");
    import_file->add_flag("-l,--symbolic-link", to.symbolic_link, "Make a symbolic link instead of moving");
    import_file->add_flag("--dry-run", to.dry_run, "Only say what would be done");
  }

  void add_load_command() {
    LoadOptions& to = options_.load;
    CLI::App* load = command(&app_, "load", "Load a model into memory",
                             [this](Shell& shell) { return run_load(shell, options_.load); });
    load->add_option("model-key", to.model_key, "Model (see lms ls); a part of its name is enough");
    load->add_option("--gpu", to.gpu, "Share of the layers on the GPU: off, max, auto or 0 to 1");
    load->add_option("-c,--context-length", to.context_length, "Tokens that one conversation may have")
        ->check(at_least_one());
    load->add_option("--parallel", to.parallel, "Predictions at a time")->check(at_least_one());
    load->add_option("--ttl", to.ttl_seconds, "Unload after so many idle seconds")->check(at_least_one());
    load->add_option("--identifier", to.identifier, "Name of the loaded model in the API");
    load->add_flag("--estimate-only", to.estimate_only, "Print the memory that it would need, and stop");
    load->add_flag("-y,--yes", to.yes, "Ask nothing; take the first model that matches");
    load->add_flag("--json", to.json, "Print JSON");
    load->add_flag("--exact", to.exact)->group("");
    load->add_flag("--local")->group("");
    load->add_flag("--speculative-draft-mtp", to.speculative_mtp)->group("");
    load->add_flag("--no-speculative-draft-mtp")->group("");
    load->add_flag("--speculative-draft-simple", to.speculative_simple)->group("");
    load->add_option("--speculative-draft-model", to.speculative_model)->group("");
    add_connection(load, to.connection);
  }

  void add_server_commands() {
    CLI::App* server = command(&app_, "server", "Start, stop and ask about the API server", {});
    ServerStartOptions& to = options_.server_start;
    CLI::App* start = command(server, "start", "Start the API server",
                              [this](Shell& shell) { return run_server_start(shell, options_.server_start); });
    start->add_option("-p,--port", to.port, "Port; default: the last one used, else 1234")->check(CLI::Range(0, 65535));
    start->add_option("--bind", to.bind_address, "Address to listen on; 0.0.0.0: the whole network (127.0.0.1)");
    start->add_flag("--cors", to.cors, "Let web pages of any origin use the server");
    start->add_flag("--allow-unauthenticated", to.allow_unauthenticated,
                    "Allow an address of the network without authentication");
    start->add_flag("--json", to.json, "Print JSON");
    command(server, "stop", "Stop the API server", [](Shell& shell) { return run_server_stop(shell); });
    CLI::App* status = command(server, "status", "Say whether the API server runs",
                               [this](Shell& shell) { return run_server_status(shell, options_.server_status_json); });
    status->add_flag("--json", options_.server_status_json, "Print JSON");

    CLI::App* daemon = command(&app_, "daemon", "Control the background service", {});
    CLI::App* up = command(daemon, "up", "Start the service if it does not run",
                           [this](Shell& shell) { return run_daemon_up(shell, options_.daemon_up_json); });
    up->add_flag("--json", options_.daemon_up_json, "Print JSON");
    command(daemon, "down", "End the service", [](Shell& shell) { return run_daemon_down(shell); });
    CLI::App* daemon_status = command(daemon, "status", "Say whether the service runs", [this](Shell& shell) {
      return run_daemon_status(shell, options_.daemon_status_json);
    });
    daemon_status->add_flag("--json", options_.daemon_status_json, "Print JSON");
    command(daemon, "run", "Run the service in the foreground", [](Shell& shell) { return run_daemon_run(shell); });
  }

  void add_other_commands() {
    CLI::App* status = command(&app_, "status", "Show the server and the loaded models",
                               [this](Shell& shell) { return run_status(shell, options_.status); });
    status->add_flag("--json", options_.status.json, "Print JSON");
    add_connection(status, options_.status.connection);
    CLI::App* version = command(&app_, "version", "Show the version",
                                [this](Shell& shell) { return run_version(shell, options_.version_json); });
    version->add_flag("--json", options_.version_json, "Print JSON");
    CLI::App* help = command(&app_, "help", "Explain a command", [this](Shell& shell) { return explain(shell); });
    help->add_option("command", options_.help_words);
  }

  // `lms help server start`
  int explain(Shell& shell) {
    const CLI::App* at = &app_;
    for (const std::string& word : options_.help_words) {
      const CLI::App* next = subcommand_of(at, word);
      if (!next)
        return usage_error(shell, fmt::format("There is no command \"{} {}\". See `lms --help`.", name_of(at), word));
      at = next;
    }
    return show_help(shell, at);
  }

  static const CLI::App* subcommand_of(const CLI::App* app, const std::string& name) {
    for (const CLI::App* sub : app->get_subcommands([](const CLI::App*) { return true; })) {
      if (sub->get_name() == name) return sub;
    }
    return nullptr;
  }

  const CLI::App* deepest() const {
    const CLI::App* at = &app_;
    for (auto next = at->get_subcommands(); !next.empty(); next = at->get_subcommands()) at = next.front();
    return at;
  }

  const CLI::App* help_wanted() const { return help_ ? deepest() : nullptr; }

  static std::string name_of(const CLI::App* app) {
    if (!app->get_parent()) return "lms";
    return name_of(app->get_parent()) + " " + app->get_name();
  }

  static std::string help_of(const CLI::App* app) {
    CommandHelp help;
    help.name = name_of(app);
    help.description = app->get_description();
    for (const CLI::App* sub : app->get_subcommands([](const CLI::App*) { return true; })) {
      help.commands.push_back({sub->get_name(), sub->get_description()});
    }
    for (const CLI::Option* option : app->get_options()) {
      if (option->get_group().empty()) continue;
      bool positional = option->nonpositional() == false && option->get_positional();
      if (positional) {
        help.arguments.push_back({option->get_name(true, false), option->get_description()});
      } else {
        std::string name = option->get_name(false, true);  // "-p,--port"
        if (std::size_t comma = name.find(','); comma != std::string::npos) name.insert(comma + 1, " ");
        bool takes_value = option->get_expected_min() > 0;
        help.options.push_back({name + (takes_value ? " <value>" : ""), option->get_description()});
      }
    }
    return command_help(help);
  }

  int show_help(Shell& shell, const CLI::App* app) {
    shell.console.data(app == &app_ ? root_help(shell.console.output_colour()) : help_of(app));
    return 0;
  }

  bool set_log_level(Shell& shell) {
    const LogOptions& log = options_.log;
    if (!log.level.empty() + log.verbose + log.quiet > 1) {
      usage_error(shell, "Only one of --log-level, --verbose and --quiet can be given.");
      return false;
    }
    if (log.verbose || log.level == "debug") shell.console.set_level(LogLevel::kDebug);
    if (log.quiet || log.level == "none") shell.console.set_level(LogLevel::kNone);
    if (log.level == "warn") shell.console.set_level(LogLevel::kWarn);
    if (log.level == "error") shell.console.set_level(LogLevel::kError);
    return true;
  }

  CLI::App app_;
  Options options_;
  Action action_;
  bool help_ = false;
  bool version_ = false;
};

}  // namespace

int run(Shell& shell, std::vector<std::string> arguments) {
  try {
    CommandLine line;
    return line.run(shell, std::move(arguments));
  } catch (const std::exception& problem) {
    return usage_error(shell, problem.what());
  }
}

int report(Shell& shell, const Error& error) {
  if (error.code == ErrorCode::kCancelled) {
    shell.console.info(error.message);
  } else {
    shell.console.error(error);
  }
  return 1;
}

int usage_error(Shell& shell, std::string_view message) {
  shell.console.error(message);
  return 1;
}

int run_version(Shell& shell, bool json) {
  if (json) {
    shell.console.data(json::dump(json::Value(json::Object{{"version", ATELIER_VERSION}})) + "\n");
  } else {
    shell.console.data("lms, the command line of Atelier, version " ATELIER_VERSION "\n");
  }
  return 0;
}

}  // namespace atelier::cli
