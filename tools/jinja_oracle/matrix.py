"""Every operator, method, filter, test and format over a list of values."""
import itertools

VALUES = [
    "none", "true", "false", "0", "1", "-7", "3", "41", "2.5", "-0.0", "1e22", "0.1", "1e-7", "123456789.125", "7.0",
    "''", "'a'", "'Hello, World'", "'  padded\\n'", "'ünïcode ß ŉ Ω'", "'ΑΣ ΑΣΑ'", "'ǆ ǅ ﬁ'", "'日本語'", "'😀x'", "'a-b_c d'",
    "'12'", "' 42 '", "'3.5e2'", "'0x1f'", "'1_000'", "'abc'", "'tab\\tx'", "'line1\\nline2\\r\\nline3'", "'<b>&\"x\\''",
    "'it\\'s \"q\"'", "'\\\\ back'", "'\\x01\\x7f\\u00a0\\u200b'",
    "[]", "[1, 2, 3]", "['b', 'a', 'C']", "[3, 1, 2.5, true]", "[[1, 2], [3]]", "[none, 'x']", "(1, 2)", "()", "('x',)",
    "{}", "{'a': 1, 'b': [2]}", "{'b': 'x', 'A': 'Y', 'c': none}", "{1: 'one', none: 2, true: 3}",
    "[{'n': 'x', 'v': 2}, {'n': 'Y', 'v': 1}, {'n': 'x', 'v': 3}]",
    "missing", "range(4)", "text", "number", "names", "record", "records", "nested", "flag", "empty", "big", "floats",
]

VARIABLES = {
    "text": "some Text with ✓ and 'quotes'",
    "number": 12,
    "names": ["Zoe", "adam", "Bob", "Émile", "zoe"],
    "record": {"name": "x", "items": [1, 2], "keys": "k", "deep": {"deeper": {"deepest": "!"}}, "null": None},
    "records": [
        {"name": "b", "age": 30, "tags": ["x", "y"], "active": True},
        {"name": "a", "age": 25, "tags": [], "active": False},
        {"name": "C", "age": 30, "tags": ["z"]},
    ],
    "nested": [[1, [2, [3, "x"]]], {"k": {"k": {"k": []}}}],
    "flag": True,
    "empty": "",
    "big": 123456789012345678901234567890,
    "floats": [0.1, 1e16, 1.5e-5, 100.0, -2.5, 1e100, 12345.678],
}

OPERATORS = ["+", "-", "*", "/", "//", "%", "**", "~", "==", "!=", "<", "<=", ">", ">=", "in", "not in", "and", "or"]

FILTERS = [
    "abs", "attr('upper')", "attr('name')", "batch(2)|list", "batch(2, '-')|list", "capitalize", "center(15)", "count",
    "default('d')", "default('d', true)", "d(boolean=true, default_value=5)", "dictsort", "dictsort(true)",
    "dictsort(by='value')", "dictsort(reverse=true)|list", "escape", "e", "filesizeformat", "filesizeformat(true)", "first",
    "float", "float(7)", "forceescape", "format('x')", "format(1, 2)", "groupby('name')|list", "groupby('v')|list",
    "indent", "indent(2, true)", "indent('> ', blank=true)", "int", "int(9)", "int(base=16)", "items|list", "join",
    "join(', ')", "join('-', attribute='name')", "join(d='|')", "last", "length", "list", "lower", "map('upper')|list",
    "map(attribute='name')|list", "map(attribute='name', default='none')|list", "map('default', 'z')|join", "max", "min",
    "max(attribute='age')", "min(case_sensitive=true)", "reject|list", "reject('none')|list", "rejectattr('active')|list",
    "replace('a', 'b')", "replace('l', 'L', 1)", "replace('', '-')", "reverse|list", "reverse", "round", "round(1)",
    "round(1, 'floor')", "round(method='ceil')", "round(-1)", "safe", "select|list", "select('string')|list",
    "select('number')|list", "selectattr('active')|list", "selectattr('age', 'gt', 26)|list",
    "selectattr('name', 'equalto', 'a')|map(attribute='age')|list", "slice(2)|list", "slice(2, 'f')|list", "sort",
    "sort(true)", "sort(case_sensitive=true)", "sort(attribute='name')", "sort(attribute='age,name', reverse=true)",
    "string", "striptags", "sum", "sum('age')", "sum(attribute='v', start=10)", "title", "tojson", "tojson(indent=2)",
    "tojson(ensure_ascii=true)", "tojson(separators=(',', ':'))", "tojson(sort_keys=true)", "tojson(indent=0)",
    "tojson(indent='\\t')", "trim", "trim('aeo ')", "truncate(8)", "truncate(8, true)", "truncate(6, end='', leeway=0)",
    "unique|list", "unique(true)|list", "unique(attribute='name')|list", "upper", "urlencode", "wordcount", "xmlattr",
    "length is odd", "list|length", "first|upper", "string|length", "string|reverse", "nofilter", "list|last",
]

TESTS = [
    "boolean", "callable", "defined", "divisibleby 3", "divisibleby(0)", "eq 1", "==(1)", "equalto('a')", "even", "false",
    "filter", "float", "ge 2", "gt(1)", "in [1, 'a', none]", "in 'abc'", "integer", "iterable", "le 3", "lower", "lt 5",
    "mapping", "ne 'a'", "none", "number", "odd", "sameas none", "sameas(true)", "sequence", "string", "test", "true",
    "undefined", "upper", "not defined", "not none", "not string", "notest", "escaped",
]

STRING_METHODS = [
    "capitalize()", "casefold()", "center(12)", "center(13, '*')", "count('l')", "count('')", "count('a', 1)", "endswith('d')",
    "endswith(('x', 'd'))", "endswith('l', 0, 4)", "expandtabs()", "expandtabs(4)", "find('l')", "find('l', 4)",
    "find('zz')", "find('', 99)", "format()", "format_map({})", "index('a')", "isalnum()", "isalpha()", "isascii()",
    "isdecimal()", "isdigit()", "isidentifier()", "islower()", "isnumeric()", "isprintable()", "isspace()", "istitle()",
    "isupper()", "join(['x', 'y'])", "join('abc')", "join([1])", "ljust(12)", "ljust(12, '.')", "lower()", "lstrip()",
    "lstrip(' Ha')", "partition(' ')", "partition('zz')", "removeprefix('Hel')", "removesuffix('ld')", "replace('l', 'LL')",
    "replace('l', '', 1)", "replace('', '.')", "replace('', '.', 2)", "rfind('l')", "rfind('o', 0, 6)", "rindex('o')",
    "rjust(12)", "rpartition(' ')", "rsplit()", "rsplit(' ', 1)", "rsplit(none, 1)", "rsplit('l')", "rstrip()",
    "rstrip('dl\\n')", "split()", "split(' ')", "split('l')", "split('l', 1)", "split(maxsplit=1)", "split(sep='o')",
    "split('')", "splitlines()", "splitlines(true)", "splitlines(keepends=true)", "startswith('H')", "startswith(('a', 'H'))",
    "startswith('e', 1)", "startswith('')", "strip()", "strip('Hd')", "swapcase()", "title()", "upper()", "zfill(9)",
    "zfill(2)", "encode", "nosuch()", "__class__", "count()", "split(1)", "upper(1)",
]

STRINGS = [value for value in VALUES if value.startswith("'")] + [
    "'+5'", "'-12.5'", "'a\\x0bb\\x0cc\\x1cd\\x85e\\u2028f'", "'xxHelloxx'", "text", "'Hello world foo bar'", "'ΌΣΟΣ. Σ'",
    "'ŉ'", "'²½Ⅷ'", "'İ'", "'ÿ'", "'ᾳ'", "'a\\u0301\\u03a3'", "'\\tindent'", "'Title Case Words'", "'ABC'", "'  '",
]

INDICES = [
    "[0]", "[-1]", "[1]", "[99]", "['a']", "['name']", "['items']", ".name", ".items", ".a", ".upper", "[1:]", "[:-1]",
    "[::-1]", "[::2]", "[-2:]", "[5:1]", "[1:3]", "[:99]", "[-99:2]", "[3:0:-1]", "[none:2]", "['x':]", "[1.5]", "[true]",
    "[none]", ".0", ".1", ".missing.deeper", ".__class__", ".append", ".pop", ".get", ".get('a')", ".get('zz', 'dd')",
    ".items()|list", ".keys()|list", ".values()|list", ".copy()", ".count(1)", ".index(1)", ".update({})", "|length",
    ".items()", ".keys()", ".values()", ".deep.deeper.deepest", "[(1, 2)]", "[[1]]", ".real", ".imag", ".is_integer()",
    ".bit_length()", ".conjugate()", ".start", "[1:]|list",
]

PERCENTS = [
    "'%s'", "'%r'", "'%d'", "'%i'", "'%5d|'", "'%-5d|'", "'%05d'", "'%+d'", "'% d'", "'%x'", "'%X'", "'%#x'", "'%o'", "'%#o'",
    "'%e'", "'%.2e'", "'%f'", "'%.3f'", "'%10.2f|'", "'%-10.1f|'", "'%010.3f'", "'%g'", "'%.3g'", "'%#g'", "'%G'", "'%E'",
    "'%c'", "'%5s|'", "'%-5s|'", "'%.2s'", "'%5.1s|'", "'%a'", "'%%'", "'%'", "'%z'", "'%(name)s'", "'%s %s'", "'100%'",
    "'%.5d'", "'%+.1f'", "'%8.3d|'", "'plain'",
]

SPECIFICATIONS = [
    "", "5", "<5", ">5", "^5", "05", "*^9", "=+7", "d", "+d", " d", "x", "X", "#x", "b", "#b", "o", "c", "e", ".2e", "f",
    ".1f", ".0f", "g", ".3g", ".3", "%", ".1%", ",", ",d", ",.2f", "_", "_x", "010,", "s", "5s", ".2", ".2s", ">5s", "n",
    "+.2f", "#.3g", "é>6", "G", "E", "012.3f", "z.1f", "0<8", "=8", "+s", "q", "-5", "<", "0", ".", "5.",
]

# Marked text, and what a template may do with it.
MARKED = ["'a<b>'|safe", "'a<b>'|e", "text|e", "'a&amp;<'|safe", "records|tojson|safe", "'%s<%r'|safe", "'{}<{!r}'|safe", "''|safe", "5|safe",
          "none|e", "missing|safe", "'<,&,>'|safe", "' <x> '|safe|trim", "'<'|safe|upper", "'<x\n<y'|safe|indent", "'<é>'|safe|string"]
MARKED_USES = [
    "m + '<'", "'<' + m", "'<' + '>' + m + '<'", "'a' + 'b' + '&' + (m ~ '') + m", "'a' + 'b' + 1", "'a' + 'b' + missing", "1 + 2 + m", "m + m", "m ~ '<' + '&'", "('<' + m) ~ '<'", "m * 2 + '<'", "m[0] + '<'", "m[1:] + '<'", "m[::-1] + '&'",
    "m.upper() + '<'", "m.replace('<', '&<') + '<'", "m.strip('a>') + '<'", "m.split(',')", "m.split('<')[0] + '<'", "m.splitlines()",
    "m.join(['<', m, 5|string])", "'<'.join([m, m]) + '<'", "m.partition('<')", "m.center(14, '.') + '<'", "m.lstrip('<') + '<'",
    "m.removeprefix('a') + '<'", "m.casefold() + '<'", "m.title() + '<'", "m.startswith('a<')", "m.find('<')", "m.format('<', '<')",
    "m.format(m, '<')", "m % ('<', '<')", "'%s<' % m + '<'", "'{}<'.format(m) + '<'", "[m, '<']", "{'k': m}", "m|tojson + '<'",
    "m|list|first + '<'", "m|first + '<'", "m|last + '<'", "m|reverse + '<'", "m|upper + '<'", "m|capitalize + '<'", "m|title + '<'",
    "m|trim('a') + '<'", "m|replace('<', '[') + '<'", "m|string + '<'", "m|e", "m|e|e", "m|forceescape", "m|safe + '<'", "m|length",
    "m|indent(1, true) + '<'", "m|truncate(3, true, '<', 0) + '<'", "m|truncate(4, end='<', leeway=0) + '<'", "m|center(12) + '<'",
    "m|format('<', '<')", "m|join('<') + '<'", "[m, '<']|join + '<'", "[m, '<']|join(m) + '<'", "m|default('x') + '<'", "m == 'a<b>'",
    "m in ['a<b>']", "{'a<b>': 1}[m]", "m is escaped", "m is string", "(m ~ '') is escaped", "m|int", "m|wordcount", "m|urlencode", "m + 1",
    "1 + m", "m + missing", "m + none", "m|wordwrap(3) + '<'", "m and '<'", "m if m else '<'", "m|batch(2)|list", "m|unique|list",
    "[m]|map('upper')|list", "[m, m]|sum(start='<')", "(m, '<')|sort", "{'a': m}|xmlattr", "m|pprint", "m.zfill(9) + '<'", "m|select|join + '<'",
]

NUMBERS = ["0", "1", "-1", "42", "1234567", "-98765", "true", "2.5", "-0.0", "1e22", "1e-7", "0.1", "123456.789", "1e300", "99.95"]


def cases():
    result = []

    def add(name, template):
        result.append((name, template, VARIABLES))

    for value, filter in itertools.product(VALUES, FILTERS):
        if (value, filter) == ("big", "round(-1)"):
            continue
        add("filter", "{{ %s|%s }}" % (value, filter))
    for value, test in itertools.product(VALUES, TESTS):
        add("test", "{{ %s is %s }}" % (value, test))
    for value, method in itertools.product(STRINGS, STRING_METHODS):
        add("method", "{{ %s.%s }}" % (value, method))
    for value, index in itertools.product(VALUES, INDICES):
        # Integers beyond 64 bits are carried and printed, but have no methods.
        if (value, index) == ("big", ".bit_length()"):
            continue
        # Through a variable: what Jinja folds when it compiles forgives more than what runs.
        add("index", "{%% set v = %s %%}{{ v%s }}" % (value, index))
    for left, right in itertools.product(VALUES, VALUES):
        for operator in OPERATORS:
            # Where Python's integers grow beyond 64 bits we refuse.
            if operator in ("+", "-", "*", "//", "%", "**") and "big" in (left, right):
                continue
            # … and where they become complex.
            if operator == "**" and left == "-7" and right in ("2.5", "0.1", "1e-7", "123456789.125"):
                continue
            if operator == "**" and ("41" in (left, right) or "12345" in left + right):
                continue
            add("operator", "{{ %s %s %s }}" % (left, operator, right))
    for format, value in itertools.product(PERCENTS, VALUES):
        if value == "big" and format.strip("'#%").lower() in ("x", "o", "c"):
            continue
        add("percent", "{{ %s %% %s }}" % (format, value))
    for specification, value in itertools.product(SPECIFICATIONS, NUMBERS + STRINGS + ["none", "[1]", "missing"]):
        add("format", "{{ '{:%s}'.format(%s) }}" % (specification, value))
    for marked, use in itertools.product(MARKED, MARKED_USES):
        add("marked", "{%% set m = %s %%}{{ %s }}" % (marked, use))
        add("marked", "{%% set m = %s %%}{%% set n = %s %%}{{ n ~ '|' ~ [n] }}" % (marked, use))
    for value in VALUES:
        add("print", "{{ %s }}" % value)
        add("repr", "{{ [%s] }}|{{ '%%r' %% (%s,) }}|{{ '{!r:>8}'.format(%s) }}" % (value, value, value))
        add("unary", "{{ -%s }}" % value)
        add("unary", "{{ +%s }}" % value)
        add("unary", "{{ not %s }}" % value)
        add("condition", "{{ 'y' if %s }}{{ 'y' if %s else 'n' }}" % (value, value))
        add("loop", "{%% for x in %s %%}{{ loop.index }}{{ x }}{{ ',' if not loop.last }}{%% else %%}none{%% endfor %%}" % value)
        add("unpack", "{%% for a, b in %s %%}{{ a }}={{ b }};{%% endfor %%}" % value)
        add("chain", "{{ 0 < %s < 5 }}{{ %s == %s != 3 }}" % (value, value, value))
    return result
