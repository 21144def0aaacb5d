"""The mixture of all kinds of dialogue, with the prompts of the evaluation left out."""

import hashlib
import random

import chat

from . import copying, json_tasks, memory, style, sums, talk, tools

# kind: (maker, share of dialogues, thinks by itself)
KINDS = {
    "talk": (talk.dialogue, 15, False),
    "style": (style.dialogue, 13, False),
    "recall": (memory.over_turns, 9, False),
    "page": (memory.page, 6, False),
    "page_long": (lambda r: memory.page(r, long=True), 0.35, False),
    "talk_long": (memory.long_talk, 0.35, False),
    "sums": (sums.dialogue, 11, True),
    "copy": (copying.dialogue, 8, False),
    "json": (json_tasks.dialogue, 12, False),
    "tool": (tools.single, 14, True),
    "session": (tools.session, 5, True),
    "parallel": (tools.parallel, 5, True),
    "answered": (tools.answered, 3, False),
    "chained": (tools.chained, 0.7, True),
}


def held_out(messages):
    """Whether a prompt is for the evaluation alone: one in 40 is, by the hash of what system and user say in it.

    Training leaves out every dialogue that has such a prompt at any turn; the evaluation asks nothing else.
    """
    text = "\n".join(m["content"] for m in messages if m["role"] in ("system", "user"))
    digest = hashlib.sha256(" ".join(text.lower().split()).encode()).digest()
    return digest[0] * 256 + digest[1] < 65536 // 40


def talk_tools(rng):
    """Ordinary talk while tools are offered: no call."""
    q, a, thought = talk.turn(rng)
    while "time" in q.lower() or "day" in q.lower() or a.startswith("I don't know"):
        q, a, thought = talk.turn(rng)
    offered = tools.others(rng, rng.choice((1, 1, 2, 3)))
    messages = tools.opening(rng) + [{"role": "user", "content": q},
                                     {"role": "assistant", "content": a, "reasoning_content": thought.rstrip(".") + ". No tool is needed."}]
    return messages, [t.schema(rng) for t in offered]


def no_tools(rng):
    """A request for a tool's work where no tool is offered: it says so."""
    n = tools.need(rng)
    return [{"role": "user", "content": n.request}, {"role": "assistant", "content": tools.decline_text(rng, n), "reasoning_content": tools.thought_none(rng, n, None)}], None


KINDS["no_tools"] = (no_tools, 2, True)
KINDS["talk_tools"] = (talk_tools, 4, True)
_NAMES = list(KINDS)
_SHARES = [KINDS[n][1] for n in _NAMES]


def dialogue(rng, only=None):
    """(segments, kind)"""
    while True:
        kind = only or rng.choices(_NAMES, _SHARES)[0]
        maker, _, thinks = KINDS[kind]
        messages, offered = maker(rng)
        if any(held_out(messages[:i + 1]) for i, m in enumerate(messages) if m["role"] == "user"):
            continue
        last = messages[-1]
        if thinks:
            mode = rng.choices((chat.AUTO, chat.ON, chat.OFF), (50, 10, 40))[0]
        else:
            mode = rng.choices((chat.AUTO, chat.ON, chat.OFF), (55, 10, 35))[0]
            if mode == chat.AUTO:
                for m in messages:
                    m.pop("reasoning_content", None)
        if mode == chat.ON and not last.get("reasoning_content"):
            mode = chat.AUTO
        if kind == "sums" and mode == chat.OFF and rng.random() < 0.5:
            mode = chat.AUTO
        return chat.segments(messages, offered, mode), kind


def stream(seed):
    rng = random.Random(seed)
    while True:
        yield dialogue(rng)
