"""The mixture of all kinds of dialogue, with the prompts of the evaluation left out."""

import hashlib
import os
import random
import re
import sys

import chat

from . import copying, json_tasks, lookup, memory, style, sums, talk, tools

# kind: (maker, share of dialogues, thinks by itself)
KINDS = {
    "talk": (talk.dialogue, 6, False),
    "quiz": (talk.quiz, 3, False),
    "style": (style.dialogue, 11, False),
    "recall": (memory.over_turns, 6, False),
    "page": (memory.page, 5, False),
    "page_long": (lambda r: memory.page(r, long=True), 0.25, False),
    "talk_long": (memory.long_talk, 0.25, False),
    "sums": (sums.dialogue, 6, True),
    "copy": (copying.dialogue, 7, False),
    "json": (json_tasks.dialogue, 50, False),
    "lookup": (lookup.dialogue, 12, False),
    "tool": (tools.single, 27, True),
    "many": (tools.many, 6, True),
    "session": (tools.session, 6, True),
    "again": (tools.again, 24, True),
    "parallel": (tools.parallel, 13, True),
    "answered": (tools.answered, 17, False),
    "chained": (tools.chained, 0.6, True),
}


sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "eval"))
import unseen_tools


def _letters(name):
    return re.sub("[^a-z0-9]", "", name.lower())


_UNSEEN = {_letters(tool[0]) for tool in unseen_tools.TOOLS}


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
                                     {"role": "assistant", "content": a, "reasoning_content": "This is talk (none)"}]
    return messages, [t.schema(rng) for t in offered]


def no_tools(rng):
    """A request for a tool's work where no tool is offered: it says so."""
    n = tools.need(rng)
    return [{"role": "user", "content": n.request}, {"role": "assistant", "content": tools.decline_text(rng, n), "reasoning_content": tools.thought_none(rng, n, None)}], None


KINDS["no_tools"] = (no_tools, 1.5, True)
KINDS["talk_tools"] = (talk_tools, 3, True)
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
        if any(_letters(t["function"]["name"]) in _UNSEEN for t in offered or []):
            continue
        last = messages[-1]
        if thinks:
            mode = rng.choices((chat.AUTO, chat.ON, chat.OFF), (64, 10, 26))[0]
        else:
            mode = rng.choices((chat.AUTO, chat.ON, chat.OFF), (55, 10, 35))[0]
            if mode == chat.AUTO:
                for m in messages:
                    m.pop("reasoning_content", None)
        if mode == chat.ON and not last.get("reasoning_content"):
            mode = chat.AUTO
        if kind == "sums" and mode == chat.OFF and rng.random() < 0.7:
            mode = chat.AUTO
        return chat.segments(messages, offered, mode), kind


def stream(seed):
    rng = random.Random(seed)
    while True:
        yield dialogue(rng)
