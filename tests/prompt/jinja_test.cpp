// The language, feature by feature. What each expression gives in every corner is compared with Python in
// jinja_oracle_test.cpp; here stands what must hold even where there is no Python.
#include "prompt/jinja/template.h"

#include <thread>
#include <vector>

#include "tests/prompt/rendering.h"

namespace atelier::prompt::jinja {
namespace {

TEST(Jinja, TagsOnTheirOwnLineLeaveNoTrace) {
  EXPECT_EQ(rendered("a\n  {% if true %}\n  b\n  {% endif %}\nc\n"), "a\n  b\nc");
  EXPECT_EQ(rendered("a\n  {%+ if true %}b{% endif +%}\nc"), "a\n  b\nc");
  EXPECT_EQ(rendered("a  {%- if true -%}  b  {%- endif -%}  c"), "abc");
  EXPECT_EQ(rendered("a {# note #}\nb"), "a b");
  EXPECT_EQ(rendered("{% raw %}{{ x }}{% endraw %}"), "{{ x }}");
  EXPECT_EQ(rendered("a\r\nb\rc\n"), "a\nb\nc");
}

TEST(Jinja, AssignmentsInALoopEndWithIt) {
  EXPECT_EQ(rendered("{% set x = 1 %}{% for i in [1, 2] %}{{ x }}{% set x = 5 %}{{ x }}{% endfor %}{{ x }}"), "15151");
  EXPECT_EQ(
      rendered("{% set ns = namespace(x=1) %}{% for i in [1, 2] %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x }}"),
      "4");
}

TEST(Jinja, ABranchThatAssignsHidesNothingWhereItIsNotTaken) {
  EXPECT_EQ(rendered("{% if no %}{% set name = 'inner' %}{% endif %}{{ name }}", R"({"no": false, "name": "given"})"),
            "given");
}

TEST(Jinja, LoopsKnowWhereTheyAre) {
  EXPECT_EQ(
      rendered("{% for x in 'abc' %}{{ loop.index }}{{ x }}{{ loop.revindex0 }}{{ ',' if not loop.last }}{% endfor %}"),
      "1a2,2b1,3c0");
  EXPECT_EQ(
      rendered("{% for x in [1, 2, 3, 4] if x % 2 == 0 %}{{ loop.index }}/{{ loop.length }}:{{ x }} {% endfor %}"),
      "1/2:2 2/2:4 ");
  EXPECT_EQ(rendered("{% for x in [1, 2, 3] %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }};{% endfor %}"),
            "<1>2;1<2>3;2<3>;");
  EXPECT_EQ(rendered("{% for n in t recursive %}{{ n.v }}({{ loop(n.k) }}){% endfor %}",
                     R"({"t": [{"v": 1, "k": [{"v": 2, "k": []}]}]})"),
            "1(2())");
  EXPECT_EQ(rendered("{% for x in [1, 2, 3] %}{% if x == 2 %}{% continue %}{% endif %}{{ x }}{% endfor %}"), "13");
  EXPECT_EQ(rendered("{% for x in [1, 2, 3] %}{% if x == 2 %}{% break %}{% endif %}{{ x }}{% endfor %}"), "1");
}

TEST(Jinja, MacrosTakeDefaultsRestAndCallers) {
  EXPECT_EQ(
      rendered(
          "{% macro m(a, b=a) %}{{ a }}{{ b }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1) }} {{ m(1, 2, 3, k=4) }}"),
      "11(){} 12(3,){'k': 4}");
  EXPECT_EQ(rendered("{% macro box() %}[{{ caller('x') }}]{% endmacro %}{% call(v) box() %}{{ v }}!{% endcall %}"),
            "[x!]");
  EXPECT_EQ(rendered("{% macro f(n) %}{{ n }}{{ f(n - 1) if n }}{% endmacro %}{{ f(3) }}"), "3210");
}

TEST(Jinja, ValuesPrintAsPythonPrintsThem) {
  EXPECT_EQ(rendered("{{ [1, 1.0, 'it''s', none, true, {'k': (1,)}] }}"), "[1, 1.0, 'its', None, True, {'k': (1,)}]");
  EXPECT_EQ(rendered("{{ 0.1 + 0.2 }} {{ 1e22 }} {{ 7 / 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 2 ** 10 }}"),
            "0.30000000000000004 1e+22 3.5 -4 2 1024");
  EXPECT_EQ(rendered("{{ x }} {{ x|tojson }}", R"({"x": 123456789012345678901234567890})"),
            "123456789012345678901234567890 123456789012345678901234567890");
}

TEST(Jinja, ToJsonIsThatOfChatTemplates) {
  EXPECT_EQ(rendered("{{ x|tojson }}", R"({"x": {"b": "<é & 'q'>", "a": [1.0, null, true]}})"),
            R"({"b": "<é & 'q'>", "a": [1.0, null, true]})");
  EXPECT_EQ(rendered("{{ x|tojson(indent=2) }}", R"({"x": {"b": [], "a": [1]}})"),
            "{\n  \"b\": [],\n  \"a\": [\n    1\n  ]\n}");
  EXPECT_EQ(rendered("{{ x|tojson(separators=(',', ':'), sort_keys=true, ensure_ascii=true) }}",
                     R"({"x": {"b": "é", "a": 1}})"),
            "{\"a\":1,\"b\":\"\\u00e9\"}");
}

TEST(Jinja, TextIsCountedInCharacters) {
  EXPECT_EQ(rendered("{{ x|length }} {{ x[1] }} {{ x[-2:] }} {{ x[::-1] }} {{ x.upper() }} {{ x.find('✓') }}",
                     R"({"x": "aé✓😀"})"),
            "4 é ✓😀 😀✓éa AÉ✓😀 2");
}

TEST(Jinja, TheDateIsTheOneGiven) {
  EXPECT_EQ(rendered("{{ strftime_now('%d %b %Y %H:%M:%S.%f, %A, day %j') }}"),
            "09 Mar 2025 14:05:07.000042, Sunday, day 068");
}

TEST(Jinja, ErrorsSayWhereAndWhat) {
  const TemplateError syntax = error_of("line one\n{% if x %}\n  {{ a b }}{% endif %}");
  EXPECT_EQ(syntax.kind, ErrorKind::kSyntax);
  EXPECT_EQ(syntax.line, 3);
  EXPECT_EQ(syntax.column, 8);
  EXPECT_EQ(syntax.message, "expected }}, found 'b'");

  const TemplateError undefined = error_of("é{{ messages[0].content.text }}", R"({"messages": [{}]})");
  EXPECT_EQ(undefined.kind, ErrorKind::kUndefined);
  EXPECT_EQ(undefined.describe(), "line 1, column 25: 'dict object' has no attribute 'content'");

  EXPECT_EQ(error_of("{% for x in [1] %}{{ x").describe(), "line 1, column 19: this tag has no end: '}}' is missing");
  EXPECT_EQ(error_of("a\n{% for x in [1] %}").describe(),
            "line 2, column 4: this 'for' block is never closed: 'else' is missing");
  EXPECT_EQ(error_of("{{ 'a' + 1 }}").message,
            "'+' does not work between 'str' and 'int'; use '~' to join text and other values");
  EXPECT_EQ(error_of("{{ x|nosuchthing }}").message, "there is no filter 'nosuchthing'");
  EXPECT_EQ(error_of("{{ x|tojsn }}").message, "there is no filter 'tojsn'; did you mean 'tojson'?");
  EXPECT_EQ(error_of("{{ x is definde }}").message, "there is no test 'definde'; did you mean 'defined'?");
  EXPECT_EQ(error_of("{% fro x in y %}").message, "there is no tag 'fro'; did you mean 'for'?");
  const TemplateError raised = error_of("{{ raise_exception('roles must alternate') }}");
  EXPECT_EQ(raised.kind, ErrorKind::kRaised);
  EXPECT_EQ(raised.message, "roles must alternate");
}

TEST(Jinja, NothingLeadsOutOfTheSandbox) {
  EXPECT_EQ(rendered("{{ ''.__class__ }}{{ [].__len__ }}{{ (1).__add__ }}"), "");
  EXPECT_FALSE(try_render("{{ ''.__class__.__mro__ }}").has_value());
  EXPECT_FALSE(try_render("{{ [1].append(2) }}").has_value());
  EXPECT_FALSE(try_render("{{ {}.update({'a': 1}) }}").has_value());
  EXPECT_FALSE(try_render("{% include '/etc/passwd' %}").has_value());
  EXPECT_FALSE(try_render("{{ '{0.__class__.__mro__}'.format(1) }}").has_value());
}

TEST(JinjaBudget, StepsAreBounded) {
  RenderOptions options;
  options.limits.steps = 10'000;
  const TemplateError error =
      error_of("{% for a in range(1000) %}{% for b in range(1000) %}{% endfor %}{% endfor %}", "{}", options);
  EXPECT_EQ(error.kind, ErrorKind::kBudget);
  EXPECT_EQ(error_of("{{ range(100000)|list|sort|list|length }}", "{}", options).kind, ErrorKind::kBudget);
}

TEST(JinjaBudget, OutputIsBounded) {
  RenderOptions options;
  options.limits.output_bytes = 1000;
  EXPECT_EQ(error_of("{% for a in range(2000) %}x{% endfor %}", "{}", options).kind, ErrorKind::kBudget);
  EXPECT_EQ(error_of("{{ 'x' * 2000 }}", "{}", options).kind, ErrorKind::kBudget);
  EXPECT_EQ(error_of("{{ 'x'.center(2000) }}", "{}", options).kind, ErrorKind::kBudget);
  EXPECT_EQ(error_of("{{ '%2000d' % 1 }}", "{}", options).kind, ErrorKind::kBudget);
  EXPECT_EQ(error_of("{{ '{:2000}'.format(1) }}", "{}", options).kind, ErrorKind::kBudget);
}

TEST(JinjaBudget, MemoryIsBounded) {
  RenderOptions options;
  options.limits.allocated_bytes = 1 << 20;
  const char* doubling =
      "{% set ns = namespace(x=[1]) %}{% for i in range(40) %}{% set ns.x = ns.x + ns.x %}{% endfor %}";
  EXPECT_EQ(error_of(doubling, "{}", options).kind, ErrorKind::kBudget);
  EXPECT_EQ(error_of("{{ ([1] * 1000000)|length }}", "{}", options).kind, ErrorKind::kBudget);
}

TEST(JinjaBudget, DepthIsBounded) {
  EXPECT_EQ(error_of("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}").kind, ErrorKind::kBudget);
  EXPECT_EQ(error_of("{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}").kind, ErrorKind::kBudget);
  EXPECT_EQ(error_of("{{ " + std::string(5000, '(') + "1" + std::string(5000, ')') + " }}").kind, ErrorKind::kSyntax);
  EXPECT_EQ(error_of("{{ " + std::string(5000, '-') + "1 }}").kind, ErrorKind::kSyntax);
  std::string blocks;
  for (int i = 0; i < 1000; ++i) blocks += "{% if true %}";
  EXPECT_EQ(error_of(blocks).kind, ErrorKind::kSyntax);
  // A list in a list in a list …, and a namespace that holds itself.
  EXPECT_EQ(
      error_of("{% set ns = namespace(x=[]) %}{% for i in range(5000) %}{% set ns.x = [ns.x] %}{% endfor %}").kind,
      ErrorKind::kBudget);
  EXPECT_EQ(error_of("{% set ns = namespace() %}{% set ns.me = [ns, ns] %}{{ ns }}").kind, ErrorKind::kBudget);
  // Few objects, but 2^60 ways through them.
  EXPECT_EQ(error_of("{% set ns = namespace(a=[1], b=[1]) %}{% for i in range(60) %}{% set ns.a = [ns.a, ns.a] %}"
                     "{% set ns.b = [ns.b, ns.b] %}{% endfor %}{{ ns.a == ns.b }}")
                .kind,
            ErrorKind::kBudget);
}

TEST(Jinja, MarkedTextEscapesWhatIsAddedToIt) {
  EXPECT_EQ(rendered("{{ ('<a>' + ('<b>'|safe)) ~ '<c>' }}"), "&lt;a&gt;<b><c>");
  EXPECT_EQ(rendered("{{ ('<%s>'|safe) % '<' }}{{ ('<{}>'|safe).format('&') }}"), "<&lt;><&amp;>");
  EXPECT_EQ(rendered("{{ ['<'|safe] }}{{ ('<'|e) is escaped }}{{ '<' is escaped }}"), "[Markup('<')]TrueFalse");
  EXPECT_EQ(marked("{{ ('<'|safe) + x }}", R"({"x": "<y>"})"), "<«&lt;y&gt;»");
}

TEST(Jinja, LoopsMayHaveATargetThatIsNamedIn) {
  EXPECT_EQ(rendered("{% for in in [1, 2] %}{{ in }}{% endfor %}"), "12");
}

TEST(CivilTimeTest, ReadsIsoTimes) {
  const auto read = [](std::string_view text) {
    const auto time = CivilTime::parse(text);
    return time ? format_time("%Y-%m-%d %H:%M:%S.%f", *time) : "refused";
  };
  EXPECT_EQ(read("2025-03-09"), "2025-03-09 00:00:00.000000");
  EXPECT_EQ(read("2025-03-09T14:05"), "2025-03-09 14:05:00.000000");
  EXPECT_EQ(read("2025-03-09 14:05:07"), "2025-03-09 14:05:07.000000");
  EXPECT_EQ(read("2025-03-09T14:05:07.0420019"), "2025-03-09 14:05:07.042001");
  EXPECT_EQ(read("2024-02-29T23:59:59Z"), "2024-02-29 23:59:59.000000");
  EXPECT_EQ(read("2024-02-29T23:59:59.5-08:30"), "2024-02-29 23:59:59.500000");
  EXPECT_EQ(read("1001-01-01T00:00+01"), "1001-01-01 00:00:00.000000");
  for (const char* wrong :
       {"", "now", "2025-3-9", "2025-02-29", "2025-13-01", "0000-01-01", "2025-03-09T", "2025-03-09T14",
        "2025-03-09T24:00", "2025-03-09T14:60", "2025-03-09T14:05:60", "2025-03-09T14:05:07.", "2025-03-09T14:05 UTC",
        "2025-03-09T14:05+1", "2025-03-09T14:05Z+01:00", "2025-03-09T14:05:07 ", "+025-03-09", "20250309"}) {
    EXPECT_EQ(read(wrong), "refused") << wrong;
  }
}

TEST(Jinja, OneTemplateServesManyThreads) {
  const auto parsed = Template::parse(
      "{% macro m(x) %}<{{ x|upper }}>{% endmacro %}{% for w in words %}{{ m(w) }}{{ 'é' ~ w|length }}{% endfor %}");
  ASSERT_TRUE(parsed.has_value());
  std::vector<std::string> results(4);
  {
    std::vector<std::jthread> threads;
    for (std::string& result : results) {
      threads.emplace_back([&parsed, &result] {
        for (int i = 0; i < 200; ++i) {
          const auto text = parsed->render(variables_of(R"({"words": ["a", "bb", "ccc"]})"));
          result = text ? text->text : "failed";
        }
      });
    }
  }
  for (const std::string& result : results) EXPECT_EQ(result, "<A>é1<BB>é2<CCC>é3");
}

}  // namespace
}  // namespace atelier::prompt::jinja
