#include "base/error.h"

namespace atelier {

std::string_view to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidRequest: return "invalid_request";
    case ErrorCode::kMissingParameter: return "missing_required_parameter";
    case ErrorCode::kContextLengthExceeded: return "context_length_exceeded";
    case ErrorCode::kInvalidModelType: return "invalid_model_type";
    case ErrorCode::kDraftModelIncompatible: return "draft_model_incompatible";
    case ErrorCode::kInvalidApiKey: return "invalid_api_key";
    case ErrorCode::kPermissionDenied: return "insufficient_permissions";
    case ErrorCode::kOriginNotAllowed: return "origin_not_allowed";
    case ErrorCode::kHostNotAllowed: return "host_not_allowed";
    case ErrorCode::kModelNotFound: return "model_not_found";
    case ErrorCode::kModelNotLoaded: return "model_not_loaded";
    case ErrorCode::kInstanceNotFound: return "instance_not_found";
    case ErrorCode::kNotFound: return "not_found";
    case ErrorCode::kMethodNotAllowed: return "method_not_allowed";
    case ErrorCode::kRequestTimeout: return "request_timeout";
    case ErrorCode::kConflict: return "conflict";
    case ErrorCode::kBodyTooLarge: return "body_too_large";
    case ErrorCode::kUnsupportedMediaType: return "unsupported_media_type";
    case ErrorCode::kQueueFull: return "queue_full";
    case ErrorCode::kHeadersTooLarge: return "headers_too_large";
    case ErrorCode::kCancelled: return "cancelled";
    case ErrorCode::kInternal: return "internal_error";
    case ErrorCode::kModelLoadFailed: return "model_load_failed";
    case ErrorCode::kEngineCrashed: return "engine_crashed";
    case ErrorCode::kNotImplemented: return "not_implemented";
    case ErrorCode::kUnavailable: return "unavailable";
    case ErrorCode::kShuttingDown: return "shutting_down";
    case ErrorCode::kOverloaded: return "overloaded";
    case ErrorCode::kInsufficientResources: return "insufficient_resources";
    case ErrorCode::kIo: return "io_error";
    case ErrorCode::kCorrupt: return "corrupt";
  }
  return "internal_error";
}

}  // namespace atelier
