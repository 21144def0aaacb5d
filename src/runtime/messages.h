// Between the plain types of generation.h and instances.h and the protocol's messages. Pure.
// What an engine sends is not trusted: unknown enumeration values become the nearest safe meaning, sizes are
// checked where they must agree. A protobuf string that is not UTF-8 would make the engine refuse the whole
// message and end, so such strings are repaired on the way out.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "runtime/generation.h"
#include "runtime/instances.h"

namespace atelier::wire {
class Accepted;
class Delta;
class Done;
class Embed;
class Embeddings;
class Error;
class Estimated;
class Generate;
class InfoResult;
class Load;
class LoadConfig;
class ModelInfo;
class Segment;
}  // namespace atelier::wire

namespace atelier::runtime {

void to_wire(const PromptSegment& segment, wire::Segment& out);
void to_wire(const GenerateRequest& request, wire::Generate& out);
void to_wire(const EmbedRequest& request, wire::Embed& out);
// Paths travel as UTF-8; kModelLoadFailed for one that is none.
Result<void> to_wire(const LoadRequest& request, wire::Load& out);

Delta from_wire(wire::Delta& delta);  // takes the strings out of it
Done from_wire(const wire::Done& done);
Error from_wire(const wire::Error& error);
LoadConfig from_wire(const wire::LoadConfig& config);
MemoryEstimate from_wire(const wire::Estimated& estimated);  // absurd numbers are cut down
EngineModelInfo from_wire(const wire::ModelInfo& model);
EngineStatistics from_wire(const wire::InfoResult& info);
// kCorrupt where the numbers do not fit the number of inputs.
Result<EmbedResult> from_wire(const wire::Embeddings& embeddings, std::size_t inputs);

}  // namespace atelier::runtime
