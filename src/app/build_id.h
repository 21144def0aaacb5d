// Identifies this build: programs of another build of the same version have another id.
#pragma once

#include <filesystem>
#include <string>

namespace atelier::app {

// 16 hexadecimal digits over the bytes of this program and of the engine that it starts; an engine that cannot be
// read counts as absent. Takes some milliseconds.
std::string build_id(const std::filesystem::path& engine_program);

}  // namespace atelier::app
