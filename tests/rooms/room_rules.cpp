#include "rooms/room_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <sstream>

namespace atelier::rooms {
namespace {

std::string_view trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (true) {
    const std::size_t end = text.find(separator);
    parts.emplace_back(trim(text.substr(0, end)));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

// The two-column rows of the table after the marker, its heading left out.
std::vector<std::pair<std::string, std::string>> table_rows(std::string_view markdown, std::string_view marker) {
  std::vector<std::pair<std::string, std::string>> rows;
  const std::size_t start = markdown.find(marker);
  if (start == std::string_view::npos) return rows;
  std::istringstream lines{std::string(markdown.substr(start + marker.size()))};
  std::string line;
  std::getline(lines, line);  // the rest of the marker's line
  int number = 0;
  while (std::getline(lines, line)) {
    const std::vector<std::string> cells = split(line, '|');
    if (cells.size() != 4) break;
    if (++number > 2) rows.emplace_back(cells[1], cells[2]);
  }
  return rows;
}

std::string room_of(std::string_view path) {
  const std::size_t slash = path.find('/');
  return slash == std::string_view::npos ? std::string{} : std::string(path.substr(0, slash));
}

// Takes comments out and keeps line breaks. A quoted string ends with its line at the latest, so that "*/*" opens no
// comment and a quote in a character literal swallows one line only.
std::string without_comments(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  enum class State { kCode, kString, kLine, kBlock } state = State::kCode;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::string_view two = text.substr(i, 2);
    if (state == State::kCode && two == "//") state = State::kLine;
    if (state == State::kCode && two == "/*") state = State::kBlock;
    if (text[i] == '\n') {
      if (state != State::kBlock) state = State::kCode;
      result += '\n';
    } else if (state == State::kString && text[i] == '\\' && i + 1 < text.size() && text[i + 1] != '\n') {
      result += two;
      ++i;
    } else if (state == State::kBlock && two == "*/") {
      state = State::kCode;
      ++i;
    } else if (state == State::kCode || state == State::kString) {
      if (text[i] == '"') state = state == State::kCode ? State::kString : State::kCode;
      result += text[i];
    }
  }
  return result;
}

std::optional<std::string> check_library(const RoomRules& rules, const std::string& file, const std::string& include) {
  for (const auto& [header, places] : rules.libraries) {
    if (!include.starts_with(header)) continue;
    if (places.contains(file) || places.contains(room_of(file))) continue;
    return fmt::format("{} may only be included in {}", include, fmt::join(places, ", "));
  }
  return std::nullopt;
}

std::optional<std::string> check_include(const RoomRules& rules, const SourceTree& tree, const std::string& file,
                                         const std::string& include) {
  if (auto problem = check_library(rules, file, include)) return problem;
  const std::string target = room_of(include);
  const std::string room = room_of(file);
  // <net/if.h> is the system's: a first folder with a room's name counts when the file is in the tree or generated.
  const bool ours = tree.contains(include) || include.ends_with(".pb.h");
  if (!ours || !rules.edges.contains(target) || target == room) return std::nullopt;
  if (rules.edges.at(room).contains(target)) return std::nullopt;
  return fmt::format("{} may not include {} ({}); the allowed edges are in docs/architecture.md", room, target,
                     include);
}

}  // namespace

std::vector<IncludeLine> includes_of(std::string_view text) {
  std::vector<IncludeLine> includes;
  std::istringstream lines(without_comments(text));
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    std::string_view rest = trim(line);
    if (!rest.starts_with('#')) continue;
    rest = trim(rest.substr(1));
    if (!rest.starts_with("include")) continue;
    rest = trim(rest.substr(7));
    if (rest.size() < 2 || (rest[0] != '"' && rest[0] != '<')) continue;
    const std::size_t end = rest.find(rest[0] == '"' ? '"' : '>', 1);
    if (end != std::string_view::npos) includes.push_back({number, std::string(rest.substr(1, end - 1))});
  }
  return includes;
}

RoomRules read_rules(std::string_view markdown, std::vector<std::string>& problems) {
  RoomRules rules;
  const auto rooms = table_rows(markdown, "<!-- table: rooms");
  const auto libraries = table_rows(markdown, "<!-- table: libraries");
  if (rooms.empty()) problems.emplace_back("docs/architecture.md has no table of rooms");
  if (libraries.empty()) problems.emplace_back("docs/architecture.md has no table of libraries");
  for (const auto& [room, allowed] : rooms) rules.edges[room];
  for (const auto& [room, allowed] : rooms) {
    for (const std::string& target : split(allowed, ',')) {
      if (target == "nothing") continue;
      if (target == "everything") {
        for (const auto& [other, unused] : rooms) rules.edges[room].insert(other);
      } else if (rules.edges.contains(target)) {
        rules.edges[room].insert(target);
      } else {
        problems.push_back(fmt::format("the row of {} allows {}, which is no room of the table", room, target));
      }
    }
    rules.edges[room].erase(room);
  }
  for (const auto& [header, places] : libraries) {
    for (const std::string& place : split(places, ',')) {
      const std::string room = place.contains('/') ? room_of(place) : place;
      if (!rules.edges.contains(room)) {
        problems.push_back(fmt::format("the row of {} allows {}, which is no room of the table", header, place));
      }
      rules.libraries[header].insert(place);
    }
  }
  return rules;
}

std::vector<std::string> find_violations(const RoomRules& rules, const SourceTree& tree) {
  std::vector<std::string> violations;
  for (const auto& [file, text] : tree) {
    const std::string room = room_of(file);
    if (room.empty()) {
      violations.push_back(fmt::format("src/{}: lies in no room", file));
      continue;
    }
    if (!rules.edges.contains(room)) {
      violations.push_back(fmt::format("src/{}: the room {} is missing in docs/architecture.md", file, room));
      continue;
    }
    for (const IncludeLine& include : includes_of(text)) {
      if (auto problem = check_include(rules, tree, file, include.path)) {
        violations.push_back(fmt::format("src/{}:{}: {}", file, include.line, *problem));
      }
    }
  }
  return violations;
}

std::vector<std::string> find_cycle(const RoomRules& rules) {
  std::vector<std::string> path;
  std::set<std::string> done;
  const std::function<bool(const std::string&)> visit = [&](const std::string& room) {
    if (done.contains(room)) return false;
    const auto again = std::find(path.begin(), path.end(), room);
    if (again != path.end()) {
      path.erase(path.begin(), again);
      return true;
    }
    path.push_back(room);
    for (const std::string& target : rules.edges.at(room)) {
      if (visit(target)) return true;
    }
    path.pop_back();
    done.insert(room);
    return false;
  };
  for (const auto& [room, targets] : rules.edges) {
    if (visit(room)) return path;
  }
  return {};
}

}  // namespace atelier::rooms
