// Where text came from: content stays content through every operation, and is never called template text.
#include <random>
#include <string>
#include <vector>

#include "tests/prompt/rendering.h"

namespace atelier::prompt::jinja {
namespace {

TEST(JinjaProvenance, TextKnowsItsSource) {
  EXPECT_EQ(marked("<|user|>{{ x }}<|end|>", R"({"x": "hi"})"), "<|user|>«hi»<|end|>");
  EXPECT_EQ(marked("{{ '<|' + x + '|>' }}", R"({"x": "hi"})"), "<|«hi»|>");
  EXPECT_EQ(marked("{{ '<' ~ x ~ 1 ~ '>' }}", R"({"x": 5})"), "<«5»1>");
  EXPECT_EQ(marked("{% set y %}a{{ x }}b{% endset %}{{ y }}{{ y|length }}", R"({"x": "-"})"), "a«-»b«3»");
  EXPECT_EQ(marked("{% macro m(v) %}[{{ v }}]{% endmacro %}{{ m(x) }}", R"({"x": "-"})"), "[«-»]");
}

TEST(JinjaProvenance, PiecesKeepTheirPart) {
  constexpr std::string_view kX = R"({"x": "one two"})";
  EXPECT_EQ(marked("{{ ('A-' + x + '-Z')[1:5] }}", kX), "-«one»");
  EXPECT_EQ(marked("{{ ('  ' + x + '  ').strip() }}", kX), "«one two»");
  EXPECT_EQ(marked("{{ ('<' + x + '>').split(' ')|join('|') }}", kX), "<«one»|«two»>");
  EXPECT_EQ(marked("{{ ('a' + x + 'a').replace('o', '0') }}", kX), "a0«ne tw»0a");
  EXPECT_EQ(marked("{{ 'a b'.replace('b', x) }}", kX), "a «one two»");
  EXPECT_EQ(marked("{{ ('a' + x)|upper }}{{ ('b' + x).title() }}", kX), "A«ONE TWO»B«one Two»");
  EXPECT_EQ(marked("{{ ('ab' + x)|reverse }}", kX), "«owt eno»ba");
  EXPECT_EQ(marked("{{ '%s is %s' % ('a', x) }}{{ '{} {}'.format(x, 'b') }}", kX), "a is «one twoone two» b");
  EXPECT_EQ(marked("{{ {'k': x}|tojson }}", kX), "{\"k\": «\"one two\"»}");
  EXPECT_EQ(marked("{{ [x, 't'] }}", kX), "[«'one two'», 't']");
  EXPECT_EQ(marked("{{ x[0] }}{{ x.split()[1] }}{{ x|first }}{{ x|length }}", kX), "«otwoo7»");
}

TEST(JinjaProvenance, WhatIsComputedFromContentIsContent) {
  EXPECT_EQ(marked("{{ x + 1 }}{{ x * 2.5 }}{{ x|string }}{{ -x }}{{ x|float }}", R"({"x": 4})"), "«510.04-44.0»");
  EXPECT_EQ(marked("{{ x|tojson }}{{ x }}", R"({"x": {"<|a|>": [1, null]}})"),
            R"(«{"<|a|>": [1, null]}{'<|a|>': [1, None]}»)");
  EXPECT_EQ(marked("{{ x|int }}{{ x|urlencode }}{{ x|e }}", R"({"x": "12"})"), "«121212»");
}

TEST(JinjaProvenance, WhatTheTemplateDecidesIsTemplateText) {
  EXPECT_EQ(marked("{{ 'yes' if x else 'no' }}{{ {'a': '<|A|>'}[x] }}{% for i in x %}{{ loop.index }}{% endfor %}",
                   R"({"x": "a"})"),
            "yes<|A|>1");
}

// Programs made at random from operations that move text about. Template text is written in lower-case
// letters, content in digits and no operation turns one into the other, so every character shows where it
// came from.
class Programs {
 public:
  explicit Programs(unsigned seed) : random_(seed) {}

  std::string next() {
    std::string source;
    for (int i = 0; i < 4; ++i) source += "{{ " + text(3) + " }}" + literal();
    return source;
  }

 private:
  int below(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }
  std::string literal() {
    return std::string(1, static_cast<char>('a' + below(6))) + static_cast<char>('a' + below(6));
  }
  std::string variable() { return std::string("v") + static_cast<char>('0' + below(3)); }

  std::string text(int depth) {
    if (depth == 0) return below(2) != 0 ? "'" + literal() + "'" : variable() + "|string";
    const std::string a = "(" + text(depth - 1) + ")";
    const auto b = [&] { return "(" + text(depth - 1) + ")"; };
    switch (below(22)) {
      case 0:
      case 1:
      case 2: return a + " + " + b();
      case 3: return a + " ~ " + b() + " ~ '" + literal() + "'";
      case 4: return a + "[" + std::to_string(below(3)) + ":]";
      case 5: return a + "[::-1]";
      case 6: return a + ".replace(" + b() + ", " + b() + ", 2)";
      case 7: return b() + ".join([" + a + ", " + b() + "])";
      case 8: return a + ".split(" + b() + "[:1] or 'z')|join('" + literal() + "')";
      case 9: return a + "|trim('a1')";
      case 10: return "'%s" + literal() + "%s' % (" + a + ", " + b() + ")";
      case 11: return "'{}" + literal() + "{:>6}'.format(" + a + ", " + b() + ").replace(' ', '')";
      case 12: return a + "|list|join";
      case 13: return a + ".partition(" + b() + "[:1] or 'z')|join";
      case 14: return "[" + a + ", " + b() + "]|sort|join";
      case 15: return a + "|lower";
      case 16: return a + " * 2";
      case 17: return "[" + a + "]|map('replace', 'a', '" + literal() + "')|join";
      case 18: return a + ".removeprefix('a').strip('1b')";
      case 19: return a + " if " + b() + " else " + b();
      case 20: return "[" + a + ", " + b() + "]|unique|join";
      default: return a + "|truncate(5, true, '', 0)";
    }
  }

  std::mt19937 random_;
};

TEST(JinjaProvenance, HoldsForProgramsMadeAtRandom) {
  int checked = 0;
  for (unsigned seed = 0; seed < 3000; ++seed) {
    const std::string source = Programs(seed).next();
    const auto result = try_render(source, R"({"v0": "12", "v1": "3", "v2": "4512"})");
    ASSERT_TRUE(result.has_value()) << source << "\n" << result.error().describe();
    std::size_t begin = 0;
    for (std::size_t i = 0; i < result->runs.size(); ++i) {
      const jinja::Run& run = result->runs[i];
      ASSERT_GT(run.end, begin) << "an empty run in " << source;
      if (i > 0) {
        ASSERT_NE(run.provenance, result->runs[i - 1].provenance) << source;
      }
      for (; begin < run.end; ++begin, ++checked) {
        const char c = result->text[begin];
        const bool digit = c >= '0' && c <= '9';
        ASSERT_EQ(digit, run.provenance == Provenance::kContent) << source << "\ngives " << marked(*result);
      }
    }
    ASSERT_EQ(begin, result->text.size());
  }
  EXPECT_GT(checked, 20'000);
}

}  // namespace
}  // namespace atelier::prompt::jinja
