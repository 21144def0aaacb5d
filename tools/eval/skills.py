"""What the evaluation asks, and how it judges. The prompts come from the generator of the training data, but only those that
it leaves out of the training (corpus.mix.held_out); the tools of unseen_tools are in no training dialogue at all."""

import json
import random
import re

from corpus import json_tasks, memory, mix, style, sums, talk, tools
from corpus import copying
from corpus import words as w

import unseen_tools


class Answer:
    """What came back: text without its thought, the thought, calls as [(name, arguments)], and why it ended."""

    def __init__(self, text, thought, calls, ended):
        self.text, self.thought, self.calls, self.ended = text, thought, calls, ended


class Item:
    def __init__(self, messages, offered, judge, variables=None, wanted=""):
        self.messages, self.tools, self.judge, self.variables, self.wanted = messages, offered, judge, variables or {}, wanted


def same_text(expected):
    def judge(answer):
        return not answer.calls and answer.text.strip() == expected.strip()
    return judge


def same_calls(expected):
    def judge(answer):
        return sorted(map(_form, answer.calls)) == sorted(map(_form, expected))
    return judge


def _form(call):
    return json.dumps([call[0], call[1]], sort_keys=True)


def no_call(answer):
    return not answer.calls and bool(answer.text.strip())


def same_json(expected):
    def judge(answer):
        try:
            return json.loads(answer.text) == expected
        except ValueError:
            return False
    return judge


def valid(schema, value):
    """Whether a value fits a schema of the kinds that the generator makes."""
    kind = schema.get("type")
    if "enum" in schema:
        return value in schema["enum"]
    if kind == "object":
        properties = schema.get("properties", {})
        return (isinstance(value, dict) and all(k in value for k in schema.get("required", [])) and
                all(k in properties and valid(properties[k], v) for k, v in value.items()))
    if kind == "array":
        return isinstance(value, list) and all(valid(schema["items"], v) for v in value)
    if kind == "boolean":
        return isinstance(value, bool)
    if kind == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    if kind == "number":
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return kind != "string" or isinstance(value, str)


def valid_json(schema):
    def judge(answer):
        try:
            return answer.ended and valid(schema, json.loads(answer.text))
        except ValueError:
            return False
    return judge


def _plain(messages):
    keep = ("role", "content", "tool_calls", "tool_call_id")
    result, ids = [], []
    for message in messages:
        message = {k: v for k, v in message.items() if k in keep}
        if message.get("tool_calls"):
            ids = [f"call_{len(result)}_{i}" for i in range(len(message["tool_calls"]))]
            message["tool_calls"] = [{"id": i, "type": "function", "function": {"name": c["name"], "arguments": json.dumps(c["arguments"])}}
                                     for i, c in zip(ids, message["tool_calls"])]
        if message["role"] == "tool":
            message["tool_call_id"] = ids.pop(0)
        result.append(message)
    return result


def _tool_item(rng, need, extra):
    messages = tools.opening(rng) + [{"role": "user", "content": tools.polite(rng, need.request)}]
    return Item(messages, tools.offered(rng, [need], extra), same_calls([(need.tool.name, need.arguments)]), wanted=tools.call(need))


def tool(extra, need=tools.trained):
    return lambda rng: _tool_item(rng, need(rng), extra)


_SLOTS = {"city": w.city, "date": w.date_iso, "code": w.code, "int": lambda r: r.randint(2, 90), "clock": w.clock, "street": lambda r: r.choice(("Oak", "Mill", "Rose", "Bridge")) + " " + r.choice(("Street", "Road")),
          "language": lambda r: r.choice(list(w.LANGUAGES)), "file": w.file_name, "day": lambda r: r.choice(w.DAYS), "name": w.first, "country": lambda r: r.choice([c for c in w.CAPITALS if not c.startswith("the")]),
          "word": lambda r: w.made_up(r, 2, 3).capitalize(), "email": w.email, "bool": lambda r: True}
_TYPES = {"int": "integer", "bool": "boolean"}


def unseen_need(rng):
    name, description, parameters, requests = rng.choice(unseen_tools.TOOLS)
    need = tools.Need()
    request = rng.choice(requests)
    arguments, schemas = {}, []
    for key, kind, text in parameters:
        used = "{" + key + "}" in request
        schema = {"type": "string", "enum": kind} if isinstance(kind, list) else {"type": _TYPES.get(kind, "string")}
        schema["description"] = text
        schemas.append((key, schema, used))
        if used:
            arguments[key] = rng.choice(kind) if isinstance(kind, list) else _SLOTS[kind](rng)
    need.tool = tools.Tool(name, description, schemas)
    need.request, need.arguments = request.format(**arguments), arguments
    need.family = need.topic = name
    return need


def unseen(rng):
    need = unseen_need(rng)
    extra = rng.choice((0, 1, 2, 3))
    offered = [need.tool]
    names = {need.tool.name}
    while len(offered) < extra + 1:
        other = unseen_need(rng) if rng.random() < 0.5 else tools.need(rng)
        if other.tool.name not in names:
            names.add(other.tool.name)
            offered.append(other.tool)
    rng.shuffle(offered)
    return Item([{"role": "user", "content": need.request}], [t.schema(random.Random(1)) for t in offered], same_calls([(need.tool.name, need.arguments)]), wanted=tools.call(need))


def paired(calls):
    def make(rng):
        need = tools.trained(rng)
        count = rng.choice((1, 1, 2, 3))
        messages = tools.opening(rng) + [{"role": "user", "content": need.request}]
        rest = [t.schema(rng) for t in tools.others(rng, count, need)]
        if calls:
            rest.insert(rng.randint(0, len(rest)), need.tool.schema(rng))
            return Item(messages, rest, same_calls([(need.tool.name, need.arguments)]), wanted=tools.call(need))
        return Item(messages, rest, no_call, wanted="(no call)")
    return make


def parallel(rng):
    messages, offered = tools.parallel(rng, tools.trained)
    calls = [(c["name"], c["arguments"]) for c in messages[-1]["tool_calls"]]
    return Item(messages[:-1], offered, same_calls(calls), wanted=calls)


def answered(rng):
    while True:
        messages, offered = tools.answered(rng, tools.trained)
        if messages[-2]["role"] == "tool":
            return Item(_plain(messages[:-1]), offered, same_text(messages[-1]["content"]), wanted=messages[-1]["content"])


def last_text(maker, variables=None):
    def make(rng):
        messages = maker(rng)
        return Item(_plain(messages[:-1]), None, same_text(messages[-1]["content"]), variables, messages[-1]["content"])
    return make


def _in_talk(turn):
    """A question of one kind, alone or after other talk."""
    def make(rng):
        messages = [{"role": "system", "content": rng.choice(talk.SYSTEMS)}] if rng.random() < 0.4 else []
        for _ in range(rng.choice((0, 1, 1, 2))):
            q, a, _ = talk.turn(rng)
            messages += [{"role": "user", "content": q}, {"role": "assistant", "content": a}]
        q, a, _ = turn(rng)
        return messages + [{"role": "user", "content": q}, {"role": "assistant", "content": a}]
    return make


def fact(rng):
    ways, answers, _ = rng.choice(talk.FACTS)
    messages = _in_talk(lambda r: (talk.question(r, r.choice(ways)), answers[0], ""))(rng)
    return Item(messages[:-1], None, lambda answer: answer.text.strip() in answers, wanted=answers[0])


def unknown(rng):
    messages = _in_talk(talk.unknown)(rng)
    return Item(messages[:-1], None, lambda answer: "don't know" in answer.text and not answer.calls, wanted="I don't know …")


def sum_two_digits(rng):
    a, b = rng.randint(10, 99), rng.randint(10, 99)
    question = rng.choice((f"What is {a} + {b}?", f"What is {a} plus {b}?", f"How much is {a} + {b}?", f"Calculate {a} + {b}.", f"{a} + {b}", f"Add {a} and {b}.", f"What is the sum of {a} and {b}?",
                           f"{a} + {b} = ?", f"Can you calculate {a} + {b}?", f"What's {a} plus {b}?"))
    return Item([{"role": "user", "content": question}], None, lambda answer: re.findall(r"\d+", answer.text)[-1:] == [str(a + b)],
                {"enable_thinking": True}, f"{a} + {b} = {a + b}")


def extraction(any_words):
    def make(rng):
        messages, _ = json_tasks.extract(rng, any_words)
        return Item(_plain(messages[:-1]), None, same_json(json.loads(messages[-1]["content"])), wanted=messages[-1]["content"])
    return make


def schema(any_words):
    def make(rng):
        made, _ = json_tasks.random_object(rng, any_words=any_words)
        text = json.dumps(made)
        topic = rng.choice(("an example", w.a(rng.choice(w.NOUNS)), "a product", "a person"))
        messages = [{"role": "system", "content": "Answer in JSON that fits this schema:\n" + text}, {"role": "user", "content": f"Give me {topic}."}]
        if rng.random() < 0.5:
            messages = [{"role": "user", "content": f"Write {topic}. Answer as JSON under this schema:\n{text}"}]
        return Item(messages, None, valid_json(made), wanted=text)
    return make


def thinks(on):
    def make(rng):
        messages = (_in_talk(talk.turn)(rng) if rng.random() < 0.7 else sums.dialogue(rng)[0][:2])
        return Item(_plain(messages[:-1]), None, lambda answer: bool(answer.text.strip()) and bool(answer.thought.strip()) == on, {"enable_thinking": on}, "a thought" if on else "no thought")
    return make


# name: (maker, what the project asks for in percent or None)
SKILLS = {
    "tool_1": (tool(0), 98), "tool_2": (tool(1), 96), "tool_4": (tool(3), 94), "tool_any": (tool(0, tools.any_tool), None), "tool_unseen": (unseen, 80), "declines": (paired(False), 85), "calls": (paired(True), 92),
    "parallel": (parallel, 88), "tool_result": (answered, 97), "recall": (last_text(lambda r: memory.over_turns(r)[0]), 96), "extraction": (extraction(0), 96), "extraction_any": (extraction(1), None), "schema": (schema(0), 95), "schema_any": (schema(1), None),
    "product": (fact, 98), "capitals": (last_text(_in_talk(talk.capital_of)), 98), "days": (last_text(_in_talk(talk.calendar)), 98), "sums": (sum_two_digits, 80), "style": (last_text(lambda r: style.dialogue(r)[0]), 85),
    "page": (last_text(lambda r: memory.page(r)[0]), None), "copy": (last_text(lambda r: copying.dialogue(r)[0]), None), "unknown": (unknown, None), "think_on": (thinks(True), None), "think_off": (thinks(False), None),
}


def items(skill, count, seed=2026):
    """count prompts, all different, none of which training has."""
    maker, rng, seen, result = SKILLS[skill][0], random.Random(f"{skill}-{seed}"), set(), []
    while len(result) < count:
        item = maker(rng)
        key = json.dumps([item.messages, item.tools], sort_keys=True)
        said = [m for m in item.messages if m["role"] in ("system", "user")]
        if key in seen or not (mix.held_out(said) or skill == "tool_unseen"):
            continue
        seen.add(key)
        result.append(item)
    return result
