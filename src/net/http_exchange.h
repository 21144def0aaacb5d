// The answer to one request on one connection: how a Response or a stream becomes bytes. Inside net/ only;
// handlers see the Exchange interface. Lives on the loop thread, in the connection's coroutine.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>

#include "net/client_socket.h"
#include "net/http_server.h"

namespace atelier::net {

// The memory that request bodies may take together. A share is given back when it is destroyed.
class BodyBudget {
 public:
  explicit BodyBudget(std::uint64_t limit) : limit_(limit) {}
  std::uint64_t used() const { return used_; }

  class Share {
   public:
    explicit Share(BodyBudget& budget) : budget_(&budget) {}
    Share(Share&& other) noexcept : budget_(other.budget_), bytes_(std::exchange(other.bytes_, 0)) {}
    Share& operator=(Share&&) = delete;
    ~Share() { release(); }
    // False, and nothing taken, where the budget is used up.
    bool grow(std::uint64_t bytes);
    void release();

   private:
    BodyBudget* budget_;
    std::uint64_t bytes_ = 0;
  };

 private:
  std::uint64_t limit_;
  std::uint64_t used_ = 0;
};

class HttpExchange final : public Exchange {
 public:
  struct Rules {
    bool keep_alive = false;  // the client wants it and nothing forbids it
    bool cors = false;
  };

  HttpExchange(ClientSocket& socket, Request request, BodyBudget::Share body_share, Rules rules);

  const Request& request() const override { return request_; }
  void release_body() override;
  std::stop_token client_gone() const override { return gone_.get_token(); }
  std::stop_token stopping() const override { return stopping_.get_token(); }
  boost::asio::awaitable<Result<void>> respond(Response response) override;
  boost::asio::awaitable<Result<void>> start_stream(int status, std::string content_type, Headers headers) override;
  boost::asio::awaitable<Result<void>> write(std::string_view data) override;
  boost::asio::awaitable<Result<void>> finish() override;
  bool headers_sent() const override { return state_ != State::kOpen; }

  // For the connection.
  void tell_gone() { gone_.request_stop(); }
  void tell_stopping() { stopping_.request_stop(); }
  void close_after() { rules_.keep_alive = false; }
  bool keep_alive() const { return rules_.keep_alive; }
  bool complete() const { return state_ == State::kComplete; }
  // A stream that only a reset can show to be cut: its end is the end of the connection.
  bool ambiguous_end() const { return state_ == State::kStreaming && !chunked_; }
  int status() const { return status_; }
  std::uint64_t bytes_sent() const { return socket_.bytes_sent() - bytes_before_; }

 private:
  enum class State { kOpen, kResponding, kStreaming, kComplete, kFailed };

  bool is_head() const { return request_.method == "HEAD"; }
  std::string render_head(int status, std::string_view content_type, const Headers& headers,
                          std::string_view framing) const;
  boost::asio::awaitable<Result<void>> send(std::string_view bytes, State then);

  ClientSocket& socket_;
  Request request_;
  BodyBudget::Share body_share_;
  Rules rules_;
  std::stop_source gone_;
  std::stop_source stopping_;
  State state_ = State::kOpen;
  bool chunked_ = false;
  int status_ = 0;
  std::uint64_t bytes_before_;
};

}  // namespace atelier::net
