// What the name of a model file says: "Qwen3-8B-UD-Q4_K_XL-00001-of-00003.gguf" is part 1 of 3 of
// "Qwen3-8B", quantised as "Q4_K_XL" (UD is a publisher's mark for mixed layers). Names are conventions of the people who publish models, so they
// only group and label files; what a model is comes from its metadata. Pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace atelier::models {

struct FileName {
  bool is_gguf = false;      // ends in .gguf, in any case
  std::string stem;          // without .gguf and the part number
  std::string base;          // the stem without the quantization
  std::string quantization;  // upper case, without UD; empty where the name has none
  std::uint32_t part = 0;    // from 1; 0 where the file is whole
  std::uint32_t part_count = 0;
  bool projector = false;  // the name says mmproj
};

FileName parse_file_name(std::string_view name);

// "Q4_K_M", "iq3_xxs", "UD-Q4_K_XL", "BF16", "MXFP4_MOE".
bool is_quantization_name(std::string_view text);

// Bits that a weight nominally has: 4 for "Q4_K_M", 16 for "BF16"; 0 where the name does not say.
int nominal_bits(std::string_view quantization);

// "8B", "26B-A4B", "135M" found as a word of a name, in upper case; empty where there is none.
std::string size_in_name(std::string_view name);

// 8,030,261,248 -> "8B"; 134,515,008 -> "135M"; with fewer active ones "30B-A3B"-like. Empty for 0.
std::string size_of_parameters(std::uint64_t parameters, std::uint64_t active = 0);

std::string lower_case(std::string_view ascii);
std::string upper_case(std::string_view ascii);

}  // namespace atelier::models
