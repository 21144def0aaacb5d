"""Fragments written by hand: what templates do in the wild, and the corners of the language."""

VARIABLES = {
    "messages": [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Hi <|x|>\n there"},
        {"role": "assistant", "content": "Hello! <think>a</think>b"},
    ],
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {"é": {"type": "string"}}}}}],
    "bos_token": "<s>",
    "eos_token": "</s>",
    "add_generation_prompt": True,
    "tree": [{"v": 1, "kids": [{"v": 2, "kids": []}, {"v": 3, "kids": [{"v": 4, "kids": []}]}]}, {"v": 5, "kids": []}],
    "name": "outer",
    "numbers": [3, 1, 2],
    "text": "Some ✓ text",
    "html": "<a href='x'>&</a>",
    "d": {"b": 1, "a": {"c": [1, None, True, 1.5, "x\"y\n\u2028é"]}},
}

FRAGMENTS = r"""
Plain text, no tags
====
{{ 1 }}
====
a
{% if true %}
  b
{% endif %}
c
====
a
   {%+ if true %}
  b
   {%- endif +%}
c
====
  {% if true -%}   x   {%- endif %}  y
====
x {#- comment -#} y {# multi
line #}
z
====
{# a #}{# b #}
text
====
{% raw %}{{ not }} {% evaluated %}{% endraw %}
after
====
a {%- raw -%}  kept {{ x }}  {%- endraw -%} b
====
  {% raw +%}
 x
  {% endraw %}
z
====
{{ "{{" }} {{ '}}' }} {{ {'a': {'b': 1}} }} {{ {'a': {}}}}
====
{{ 'a' 'b' "c" }}
====
{{ 'esc \n \t \\ \' \" \x41 \u00e9 \U0001F600 \101 \q \
next' }}
====
{{ 'unié \é' }}
====
{% set x = 1 %}{% set y = x + 1 %}{{ x }}{{ y }}
====
{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set a, b = b, a %}{{ a }}{{ b }}
====
{% set (a, b) = [1, 2] %}{{ a ~ b }}
====
{% set a, = [5] %}{{ a }}
====
{% set t = 1, 2, %}{{ t }}
====
{% set x %}block {{ name }}{% endset %}[{{ x }}]{{ x|length }}
====
{% set x | upper | replace('B', '*') %}abc{% endset %}{{ x }}
====
{% set ns = namespace(x=1) %}{% set ns.x = ns.x + 1 %}{{ ns.x }}{{ ns.y is defined }}{{ ns.y }}
====
{% set ns = namespace({'a': 1}, b=2) %}{{ ns.a }}{{ ns.b }}{{ ns }}
====
{% set ns = namespace() %}{% set ns.self = ns %}{{ ns.self.self is sameas ns }}
====
{% set ns = namespace(found=false) %}{% for i in [1,2,3] %}{% if i == 2 %}{% set ns.found = true %}{% endif %}{% endfor %}{{ ns.found }}
====
{% set d2 = {} %}{% set d2.x = 1 %}
====
{% set x = 1 %}{% for i in [1] %}{% set x = 2 %}{{ x }}{% endfor %}{{ x }}
====
{% for i in [1,2] %}{{ x is defined }}{% set x = i %}{{ x }}{% endfor %}{{ x is defined }}
====
{% if false %}{% set name = 'inner' %}{% endif %}{{ name }}
====
{% if true %}{% set name = 'inner' %}{% endif %}{{ name }}
====
{% if false %}{% set unknown = 1 %}{% else %}{% set unknown = 2 %}{% endif %}{{ unknown }}
====
{{ late }}{% set late = 1 %}{{ late }}
====
{% for m in messages %}{{ loop.index }}/{{ loop.length }} {{ m.role }}{% if not loop.last %}, {% endif %}{% endfor %}
====
{% for m in messages %}{{ loop.previtem.role if loop.previtem is defined else '-' }}>{{ m.role }}>{{ loop.nextitem.role if loop.nextitem is defined else '-' }};{% endfor %}
====
{% for m in messages[1:] %}{{ m['content']|trim|replace('\n', ' ') }}{% endfor %}
====
{% for m in messages[::-1] %}{{ m.role }}{{ loop.revindex }}{{ loop.revindex0 }}{% endfor %}
====
{% for m in messages if m.role != 'system' %}{{ loop.index }}{{ m.role }}{{ loop.last }}{{ loop.length }}{% else %}none{% endfor %}
====
{% for x in [] %}x{% else %}empty{% endfor %}
====
{% for x in [1,2,3] %}{% if x == 2 %}{% continue %}{% endif %}{{ x }}{% else %}else{% endfor %}
====
{% for x in [1,2,3] %}{% if x == 2 %}{% break %}{% endif %}{{ x }}{% else %}else{% endfor %}
====
{% for x in [1,2,3] %}{% break %}{% else %}else{% endfor %}
====
{% for x in [1] %}{% continue %}{% else %}else{% endfor %}
====
{% for x in [1,2] %}{% for y in 'ab' %}{{ loop.index }}{{ x }}{{ y }}{% if y == 'a' %}{% continue %}{% endif %}!{% endfor %}{{ loop.index }}{% endfor %}
====
{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}
====
{% for k, v in d|dictsort %}{{ k }}{% endfor %}{% for k in d %}{{ k }}{% endfor %}
====
{% for i in range(3) %}{{ loop.cycle('a', 'b') }}{{ loop.changed(i // 2) }}{% endfor %}
====
{% for node in tree recursive %}{{ node.v }}@{{ loop.depth }}[{{ loop(node.kids) }}]{% endfor %}
====
{% for node in tree recursive %}{{ loop.depth0 }}{{ node.v }}{% if node.kids %}({{ loop(node.kids)|upper }}){% endif %}{% else %}leaf{% endfor %}
====
{% for x in [1,2,3] %}{{ loop }}{% endfor %}
====
{% for x in 'añ✓' %}{{ x }}-{% endfor %}
====
{% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}
====
{% for a, b in [(1, 2, 3)] %}{% endfor %}
====
{% for x in 5 %}{% endfor %}
====
{% for x in none %}{% endfor %}
====
{% for loop in [1] %}{% endfor %}
====
{% for x in [1] %}{% set loop = 2 %}{% endfor %}
====
{% macro m(a, b=2, *c) %}{% endmacro %}
====
{% macro m(a, b=2) %}{{ a }}-{{ b }}{% endmacro %}{{ m(1) }} {{ m(1, 3) }} {{ m(b=1, a=0) }} {{ m() }}
====
{% macro m(a) %}{{ a }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, 3, k=4) }}
====
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}
====
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(x=2) }}
====
{% macro m(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ m(5) }}
====
{% macro m() %}{{ name }}{{ later }}{% endmacro %}{% set later = 'L' %}{{ m() }}
====
{% macro m() %}[{{ caller('x') }}]{% endmacro %}{% call(v) m() %}{{ v }}{{ name }}{% endcall %}
====
{% macro m() %}{% if caller %}c{{ caller() }}{% else %}none{% endif %}{% endmacro %}{{ m() }}{% call m() %}in{% endcall %}
====
{% macro outer() %}{% macro inner(x) %}({{ x }}){% endmacro %}{{ inner(1) }}{% endmacro %}{{ outer() }}
====
{% macro f(n) %}{{ n }}{% if n > 0 %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(3) }}
====
{% macro m() %}x{% endmacro %}{{ m.name }}{{ m.arguments }}{{ m }}{{ m.catch_kwargs }}{{ m.caller }}
====
{% macro m() -%}
   x
{%- endmacro %}[{{ m() }}]
====
{% for i in [1,2] %}{% macro m() %}{{ i }}{% endmacro %}{{ m() }}{% endfor %}{{ m is defined }}
====
{% set x = 5 %}{% macro m() %}{% set x = 6 %}{{ x }}{% endmacro %}{{ m() }}{{ x }}
====
{% set x = 5 %}{% macro m(y=x) %}{{ y }}{% endmacro %}{% set x = 6 %}{{ m() }}
====
{% call undefined_macro() %}x{% endcall %}
====
{% filter upper %}abc {{ name }}{% endfilter %}
====
{% filter indent(2) | replace('x', 'y') %}a
x{% endfilter %}
====
{% with a = 1, b = 2 %}{{ a + b }}{% endwith %}{{ a is defined }}
====
{% set a = 5 %}{% with a = 1, b = a %}{{ a }}{{ b }}{% endwith %}{{ a }}
====
{% with %}{% set q = 1 %}{{ q }}{% endwith %}{{ q is defined }}
====
{% generation %}said {{ name }}{% set g = 1 %}{% endgeneration %}{{ g is defined }}
====
{% block content %}in {{ name }}{% endblock %}
====
{% block content %}x{% endblock content %}
====
{% autoescape false %}{{ html }}{% endautoescape %}
====
{% autoescape true %}a < b {{ html }} {{ html|safe }} {{ '<' }} {{ none }} {{ missing }} {{ [html] }} {{ 1.5 }}{% endautoescape %}{{ html }}
====
{% autoescape true %}{{ html ~ '<' }} {{ html|safe ~ '<' }} {{ '<' ~ 1 ~ (html|e) }} {{ html + '<' }} {{ html|safe + '<' }}{% endautoescape %}
====
{% autoescape true %}{% set y %}<i>{{ html }}</i>{% endset %}{{ y }}{{ y is escaped }}{% set z | upper %}<i>{{ html }}{% endset %}{{ z }}{% set n | length %}<>{% endset %}{{ n }} {{ n + '<' }}{% endautoescape %}{{ y }}
====
{% macro m(a) %}<b>{{ a }}</b>{% endmacro %}{% autoescape true %}{% macro k(a) %}<u>{{ a }}</u>{% endmacro %}{{ m(html) }}{{ k(html) }}{{ m(html) is escaped }}{{ k(k(html)) }}{% endautoescape %}{{ m(html) is escaped }}
====
{% autoescape true %}{% filter upper %}<i>{{ html }}{% endfilter %}{% filter escape %}<i>{{ html }}{% endfilter %}{% endautoescape %}
====
{% macro m() %}<b>{{ caller() }}{{ caller() is escaped }}</b>{% endmacro %}{% autoescape true %}{% call m() %}<{{ html }}>{% endcall %}{% endautoescape %}{% call m() %}<{{ html }}>{% endcall %}
====
{% autoescape true %}{% for t in tree recursive %}<{{ t.v }}>{{ loop(t.kids) }}{% endfor %}{% endautoescape %}
====
{% autoescape true %}{{ ['<', '>'|safe]|join('&') }} {{ ['<', '>']|join('&') }} {{ ['<']|join('&'|safe) }} {{ [html, html|e]|join }} {{ tree|join('<', attribute='v') }}{% endautoescape %}
====
{% autoescape true %}{{ html|replace('<', '>') }} {{ html|safe|replace('<', '>') }} {{ html|replace('a'|safe, '<') }} {{ html|replace('a', '<b>'|safe, 1) }}{% endautoescape %}
====
{% autoescape true %}{{ {'a': '<'}|xmlattr }} {{ d|tojson }} {{ d|tojson|safe }} {{ html|upper }} {{ html|trim }} {{ html|e|upper }} {{ '%s'|format(html) }} {{ '%s'|safe|format(html) }}{% endautoescape %}
====
{% set flag = true %}{% autoescape flag %}<{{ html }}{{ '<' }}{{ html ~ 1 }}{{ html|safe ~ '<' }}{% set y %}<{{ html }}{% endset %}{{ y }}{% endautoescape %}{% autoescape not flag %}{{ html }}{{ '<' }}{% endautoescape %}
====
{% autoescape true %}{{ html }}{% autoescape false %}{{ html }}{% endautoescape %}{{ html }}{% block inner %}{{ html }}{{ '<' }}{% endblock %}{% if true %}{{ html }}{% endif %}{% with a = html %}{{ a }}{% endwith %}{% generation %}<{{ html }}{% endgeneration %}{% endautoescape %}{{ html }}
====
{% autoescape true %}{% for x in [html] %}{{ x }}{% if loop.first %}{{ x }}{% break %}{% endif %}{% endfor %}{{ html if true else '' }}{{ html if false }}{% print html %}{% endautoescape %}
====
{% for i in [1, 2] %}{% autoescape true %}{{ html }}{% if i == 1 %}{% continue %}{% endif %}{% endautoescape %}{{ html }}{% endfor %}{{ html ~ '' }}{% macro m() %}x{% endmacro %}{{ m() is escaped }}
====
{% print 1, 'x' %}
====
{% include 'x' %}
====
{% if false %}{% include 'x' %}{% endif %}ok
====
{% if x is defined and x %}a{% elif name == 'outer' %}b{% else %}c{% endif %}
====
{% if not (messages[0].role == 'system' and tools) %}a{% else %}b{% endif %}
====
{{ messages[0]['role'] == 'system' and messages[0].content }}
====
{{ raise_exception('bad ' ~ name) }}
====
{{ strftime_now('%Y-%m-%d %H:%M:%S %d %b %B %a %A %j %U %W %V %u %w %p %I %y %% %e %D %T %F %R %-d %-m %f %Z%z.') }}
====
{{ messages|map(attribute='role')|join(',') }}{{ messages|selectattr('role', 'equalto', 'user')|list|length }}
====
{{ messages|selectattr('role', 'in', ['user', 'system'])|map(attribute='content')|list }}
====
{{ messages|rejectattr('role', 'eq', 'user')|list|tojson }}
====
{{ (messages|last).role }}{{ (messages|first)['role'] }}{{ messages[-1].role }}
====
{{ tools|tojson }}
====
{{ tools|tojson(indent=4) }}
====
{{ d|tojson(indent=2, sort_keys=true, ensure_ascii=true) }}
====
{{ d|tojson(separators=(',', ':')) }}
====
{{ d|tojson|safe }}{{ html|e }}{{ html|escape|length }}
====
{{ d }}{{ tools }}
====
{{ missing }}{{ missing|default('x') }}{{ missing is undefined }}{{ missing|length }}{{ missing|list }}
====
{{ missing.attr }}
====
{{ missing['x'] }}
====
{{ missing() }}
====
{{ missing + 1 }}
====
{{ 'a' + missing }}
====
{{ 'a' ~ missing ~ 1 ~ none ~ true ~ 1.0 }}
====
{{ none.x is defined }}{{ none.x }}
====
{{ messages.nothing is defined }}{{ messages.nothing }}
====
{{ 'x'.nothing.more }}
====
{{ 'x' in missing }}{{ missing == other }}{{ missing == none }}{{ missing != 1 }}
====
{{ 1 if false }}{{ (1 if false) is defined }}
====
{{ 1 + 2 * 3 - 4 / 2 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ 7 % 3 }} {{ -7 % 3 }} {{ 2 ** 10 }} {{ 2 ** -1 }} {{ 2 ** 3 ** 2 }}
====
{{ 1 / 3 }} {{ 10 / 5 }} {{ 1e3 }} {{ 1.0 }} {{ 0.1 + 0.2 }} {{ 1e16 }} {{ 1e15 }} {{ 123456789.0 * 1000 }} {{ 1e-5 }} {{ 5e-324 }}
====
{{ 1_000 }} {{ 0x1F }} {{ 0b101 }} {{ 0o17 }} {{ 1_0.5 }} {{ 00 }}
====
{{ 1 < 2 < 3 }} {{ 3 > 2 > 2 }} {{ 1 == 1.0 == true }} {{ 'a' < 'b' <= 'b' }} {{ [1,2] < [1,3] }} {{ (1,) < (1, 0) }}
====
{{ not true or true }} {{ not (true or true) }} {{ true and none }} {{ 0 or 'x' }} {{ '' and 1 }}
====
{{ 1 in [1,2] }} {{ 'a' in 'cat' }} {{ 'b' not in {'a': 1} }} {{ 1 in (1,) }} {{ none in [none] }} {{ 3 in range(5) }}
====
{{ not 1 in [1] }} {{ 1 is odd and 2 is even }} {{ 4 is divisibleby 2 }} {{ 4 is not divisibleby(3) }} {{ 'x' is string is defined }}
====
{{ -1|abs }} {{ (-1)|abs }} {{ -numbers[0] }} {{ - 1 }} {{ +1 }} {{ --1 }} {{ not -1 }}
====
{{ numbers|sort }} {{ numbers|sort(reverse=true)|first }} {{ numbers|sum }} {{ numbers|max }} {{ numbers|min }} {{ numbers|join('-') }}
====
{{ "%s is %d years and %.2f" % ("x", 3, 2.5) }} {{ "%(a)s" % {'a': 1} }} {{ '%5.1f|%-5s|%05d' % (1.25, 'ab', 42) }}
====
{{ "{} {} {0}".format(1) }}
====
{{ "{} {}".format(1, 'x') }} {{ "{0}{1}{0}".format('a', 'b') }} {{ "{x:>5}|{y!r}".format(x=1, y='q') }} {{ "{0.real} {1[a]} {1[a][b]}".format(1, {'a': {'b': 2}}) }} {{ '{{}}'.format() }} {{ '{:{w}}|'.format('x', w=4) }}
====
{{ "%s" | format('x') }} {{ "%s-%s"|format(1, 2) }} {{ "%(k)s"|format(k=5) }}
====
{{ text.split() }} {{ text.split(' ', 1) }} {{ text.upper() }} {{ text[5] }} {{ text[5:] }} {{ text[::-1] }} {{ text|length }}
====
{{ 'a,b,,c'.split(',') }} {{ ' a  b '.split() }} {{ 'x'.join(['a', 'b']) }} {{ 'abc'.replace('b', '') }} {{ 'abc'.startswith('ab') }} {{ 'a\nb'.splitlines() }}
====
{{ 'think</think>answer'.split('</think>')[-1].lstrip('\n') }} {{ '<think>x</think>'.split('<think>')[1].split('</think>')[0] }}
====
{{ [1, 'a', none, true, 1.5, [2], (3,), {'k': 'v'}] }} {{ (1, 2) }} {{ () }} {{ (1,) }} {{ {'a': 'b\'c'} }} {{ ["it's"] }} {{ ['"\''] }}
====
{{ ['é', '\n', '\x00', '\u200b', '\\'] }}
====
{{ {'a': 1}.get('a') }} {{ {'a': 1}.get('b', 2) }} {{ {'a': 1}.get('b') }} {{ {'a': 1}.items() }} {{ {'a': 1}.keys()|list }} {{ {'a': 1}['a'] }} {{ {'items': 1}.items }}
====
{{ {'items': 1}['items'] }} {{ d['a']['c'][0] }} {{ d.a.c[-1] }} {{ d['zz'] is defined }}
====
{{ {1: 'a', 1.0: 'b', true: 'c'} }} {{ {(1, 2): 3}[(1, 2)] }} {{ {'a': 1, 'a': 2} }}
====
{{ {[1]: 2} }}
====
{{ [1, 2].append(3) }}
====
{{ [1, 2].append }}{{ d.update is defined }}
====
{{ d.pop('b') }}
====
{{ ''.__class__ }}{{ ''.__class__.__mro__ }}
====
{{ d.__init__ is defined }}{{ d.__nothing__ is defined }}
====
{{ range(5)|list }} {{ range(1, 6, 2)|list }} {{ range(5, 0, -2)|list }} {{ range(3) }} {{ range(3)[1] }} {{ range(10)[2:5] }} {{ range(0) }}
====
{{ range(100001) }}
====
{{ range(1.5) }}
====
{{ dict(a=1, b=2) }} {{ dict([('x', 1)]) }} {{ dict({'y': 2}, z=3) }} {{ dict() }}
====
{% set c = cycler('a', 'b', 'c') %}{{ c.next() }}{{ c.next() }}{{ c.current }}{{ c.reset() }}{{ c.next() }}
====
{% set j = joiner('; ') %}{% for x in numbers %}{{ j() }}{{ x }}{% endfor %}{% set k = joiner() %}{{ k() }}a{{ k() }}b
====
{{ 'abc'|first }} {{ 'abc'|last }} {{ []|first }} {{ []|last is defined }} {{ 'abc'|reverse }} {{ [1,2]|reverse|list }} {{ 'abc'|list }}
====
{{ (numbers|map('string'))|first }}{% set g = numbers|map('string') %}{{ g|list }}{{ g|list }}
====
{{ numbers|map('nosuchfilter')|list }}
====
{{ numbers|nosuchfilter }}
====
{% if false %}{{ numbers|nosuchfilter }}{% endif %}ok
====
{% if false %}{% for x in y %}{{ x|nosuchfilter }}{% endfor %}{% endif %}ok
====
{{ (1|nosuchfilter) if false else 'ok' }}
====
{{ 1 is nosuchtest }}
====
{% if numbers|select('odd') %}always{% endif %}{% if [] | select %}too{% endif %}
====
{{ numbers|select('gt', 1)|list }} {{ numbers|reject('odd')|list }} {{ [1, none, 0, 'x']|select|list }}
====
{{ messages|groupby('role')|map('first')|list }} {% for g in messages|groupby('role') %}{{ g.grouper }}:{{ g.list|length }};{% endfor %}{% for r, l in messages|groupby('role') %}{{ r }}{{ l|length }}{% endfor %}
====
{{ [1,2,3,4,5]|batch(2)|list }} {{ [1,2,3,4,5]|batch(2, 0)|list }} {{ [1,2,3,4,5]|slice(2)|list }} {{ [1,2,3]|slice(2, 'x')|list }}
====
{{ 'hello world foo'|wordcount }} {{ 'hello'|center(11) }}| {{ 'a b'|title }} {{ "it's a-b (c)"|title }} {{ 'hELLO'|capitalize }} {{ 'a'|upper|lower }}
====
{{ 'one two three four'|truncate(9) }} {{ 'one two three'|truncate(9, true) }} {{ 'short'|truncate }} {{ 'abcdefghijkl'|truncate(5, true, '..', 0) }}
====
{{ 'a\nb\n\nc'|indent }} {{ 'a\nb'|indent(2, first=true) }} {{ 'a\n\nb'|indent(1, blank=true) }} {{ 'a'|indent('--', true) }} {{ ''|indent }}
====
{{ 2.5|round }} {{ 3.5|round }} {{ 2.567|round(2) }} {{ 2.1|round(0, 'ceil') }} {{ 25|round(-1) }} {{ 7|round }} {{ 2.675|round(2) }} {{ 1234.5|round(-2) }}
====
{{ '3.7'|int }} {{ 'x'|int(5) }} {{ '0x1f'|int(0, 16) }} {{ '  12 '|int }} {{ 3.9|int }} {{ true|int }} {{ none|int(1) }} {{ 'z'|int(base=36) }} {{ '1e3'|int }}
====
{{ '3.7'|float }} {{ 'x'|float }} {{ 'inf'|float }} {{ 'nan'|float }} {{ 1|float }} {{ '1_0.5'|float }} {{ '.5'|float }}
====
{{ 1000|filesizeformat }} {{ 1|filesizeformat }} {{ 1500000|filesizeformat }} {{ 1024|filesizeformat(true) }} {{ 12.5|filesizeformat }}
====
{{ 'a b&c/é'|urlencode }} {{ {'k y': 'v&'}|urlencode }} {{ [('a', 1)]|urlencode }}
====
{{ {'class': 'a', 'id': none, 'x': '<'}|xmlattr }}
====
{{ '<p>Hi <b>x</b>\n  there</p><!-- c -->'|striptags }}
====
{{ ['a', 'B', 'a', 'b']|unique|list }} {{ ['b', 'A', 'c']|sort }} {{ ['b', 'A']|sort(case_sensitive=true) }} {{ {'B': 1, 'a': 2}|dictsort }}
====
{{ [1, 'a']|sort }}
====
{{ 1 + 'a' }}
====
{{ 'a' + 1 }}
====
{{ 1 / 0 }}
====
{{ (numbers + [1]) }} {{ ((1 + 2)) }} {{ ('a' + name) }} {{ ('a' + name) + 'b' }} {{ 'a' + (name + ('b' + 'c')) }} {{ ((numbers + [4]) if true) }}
====
{{ 'a' * 3 }} {{ 3 * 'a' }} {{ [1] * 2 }} {{ 'a' * -1 }} {{ [1] + [2] }} {{ (1,) + (2,) }}
====
{{ [1] + (2,) }}
====
{{ 'a' < 1 }}
====
{{ none < 1 }}
====
{{ true + true }} {{ true * 3 }} {{ -true }} {{ +true }} {{ true == 1 }} {{ true is sameas 1 }} {{ 1 is sameas 1 }}
====
{{ (1, 2)|tojson }} {{ {1: 2, none: 3, true: 4, 1.5: 5}|tojson }} {{ 'é"\\/\x08\x0c\n\r\t\x01\x7f'|tojson }} {{ 1e22|tojson }} {{ []|tojson(indent=2) }} {{ [[], {}]|tojson(indent=1) }}
====
{{ missing|tojson }}
====
{{ range(3)|tojson }}
====
{{ {'b': 1, 'a': 2}.items()|list|tojson }} {{ d.keys()|tojson }}
====
{{ loop }}
====
{{ caller }}
====
{{ foo(bar) }}
====
{{ namespace }}{{ range is callable }}{{ dict is callable }}
====
{{ numbers[0:2] }} {{ numbers[-1:] }} {{ numbers[5:] }} {{ 'abc'[-2:] }} {{ 'abc'[10] }} {{ numbers[10] is defined }} {{ numbers['x'] is defined }}
====
{{ messages[0].get('role') }} {{ messages[0].get('zz', 'd') }} {{ 'role' in messages[0] }} {{ messages[0].keys()|list }} {{ messages[0].items()|list }}
====
{{ [[1, 2], [3]]|sum(start=[]) }} {{ [{'a': 1}, {'a': 2}]|sum(attribute='a') }} {{ [{'a': {'b': 1}}]|map(attribute='a.b')|list }} {{ [[1, 2]]|map(attribute=1)|list }} {{ [[1, 2]]|map(attribute='0')|list }}
====
{{ (messages|length > 2 and messages[2].role) ~ '!' }}
====
{{ a.b.c if a is defined else 'no a' }}
====
{% set x = messages|selectattr('role', 'eq', 'nobody')|list %}{{ x|length == 0 }}{{ x }}
====
{%- set ns = namespace(first=true, out='') -%}
{%- for m in messages -%}
    {%- if m.role == 'user' -%}
        {%- set ns.out = ns.out + '[INST] ' + m.content + ' [/INST]' -%}
    {%- elif m.role == 'assistant' -%}
        {%- set ns.out = ns.out + m.content + eos_token -%}
    {%- endif -%}
{%- endfor -%}
{{ bos_token + ns.out }}
====
{%- for message in messages %}
{{- '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}
====
{%- macro render(item, depth=0) -%}
{%- if item is mapping -%}
{ {%- for k, v in item|dictsort -%}{{ k }}: {{ render(v, depth + 1) }}{{ ", " if not loop.last }}{%- endfor -%} }
{%- elif item is iterable and item is not string -%}
[{%- for v in item -%}{{ render(v, depth + 1) }}{{ ", " if not loop.last }}{%- endfor -%}]
{%- else -%}{{ item|tojson }}{%- endif -%}
{%- endmacro -%}
{{ render(d) }}{{ render(tools) }}
====
{% if %}x{% endif %}
====
{% endif %}
====
{% if true %}x
====
{{ 1 + }}
====
{{ (1 }}
====
{{ 1) }}
====
{% for x %}{% endfor %}
====
{% unknown %}
====
{{ x
====
{# x
====
{% raw %}x
====
{{ 'x }}
====
{% set 1 = 2 %}
====
{% set true = 2 %}
====
{% break %}
====
{% for x in [1] %}{% macro m() %}{% break %}{% endmacro %}{% endfor %}
====
{{ a b }}
====
{{ 1.foo }}
====
{{ f(a=1, 2) }}
====
{{ f(*[1], **{}) }}
====
{% macro m(a, b) %}{{ a }}{{ b }}{% endmacro %}{{ m(*[1, 2]) }}{{ m(**{'a': 3, 'b': 4}) }}{{ m(1, **{'b': 5}) }}{{ m(*'xy') }}
====
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, a=2) }}
====
{{ numbers | map("string") | join }}{{ numbers|join(', ')|upper|length }}
====
{{ "a" if 1 else "b" if 0 else "c" }} {{ ("a" if 0 else "b" if 0 else "c") }} {{ 1 if 2 if 0 else 3 else 4 }}
====
{{ [x for x in y] }}
====
{{ {'a' 1} }}
====
{{ [1,2,] }} {{ {'a': 1,} }} {{ (1,2,) }} {{ f }}
====
{% set x = [1, 2, 3] %}{{ x[1:][0] }}{{ x[:2]|length }}{{ x[-1] }}{{ x[1 - 1] }}{{ x['0'] is defined }}{{ x.0 }}{{ x.2 }}
====
{{ 'abc' is in ['abc'] }} {{ 1 is in [1] }} {{ 'a' is lower }} {{ 'A' is upper }} {{ [] is sequence }} {{ {} is mapping }} {{ 1.0 is float }} {{ 1 is number }} {{ true is boolean }} {{ none is none }} {{ 'trim' is filter }} {{ 'odd' is test }}
====
{%- if messages[0]['role'] == 'system' -%}{%- set system_message = messages[0]['content'] -%}{%- set loop_messages = messages[1:] -%}{%- else -%}{%- set loop_messages = messages -%}{%- endif -%}{%- for message in loop_messages -%}{%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}{{ raise_exception('alternate!') }}{%- endif -%}{%- if loop.index0 == 0 and system_message is defined -%}{%- set content = '<<SYS>>\n' + system_message + '\n<</SYS>>\n\n' + message['content'] -%}{%- else -%}{%- set content = message['content'] -%}{%- endif -%}{%- if message['role'] == 'user' -%}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}{%- elif message['role'] == 'assistant' -%}{{ ' ' + content.strip() + ' ' + eos_token }}{%- endif -%}{%- endfor -%}
====
{{ messages | tojson(indent=None) }}{{ none | tojson }}{{ 'a/b' | tojson }}
====
line one
{%- if true %}

  kept
{% endif -%}

  gone
{{ 'x' -}}

  y
====
{{ 'trailing newline is dropped' }}

====
a{{ '' }}
b{{ '' }}

c
====
 {% set x = 1 %} 
  {% set y = 2 %}  
z
====
	{% if true %}tab
	{% endif %}	end
"""


def cases():
    # Every fragment as it stands; a second time with the line ends of Windows, where it has any.
    result = []
    for number, fragment in enumerate(FRAGMENTS[1:-1].split("\n====\n")):
        result.append((f"fragment {number}", fragment, VARIABLES))
        if "\n" in fragment:
            result.append((f"fragment {number} with CRLF", fragment.replace("\n", "\r\n"), VARIABLES))
    return result
