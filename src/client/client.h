// A client for Atelier's HTTP interfaces, for programs other than lms too: link atelier_client, include this file.
//
//   auto client = atelier::client::Client::connect("http://127.0.0.1:1234");
//   if (!client) return complain(client.error());
//   auto answer = client->chat({.model = "qwen3-8b", .messages = {{"user", "Hello"}}},
//                              [](const atelier::client::ChatDelta& delta) { std::cout << delta.content; });
//
// Every call blocks the calling thread until it has its answer, and callbacks run on that thread. A Client belongs to
// one thread at a time; make one for each thread. Cancelling: the calls that can take long have a std::stop_token,
// which may be triggered from any thread; the connection is then closed, and the server stops the work.
//
// Errors carry the server's message, and its code where base/error.h knows it. kUnavailable: there was no connection,
// or it broke. Connections are kept alive between calls. No call but chat and load waits longer than
// ClientOptions::answer_timeout.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/error.h"
#include "client/types.h"

namespace atelier::client {

struct ClientOptions {
  std::chrono::milliseconds connect_timeout{10'000};
  std::chrono::milliseconds answer_timeout{120'000};
};

struct HttpStart {
  std::optional<std::uint16_t> port{};        // default: the last used one, else 1234
  std::optional<std::string> bind_address{};  // default: the last used one, else 127.0.0.1
  bool cors = false;
  bool allow_unauthenticated = false;  // needed for another address than loopback without authentication
};

class Client {
 public:
  using ProgressCallback = std::function<void(double fraction)>;  // 0 to 1, rising
  using DeltaCallback = std::function<void(const ChatDelta&)>;

  // Prepares a client for a server such as "http://127.0.0.1:1234". Sends nothing: probe() asks whether one is there.
  static Result<Client> connect(std::string base_url, std::string api_token = {}, ClientOptions options = {});
  ~Client();
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;

  const std::string& base_url() const;

  // Does a server that speaks this protocol answer (GET /lmstudio-greeting)?
  Result<void> probe(std::chrono::milliseconds timeout = std::chrono::milliseconds(500));

  // Downloaded models, loaded or not, with their loaded instances.
  Result<std::vector<Model>> list_models();

  // Loads a new instance. `on_progress` may be empty.
  Result<LoadResult> load(const LoadRequest& request, const ProgressCallback& on_progress, std::stop_token stop = {});
  // What the load would need, without loading.
  Result<LoadEstimate> estimate_load(const LoadRequest& request);
  Result<void> unload(const std::string& instance_id);

  Result<ServerInfo> server_info();

  // Streams one answer. `on_delta` may be empty: the result has the whole text. Cancelled: a result with `cancelled`
  // set, not an error.
  Result<ChatResult> chat(const ChatRequest& request, const DeltaCallback& on_delta, std::stop_token stop = {});

  // Control of the service itself; answered on its control port only (client/local_service.h finds it).
  // Opens the HTTP listener; one that is open with other settings is opened anew.
  Result<HttpListener> start_http(const HttpStart& start);
  Result<std::uint16_t> stop_http();  // the port that was closed
  Result<void> shutdown_service();

 private:
  struct State;
  explicit Client(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace atelier::client
