// A text that changes when a file does: inode, size and time of modification. Any thread.
#pragma once

#include <filesystem>
#include <string>

namespace atelier::runtime {

std::string file_version(const std::filesystem::path& path);  // "absent" where there is none

}  // namespace atelier::runtime
