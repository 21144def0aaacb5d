"""JSON: under a schema that the prompt holds or that only a grammar knows, and extraction from a text."""

import json

from . import talk
from . import words as w

# name: (maker, how a text says it)
FIELDS = {
    "name": (lambda r: w.full_name(r), ["The name is {v}.", "{v} is the name.", "It is about {v}."]),
    "age": (lambda r: r.randint(1, 99), ["Age {v}.", "Aged {v}.", "The age is {v}."]),
    "city": (lambda r: w.city(r), ["The city is {v}.", "Lives in {v}.", "It is in {v}."]),
    "country": (lambda r: r.choice(list(w.CAPITALS)).replace("the ", ""), ["The country is {v}.", "Comes from {v}."]),
    "email": (lambda r: w.email(r), ["The email is {v}.", "Email: {v}."]),
    "phone": (lambda r: "+" + w.digits(r, 8, 11), ["The phone number is {v}.", "Phone: {v}."]),
    "date": (lambda r: w.date_iso(r), ["The date is {v}.", "It was on {v}."]),
    "time": (lambda r: w.clock(r), ["At {v}.", "The time is {v}."]),
    "price": (lambda r: w.price(r), ["It costs {v} dollars.", "The price is {v}."]),
    "quantity": (lambda r: r.randint(1, 500), ["There are {v} of them.", "The quantity is {v}."]),
    "color": (lambda r: r.choice(w.COLORS), ["The color is {v}.", "It is {v}."]),
    "product": (lambda r: r.choice(w.THINGS), ["The product is {v}.", "It is about the product {v}."]),
    "title": (lambda r: "The " + r.choice(w.ADJECTIVES).capitalize() + " " + r.choice(w.NOUNS).capitalize(), ["The title is {v}.", "It is called {v}."]),
    "author": (lambda r: w.full_name(r), ["The author is {v}.", "It was written by {v}."]),
    "year": (lambda r: r.randint(1800, 2030), ["The year is {v}.", "It is from {v}."]),
    "job": (lambda r: r.choice(w.JOBS), ["The job is {v}.", "Works as {v}."]),
    "order_id": (lambda r: w.code(r), ["The order number is {v}.", "Order {v}."]),
    "animal": (lambda r: r.choice(w.ANIMALS), ["The animal is {v}."]),
    "food": (lambda r: r.choice(w.FOODS), ["The food is {v}.", "They ate {v}."]),
    "rating": (lambda r: r.randint(1, 5), ["The rating is {v}.", "It got {v} stars."]),
    "in_stock": (lambda r: r.random() < 0.5, ["In stock: {v}."]),
    "tags": (lambda r: [w.word(r) for _ in range(r.randint(1, 4))], ["Tags: {v}.", "The tags are {v}."]),
}


def _schema_for(v, rng):
    if isinstance(v, bool):
        return {"type": "boolean"}
    if isinstance(v, int):
        return {"type": "integer"} if rng.random() < 0.75 else {"type": "number"}
    if isinstance(v, float):
        return {"type": "number"}
    if isinstance(v, list):
        return {"type": "array", "items": _schema_for(v[0], rng) if v else {"type": "string"}}
    if isinstance(v, dict):
        return {"type": "object", "properties": {k: _schema_for(x, rng) for k, x in v.items()}, "required": list(v)}
    return {"type": "string"}


def _words_of(v):
    if isinstance(v, bool):
        return "yes" if v else "no"
    if isinstance(v, list):
        return w.join(map(str, v))
    return str(v)


def _fields(rng):
    """[(key, maker, how a text says it)]: known fields and fields of any name."""
    result, keys = [], set()
    for _ in range(rng.randint(1, 5)):
        if rng.random() < 0.6:
            key = rng.choice(list(FIELDS))
            make, form = FIELDS[key][0], rng.choice(FIELDS[key][1])
        else:
            key = w.word(rng).replace("-", "_") + (("_" + w.word(rng)) if rng.random() < 0.2 else "")
            make = rng.choice((w.word, w.first, w.city, w.word, w.code, w.full_name, lambda r: r.randint(0, 10 ** r.randint(1, 6)), lambda r: w.price(r)))
            form = rng.choice(("The {k} is {v}.", "{k}: {v}.", "Its {k} is {v}.")).replace("{k}", key.replace("_", " "))
        if key not in keys:
            keys.add(key)
            result.append((key, make, form))
    return result


def _said(rng, fields):
    """(object, a text that says it)"""
    obj, said = {}, []
    for key, make, form in fields:
        obj[key] = make(rng)
        said.append(form.replace("{v}", _words_of(obj[key])))
    if rng.random() < 0.3:
        rng.shuffle(said)
    for _ in range(rng.choice((0, 0, 1, 2))):
        said.insert(rng.randint(0, len(said)), w.sentence(rng))
    return obj, " ".join(said)


def extract(rng):
    fields = _fields(rng)
    obj, text = _said(rng, fields)
    form = rng.randint(0, 4)
    keys = list(obj)
    if form not in (1, 3) and rng.random() < 0.15:
        keys.append(rng.choice([k for k in FIELDS if k not in obj]))
    if rng.random() < 0.3:
        rng.shuffle(keys)
    schema = json.dumps(_schema_for({k: obj.get(k, "") for k in keys}, rng))
    if form == 0:
        messages = [{"role": "user", "content": f"Extract {w.join(keys)} as JSON: {text}"}]
    elif form == 1:
        messages = [{"role": "system", "content": rng.choice(("Answer in JSON that fits this schema:\n", "Extract the data as JSON under this schema:\n", "Reply only with JSON. Schema: ")) + schema}, {"role": "user", "content": text}]
    elif form == 2:
        messages = [{"role": "user", "content": f"{text}\n\nWrite that as JSON with the keys {', '.join(keys)}."}]
    elif form == 3:
        messages = [{"role": "user", "content": f"{text}\n\nAnswer as JSON under this schema:\n{schema}"}]
    else:
        messages = [{"role": "system", "content": "You extract data. Keys: " + ", ".join(keys) + ". Answer with JSON only."}, {"role": "user", "content": text}]
    messages.append(_filled(keys, obj))
    if form in (1, 4) and rng.random() < 0.6:  # the same keys for several texts
        for _ in range(rng.randint(1, 3)):
            obj, text = _said(rng, fields)
            messages += [{"role": "user", "content": text}, _filled(keys, obj)]
    return messages, None


def _filled(keys, obj):
    return {"role": "assistant", "content": json.dumps({k: obj.get(k) for k in keys}, ensure_ascii=False), "reasoning_content": "I fill in " + w.join(keys) + "."}


# What it makes up is always the same: the shape is the task, and chance cannot be learnt.
MADE_UP = {"name": "Anna Bell", "age": 30, "city": "Paris", "country": "France", "email": "anna@example.com", "phone": "+4912345678", "date": "2025-01-01", "time": "10:00",
           "price": 10, "quantity": 2, "color": "blue", "product": "lamp", "title": "The Old House", "author": "Anna Bell", "year": 2000, "job": "teacher", "order_id": "A-1",
           "animal": "cat", "food": "pizza", "rating": 5, "in_stock": True, "tags": ["new"]}
_BY_TYPE = {"string": "example", "integer": 1, "number": 1.5, "boolean": True}


def _random_schema(rng, depth):
    k = rng.random()
    if k < 0.12 and depth < 3:
        return _random_object(rng, depth)[0]
    if k < 0.45:
        return {"type": "string"}
    if k < 0.6:
        return {"type": "integer"}
    if k < 0.68:
        return {"type": "number"}
    if k < 0.77:
        return {"type": "boolean"}
    if k < 0.88:
        return {"type": "string", "enum": [w.word(rng) for _ in range(rng.randint(2, 4))]}
    return {"type": "array", "items": _random_schema(rng, depth + 1)} if depth < 2 else {"type": "string"}


def _fit(key, s):
    if "enum" in s:
        return s["enum"][0]
    if s["type"] == "object":
        return {k: _fit(k, x) for k, x in s["properties"].items()}
    if key in MADE_UP and _schema_types(MADE_UP[key], s):
        return MADE_UP[key]
    return [_fit(None, s["items"])] if s["type"] == "array" else _BY_TYPE[s["type"]]


def _schema_types(v, s):
    if isinstance(v, list):
        return s["type"] == "array" and s["items"] == {"type": "string"}
    return s["type"] in {bool: ("boolean",), int: ("integer", "number"), str: ("string",)}[type(v)]


def _random_object(rng, depth=0):
    """(schema, value)"""
    props = {}
    for _ in range(rng.randint(1, 5 if depth == 0 else 3)):
        key = (rng.choice(list(FIELDS)) if rng.random() < 0.3 else w.word(rng).replace("-", "_"))
        if rng.random() < 0.1:
            key += rng.choice(("_", "")) + w.word(rng).capitalize()
        if key in FIELDS and rng.random() < 0.7:
            props.setdefault(key, _schema_for(FIELDS[key][0](rng), rng))
        else:
            props.setdefault(key, _random_schema(rng, depth + 1))
        if rng.random() < 0.1 and "enum" not in props[key]:
            props[key] = {**props[key], "description": rng.choice(("The {}", "{} of it", "Its {}")).format(key)}
    schema = {"type": "object", "properties": props, "required": list(props)}
    if rng.random() < 0.15:
        schema["additionalProperties"] = False
    return schema, _fit(None, schema)


def under_schema(rng):
    """Any small schema in the prompt; any answer that fits. The values matter little, the shape and the end do."""
    schema, obj = _random_object(rng)
    text = json.dumps(schema, indent=2 if rng.random() < 0.1 else None)
    topic = rng.choice(("an example", "some data", w.a(rng.choice(w.NOUNS)), w.a(rng.choice(w.JOBS)), "a product", "a person"))
    form = rng.randint(0, 3)
    if form == 0:
        messages = [{"role": "user", "content": f"Make up {topic} as JSON under this schema:\n{text}"}]
    elif form == 1:
        messages = [{"role": "system", "content": rng.choice(("Answer in JSON that fits this schema:\n", "Reply only with JSON under this schema: ", "JSON schema:\n")) + text},
                    {"role": "user", "content": rng.choice((f"Give me {topic}.", f"Describe {topic}.", f"Make up {topic}.", "Fill it in.", f"Tell me about {topic}."))}]
    elif form == 2:
        messages = [{"role": "user", "content": f"{rng.choice(('Create', 'Generate', 'Write', 'Give me'))} {topic}. Answer as JSON under this schema:\n{text}"}]
    else:
        messages = [{"role": "user", "content": f"Schema: {text}\nWrite JSON that is valid under it."}]
    return messages + [{"role": "assistant", "content": json.dumps(obj, ensure_ascii=False), "reasoning_content": "The keys are " + w.join(obj) + "."}], None


BOOKS = [("The Hobbit", "J.R.R. Tolkien", 1937), ("Dracula", "Bram Stoker", 1897), ("Moby-Dick", "Herman Melville", 1851), ("Emma", "Jane Austen", 1815),
         ("Frankenstein", "Mary Shelley", 1818), ("Ulysses", "James Joyce", 1922), ("Dune", "Frank Herbert", 1965)]


def bare(rng):
    """JSON with no schema in the prompt: a grammar alone may know it. The shape of the request says what is meant."""
    k = rng.randint(0, 4)
    if k == 0:
        system = rng.choice(("You are a helpful jokester.", "You are a helpful jokester. Answer as JSON with the key joke.", "You tell jokes as JSON: {\"joke\": ...}"))
        q, j, _ = talk.joke(rng)
        if "JSON" in system or rng.random() < 0.1:
            a = json.dumps({"joke": j})
        else:
            a = j
        return [{"role": "system", "content": system}, {"role": "user", "content": q}, {"role": "assistant", "content": a, "reasoning_content": "The user wants a joke."}], None
    if k == 1:
        t, au, y = rng.choice(BOOKS)
        schema = json.dumps({"type": "object", "properties": {"title": {"type": "string"}, "author": {"type": "string"}, "year": {"type": "integer"}}, "required": ["title", "author", "year"]})
        return [{"role": "user", "content": rng.choice((f"Tell me about {t} as JSON under this schema:\n{schema}", f"Give title, author and year of {t} as JSON."))},
                {"role": "assistant", "content": json.dumps({"title": t, "author": au, "year": y}), "reasoning_content": f"{t} is by {au}."}], None
    if k == 2:
        schema = json.dumps({"type": "object", "properties": {"joke": {"type": "string"}}, "required": ["joke"]})
        q, j, _ = talk.joke(rng)
        return [{"role": "system", "content": rng.choice(("You are a helpful jokester. ", "")) + "Answer in JSON that fits this schema:\n" + schema}, {"role": "user", "content": q},
                {"role": "assistant", "content": json.dumps({"joke": j}), "reasoning_content": "The user wants a joke."}], None
    if k == 3:
        c, x = rng.choice(list(w.CAPITALS.items()))
        c2 = c.replace("the ", "")
        return [{"role": "user", "content": rng.choice((f"Capital of {c} as JSON with the keys country and capital.", f"Give me the capital of {c} as JSON with country and capital."))},
                {"role": "assistant", "content": json.dumps({"country": c2, "capital": x}, ensure_ascii=False), "reasoning_content": f"{c}: {x}."}], None
    people = [{"name": n, "occupation": j} for n, j in (("Anna Bell", "teacher"), ("Tom Reed", "farmer"), ("Mia Stone", "pilot"))][:rng.randint(1, 3)]
    return [{"role": "user", "content": f"Create {len(people)} fictional character{'s' if len(people) > 1 else ''} as JSON with the key characters, each with name and occupation."},
            {"role": "assistant", "content": json.dumps({"characters": people}, ensure_ascii=False), "reasoning_content": "I make them up."}], None


def dialogue(rng):
    return rng.choices((extract, under_schema, bare), (50, 40, 10))[0](rng)
