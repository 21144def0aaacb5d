// Which handler answers which method and path.
//
// A pattern is a path whose segments are literal text, `{name}` (exactly one segment) or, last, `{name...}`
// (one segment or more, joined by '/': model ids hold slashes). Where several patterns match a path, literal
// text wins over {name}, and {name} over {name...}, compared from left to right. A GET route answers HEAD too.
//
// Built before the server starts, read-only afterwards. Used on the loop thread alone.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace atelier::net {

class Exchange;

// Answers one request through the exchange, which stays valid until the coroutine ends. An exception that
// escapes, or an end without an answer, becomes a 500 (or cuts a stream that has begun). The handler is copied
// before the server starts and never while it runs: a lambda coroutine may use its captures.
using Handler = std::function<boost::asio::awaitable<void>(Exchange&)>;

class Router {
 public:
  // Throws std::invalid_argument for a pattern that is malformed or already there: a fault of the program.
  void add(std::string_view method, std::string_view pattern, Handler handler);

  struct Match {
    const Handler* handler = nullptr;  // null: no route for this method; owned by the router
    std::string_view pattern;          // the route's, as it was added; owned by the router
    std::vector<std::pair<std::string, std::string>> captures;
    std::string allow;  // methods that this path has, "GET, HEAD, POST"; empty: no such path
  };
  // `segments` are the path's decoded segments (see parse_target).
  Match match(std::string_view method, const std::vector<std::string>& segments) const;

 private:
  enum class Kind { kLiteral, kOne, kRest };
  struct Segment {
    Kind kind;
    std::string text;  // the literal, or the capture's name
  };
  struct Route {
    std::string method;
    std::string pattern;
    std::vector<Segment> segments;
    Handler handler;
  };

  static bool matches(const Route& route, const std::vector<std::string>& segments);
  static bool more_specific(const Route& a, const Route& b);

  std::vector<Route> routes_;
};

}  // namespace atelier::net
