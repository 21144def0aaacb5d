#!/usr/bin/env python3
"""Parses and renders chat templates with our interpreter and with Python's jinja2, in turns, and prints how they compare.

  template_bench.py BENCH_PROGRAM [--seconds S] [--pairs N] [--templates FOLDER]

BENCH_PROGRAM is template-bench. Templates are compiled once, before the clock; both render the same variables to the
same text, which is compared. Each pair measures ours and Python's right after each other; the ratio is the median over
pairs of their fastest times. Needs python3-jinja2.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools/jinja_oracle"))
import conversations  # noqa: E402
import environment  # noqa: E402


def tools(count):
    return [dict(conversations.WEATHER, function=dict(conversations.WEATHER["function"], name=f"tool_{i}")) for i in range(count)]


def turns(count):
    one = [conversations.ASK, conversations.CALL, conversations.RESULT, conversations.SUNNY]
    every = []
    while len(every) < count:
        question = dict(conversations.ASK, content=f"{conversations.ASK['content']} Number {len(every)}.")
        every += [question] + one[1:]
    return every[:count]


def variables(messages, tool_list):
    return {"messages": messages, "tools": tool_list, "documents": None, "add_generation_prompt": True, "bos_token": "<s>", "eos_token": "</s>"}


CASES = {
    "short": variables([conversations.SYSTEM, conversations.HELLO], None),
    "one call": variables([conversations.SYSTEM] + turns(4) + [conversations.HELLO], tools(2)),
    "100 messages, 20 tools": variables(turns(100), tools(20)),
    "100 messages": variables([conversations.HELLO, conversations.FOUR] * 50, None),
}
LONG = "100 messages, 20 tools"


class Ours:
    def __init__(self, program):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def measure(self, **job):
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


def measure_python(template, given, seconds):
    compiled = environment.compiled(template)
    return fastest(lambda: compiled.render(**given), seconds)


def measure_python_parse(template):
    return fastest(lambda: environment.ENVIRONMENT.from_string(template), 0)


def fastest(call, seconds):
    best, count, end = 1e9, 1, time.perf_counter() + seconds
    while best == 1e9 or time.perf_counter() < end:
        begin = time.perf_counter()
        for _ in range(count):
            call()
        took = time.perf_counter() - begin
        best = min(best, took / count)
        if took < 0.005:
            count *= 2
    return best


def compare(ours, name, case, template, options):
    given = CASES[case]
    expected = environment.render(template, given)
    if "output" not in expected:
        return None
    pairs = []
    for _ in range(options.pairs):
        mine = ours.measure(template=template, variables=given, seconds=options.seconds)
        if mine.get("text") != expected["output"]:
            sys.exit(f"{name}, {case}: the texts differ\n{mine}")
        pairs.append((mine["seconds"], measure_python(template, given, options.seconds)))
    us = min(pair[0] for pair in pairs) * 1e6
    python = min(pair[1] for pair in pairs) * 1e6
    return us, python, statistics.median(pair[1] / pair[0] for pair in pairs), mine["parse"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--seconds", type=float, default=0.1)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--templates", default=str(ROOT / "tools/jinja_oracle/families"))
    options = parser.parse_args()
    ours = Ours(options.program)
    ratios = {case: [] for case in CASES}
    parses = []
    print(f"{'template':40}{'conversation':>24}{'ours us':>10}{'jinja2 us':>11}{'ratio':>8}{'renders/s':>11}")
    for path in sorted(pathlib.Path(options.templates).glob("*.jinja")):
        template = path.read_text(encoding="utf-8")
        for case in CASES:
            result = compare(ours, path.stem, case, template, options)
            if result is None:
                continue
            us, python, ratio, parse = result
            ratios[case].append(ratio)
            print(f"{path.stem[:39]:40}{case:>24}{us:>10.1f}{python:>11.1f}{ratio:>7.1f}x{1e6 / us:>11.0f}", flush=True)
        if result is not None:
            python_parse = measure_python_parse(template)
            parses.append(python_parse / parse)
            print(f"{path.stem[:39]:40}{'(parsing)':>24}{parse * 1e6:>10.1f}{python_parse * 1e6:>11.1f}{parses[-1]:>7.1f}x", flush=True)
    print()
    for case, found in ratios.items():
        if found:
            print(f"{case}: median {statistics.median(found):.1f}x, least {min(found):.1f}x of {len(found)} templates")
    print(f"parsing: median {statistics.median(parses):.1f}x, least {min(parses):.1f}x")
    every = [ratio for found in ratios.values() for ratio in found]
    print(f"rendering, all: median {statistics.median(every):.1f}x, least {min(every):.1f}x, load {os.getloadavg()[0]:.1f}")
    print(f"\nA whole request ({LONG}), from decoded messages to segments:")
    for path in sorted(pathlib.Path(options.templates).glob("*.jinja")):
        result = ours.measure(template=path.read_text(encoding="utf-8"), variables=CASES[LONG], seconds=options.seconds, whole=True)
        took = f"{result['seconds'] * 1e3:.3f} ms" if "seconds" in result else "refused: " + result["error"][:60]
        print(f"{path.stem[:39]:40}{took:>12}")


if __name__ == "__main__":
    main()
