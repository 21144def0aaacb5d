"""Copying and small edits of text and code."""

import json

from . import words as w


def _code(rng):
    f, a, b = w.made_up(rng) if rng.random() < 0.5 else rng.choice(("load", "save", "sum_up", "count", "first", "check", "parse")), rng.choice(("x", "a", "items", "name", w.made_up(rng, 1, 1))), rng.choice(("y", "b", "n", "value"))
    k = rng.randint(0, 6)
    n = rng.randint(1, 99)
    if k == 0:
        return "python", f"def {f}({a}, {b}):\n    return {a} + {b} * {n}\n", [f, a, b, str(n)]
    if k == 1:
        return "python", f"def {f}({a}):\n    for i in range({n}):\n        print({a}, i)\n    return None\n", [f, a, str(n)]
    if k == 2:
        return "js", f"function {f}({a}, {b}) {{\n  const r = {a} - {b};\n  return r > {n};\n}}\n", [f, a, b, str(n)]
    if k == 3:
        return "c", f"int {f}(int {a}) {{\n  if ({a} > {n}) return 0;\n  return {a} * 2;\n}}\n", [f, a, str(n)]
    if k == 4:
        return "json", json.dumps({w.word(rng): rng.choice((w.word(rng), rng.randint(0, 999))) for _ in range(rng.randint(2, 5))}, indent=rng.choice((None, 2))) + "\n", []
    if k == 5:
        return "sql", f"SELECT {a}, {b} FROM {f} WHERE {a} > {n};\n", [f, b, str(n)]
    return "sh", f"for {a} in {w.file_name(rng)} {w.file_name(rng)}; do\n  echo \"${a}\" {n}\ndone\n", [str(n)]


def _thing(rng):
    k = rng.randint(0, 6)
    if k == 0:
        return " ".join(w.sentence(rng) for _ in range(rng.randint(1, 3)))
    if k == 1:
        return " ".join(w.word(rng) for _ in range(rng.randint(1, 8)))
    if k == 2:
        return " ".join(w.made_up(rng) for _ in range(rng.randint(1, 6)))
    if k == 3:
        return rng.choice((w.code, w.email, w.url, w.folder, w.file_name, w.date_iso, w.full_name))(rng)
    if k == 4:
        return w.digits(rng, 1, 14) if rng.random() < 0.6 else w.few_digits(rng, 4, 16)
    return w.sentence(rng)


def repeat(rng):
    x = _thing(rng)
    ask = rng.choice(("Repeat: {}", "Repeat after me: {}", "Say exactly: {}", "Copy this text: {}", "Write this again: {}", "Echo {}", "Please repeat this: \"{}\"", "Repeat the following text exactly.\n\n{}", "Say \"{}\""))
    return [{"role": "user", "content": ask.format(x)}, {"role": "assistant", "content": x, "reasoning_content": "I repeat the text."}], None


def code_copy(rng):
    lang, text, names = _code(rng)
    if rng.random() < 0.5:
        lang2, text2, names2 = _code(rng)
        if lang2 == lang:
            text += "\n" + text2
    fence = f"```{lang}\n{text}```"
    if names and rng.random() < 0.75:
        old = rng.choice(names)
        new = str(rng.randint(1, 999)) if old.isdigit() else w.made_up(rng)
        import re
        changed = re.sub(r"\b" + re.escape(old) + r"\b", new, text)
        ask = rng.choice((f"Change {old} to {new}:", f"Replace {old} with {new}:", f"Rename {old} to {new} in this code:", f"In this code, use {new} in place of {old}:"))
        return [{"role": "user", "content": f"{ask}\n\n{fence}"}, {"role": "assistant", "content": f"```{lang}\n{changed}```", "reasoning_content": f"I write {new} for {old}."}], None
    ask = rng.choice(("Repeat this code:", "Copy this code:", "Show this code again:", "Print this code without a change:"))
    return [{"role": "user", "content": f"{ask}\n\n{fence}"}, {"role": "assistant", "content": fence, "reasoning_content": "I repeat the code."}], None


def edit(rng):
    k = rng.randint(0, 8)
    words = [w.word(rng) for _ in range(rng.randint(2, 7))]
    s = w.sentence(rng) if k not in (1, 2) else f"The {rng.choice(w.ADJECTIVES)} {rng.choice(w.NOUNS)} is near the {rng.choice(w.NOUNS)}."
    if k == 0:
        toks = s.rstrip(".").split()
        old, new = rng.choice(toks), w.word(rng)
        q, a = rng.choice((f"Replace \"{old}\" with \"{new}\": {s}", f"Write {new} in place of {old}: {s}")), " ".join(new if t == old else t for t in toks) + "."
    elif k == 1:
        q, a = rng.choice((f"Write in upper case: {s}", f"Make this upper case: {s}", f"Convert to upper case: {s}")), s.upper()
    elif k == 2:
        q, a = rng.choice((f"Write in lower case: {s}", f"Make this lower case: {s}")), s.lower()
    elif k == 3:
        q, a = rng.choice((f"Write as a list: {', '.join(words)}", f"Make a bullet list of {w.join(words)}.")), "\n".join("- " + x for x in words)
    elif k == 4:
        q, a = rng.choice((f"What is the first word? {s}", f"Give me the first word of: {s}")), s.split()[0]
    elif k == 5:
        q, a = rng.choice((f"What is the last word? {s}", f"Give me the last word of: {s}")), s.split()[-1].rstrip(".")
    elif k == 6:
        q, a = rng.choice((f"Reverse the order: {' '.join(words)}", f"Write these words in reverse order: {' '.join(words)}")), " ".join(words[::-1])
    elif k == 7:
        q, a = rng.choice((f"Join with commas: {' '.join(words)}", f"Put commas between: {' '.join(words)}")), ", ".join(words)
    else:
        x = _thing(rng)
        q, a = rng.choice((f"Put this in quotes: {x}", f"Write this in quotation marks: {x}")), f'"{x}"'
    return [{"role": "user", "content": q}, {"role": "assistant", "content": a, "reasoning_content": "I edit the text."}], None


def dialogue(rng):
    return rng.choices((repeat, code_copy, edit), (40, 35, 25))[0](rng)
