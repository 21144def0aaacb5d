#!/usr/bin/env python3
"""Writes cases with the answers that Python's jinja2 gives, one JSON object a line.

  oracle.py [--count N] [--seed N] [--templates FOLDER]

Each line: {"name", "template", "variables", "output"} or "error" and "message" in place of the output. The
cases are the fragments written by hand, every operator, method, filter and test over a list of values, and
generated programs; N of all of them, chosen by the seed but for the fragments, which are always there. With
--templates also every *.jinja file of the folder over conversations of many kinds.
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


def emit(name, template, variables):
    case = {"name": name, "template": template, "variables": variables}
    case.update(environment.render(template, variables))
    sys.stdout.write(json.dumps(case, ensure_ascii=False) + "\n")


def main():
    sys.stdout.reconfigure(encoding="utf-8", errors="replace")
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=6000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--templates")
    options = parser.parse_args()

    written = fragments.cases()
    for case in written:
        emit(*case)
    chance = random.Random(options.seed)
    rest = max(0, options.count - len(written))
    rows = matrix.cases()
    chance.shuffle(rows)
    for case in rows[: rest // 2]:
        emit(*case)
    for number in range(rest - min(len(rows), rest // 2)):
        emit(*generator.case(options.seed * 1_000_003 + number))
    if options.templates:
        for path in sorted(pathlib.Path(options.templates).glob("*.jinja")):
            for name, variables in conversations.all_variables():
                emit(f"{path.stem}: {name}", path.read_text(encoding="utf-8"), variables)


if __name__ == "__main__":
    main()
