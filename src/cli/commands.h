// The commands of lms. Each takes its parsed options, writes to the shell's console, and gives the exit code of the
// process: 0 or 1. command_line.cpp fills the options in.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "cli/shell.h"

namespace atelier::cli {

struct ListOptions {
  ConnectionOptions connection;
  std::string model_key;
  bool llm = false, embedding = false, json = false, detailed = false, variants = false;
};
int run_ls(Shell& shell, const ListOptions& options);

struct ProcessesOptions {
  ConnectionOptions connection;
  bool json = false;
};
int run_ps(Shell& shell, const ProcessesOptions& options);

struct LoadOptions {
  ConnectionOptions connection;
  std::string model_key;
  std::string gpu;  // "", "auto", "off", "max", or a number from 0 to 1
  std::optional<std::int64_t> context_length, parallel, ttl_seconds;
  std::string identifier;
  bool estimate_only = false, yes = false, exact = false, json = false;
  bool speculative_simple = false, speculative_mtp = false;
  std::string speculative_model;
};
int run_load(Shell& shell, const LoadOptions& options);

struct UnloadOptions {
  ConnectionOptions connection;
  std::string identifier;
  bool all = false;
};
int run_unload(Shell& shell, const UnloadOptions& options);

struct ChatOptions {
  ConnectionOptions connection;
  std::string model;
  std::optional<std::string> prompt;
  std::optional<std::string> system_prompt;
  std::string reasoning = "auto";
  std::int64_t ttl_seconds = 3600;
  bool stats = false, yes = false;
};
int run_chat(Shell& shell, const ChatOptions& options);

struct ImportOptions {
  std::string file;
  std::string user_repo;
  bool yes = false, copy = false, hard_link = false, symbolic_link = false, dry_run = false;
};
int run_import(Shell& shell, const ImportOptions& options);

struct ServerStartOptions {
  std::optional<std::uint16_t> port;
  std::string bind_address;
  bool cors = false, allow_unauthenticated = false, json = false;
};
int run_server_start(Shell& shell, const ServerStartOptions& options);
int run_server_stop(Shell& shell);
int run_server_status(Shell& shell, bool json);

int run_daemon_up(Shell& shell, bool json);
int run_daemon_down(Shell& shell);
int run_daemon_status(Shell& shell, bool json);
// Becomes the service, in the foreground; gives a code only where that fails.
int run_daemon_run(Shell& shell);

struct StatusOptions {
  ConnectionOptions connection;
  bool json = false;
};
int run_status(Shell& shell, const StatusOptions& options);
int run_version(Shell& shell, bool json);

// Prints the error and gives exit code 1.
int report(Shell& shell, const Error& error);

// Reports a problem with what the user asked for, and gives exit code 1.
int usage_error(Shell& shell, std::string_view message);

}  // namespace atelier::cli
