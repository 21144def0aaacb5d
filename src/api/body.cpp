#include "api/body.h"

#include "api/fields.h"
#include "predict/pool.h"

namespace atelier::api {
namespace {

// Larger bodies would hold up the loop for more than about a millisecond.
constexpr std::size_t kParseOnLoopBytes = 64 * 1024;

}  // namespace

boost::asio::awaitable<Result<json::Object>> read_json_object(net::Exchange& exchange,
                                                              boost::asio::any_io_executor pool) {
  const std::string& body = exchange.request().body;
  if (body.empty()) {
    co_return fail(ErrorCode::kInvalidRequest,
                   "The request has no body; send a JSON object (Content-Type: application/json)");
  }
  Result<json::Value> parsed;
  if (body.size() <= kParseOnLoopBytes) {
    parsed = json::parse(body);
  } else {
    auto parse = [&body] { return json::parse(body); };
    parsed = co_await predict::run_on(pool, parse);
  }
  exchange.release_body();
  if (!parsed) co_return std::unexpected(std::move(parsed.error()));
  json::Object* object = parsed->if_object();
  if (object == nullptr) {
    co_return fail(ErrorCode::kInvalidRequest,
                   "The body must be a JSON object, not " + std::string(kind_name(*parsed)));
  }
  co_return std::move(*object);
}

}  // namespace atelier::api
