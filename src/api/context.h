// What every dialect's handlers share. Lives as long as the server; used on the loop thread.
#pragma once

#include <chrono>

#include <boost/asio/any_io_executor.hpp>

#include "predict/model_service.h"
#include "predict/predictor.h"

namespace atelier::api {

struct ApiContext {
  predict::Predictor& predictor;
  predict::ModelService& models;
  boost::asio::any_io_executor pool;  // for parsing large bodies
  // When a stream's status line goes out if the engine has not accepted the request by then.
  std::chrono::milliseconds commit_after{15'000};
  // Silence after which a stream gets a sign of life.
  std::chrono::milliseconds keep_alive_every{15'000};
};

}  // namespace atelier::api
