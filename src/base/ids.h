// Random identifiers, from the kernel's random source (getrandom(2)), so that none can be guessed from
// another. The forms are those that clients of each API know. Any thread.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace atelier::ids {

void random_bytes(std::span<unsigned char> out);

// Every character is drawn evenly from the alphabet (1 to 256 characters).
std::string random_text(std::size_t length, std::string_view alphabet);
std::string random_hex(std::size_t digits);                 // lower case
std::string random_alphanumeric(std::size_t length);        // A-Z a-z 0-9
std::string random_lower_alphanumeric(std::size_t length);  // a-z 0-9

std::string chat_completion();                       // chatcmpl-…
std::string text_completion();                       // cmpl-…
std::string response();                              // resp_… (both dialects)
std::string response_item(std::string_view prefix);  // "msg_", "rs_", "fc_", "mcp_", "mcpl_" and 48 hex digits
std::string chat_tool_call();                        // 9 decimal digits, the first is not 0
std::string response_call();                         // call_…
std::string anthropic_message();                     // msg_…
std::string anthropic_tool_use();                    // toolu_…
std::string download_job();                          // job_…
std::string api_token();                             // sk-lm-XXXXXXXX:YYYYYYYYYYYYYYYYYYYY
std::string request();                               // req_…, for the log

}  // namespace atelier::ids
