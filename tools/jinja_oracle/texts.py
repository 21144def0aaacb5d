"""Random texts for the filters that take text apart: words and dashes to wrap, tags and character references to strip."""
import random

WORDS = ["a", "ab", "-", "--", "---", "e-mail", "well-known-fact", "x-", "-b", "über-groß", "1-2", "a1-b2", "don't", "ok!--no", "_", "—",
         "verylongwordindeed", "日本語", "é", "-a-b-", "A-B", "&-c", '"q"--r', "٣-ab"]
SPACES = [" ", "  ", "\t", "\n", "\r\n", "\u00a0", "\u2028", " \t ", "\x0b", "\x1c", ""]
PIECES = ["&amp;", "&amp", "&lt", "&lt;", "&notit;", "&not", "&copy2;", "&#65;", "&#65", "&#x41;", "&#X1F600;", "&#0;", "&#13;", "&#128;",
          "&#x9f", "&#xD800;", "&#1114112;", "&#99999999999999;", "&#11;", "&#xFFFE;", "&#;", "&#x;", "&", "&&", ";", "&é;", "&Aacute;é",
          "&CounterClockwiseContourIntegral;", "&thetasym;x", "&nosuchnameatallinthewholewideworldever;", "<b>", "</b>", "<", ">",
          "<!--", "-->", "<!-->", "<!-- <x> -->", "<a href='>'>", "text", " ", "\n ", "é", "&nbsp;", "&ngE;"]


def case(seed):
    chance = random.Random(f"texts {seed}")
    if chance.random() < 0.6:
        text = "".join(chance.choice(WORDS if chance.random() < 0.6 else SPACES) for _ in range(chance.randrange(1, 24)))
        arguments = [str(chance.choice([1, 2, 3, 5, 8, 13, 79, 0]))]
        if chance.random() < 0.7:
            arguments.append(chance.choice(["true", "false"]))
            arguments.append("wrapstring='|'")
        if chance.random() < 0.5:
            arguments.append("break_on_hyphens=" + chance.choice(["true", "false", "1", "0", "none"]))
        template = "{{ text|wordwrap(" + ", ".join(arguments) + ") }}"
    else:
        text = "".join(chance.choice(PIECES) for _ in range(chance.randrange(1, 14)))
        template = chance.choice(["{{ text|striptags }}", "{{ text|safe|striptags }}", "{{ text|escape|striptags }}", "{{ text|striptags|escape }}"])
    return f"text {seed}", template, {"text": text}
