// Holds every #include under src/ against the tables of docs/architecture.md, and shows on made-up trees that each
// kind of violation is found.
#include "rooms/room_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace atelier::rooms {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

const std::filesystem::path kRoot = ATELIER_SOURCE_DIR;

std::string read_file(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  EXPECT_TRUE(stream) << path;
  return {std::istreambuf_iterator<char>(stream), {}};
}

SourceTree read_tree() {
  SourceTree tree;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(kRoot / "src")) {
    if (!entry.is_regular_file()) continue;
    const std::string extension = entry.path().extension().string();
    if (extension != ".h" && extension != ".cpp" && extension != ".inc") continue;
    tree[entry.path().lexically_relative(kRoot / "src").generic_string()] = read_file(entry.path());
  }
  return tree;
}

RoomRules real_rules() {
  std::vector<std::string> problems;
  RoomRules rules = read_rules(read_file(kRoot / "docs" / "architecture.md"), problems);
  EXPECT_THAT(problems, IsEmpty());
  return rules;
}

std::string joined(const std::vector<std::string>& lines) {
  std::ostringstream text;
  for (const std::string& line : lines) text << line << '\n';
  return text.str();
}

TEST(Rooms, EveryIncludeOfTheTreeFollowsTheTables) {
  const SourceTree tree = read_tree();
  ASSERT_GT(tree.size(), 5u);
  const std::vector<std::string> violations = find_violations(real_rules(), tree);
  EXPECT_TRUE(violations.empty()) << joined(violations);
}

TEST(Rooms, ArrowsRunDownwardOnly) { EXPECT_THAT(find_cycle(real_rules()), IsEmpty()); }

TEST(Rooms, BaseIncludesNobody) { EXPECT_THAT(real_rules().edges.at("base"), IsEmpty()); }

TEST(Rooms, AllFilesOfSourceFoldersAreCppOrBuildFiles) {
  // What read_tree does not read must not hold C++ under another name.
  for (const auto& entry : std::filesystem::recursive_directory_iterator(kRoot / "src")) {
    const std::string extension = entry.path().extension().string();
    EXPECT_FALSE(extension == ".hpp" || extension == ".cc" || extension == ".cxx" || extension == ".hh" ||
                 extension == ".c" || extension == ".ipp")
        << entry.path() << ": C++ files end in .h, .cpp or .inc";
  }
}

TEST(RoomRules, ForbiddenEdgeIsFoundWithItsLine) {
  const SourceTree tree = {{"base/x.h", ""},
                           {"net/router.h", "#pragma once\n"},
                           {"base/x.cpp", "#include \"base/x.h\"\n\n  #  include \"net/router.h\"\n"}};
  const auto violations = find_violations(real_rules(), tree);
  ASSERT_EQ(violations.size(), 1u);
  EXPECT_THAT(violations[0], HasSubstr("src/base/x.cpp:3: base may not include net (net/router.h)"));
}

TEST(RoomRules, ForbiddenEdgeInAngleBracketsIsFound) {
  const SourceTree tree = {{"runtime/pool.h", ""}, {"api/openai/chat.cpp", "#include <runtime/pool.h>\n"}};
  EXPECT_EQ(find_violations(real_rules(), tree).size(), 1u);
}

TEST(RoomRules, SystemHeaderInAFolderNamedLikeARoomIsFine) {
  EXPECT_THAT(find_violations(real_rules(), {{"base/x.cpp", "#include <net/if.h>\n"}}), IsEmpty());
}

TEST(RoomRules, RoomMissingInTheTableIsFound) {
  EXPECT_THAT(find_violations(real_rules(), {{"utils/x.cpp", ""}}),
              ElementsAre(HasSubstr("the room utils is missing")));
}

TEST(RoomRules, FileInNoRoomIsFound) {
  EXPECT_THAT(find_violations(real_rules(), {{"main.cpp", ""}}), ElementsAre(HasSubstr("lies in no room")));
}

TEST(RoomRules, LibrariesOutsideTheirRoomsAreFound) {
  const SourceTree tree = {{"api/x.cpp", "#include <boost/beast/http.hpp>\n"},
                           {"runtime/x.cpp", "#include <llama.h>\n"},
                           {"app/x.cpp", "#include \"ggml-backend.h\"\n"},
                           {"base/json.h", "#include <nlohmann/json.hpp>\n"},
                           {"predict/x.cpp", "#include <google/protobuf/message.h>\n"},
                           {"app/y.cpp", "#include \"wire/engine.pb.h\"\n"}};
  EXPECT_THAT(find_violations(real_rules(), tree),
              UnorderedElementsAre(HasSubstr("boost/beast"), HasSubstr("llama.h"), HasSubstr("ggml-backend.h"),
                                   HasSubstr("nlohmann"), HasSubstr("protobuf"), HasSubstr("engine.pb.h")));
}

TEST(RoomRules, LibrariesInTheirRoomsAreFine) {
  const SourceTree tree = {{"net/x.cpp", "#include <boost/beast/http.hpp>\n"},
                           {"engine/x.cpp", "#include <llama.h>\n#include \"wire/engine.pb.h\"\n"},
                           {"base/json.cpp", "#include <nlohmann/json.hpp>\n"}};
  EXPECT_THAT(find_violations(real_rules(), tree), IsEmpty());
}

TEST(RoomRules, IncludesInCommentsDoNotCount) {
  const auto includes =
      includes_of("// #include \"a/b.h\"\n/* #include <c.h>\n#include <d.h> */\n#include <e.h>  // why\n");
  ASSERT_EQ(includes.size(), 1u);
  EXPECT_EQ(includes[0].path, "e.h");
  EXPECT_EQ(includes[0].line, 4);
}

TEST(RoomRules, CommentMarksInStringsOpenNoComment) {
  const auto includes = includes_of("const char* a = \"*/*\";\nchar q = '\"'; /* b */\n#include <e.h>\n");
  ASSERT_EQ(includes.size(), 1u);
  EXPECT_EQ(includes[0].line, 3);
}

TEST(RoomRules, MissingTableIsReported) {
  std::vector<std::string> problems;
  read_rules("# A page without tables\n", problems);
  EXPECT_EQ(problems.size(), 2u);
}

TEST(RoomRules, UnknownRoomInARowIsReported) {
  std::vector<std::string> problems;
  read_rules(
      "<!-- table: rooms -->\n| room | may include |\n|---|---|\n| base | cellar |\n\n"
      "<!-- table: libraries -->\n| header | only in |\n|---|---|\n| x.h | base |\n",
      problems);
  EXPECT_THAT(problems, ElementsAre(HasSubstr("cellar")));
}

TEST(RoomRules, CircleOfEdgesIsFound) {
  RoomRules rules;
  rules.edges = {{"a", {"b"}}, {"b", {"c"}}, {"c", {"b"}}};
  EXPECT_THAT(find_cycle(rules), UnorderedElementsAre("b", "c"));
}

}  // namespace
}  // namespace atelier::rooms
