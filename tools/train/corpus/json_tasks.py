"""JSON: under a schema that the prompt holds or that only a grammar knows, and extraction from a text."""

import json

from . import talk
from . import words as w

# name: (maker, how a text says it)
FIELDS = {
    "name": (lambda r: w.full_name(r), ["The name is {v}.", "Name: {v}.", "It is about {v}."]),
    "age": (lambda r: r.randint(1, 99), ["Age {v}.", "Aged {v}.", "The age is {v}."]),
    "city": (lambda r: w.city(r), ["The city is {v}.", "Lives in {v}.", "City: {v}."]),
    "country": (lambda r: r.choice(list(w.CAPITALS)).replace("the ", ""), ["The country is {v}.", "Comes from {v}."]),
    "email": (lambda r: w.email(r), ["The email is {v}.", "Email: {v}.", "Write to {v}."]),
    "phone": (lambda r: "+" + w.digits(r, 8, 11), ["The phone number is {v}.", "Phone: {v}.", "Call {v}."]),
    "date": (lambda r: w.date_iso(r), ["The date is {v}.", "It was on {v}.", "Date: {v}."]),
    "time": (lambda r: w.clock(r), ["At {v}.", "The time is {v}."]),
    "price": (lambda r: w.price(r), ["It costs {v} dollars.", "The price is {v}.", "Price: {v}."]),
    "quantity": (lambda r: r.randint(1, 500), ["There are {v} of them.", "The quantity is {v}."]),
    "color": (lambda r: r.choice(w.COLORS), ["The color is {v}.", "It is {v}."]),
    "product": (lambda r: r.choice(w.THINGS), ["The product is {v}.", "It is about the product {v}."]),
    "title": (lambda r: "The " + r.choice(w.ADJECTIVES).capitalize() + " " + r.choice(w.NOUNS).capitalize(), ["The title is {v}.", "It is called {v}."]),
    "author": (lambda r: w.full_name(r), ["The author is {v}.", "It was written by {v}."]),
    "year": (lambda r: r.randint(1800, 2030), ["The year is {v}.", "It is from {v}."]),
    "job": (lambda r: r.choice(w.JOBS), ["The job is {v}.", "Works as {v}."]),
    "order_id": (lambda r: w.code(r), ["The order number is {v}.", "Order {v}."]),
    "animal": (lambda r: r.choice(w.ANIMALS), ["The animal is {v}.", "Animal: {v}."]),
    "food": (lambda r: r.choice(w.FOODS), ["The food is {v}.", "They ate {v}."]),
    "rating": (lambda r: r.randint(1, 5), ["The rating is {v}.", "It got {v} stars."]),
    "in_stock": (lambda r: r.random() < 0.5, ["In stock: {v}."]),
    "tags": (lambda r: [w.word(r) for _ in range(r.randint(1, 4))], ["Tags: {v}.", "The tags are {v}."]),
    "company": (lambda r: r.choice(w.BRANDS).capitalize(), ["The company is {v}.", "Works for {v}."]),
    "currency": (lambda r: r.choice(w.CODES_OF_CURRENCY), ["The currency is {v}.", "Currency: {v}."]),
    "amount": (lambda r: w.price(r), ["The amount is {v}.", "Amount: {v}."]),
    "weight_kg": (lambda r: r.randint(1, 300), ["It weighs {v} kg.", "The weight is {v} kg."]),
    "height_cm": (lambda r: r.randint(5, 300), ["It is {v} cm high.", "The height is {v} cm."]),
    "distance_km": (lambda r: r.randint(1, 3000), ["The distance is {v} km.", "It is {v} km away."]),
    "language": (lambda r: r.choice(list(w.LANGUAGES)), ["The language is {v}.", "Speaks {v}."]),
    "weekday": (lambda r: r.choice(w.DAYS), ["It is on a {v}.", "The weekday is {v}."]),
    "month": (lambda r: r.choice(w.MONTHS), ["The month is {v}.", "Month: {v}."]),
    "hobby": (lambda r: r.choice(w.HOBBIES), ["The hobby is {v}.", "Hobby: {v}."]),
    "file": (lambda r: w.file_name(r), ["The file is {v}.", "File: {v}."]),
    "website": (lambda r: w.url(r), ["The website is {v}.", "See {v}."]),
    "room": (lambda r: r.randint(1, 900), ["The room is {v}.", "Room {v}."]),
    "guests": (lambda r: r.randint(1, 60), ["There are {v} guests.", "Guests: {v}."]),
    "pages": (lambda r: r.randint(5, 900), ["It has {v} pages.", "Pages: {v}."]),
    "nights": (lambda r: r.randint(1, 21), ["They stay {v} nights.", "Nights: {v}."]),
    "destination": (lambda r: w.city(r), ["The destination is {v}.", "It goes to {v}."]),
    "start_date": (lambda r: w.date_iso(r), ["It starts on {v}.", "The start date is {v}."]),
    "end_date": (lambda r: w.date_iso(r), ["It ends on {v}.", "The end date is {v}."]),
    "status": (lambda r: r.choice("open closed pending done shipped cancelled".split()), ["The status is {v}.", "Status: {v}."]),
    "priority": (lambda r: r.choice("low medium high".split()), ["The priority is {v}.", "Priority: {v}."]),
    "customer_id": (lambda r: w.code(r), ["The customer number is {v}.", "Customer {v}."]),
    "username": (lambda r: r.choice(w.FIRST).lower() + w.digits(r, 1, 3), ["The username is {v}.", "Username: {v}."]),
    "paid": (lambda r: r.random() < 0.5, ["Paid: {v}."]),
    "active": (lambda r: r.random() < 0.5, ["Active: {v}."]),
    "temperature": (lambda r: r.randint(-20, 40), ["The temperature is {v} degrees.", "Temperature: {v}."]),
    "material": (lambda r: r.choice("wood steel glass cotton leather paper plastic stone".split()), ["The material is {v}.", "It is made of {v}."]),
    "ingredients": (lambda r: r.sample(w.FOODS, r.randint(1, 4)), ["The ingredients are {v}.", "Ingredients: {v}."]),
    "members": (lambda r: [w.first(r) for _ in range(r.randint(1, 4))], ["The members are {v}.", "Members: {v}."]),
}

# Further names that schemas use.
KEYS = """id text description summary label value type kind unit level score rank index size count total width height
depth length speed duration start end created_at updated_at first_name last_name nickname gender address street zip_code
state region latitude longitude brand model version category genre topic subject question answer comment message note
reason result error code key token path link image icon format language_code owner manager team department salary
balance discount tax stock capacity seats floor gate flight arrival departure origin season lead artist album song movie
episode publisher isbn chapter verse actor director recipe calories protein sugar servings symptom medicine dose doctor
patient diagnosis school grade student course teacher_name lesson percent minimum maximum average is_valid is_public
enabled verified available confirmed required_age has_garden steps options results items values scores labels
authors skills colors""".split()
_OBJECTS = "address writer owner location contact profile settings details price_info dimensions company_info delivery item user person product_info event".split()
_LISTS = "items people products events steps results members entries orders rows books questions".split()


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


def in_words(v):
    if isinstance(v, bool):
        return "yes" if v else "no"
    if isinstance(v, list):
        return w.join(map(str, v))
    return str(v)


def _fields(rng, any_words=0.12):
    """[(key, maker, how a text says it)]: known fields and, of any_words of the texts, fields of any name."""
    result, keys = [], set()
    share = 0.6 if rng.random() < any_words else 0
    for _ in range(rng.randint(1, 5)):
        if rng.random() >= share:
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
        said.append(form.replace("{v}", in_words(obj[key])))
    if rng.random() < 0.3:
        rng.shuffle(said)
    for _ in range(rng.choice((0, 0, 0, 1, 2))):
        said.insert(rng.randint(0, len(said)), w.sentence(rng))
    return obj, " ".join(said)


def extract(rng, any_words=0.12):
    fields = _fields(rng, any_words)
    obj, text = _said(rng, fields)
    form = rng.randint(0, 4)
    keys = list(obj)
    if form not in (1, 3) and rng.random() < 0.1:
        keys.append(rng.choice([k for k in FIELDS if k not in obj]))
    if rng.random() < 0.2:
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
MADE_UP = {"name": "Anna Bell", "age": 30, "city": "Paris", "country": "France", "email": "anna@example.com", "date": "2025-01-01", "time": "10:00", "price": 10,
           "quantity": 2, "color": "blue", "product": "lamp", "title": "The Old House", "author": "Anna Bell", "year": 2000, "job": "teacher", "animal": "cat", "food": "pizza",
           "rating": 5, "tags": ["new"]}
_BY_TYPE = {"string": "example", "integer": 1, "number": 1.5, "boolean": True}


def _random_schema(rng, depth):
    k = rng.random()
    if k < 0.42:
        return {"type": "string"}
    if k < 0.6:
        return {"type": "integer"}
    if k < 0.7:
        return {"type": "number"}
    if k < 0.82:
        return {"type": "boolean"}
    if k < 0.92:
        return {"type": "string", "enum": [w.word(rng) for _ in range(rng.randint(2, 4))]}
    return {"type": "array", "items": _random_schema(rng, depth + 1)} if depth < 2 else {"type": "string"}


def _fit(key, s):
    if key in MADE_UP:
        return MADE_UP[key]
    if "enum" in s:
        return s["enum"][0]
    if s["type"] == "object":
        return {k: _fit(k, x) for k, x in s["properties"].items()}
    return [_fit(None, s["items"])] if s["type"] == "array" else _BY_TYPE[s["type"]]


def random_object(rng, depth=0, any_words=0.12):
    """(schema, value): keys as schemas have them, in any_words of the schemas some of any name."""
    props = {}
    share = 0.5 if rng.random() < any_words else 0
    for _ in range(rng.randint(1, 5 if depth == 0 else 3)):
        if depth < 2 and rng.random() < (0.1 if depth == 0 else 0.03):
            inner = random_object(rng, depth + 1, any_words)[0]
            if rng.random() < 0.5:
                props.setdefault(rng.choice(_OBJECTS), inner)
            else:
                props.setdefault(rng.choice(_LISTS), {"type": "array", "items": inner})
            continue
        if rng.random() < share:
            key = w.word(rng).replace("-", "_") + ((rng.choice(("_", "")) + w.word(rng).capitalize()) if rng.random() < 0.2 else "")
        else:
            key = rng.choice(KEYS) if rng.random() < 0.5 else rng.choice(list(FIELDS))
        if rng.random() < 0.1 and "_" in key:  # the other way of writing it
            head, *rest = key.split("_")
            key = head + "".join(part.capitalize() for part in rest)
        props.setdefault(key, _schema_for(FIELDS[key][0](rng), rng) if key in FIELDS else _random_schema(rng, depth + 1))
        if rng.random() < 0.15 and "enum" not in props[key]:
            spoken = key.replace("_", " ")
            props[key] = {**props[key], "description": rng.choice(("The {}", "{} of it", "Its {}")).format(spoken)}
    schema = {"type": "object", "properties": props, "required": list(props)}
    if rng.random() < 0.15:
        schema["additionalProperties"] = False
    return schema, _fit(None, schema)


def under_schema(rng):
    """Any small schema in the prompt; any answer that fits. The values matter little, the shape and the end do."""
    schema, obj = random_object(rng)
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
