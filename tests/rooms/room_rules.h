// The rules of docs/architecture.md about who may include whom, and the check of a set of source files against them.
// Pure functions over text: the test feeds them the tree, and small made-up trees to show that they can fail.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace atelier::rooms {

struct RoomRules {
  // Room -> rooms it may include, itself left out. "everything" in the table is spelled out here.
  std::map<std::string, std::set<std::string>> edges;
  // Start of an include path -> rooms, or single files such as "base/json.cpp", that may include it.
  std::map<std::string, std::set<std::string>> libraries;
};

// Path below src/ with '/' ("base/json.h") -> the file's text.
using SourceTree = std::map<std::string, std::string>;

struct IncludeLine {
  int line = 0;  // from 1
  std::string path;
};

// The include directives of a C++ file, comments left out.
std::vector<IncludeLine> includes_of(std::string_view text);

// Reads the tables that follow <!-- table: rooms --> and <!-- table: libraries -->. A table that is missing or empty,
// or a row that names an unknown room, is reported in `problems`.
RoomRules read_rules(std::string_view markdown, std::vector<std::string>& problems);

// Everything in the tree that breaks the rules, one line each: "src/base/x.cpp:3: …". Empty when all is well.
std::vector<std::string> find_violations(const RoomRules& rules, const SourceTree& tree);

// The rooms on a circle of allowed edges; empty when arrows run downward only.
std::vector<std::string> find_cycle(const RoomRules& rules);

}  // namespace atelier::rooms
