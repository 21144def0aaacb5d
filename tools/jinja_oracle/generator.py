"""Programs made at random: statements nested in each other, over variables that are sometimes there."""
import random

VARIABLES = {
    "a": 3,
    "b": "text",
    "c": [1, 2, 3],
    "d": {"x": 1, "y": [4, 5], "z": {"w": "deep"}},
    "e": "",
    "f": None,
    "g": True,
    "h": 2.5,
    "items": [{"role": "user", "n": 1}, {"role": "assistant", "n": 2}, {"role": "user", "n": 3}],
    "u": "ünï ✓",
}
NAMES = list("abcdefghu") + ["v", "w", "x", "items"]
WHITE = ["", "", "", " ", "\n", "\n\n", "  \n", "\n  ", "\t"]


class Generator:
    def __init__(self, seed):
        self.chance = random.Random(seed)
        self.macros = 0

    def pick(self, *options):
        return self.chance.choice(options)

    def sign(self):
        return self.pick("", "", "", "-", "+")

    def tag(self, text):
        end = self.pick("", "", "", "-", "+")
        return "{%" + self.sign() + " " + text + " " + end + "%}"

    def name(self):
        return self.chance.choice(NAMES)

    def constant(self):
        return self.pick("0", "1", "2", "3", "1.5", "'s'", "\"q\"", "''", "none", "true", "false", "[]", "[1, 'x']", "{}",
                         "{'x': 1}", "(1, 2)", "'é'", "10")

    def operand(self, depth):
        # Mostly without parentheses: how operators bind is part of what is compared.
        text = self.expression(depth)
        return "(%s)" % text if " if " in text or self.chance.random() < 0.3 else text

    def value(self, depth):
        # What can be printed without failing, more often than not.
        return "(%s)|default('-')" % self.expression(depth) if self.chance.random() < 0.2 else self.expression(depth)

    def expression(self, depth):
        if depth <= 0:
            return self.pick(self.name(), self.constant(), self.name())
        inner = lambda: self.operand(depth - 1)
        kind = self.chance.randrange(22)
        if kind < 3:
            return self.name()
        if kind < 5:
            return self.constant()
        if kind < 8:
            return "%s %s %s" % (inner(), self.pick("+", "*", "~", "~", "%", "and", "or", "and", "or", "==", "!=", "<",
                                                     "in", "=="), inner())
        if kind < 10:
            return "%s if %s else %s" % (inner(), inner(), inner())
        if kind == 10:
            return "(%s)" % inner()
        if kind == 11:
            return "[%s, %s]" % (inner(), inner())
        if kind == 12:
            return "{'k': %s, %s: 2}" % (inner(), self.pick("'x'", "1", "none", "'k'"))
        if kind == 13:
            return "%s%s" % (self.name(), self.pick(".x", ".y", "['z']", "[0]", "[-1]", "[1:]", ".z.w", "[::-1]", ".role", ".n",
                                                    ".length", ".items()|list", ".get('x')", ".upper()", ".split('x')"))
        if kind < 17:
            return "%s|%s" % (self.pick(self.name(), "(%s)" % inner()),
                              self.pick("length", "upper", "string", "list", "first", "last", "join(',')", "default('D')",
                                        "tojson", "int", "trim", "title", "sort", "reverse|list", "map('string')|join",
                                        "selectattr('n', 'gt', 1)|list|length", "map(attribute='role')|join('+')",
                                        "replace('e', 'E')", "unique|list", "sum", "dictsort", "items|list", "abs", "round(1)",
                                        "batch(2)|list", "indent(2)", "capitalize", "count", "float", "max", "min"))
        if kind < 20:
            return "%s is %s%s" % (self.pick(self.name(), "(%s)" % inner()), self.pick("", "not "),
                                   self.pick("defined", "none", "string", "number", "mapping", "iterable", "sequence", "odd",
                                             "true", "eq(3)", "in([1, 3])", "undefined", "callable", "lower"))
        if kind == 20:
            return "not %s" % inner()
        return "%s %s %s %s %s" % (inner(), self.pick("<", "==", "<="), inner(), self.pick("<", "!=", ">"), inner())

    def text(self):
        return self.chance.choice(WHITE) + self.pick("", "word", "{ }", "a b", "%", "✓", "x\ny") + self.chance.choice(WHITE)

    def statement(self, depth, in_loop):
        kind = self.chance.randrange(24)
        body = lambda loop=in_loop: self.block(depth - 1, loop)
        if depth <= 0 or kind < 6:
            return "{{" + self.pick("", "-", "+") + " " + self.value(2) + " " + self.pick("", "-") + "}}"
        if kind < 9:
            result = self.tag("if " + self.operand(2)) + body()
            if self.chance.random() < 0.4:
                result += self.tag("elif " + self.operand(1)) + body()
            if self.chance.random() < 0.5:
                result += self.tag("else") + body()
            return result + self.tag("endif")
        if kind < 13:
            target = self.pick("x", "x", "v", "x, w", "a")
            if target == "x, w":
                target, source = "x, w", "d.items()"
            else:
                source = None
            source = source or self.pick("c", "items", "d", "[1, 2]", "'ab'", "range(3)", "d.items()", "u", "e", "c", "items", self.operand(1))
            head = "for %s in %s" % (target, source)
            if self.chance.random() < 0.3:
                head += " if " + self.operand(1)
            show = "{{ loop.%s }}" % self.pick("index", "index0", "first", "last", "length", "revindex", "previtem", "nextitem",
                                              "depth", "cycle('p', 'q')", "changed(x)") if self.chance.random() < 0.5 else ""
            result = self.tag(head) + show + body(True)
            if self.chance.random() < 0.2:
                result += self.tag("else") + body()
            return result + self.tag("endfor")
        if kind < 16:
            return self.tag("set %s = %s" % (self.pick("v", "w", "x", "a"), self.expression(2)))
        if kind == 19 and self.chance.random() < 0.2:
            return self.tag("set v, w = %s, %s" % (self.operand(1), self.operand(1)))
        if kind == 16:
            return self.tag("set v" + self.pick("", " | upper", " | trim")) + body() + self.tag("endset")
        if kind == 17:
            return self.tag("with w = %s, x = %s" % (self.expression(1), self.name())) + body() + self.tag("endwith")
        if kind == 18:
            return self.tag("filter " + self.pick("upper", "trim", "replace('e', '3')", "indent(1)")) + body() + self.tag("endfilter")
        if kind == 19:
            self.macros += 1
            name = "m%d" % self.macros
            signature = self.pick("", "p", "p, q=1", "p=a, q=p", "v")
            result = self.tag("macro %s(%s)" % (name, signature)) + self.pick("", "{{ p }}", "{{ varargs }}", "{{ kwargs }}",
                                                                              "{{ caller() if caller }}", "{{ v }}{{ a }}")
            result += self.block(depth - 1, False) + self.tag("endmacro")
            for _ in range(self.chance.randrange(3)):
                result += self.text() + "{{ %s(%s) }}" % (name, self.pick("", "1", "a, b", "q=2", "p=1, q='z'", "1, 2, 3", "k=1"))
            if self.chance.random() < 0.3:
                result += self.tag("call %s()" % name) + body(False) + self.tag("endcall")
            return result
        if kind == 20 and in_loop:
            return self.tag("if %s" % self.expression(1)) + self.tag(self.pick("break", "continue")) + self.tag("endif")
        if kind == 21:
            return ("{% set ns = namespace(n=0, t='') %}" + self.tag("for x in c") + "{% set ns.n = ns.n + x %}" +
                    self.tag("set ns.t = ns.t ~ x") + body(True) + self.tag("endfor") + "{{ ns.n }}{{ ns.t }}")
        if kind == 22:
            return self.tag("generation") + body(False) + self.tag("endgeneration")
        return self.pick("{#", "{#-") + " note " + self.pick("#}", "-#}") + self.pick(
            "", "{% raw %} {{ raw }} {% endraw %}", "{%- raw -%} x {%- endraw +%}\n")

    def block(self, depth, in_loop):
        return "".join(self.text() + self.statement(depth, in_loop) for _ in range(self.chance.randrange(1, 4))) + self.text()


def case(seed):
    return ("generated %d" % seed, Generator(seed).block(3, False), VARIABLES)
