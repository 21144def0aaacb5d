// Pages of mapped files that were read and are not needed in this process's memory.
//
// A model's file is mapped, and its weights are used where they are. But weights that the library puts into an order of
// its own (for a processor's matrix instructions, or on a GPU) are copied, and the pages that they were copied from stay
// in the process's memory: at worst the model is there twice. Given up, they are in the kernel's page cache as before;
// whoever reads them again takes them from there. madvise(2), MADV_DONTNEED; Linux. Any thread.
#pragma once

#include <cstddef>
#include <filesystem>
#include <vector>

namespace atelier::engine {

// Gives up the pages of all read-only mappings of these files; the bytes of the mappings. Files that are not there or
// not mapped are passed over.
std::size_t give_up_mapped_pages(const std::vector<std::filesystem::path>& files);

}  // namespace atelier::engine
