"""Chat templates with small mistakes and changes in them, as people make them: whitespace signs that come and go, a tag
that is missing, another operator, an attribute by another name. Most still render; what they render must be the same."""
import random
import re

TAG = re.compile(r"\{%.*?%\}|\{\{.*?\}\}|\{#.*?#\}", re.DOTALL)
TOKEN = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|[A-Za-z_]\w*|\d+|==|!=|<=|>=|\*\*|//|[-+*/~%<>|.,\[\](){}:=]")

SIGNS = ["", "-", "+"]
SPACES = ["", " ", "\n", "\n\n", "  \n", "\n    ", "\t", "\r\n", "\u00a0", "\x0b"]
OPERATORS = ["==", "!=", "<", ">=", "+", "~", "-", "*", "/", "//", "%", " and ", " or ", " in ", " not in ", " is ", " is not ",
             "|", ".", ", ", " if ", " else ", "**"]
FILTERS = ["trim", "length", "tojson", "string", "list", "first", "last", "upper", "items", "safe", "int", "join", "reverse",
           "default('-')", "map('string')|list", "indent", "tojson(indent=2)", "sort", "unique|list", "replace('\\n', '/')",
           "capitalize", "e", "dictsort", "batch(2)|list", "select|list", "title", "float", "wordcount", "truncate(9)"]
WORDS = ["none", "true", "false", "None", "True", "messages", "message", "loop", "tools", "content", "role", "loop.index0",
         "loop.last", "loop.previtem", "loop.nextitem", "ns", "namespace", "''", "'x'", "0", "1", "-1", "[]", "{}", "()", "is defined",
         "is string", "is none", "is mapping", "is iterable", "is sequence", "not", "missing", "bos_token", "range(3)"]


class Mutator:
    def __init__(self, chance):
        self.chance = chance

    def change_tag(self, template, change):
        tags = list(TAG.finditer(template))
        if not tags:
            return template
        tag = self.chance.choice(tags)
        return template[: tag.start()] + change(tag.group()) + template[tag.end() :]

    def signs(self, tag):
        begin = re.sub(r"^(\{[%{#])[-+]?", r"\1" + self.chance.choice(SIGNS), tag)
        return re.sub(r"[-+]?([%}#]\})$", self.chance.choice(SIGNS) + r"\1", begin)

    def spaces(self, tag):
        space = self.chance.choice(SPACES)
        return space + tag if self.chance.random() < 0.5 else tag + space

    def inner_space(self, tag):
        at = self.chance.choice([i for i, c in enumerate(tag) if c == " "] or [2])
        return tag[:at] + self.chance.choice(SPACES) + tag[at:]

    def token(self, tag):
        tokens = list(TOKEN.finditer(tag, 2, len(tag) - 2))
        if not tokens:
            return tag
        token = self.chance.choice(tokens)
        kind = self.chance.randrange(5)
        if kind == 0:
            new = ""
        elif kind == 1:
            new = self.chance.choice(OPERATORS)
        elif kind == 2:
            new = self.chance.choice(WORDS)
        elif kind == 3:
            new = token.group() + "|" + self.chance.choice(FILTERS)
        else:
            new = self.chance.choice(tokens).group()
        return tag[: token.start()] + new + tag[token.end() :]

    def subscript(self, tag):
        return re.sub(r"\.(\w+)", lambda found: "['%s']" % found[1], tag, count=1)

    def line(self, template):
        lines = template.split("\n")
        at = self.chance.randrange(len(lines))
        if self.chance.random() < 0.5:
            del lines[at]
        else:
            lines.insert(self.chance.randrange(len(lines)), lines[at])
        return "\n".join(lines)

    def mutate(self, template):
        kind = self.chance.randrange(16)
        if kind < 5:
            return self.change_tag(template, self.signs)
        if kind < 7:
            return self.change_tag(template, self.spaces)
        if kind == 7:
            return self.change_tag(template, self.inner_space)
        if kind < 12:
            return self.change_tag(template, self.token)
        if kind == 12:
            return self.change_tag(template, self.subscript)
        if kind == 13:
            return self.change_tag(template, lambda tag: "")
        if kind == 14:
            return self.change_tag(template, lambda tag: tag + tag)
        return self.line(template)


def cases(templates, conversations, count, seed):
    """`count` cases from (name, template) pairs and (name, variables) pairs."""
    chance = random.Random(seed)
    mutator = Mutator(chance)
    made = 0
    while made < count:
        name, template = chance.choice(templates)
        for _ in range(chance.choice([1, 1, 2, 3, 6])):
            template = mutator.mutate(template)
        for conversation, variables in chance.sample(conversations, 3):
            yield f"mutant of {name}: {conversation}", template, variables
            made += 1
