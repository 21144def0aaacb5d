"""chat.py writes what chat_template.jinja renders, on dialogues of every kind. Needs python3-jinja2."""

import json
import os
import random
import unittest

import jinja2

import chat
from corpus import mix

HERE = os.path.dirname(os.path.abspath(__file__))


def template():
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True)
    environment.filters["tojson"] = lambda value: json.dumps(value, ensure_ascii=False)
    with open(os.path.join(HERE, "chat_template.jinja"), encoding="utf-8") as file:
        return environment.from_string(file.read())


def openai_form(messages):
    result = []
    for message in messages:
        message = dict(message)
        if "tool_calls" in message:
            message["tool_calls"] = [{"type": "function", "function": call} for call in message["tool_calls"]]
        result.append(message)
    return result


class ChatTest(unittest.TestCase):
    def test_equals_the_template(self):
        rng, compiled, modes = random.Random(7), template(), {chat.AUTO: {}, chat.ON: {"enable_thinking": True},
                                                             chat.OFF: {"enable_thinking": False}}
        for kind in mix.KINDS:
            for _ in range(15 if kind.endswith("long") else 60):
                messages, tools = mix.KINDS[kind][0](rng)
                for mode, variables in modes.items():
                    asked = compiled.render(messages=openai_form(messages[:-1]), tools=tools, add_generation_prompt=True, **variables)
                    self.assertEqual(chat.prompt(messages[:-1], tools, mode), asked)
                whole = compiled.render(messages=openai_form(messages), tools=tools)
                self.assertEqual("".join(text for text, _ in chat.segments(messages, tools)), whole)

    def test_held_out_prompts_are_left_out(self):
        rng = random.Random(8)
        for _ in range(300):
            parts, _ = mix.dialogue(rng, only="talk")
            self.assertTrue(parts)
        self.assertTrue(any(mix.held_out([{"role": "user", "content": str(i)}]) for i in range(400)))


if __name__ == "__main__":
    unittest.main()
