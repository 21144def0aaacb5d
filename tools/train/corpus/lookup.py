"""Looking things up, many times over one short text: values by their keys, what comes next in a list, types in a schema,
tools by what they take. Nearly all that the starter does is made of such looks, and elsewhere there are few in many tokens."""

import json

from . import any_tools, json_tasks, tools
from . import words as w


_STEMS = "get set find add list open read send make check start order update delete create".split()


def identifier(rng):
    """A name as programs have them, mostly of words that the vocabulary has in pieces: getBlormStatus, crane_teaboat."""
    def part():
        k = rng.random()
        return w.made_up(rng, 1, 3) if k < 0.45 else rng.choice(w.NOUNS) + rng.choice(w.THINGS) if k < 0.6 else w.word(rng)
    parts = [rng.choice(_STEMS)] * (rng.random() < 0.5) + [part() for _ in range(rng.randint(1, 2))]
    if rng.random() < 0.3:
        return parts[0] + "".join(p.capitalize() for p in parts[1:])
    return "_".join(parts)


def _key(rng):
    k = rng.random()
    if k < 0.4:
        return rng.choice(list(json_tasks.FIELDS) + json_tasks.KEYS)
    if k < 0.8:
        return w.word(rng)
    if k < 0.86:
        return w.word(rng) + "_" + w.word(rng)
    return w.made_up(rng, 1, 2) if k < 0.93 else identifier(rng)


def _value(rng):
    k = rng.random()
    if k < 0.3:
        return w.word(rng)
    if k < 0.43:
        return identifier(rng)
    if k < 0.5:
        return rng.choice(("", "+", "#", "ID-")) + w.few_digits(rng)
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


def _how_many(rng, most):
    """Often one question alone: where others went before it, their answers help to find this one."""
    return 1 if rng.random() < 0.5 else most


def by_key(rng):
    pairs = _pairs(rng, 2, 8)
    keys = rng.sample(list(pairs), _how_many(rng, len(pairs)))
    ask = rng.choice(("What is {}?", "{}?", "Which {}?", "What is the {}?", "Give me {}."))
    return _turns(rng, _said(rng, pairs), [(ask.format(k.replace("_", " ")), pairs[k]) for k in keys])


def by_value(rng):
    pairs = _pairs(rng, 2, 8)
    keys = rng.sample(list(pairs), _how_many(rng, len(pairs)))
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
        item = str(rng.choice((_key, _value, identifier))(rng))
        if item not in items:
            items.append(item)
    at = rng.sample(range(len(items) - 1), _how_many(rng, min(len(items) - 1, 6)))
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
    return _turns(rng, json.dumps(schema), questions[-rng.randint(1, 7):])


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
    return _turns(rng, "\n".join(json.dumps(n.tool.schema(rng), ensure_ascii=False) for n in offered), questions[:_how_many(rng, 7)])


# Fields that are of one kind and that a text tells apart by its words alone.
_LIKE = ("date start_date end_date", "city destination country", "name author", "price amount", "age quantity guests pages nights room rating", "weight_kg height_cm distance_km temperature",
         "order_id customer_id username phone", "tags ingredients members", "in_stock paid active", "color material animal food product")


def like_kinds(rng):
    """Which of two dates is the first day? One by one, and as JSON."""
    names = rng.choice(_LIKE).split()
    names = rng.sample(names, min(len(names), rng.randint(2, 4))) + rng.sample([n for n in json_tasks.FIELDS if n not in names], rng.randint(0, 2))
    fields = {}
    for n in names:
        v, told = json_tasks.FIELDS[n][0](rng), str(list(fields.values()))
        if str(v) not in told:
            fields[n] = v
    said = [rng.choice(json_tasks.FIELDS[n][1]).replace("{v}", json_tasks.in_words(v)) for n, v in fields.items()]
    rng.shuffle(said)
    if rng.random() < 0.3:
        keys = rng.sample(list(fields), len(fields))
        return _turns(rng, " ".join(said), [("As JSON with " + w.join(keys), json.dumps({k: fields[k] for k in keys}, ensure_ascii=False))])
    keys = rng.sample(list(fields), _how_many(rng, len(fields)))
    return _turns(rng, " ".join(said), [(f"{k}?", json_tasks.in_words(fields[k])) for k in keys])


def dialogue(rng):
    return rng.choices((by_key, by_value, as_object, next_in_list, types, about_tools, like_kinds), (28, 10, 18, 14, 10, 18, 14))[0](rng)
