"""Looking things up, many times over one short text: values by their keys, what comes next in a list, types in a schema,
tools by what they take. Nearly all that the starter does is made of such looks, and elsewhere there are few in many tokens."""

import json

from . import any_tools, json_tasks, tools
from . import words as w


def _key(rng):
    k = rng.random()
    if k < 0.4:
        return rng.choice(list(json_tasks.FIELDS) + json_tasks.KEYS)
    if k < 0.8:
        return w.word(rng)
    if k < 0.9:
        return w.word(rng) + "_" + w.word(rng)
    return w.made_up(rng, 1, 2)


def _value(rng):
    k = rng.random()
    if k < 0.3:
        return w.word(rng)
    return rng.choice((w.code, w.full_name, w.city, w.first, w.date_iso, w.clock, w.email, w.file_name, lambda r: r.randint(0, 10 ** r.randint(1, 5)), lambda r: r.randint(0, 99),
                       w.price, lambda r: w.made_up(r, 2, 3).capitalize()))(rng)


def _pairs(rng, low, high):
    pairs, values = {}, set()
    count = rng.randint(low, high)
    while len(pairs) < count:
        key, value = _key(rng), _value(rng)
        if key not in pairs and value not in values and value not in pairs and key not in values:
            pairs[key] = value
            values.add(value)
    return pairs


def _said(rng, pairs):
    form = rng.randint(0, 4)
    spoken = {k: k.replace("_", " ") for k in pairs}
    if form == 0:
        return "\n".join(f"{k}: {v}" for k, v in pairs.items())
    if form == 1:
        return " ".join(f"{rng.choice(('The', 'The', 'Its', 'My'))} {spoken[k]} is {v}." for k, v in pairs.items())
    if form == 2:
        return json.dumps(pairs, ensure_ascii=False)
    if form == 3:
        return ", ".join(f"{spoken[k]} {v}" for k, v in pairs.items()) + "."
    return "\n".join(f"| {k} | {v} |" for k, v in pairs.items())


def _turns(rng, first, questions):
    """The first question with the text that all are about, then the others."""
    messages = []
    for i, (q, a) in enumerate(questions):
        messages.append({"role": "user", "content": first + "\n\n" + q if i == 0 else q})
        messages.append({"role": "assistant", "content": str(a)})
    messages[-1]["reasoning_content"] = "I look it up."
    return messages, None


def by_key(rng):
    pairs = _pairs(rng, 2, 8)
    keys = rng.sample(list(pairs), len(pairs))
    ask = rng.choice(("What is {}?", "{}?", "Which {}?", "What is the {}?", "Give me {}."))
    return _turns(rng, _said(rng, pairs), [(ask.format(k.replace("_", " ")), pairs[k]) for k in keys])


def by_value(rng):
    pairs = _pairs(rng, 2, 8)
    keys = rng.sample(list(pairs), len(pairs))
    ask = rng.choice(("What is {}?", "Which one is {}?", "What stands for {}?"))
    text = "\n".join(f"{k}: {v}" for k, v in pairs.items())
    return _turns(rng, text, [(ask.format(pairs[k]), k) for k in keys])


def as_object(rng):
    """The pairs as JSON, in the order of a list of keys; then some of them again."""
    pairs = _pairs(rng, 2, 8)
    questions = []
    for _ in range(rng.randint(1, 4)):
        keys = rng.sample(list(pairs), rng.randint(1, len(pairs)))
        ask = rng.choice(("Write that as JSON with the keys {}.", "As JSON with {}.", "JSON: {}", "Extract {} as JSON."))
        questions.append((ask.format(rng.choice((", ".join(keys), w.join(keys)))), json.dumps({k: pairs[k] for k in keys}, ensure_ascii=False)))
    return _turns(rng, _said(rng, pairs), questions)


def next_in_list(rng):
    items, count = [], rng.randint(3, 10)
    while len(items) < count:
        item = str(rng.choice((_key, _value))(rng))
        if item not in items:
            items.append(item)
    at = rng.sample(range(len(items) - 1), min(len(items) - 1, 6))
    text = rng.choice((", ".join(items), "\n".join("- " + i for i in items), json.dumps(items, ensure_ascii=False)))
    if rng.random() < 0.5:
        return _turns(rng, text, [(rng.choice(("What comes after {}?", "Next after {}?")).format(items[i]), items[i + 1]) for i in at])
    return _turns(rng, text, [(rng.choice(("What comes before {}?", "Which is before {}?")).format(items[i + 1]), items[i]) for i in at])


def types(rng):
    """A schema: the type of each key, and an object that fits."""
    schema, value = json_tasks.random_object(rng, any_words=0.5)
    names = {}

    def walk(properties):
        for k, s in properties.items():
            names.setdefault(k, []).append(s)
            inner = s.get("items", s)
            if inner.get("type") == "object":
                walk(inner["properties"])
    walk(schema["properties"])
    questions = [(rng.choice(("What type is {}?", "Type of {}?")).format(k), s[0]["type"]) for k, s in names.items() if len(s) == 1]
    rng.shuffle(questions)
    questions = questions[:5] + [("Which keys are required?", ", ".join(schema["required"])), ("Write JSON that fits.", json.dumps(value, ensure_ascii=False))]
    return _turns(rng, json.dumps(schema), questions[-rng.randint(2, 7):])


def about_tools(rng):
    """Which tool takes this, and what does that one take?"""
    offered, seen = [], set()
    for _ in range(rng.randint(2, 4)):
        n = (any_tools.need if rng.random() < 0.7 else tools.trained)(rng)
        if n.tool.name not in seen:
            seen.add(n.tool.name)
            offered.append(n)
    questions = []
    for n in offered:
        names = [p[0] for p in n.tool.params]
        questions.append((f"What does {n.tool.name} take?", ", ".join(names) or "nothing"))
        unique = [p for p in names if sum(p in [q[0] for q in o.tool.params] for o in offered) == 1]
        questions += [(f"Which tool takes {p}?", n.tool.name) for p in unique[:1]]
        questions.append((f"Which tool is for: {n.request}", n.tool.name))
    rng.shuffle(questions)
    return _turns(rng, "\n".join(json.dumps(n.tool.schema(rng), ensure_ascii=False) for n in offered), questions[:7])


def dialogue(rng):
    return rng.choices((by_key, by_value, as_object, next_in_list, types, about_tools), (18, 6, 28, 10, 20, 18))[0](rng)
