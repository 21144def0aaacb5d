// From messages of the protocol to checked requests: everything that comes from the socket is looked at here
// before it reaches the scheduler, the sampler or the library. Pure; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "engine/prediction.h"
#include "engine/vocabulary.h"

namespace google::protobuf {
template <class T>
class RepeatedPtrField;
}

namespace atelier::wire {
class Error;
class Generate;
class Sampling;
class Segment;
}  // namespace atelier::wire

namespace atelier::engine {

inline constexpr std::uint32_t kMaxTopLogprobs = 128;
inline constexpr std::size_t kMaxStopStrings = 256;
inline constexpr std::size_t kMaxStopStringBytes = 4096;

// Fails with kInvalidRequest (a token id outside the vocabulary) or kNotImplemented (media, no vocabulary).
Result<std::vector<std::int32_t>> tokenize_segments(const google::protobuf::RepeatedPtrField<wire::Segment>& segments,
                                                    const Vocabulary& vocabulary, TokenizeOptions options);

// The seed is the request's, else the load's, else drawn.
Result<SamplerSettings> sampler_settings(const wire::Sampling& sampling, const Vocabulary& vocabulary,
                                         std::optional<std::uint64_t> default_seed);

// Everything but the id and the time of arrival. Tokenises, which for a long prompt takes a while.
Result<GenerateRequest> generate_request(const wire::Generate& message, const Vocabulary& vocabulary,
                                         std::optional<std::uint64_t> default_seed);

void fill_error(const Error& error, wire::Error& out);

}  // namespace atelier::engine
