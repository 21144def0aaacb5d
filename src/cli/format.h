// How lms writes sizes, times and names. Pure functions.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace atelier::cli {

// Powers of 1000 with two decimals: "84.11 MB", "4.92 GB"; below 1000: "512 B".
std::string format_bytes(std::uint64_t bytes);

// "850.00ms", "9.10s", "2m 3.45s", "1h 2m 3.45s".
std::string format_elapsed(std::chrono::duration<double> elapsed);

// The largest unit alone, with minutes beside hours: "30s", "59m", "1h", "1h 30m".
std::string format_short_time(std::chrono::seconds time);

// With a comma between thousands: "16,384".
std::string format_count(std::int64_t count);

// An architecture as people write it: "gemma2" -> "Gemma 2"; unknown ones stay as they are.
std::string_view pretty_architecture(std::string_view name);

// An instance's status as one word in upper case: "processing_prompt" -> "PROCESSINGPROMPT".
std::string status_label(std::string_view status);
// The same in lower camel case, for JSON: "processing_prompt" -> "processingPrompt".
std::string status_word(std::string_view status);

// Terminal columns that a UTF-8 text takes: wide East Asian characters and emoji two, combining marks none.
// Escape sequences (colours) take none.
std::size_t display_width(std::string_view text);

// The longest beginning that takes at most that many columns; cut texts end in "…".
std::string fit_width(std::string_view text, std::size_t columns);

// Bytes from elsewhere (a model's name, an error of a server) without control characters, which could drive the
// terminal. Line feeds and tabs stay.
std::string printable(std::string_view text);

}  // namespace atelier::cli
