#include "api/errors.h"

#include <gtest/gtest.h>

namespace atelier::api {
namespace {

std::string body(Dialect dialect, ErrorCode code, std::string param = {}) {
  return json::dump(error_body(dialect, Error{code, "text", std::move(param)}, "req_1"));
}

TEST(Errors, HaveTheEnvelopeOfTheirDialect) {
  EXPECT_EQ(body(Dialect::kOpenAi, ErrorCode::kModelNotFound, "model"),
            R"({"error":{"message":"text","type":"invalid_request_error","param":"model","code":"model_not_found"}})");
  EXPECT_EQ(body(Dialect::kNative, ErrorCode::kModelNotFound),
            R"({"error":{"type":"model_not_found","message":"text"}})");
  EXPECT_EQ(
      body(Dialect::kNative, ErrorCode::kMissingParameter, "model"),
      R"({"error":{"type":"invalid_request","message":"text","code":"missing_required_parameter","param":"model"}})");
  EXPECT_EQ(body(Dialect::kAnthropic, ErrorCode::kQueueFull),
            R"({"type":"error","error":{"type":"rate_limit_error","message":"text"},"request_id":"req_1"})");
}

TEST(Errors, KeepTheirCodeOnlyWhereTheDialectHasOne) {
  EXPECT_EQ(body(Dialect::kOpenAi, ErrorCode::kInvalidRequest),
            R"({"error":{"message":"text","type":"invalid_request_error","param":null,"code":null}})");
  EXPECT_EQ(body(Dialect::kOpenAi, ErrorCode::kEngineCrashed),
            R"({"error":{"message":"text","type":"server_error","param":null,"code":"engine_crashed"}})");
}

TEST(Errors, HaveTheirStatus) {
  const auto status = [](Dialect dialect, ErrorCode code) {
    return error_response(dialect, Error{code, "text", {}}).status;
  };
  EXPECT_EQ(status(Dialect::kOpenAi, ErrorCode::kContextLengthExceeded), 400);
  EXPECT_EQ(status(Dialect::kOpenAi, ErrorCode::kModelNotFound), 404);
  EXPECT_EQ(status(Dialect::kOpenAi, ErrorCode::kQueueFull), 429);
  EXPECT_EQ(status(Dialect::kOpenAi, ErrorCode::kNotImplemented), 501);
  EXPECT_EQ(status(Dialect::kOpenAi, ErrorCode::kShuttingDown), 503);
  EXPECT_EQ(status(Dialect::kNative, ErrorCode::kInsufficientResources), 507);
  EXPECT_EQ(status(Dialect::kOpenAi, ErrorCode::kInsufficientResources), 400);
}

TEST(Errors, SayWhenToTryAgain) {
  const net::Response response = error_response(Dialect::kOpenAi, Error{ErrorCode::kQueueFull, "text", {}});
  EXPECT_EQ(response.headers.get("Retry-After"), "1");
}

TEST(Errors, OfUnknownRoutesAreWordedAsClientsKnowThem) {
  net::Request request;
  request.method = "POST";
  request.path = "/chat/completions";
  const net::Response response = render_net_error(request, Error{ErrorCode::kNotFound, "no route", {}});
  EXPECT_EQ(response.status, 404);
  EXPECT_EQ(response.body, R"!({"error":"Unexpected endpoint or method. (POST /chat/completions)"})!");
}

TEST(Errors, BelongToTheDialectOfTheirPath) {
  EXPECT_EQ(dialect_of_path("/api/v1/models"), Dialect::kNative);
  EXPECT_EQ(dialect_of_path("/api/v1"), Dialect::kNative);
  EXPECT_EQ(dialect_of_path("/api/v10"), Dialect::kOpenAi);
  EXPECT_EQ(dialect_of_path("/v1/messages/count_tokens"), Dialect::kAnthropic);
  EXPECT_EQ(dialect_of_path("/v1/models"), Dialect::kOpenAi);
}

}  // namespace
}  // namespace atelier::api
