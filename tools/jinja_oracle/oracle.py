#!/usr/bin/env python3
"""Writes cases with the answers that Python's jinja2 gives, one JSON object a line.

  oracle.py [--count N] [--seed N] [--only KIND] [--templates FOLDER]

Each line: {"name", "template", "variables", "output"} or "error" and "message" in place of the output. The
cases are the fragments written by hand; every operator, method, filter and test over a list of values; generated
programs; the chat templates of families/ over conversations of many kinds; and those templates with small changes: N
cases in all, a quarter of each kind, chosen by the seed but for the fragments, which are always there; and N / 10 random
texts for the filters that take text apart. With --only all
cases of one kind, and no others. With --templates also every *.jinja file of the folder over all conversations, and N
changed ones.
"""
import argparse
import json
import pathlib
import random
import sys

import conversations
import environment
import fragments
import generator
import matrix
import mutations
import texts


def emit(name, template, variables):
    case = {"name": name, "template": template, "variables": variables}
    case.update(environment.render(template, variables))
    sys.stdout.write(json.dumps(case, ensure_ascii=False) + "\n")


def read_templates(folder):
    return [(path.stem, path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.jinja"))]


def whole(templates, talks):
    return [(f"{name}: {talk}", text, variables) for name, text in templates for talk, variables in talks]


def all_cases(options):
    yield from fragments.cases()
    chance = random.Random(options.seed)
    share = options.count // 4
    talks = list(conversations.all_variables())
    families = read_templates(pathlib.Path(__file__).parent / "families")
    for kind in (matrix.cases(), whole(families, talks)):
        chance.shuffle(kind)
        yield from kind if options.only else kind[:share]
    yield from mutations.cases(families, talks, share, options.seed)
    for number in range(share):
        yield generator.case(options.seed * 1_000_003 + number)
    for number in range(options.count // 10):
        yield texts.case(options.seed * 1_000_003 + number)
    if options.templates:
        others = read_templates(pathlib.Path(options.templates))
        yield from whole(others, talks)
        yield from mutations.cases(others, talks, options.count, options.seed)


def main():
    sys.stdout.reconfigure(encoding="utf-8", errors="replace")
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=6000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="")
    parser.add_argument("--templates")
    options = parser.parse_args()
    for name, template, variables in all_cases(options):
        if name.startswith(options.only):
            emit(name, template, variables)


if __name__ == "__main__":
    main()
