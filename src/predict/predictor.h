// The pipeline: a request in, a stream of events out. Finds or loads the instance, renders the prompt, starts
// one generation for each choice and passes on what comes. Lives on the server's loop thread; knows no dialect.
#pragma once

#include <memory>

#include <boost/asio/any_io_executor.hpp>

#include "predict/model_service.h"
#include "predict/prediction.h"
#include "predict/prediction_metrics.h"
#include "predict/request.h"

namespace atelier::predict {

class Predictor {
 public:
  // The service must outlive the predictor and its predictions. `pool` renders long conversations.
  Predictor(boost::asio::any_io_executor loop, ModelService& models, boost::asio::any_io_executor pool);

  // The work starts at once; mistakes come as the stream's Error.
  std::unique_ptr<Prediction> chat(ChatRequest request);
  std::unique_ptr<Prediction> complete(CompletionRequest request);

  const PredictionMetrics& metrics() const { return *metrics_; }

 private:
  boost::asio::any_io_executor loop_;
  ModelService& models_;
  boost::asio::any_io_executor pool_;
  std::shared_ptr<PredictionMetrics> metrics_;  // shared with the predictions under way
};

}  // namespace atelier::predict
