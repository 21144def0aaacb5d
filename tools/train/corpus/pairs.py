"""Pairs of texts that mean the same, or a question and the text that answers it: what the embedding model learns from."""

from . import memory, talk, tools
from . import words as w


def _fact(rng):
    ways, answers, about = rng.choice(talk.FACTS)
    a, b = rng.sample(ways, 2) if len(ways) > 1 else (ways[0], ways[0])
    if rng.random() < 0.25:
        return talk.question(rng, a), rng.choice(answers)
    return talk.question(rng, a), talk.question(rng, b)


def _small(rng):
    ways, answers, _ = rng.choice(talk.CHAT)
    a, b = rng.sample(ways, 2) if len(ways) > 1 else (ways[0], ways[0])
    return talk.capital(a), talk.capital(b)


def _capital(rng):
    country, city = rng.choice(list(w.CAPITALS.items()))
    ways = [f"What is the capital of {country}?", f"Which city is the capital of {country}?", f"Name the capital of {country}.", f"{country} has which capital?",
            f"The capital of {country} is {city}.", f"{city} is the capital of {country}.", f"I want to know the capital of {country}."]
    return tuple(rng.sample(ways, 2))


def _request(rng):
    """One need in two wordings."""
    obj, actions, params, _ = rng.choice(tools._TABLE)
    action = rng.choice(actions.split())
    _, description, requests = tools.VERBS.get(action) or tools._plain(action)
    phrase = ""
    kinds = [p.rstrip("?") for p in params.split()]
    if kinds and rng.random() < 0.8:
        kind = tools.KINDS[rng.choice(kinds)]
        phrase = (rng.choice(kind[4]), kind[3](rng)[1])
    fill = dict(o=obj, ao=w.a(obj), ap=w.a(obj))
    texts = [r.format(p=phrase[0].replace("{v}", phrase[1]) if phrase else "", **fill).replace(" ?", "?").replace(" .", ".").replace(" ,", ",")
             for r in rng.sample(requests, 2)]
    if rng.random() < 0.15:
        texts[1] = description.format(p="", **fill)
    return tuple(texts)


def _told(rng):
    statement, question, answer, _ = memory._facts(rng)
    return tuple(rng.sample((statement, question, answer), 2))


def _page(rng):
    sentence, question, _ = memory._fact_of_text(rng)
    text = sentence
    for _ in range(rng.choice((0, 0, 1, 2))):
        text = text + " " + w.sentence(rng) if rng.random() < 0.5 else w.sentence(rng) + " " + text
    return question, text


def pair(rng):
    return rng.choices((_fact, _small, _capital, _request, _told, _page), (22, 8, 8, 26, 18, 18))[0](rng)
