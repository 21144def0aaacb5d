// The one error type of Atelier. Expected failures travel as std::expected<T, Error>; exceptions stop
// where a library throws them. Each code maps to exactly one HTTP status and one code string per API
// dialect (see api/errors.h), so an error keeps its meaning on its way to whichever client asked.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace atelier {

enum class ErrorCode {
  // What the caller sent.
  kInvalidRequest,          // a field is wrong                                            400
  kMissingParameter,        // a required field is absent                                  400
  kContextLengthExceeded,   // the prompt does not fit                                     400
  kInvalidModelType,        // an embedding model on a chat route, or the reverse          400
  kDraftModelIncompatible,  // another vocabulary, or a model that takes no guesses       400
  kInvalidApiKey,           // no token, or an unknown one                                 401
  kPermissionDenied,        // the token lacks a permission                                403
  kOriginNotAllowed,        // a web page of another origin                                403
  kHostNotAllowed,          // a Host header that names another machine                    403
  kModelNotFound,           // no such model                                               404
  kModelNotLoaded,          // the model is there, but loading on demand is off            404
  kInstanceNotFound,        // no such loaded instance                                     404
  kNotFound,                // no such route, file or object                               404
  kMethodNotAllowed,        // the route exists, with another method                       405
  kRequestTimeout,          // headers or body came too slowly                             408
  kConflict,                // a name that is taken, a state that forbids it               409
  kBodyTooLarge,            //                                                             413
  kUnsupportedMediaType,    //                                                             415
  kQueueFull,               // too many requests wait for this instance                    429
  kHeadersTooLarge,         //                                                             431
  kCancelled,               // the client went away or cancelled                           499
  // What the world did.
  kInternal,               // our own fault                                               500
  kModelLoadFailed,        //                                                             500
  kEngineCrashed,          // the engine process ended while it was working               500
  kNotImplemented,         // recognised, but not served yet                              501
  kUnavailable,            // a peer does not answer                                      502
  kShuttingDown,           //                                                             503
  kOverloaded,             // a shared budget (memory for bodies, …) is used up           503
  kInsufficientResources,  // a load does not fit the machine                             507
  kIo,                     // a file or socket operation failed                           500
  kCorrupt,                // bytes that are not what they should be (a broken GGUF, …)   500
};

// The code's name in snake_case, for logs and for `code` members: "context_length_exceeded".
std::string_view to_string(ErrorCode code);

struct Error {
  ErrorCode code = ErrorCode::kInternal;
  // One or two sentences: what was wrong, where, and what to do.
  std::string message;
  // The request field the error is about, as the client spelled its path ("messages[2].role"); may be empty.
  std::string param;
};

template <class T>
using Result = std::expected<T, Error>;

// return fail(ErrorCode::kIo, "…") in a function that returns Result<T>.
inline std::unexpected<Error> fail(ErrorCode code, std::string message, std::string param = {}) {
  return std::unexpected<Error>(Error{code, std::move(message), std::move(param)});
}

}  // namespace atelier
