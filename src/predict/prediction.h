// One request on its way through the pipeline. Lives on the server's loop thread.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/awaitable.hpp>

#include "predict/events.h"

namespace atelier::predict {

class Prediction {
 public:
  virtual ~Prediction() = default;  // before the end of the stream: cancels it

  // The next event; nothing where the deadline passed first. After End or Error it must not be called again.
  virtual boost::asio::awaitable<std::optional<Event>> next(std::chrono::steady_clock::time_point deadline) = 0;

  // Ends the work within one decode step. The stream still ends with End or Error.
  virtual void cancel() = 0;

  // The instance that answers, known from Accepted on: its identifier, which is the `model` of answers.
  virtual const std::string& instance_id() const = 0;
};

}  // namespace atelier::predict
