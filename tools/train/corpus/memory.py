"""What was said is still known: recall over turns, facts of a prompt, a retrieved page."""

from . import talk
from . import words as w


def _facts(rng):
    """(statement, question, answer) about the user or the user's world."""
    k = rng.randint(0, 15)
    if k == 0:
        n = w.first(rng) if rng.random() < 0.7 else w.full_name(rng)
        return rng.choice((f"My name is {n}.", f"I am {n}.", f"Call me {n}.", f"Hi, I'm {n}.")), rng.choice(("What is my name?", "Who am I?", "Do you remember my name?", "What's my name?")), f"Your name is {n}.", "name"
    if k in (1, 2):
        c = rng.choice(w.COLORS)
        return (rng.choice((f"My favorite color is {c}.", f"My favourite colour is {c}.", f"I like the color {c} best.", f"Remember: my favorite color is {c}.")),
                rng.choice(("What is my favorite color?", "What's my favourite colour?", "Which color do I like best?", "What color did I just mention?", "Which colour do I like?", "What color did I mention?")), f"Your favorite color is {c}.", "color")
    if k == 3:
        c = w.city(rng)
        return rng.choice((f"I live in {c}.", f"My home is in {c}.", f"I am from {c}.")), rng.choice(("Where do I live?", "In which city do I live?", "Which city am I from?")), f"You live in {c}.", "city"
    if k == 4:
        a, n = rng.choice(w.ANIMALS), w.first(rng)
        return rng.choice((f"My {a} is called {n}.", f"I have a {a} named {n}.", f"The name of my {a} is {n}.")), rng.choice((f"What is my {a} called?", f"What is the name of my {a}?")), f"Your {a} is called {n}.", "pet" + a
    if k == 5:
        j = rng.choice(w.JOBS)
        return rng.choice((f"I work as a {j}.", f"I am a {j}.", f"My job is {j}.")), rng.choice(("What is my job?", "What do I work as?", "What do I do for a living?")), f"You are {w.a(j)}.", "job"
    if k == 6:
        y = rng.randint(3, 99)
        return rng.choice((f"I am {y} years old.", f"I'm {y}.", f"My age is {y}.")), rng.choice(("How old am I?", "What is my age?")), f"You are {y} years old.", "age"
    if k == 7:
        f = rng.choice(w.FOODS)
        return rng.choice((f"I love {f}.", f"My favorite food is {f}.")), rng.choice(("What is my favorite food?", "What do I like to eat?")), f"You like {f}.", "food"
    if k == 8:
        c = w.code(rng)
        return rng.choice((f"The code is {c}.", f"Remember this code: {c}.", f"Keep in mind the code {c}.")), rng.choice(("What is the code?", "Which code did I give you?", "Tell me the code.")), f"The code is {c}.", "code"
    if k == 9:
        p, d = w.first(rng), w.date_words(rng)
        return rng.choice((f"{p}'s birthday is on {d}.", f"{p} was born on {d}.")), rng.choice((f"When is {p}'s birthday?", f"When was {p} born?")), f"{p}'s birthday is on {d}.", "birthday" + p
    if k == 10:
        t, p = rng.choice(w.THINGS), "the " + rng.choice(w.NOUNS)
        prep = rng.choice(("in", "under", "behind", "near"))
        return rng.choice((f"The {t} is {prep} {p}.", f"I put the {t} {prep} {p}.")), rng.choice((f"Where is the {t}?", f"Where did I put the {t}?")), f"The {t} is {prep} {p}.", "where" + t
    if k == 11:
        t, n = rng.choice(w.THINGS), w.price(rng)
        return f"The {t} costs {n} dollars.", rng.choice((f"How much is the {t}?", f"What does the {t} cost?", f"What is the price of the {t}?")), f"The {t} costs {n} dollars.", "price" + t
    if k == 12:
        h = rng.choice(w.HOBBIES)
        return rng.choice((f"My hobby is {h}.", f"I like {h}.")), rng.choice(("What is my hobby?", "What do I like to do?")), f"Your hobby is {h}.", "hobby"
    if k == 13:
        d, c = rng.choice(w.DAYS), w.clock(rng)
        p = w.first(rng)
        return f"I meet {p} on {d} at {c}.", rng.choice((f"When do I meet {p}?", f"At what time do I meet {p}?")), f"You meet {p} on {d} at {c}.", "meet" + p
    if k == 14:
        a, b = w.first(rng), rng.choice(("sister", "brother", "mother", "father", "boss", "teacher", "friend", "neighbor"))
        return f"My {b} is called {a}.", rng.choice((f"What is my {b} called?", f"What is the name of my {b}?", f"Who is my {b}?")), f"Your {b} is called {a}.", "rel" + b
    m, v = w.made_up(rng, 2, 2), w.word(rng)
    return f"The word {m} means {v}.", rng.choice((f"What does {m} mean?", f"What is the meaning of {m}?")), f"The word {m} means {v}.", m


def _several(rng, n):
    out, keys = [], set()
    while len(out) < n:
        f = _facts(rng)
        if f[3] not in keys:
            keys.add(f[3])
            out.append(f)
    return out


ACK = ["I will remember that.", "Good to know.", "I see."]


def over_turns(rng):
    facts = _several(rng, rng.choices((1, 2, 3), (60, 28, 12))[0])
    messages = []
    if rng.random() < 0.15:
        messages.append({"role": "system", "content": rng.choice(talk.SYSTEMS)})
    for s, _, _, _ in facts:
        greet = rng.choice(("", "", "", "Hi! ", "Hello. "))
        messages += [{"role": "user", "content": greet + s}, {"role": "assistant", "content": ACK[0], "reasoning_content": "The user tells me something."}]
    for _ in range(rng.choices((0, 1, 2, 3), (55, 25, 13, 7))[0]):
        q, a, t = talk.turn(rng)
        messages += [{"role": "user", "content": q}, {"role": "assistant", "content": a, "reasoning_content": t}]
    for s, q, a, _ in rng.sample(facts, rng.choice((1, len(facts)))):
        messages += [{"role": "user", "content": q}, {"role": "assistant", "content": a, "reasoning_content": f"The user said: {s}"}]
    return messages, None


def _fact_of_text(rng):
    """(sentence, question, answer) about the world of a text."""
    k = rng.randint(0, 11)
    n, c = w.full_name(rng), w.city(rng)
    m = w.made_up(rng, 2, 3).capitalize()
    if k == 0:
        y = rng.randint(1700, 2025)
        return f"{m} was founded in {y}.", rng.choice((f"When was {m} founded?", f"In which year was {m} founded?")), f"{m} was founded in {y}."
    if k == 1:
        return f"The mayor of {c} is {n}.", f"Who is the mayor of {c}?", f"The mayor of {c} is {n}."
    if k == 2:
        h = rng.randint(20, 8000)
        return f"Mount {m} is {h} meters high.", rng.choice((f"How high is Mount {m}?", f"What is the height of Mount {m}?")), f"Mount {m} is {h} meters high."
    if k == 3:
        t = rng.choice(w.THINGS)
        return f"{n} invented the {m} {t}.", f"Who invented the {m} {t}?", f"{n} invented the {m} {t}."
    if k == 4:
        o, cl = w.clock(rng), w.clock(rng)
        p = rng.choice(("museum", "library", "market", "shop", "station", "pool", "castle"))
        return f"The {p} opens at {o} and closes at {cl}.", rng.choice((f"When does the {p} open?", f"At what time does the {p} open?")), f"The {p} opens at {o}."
    if k == 5:
        p = w.price(rng)
        t = rng.choice(w.THINGS)
        return f"The {m} {t} costs {p} euros.", f"How much does the {m} {t} cost?", f"The {m} {t} costs {p} euros."
    if k == 6:
        return f"{n} was born in {c}.", f"Where was {n} born?", f"{n} was born in {c}."
    if k == 7:
        a = rng.choice(w.ANIMALS)
        f = rng.choice(w.FOODS)
        return f"The {m} {a} eats only {f}.", f"What does the {m} {a} eat?", f"The {m} {a} eats only {f}."
    if k == 8:
        d = rng.randint(10, 90)
        return f"The warranty of the {m} lasts {d} months.", f"How long does the warranty of the {m} last?", f"The warranty of the {m} lasts {d} months."
    if k == 9:
        i = rng.randint(2, 900)
        return f"The village of {m} has {i} houses.", f"How many houses does {m} have?", f"The village of {m} has {i} houses."
    if k == 10:
        e = w.email(rng)
        return f"Questions about {m} go to {e}.", rng.choice((f"Where do questions about {m} go?", f"What is the email address for {m}?")), f"Questions about {m} go to {e}."
    col = rng.choice(w.COLORS)
    return f"The flag of {m} is {col}.", f"What color is the flag of {m}?", f"The flag of {m} is {col}."


def page(rng, long=False):
    """A text in the prompt, and a question that it answers, or does not."""
    count = rng.randint(25, 60) if long else rng.choices((1, 2, 4, 7, 12), (30, 25, 22, 15, 8))[0]
    facts = [_fact_of_text(rng) for _ in range(count)]
    sentences = [f[0] for f in facts]
    for _ in range(rng.randint(0, count)):
        sentences.insert(rng.randint(0, len(sentences)), w.sentence(rng))
    breaks = rng.choice((" ", " ", "\n"))
    text = breaks.join(sentences)
    s, q, a = rng.choice(facts)
    thought = f"The text says: {s}"
    if rng.random() < 0.12:
        _, q, _ = _fact_of_text(rng)
        a, thought = "The text does not say that.", "The text does not say that."
    form = rng.randint(0, 5)
    title = w.made_up(rng, 2, 2).capitalize()
    if form == 0:
        messages = [{"role": "user", "content": f"{text}\n\n{q}"}]
    elif form == 1:
        messages = [{"role": "system", "content": rng.choice(("Use this information:\n", "Context:\n", "Answer from this text:\n", "You know this:\n")) + text}, {"role": "user", "content": q}]
    elif form == 2:
        messages = [{"role": "user", "content": f"Here is a text:\n\n{text}\n\nQuestion: {q}"}]
    elif form == 3:
        messages = [{"role": "user", "content": f"Use the following page to answer.\n\nPage: {title}\n{text}\n\n{q}"}]
    elif form == 4:
        messages = [{"role": "user", "content": f"{q}\n\nCitations:\n[1] {text}" if rng.random() < 0.5 else f"The following citations were found in the files provided by the user:\n\nCitation 1: \"{text}\"\n\nUse the citations to answer the user's question, if they are relevant.\n\nUser Query:\n\n{q}"}]
    else:
        messages = [{"role": "user", "content": f"Read this: {text}"}, {"role": "assistant", "content": "I have read it."}, {"role": "user", "content": q}]
    messages.append({"role": "assistant", "content": a, "reasoning_content": thought})
    if rng.random() < 0.3:
        s, q, a = rng.choice(facts)
        messages += [{"role": "user", "content": q}, {"role": "assistant", "content": a, "reasoning_content": f"The text says: {s}"}]
    return messages, None


def long_talk(rng):
    """Up to the end of the context: a fact at the beginning, asked at the end."""
    s, q, a, _ = _facts(rng)
    messages = [{"role": "user", "content": s}, {"role": "assistant", "content": ACK[0]}]
    for _ in range(rng.randint(12, 28)):
        q2, a2, t = talk.turn(rng)
        messages += [{"role": "user", "content": q2}, {"role": "assistant", "content": a2}]
    messages += [{"role": "user", "content": q}, {"role": "assistant", "content": a, "reasoning_content": f"The user said: {s}"}]
    return messages, None
