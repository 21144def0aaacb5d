// "…; did you mean 'for'?" for names that are nearly right.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace atelier::prompt::jinja {

// Of the known names the nearest to `name`, as an ending for an error message; empty where none is near.
std::string suggestion(std::string_view name, std::span<const std::string_view> known);

}  // namespace atelier::prompt::jinja
