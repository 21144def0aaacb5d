#!/usr/bin/env python3
"""The generated dialogues make sense: what a call needs stands in the request, sums are right, JSON fits its schema."""

import json
import os
import random
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "eval")]

import chat
import skills
from corpus import any_tools, json_tasks, lookup, mix, sums, tools


def texts(value):
    if isinstance(value, dict):
        return [t for v in value.values() for t in texts(v)]
    if isinstance(value, list):
        return [t for v in value for t in texts(v)]
    return [json.dumps(value) if not isinstance(value, str) else value]


class CorpusTest(unittest.TestCase):
    def test_requests_have_what_calls_need(self):
        rng = random.Random(1)
        for maker in (tools.catalogued, any_tools.need, tools.generic):
            for _ in range(2000):
                need = maker(rng)
                for text in texts(need.arguments):
                    if maker is tools.catalogued and text == "true":
                        continue  # "in stock only"
                    self.assertIn(text.lower(), need.request.lower(), need.tool.name)
                self.assertIn(need.topic.lower(), need.request.lower())

    def test_thoughts_lead_to_the_call(self):
        """What a thought says of a tool stands in the prompt in the same words: what it is about, then name and parameters."""
        self.assertEqual(chat.words_of("getVolcanoStatus"), "get volcano status")
        self.assertEqual(chat.words_of("set-fan_speed"), "set fan speed")
        rng = random.Random(10)
        for _ in range(2000):
            need = tools.need(rng)
            self.assertTrue((" " + chat.words_of(need.tool.name)).endswith(" " + tools.about(need)), need.tool.name)
            parameters = iter([p[0] for p in need.tool.params])
            self.assertTrue(all(key in parameters for key in need.arguments), need.tool.name)
            thought = tools.thought_fit(rng, [need])
            self.assertIn(f"({need.tool.name}", thought)
            self.assertEqual(thought.count("\n"), 0)
        for maker in (tools.many, tools.again) * 200:
            messages, offered = maker(rng)
            for call in messages[-1]["tool_calls"]:
                for text in texts(call["arguments"]):
                    self.assertTrue(text == "true" or text in messages[-2]["content"], messages)
            self.assertEqual(messages[-1]["reasoning_content"].count("\n") + 1, len(messages[-1]["tool_calls"]))
            self.assertLessEqual({call["name"] for call in messages[-1]["tool_calls"]}, {tool["function"]["name"] for tool in offered})

    def test_parallel_requests_name_every_value(self):
        rng = random.Random(2)
        for _ in range(1000):
            messages, offered = tools.parallel(rng)
            names = {tool["function"]["name"] for tool in offered}
            for call in messages[-1]["tool_calls"]:
                self.assertIn(call["name"], names)

    def test_sums_are_right(self):
        rng = random.Random(3)
        for _ in range(2000):
            a, b, op, result, thought = sums.make(rng)
            self.assertEqual(result, {"+": a + b, "-": a - b, "*": a * b}[op])
            lines = [line.split(": ")[-1].split(" = ") for line in thought.split("\n") if " = " in line]
            for left, right in lines:
                self.assertEqual(eval(left), int(right), thought)

    def test_what_is_made_up_fits_its_schema(self):
        rng = random.Random(4)
        for _ in range(2000):
            schema, value = json_tasks.random_object(rng)
            self.assertTrue(skills.valid(schema, value), json.dumps(schema))

    def test_what_is_looked_up_stands_in_the_text(self):
        rng = random.Random(6)
        for _ in range(500):
            for maker in (lookup.by_key, lookup.by_value, lookup.next_in_list):
                messages, _ = maker(rng)
                self.assertTrue(all(m["content"] in messages[0]["content"] for m in messages[1::2]), messages)
            messages, _ = lookup.like_kinds(rng)
            for answer in (m["content"] for m in messages[1::2]):
                values = json.loads(answer).values() if answer.startswith("{") else [answer]
                self.assertTrue(all(json_tasks.in_words(v) in messages[0]["content"] for v in values), messages)
            messages, _ = lookup.as_object(rng)
            for question, answer in zip(messages[::2], messages[1::2]):
                for key, value in json.loads(answer["content"]).items():
                    self.assertIn(key, question["content"])
                    self.assertIn(str(value), messages[0]["content"])

    def test_the_same_seed_makes_the_same_text(self):
        made = [subprocess.run([sys.executable, "-c", "import random; from corpus import mix; r = random.Random(7); print([mix.dialogue(r) for _ in range(300)])"], cwd=HERE,
                               env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True).stdout for seed in ("1", "2")]
        self.assertEqual(made[0], made[1])

    def test_no_dialogue_has_what_the_evaluation_asks(self):
        rng = random.Random(5)
        asked = {json.dumps([m["content"] for m in item.messages]) for item in skills.items("style", 200) + skills.items("product", 200)}
        for _ in range(3000):
            kind = rng.choice(("style", "talk"))
            messages, _ = mix.KINDS[kind][0](rng)
            if json.dumps([m["content"] for m in messages[:-1]]) in asked:
                self.assertTrue(mix.held_out(messages[:-1]))


if __name__ == "__main__":
    unittest.main()
