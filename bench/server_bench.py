#!/usr/bin/env python3
"""Measures Atelier beside llama-server: the same model file, the same threads, every sampling parameter given to both,
both through HTTP with streaming. Only one of them works at a time; runs alternate (pairs), and medians and ratios count.

Run it with `make bench`, on a machine that does nothing else. Python's standard library is all it needs. What the loads
are stands in loads.py.
"""
import argparse
import contextlib
import json
import os
import pathlib
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import types

import loads
import servers

ROOT = pathlib.Path(__file__).resolve().parent.parent

# What atelier-fixture is told for each.
MODELS = {
    "llama-1b": ["llama-1b"],
    "successor-1b": ["successor-1b"],
    # Small enough that the vocabulary is most of the work around it.
    "tiny-128k": ["tiny-llama", "--quant", "q8_0", "--vocab-size", "128256", "--embedding", "128", "--tied"],
}


def model_file(args, name):
    if args.model is not None and name == "llama-1b":
        return args.model.resolve()
    model = ROOT / f"build/bench/{name}.gguf"
    model.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run([args.build / "bin/atelier-fixture", *MODELS[name], "--keep", "--out", model], check=True,
                   stdout=subprocess.DEVNULL)
    return model


def machine():
    model = "unknown processor"
    with contextlib.suppress(OSError):
        found = re.search(r"model name\s*:\s*(.+)", pathlib.Path("/proc/cpuinfo").read_text())
        model = found.group(1) if found else model
    return f"{model}, {len(os.sched_getaffinity(0))} cores, {platform.system()} {platform.machine()}"


def note(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def in_parts(run, server, seed):
    """A run of a load that yields between its parts, or has one part alone, as a generator that returns the figures."""
    figures = run(server, seed)
    if isinstance(figures, types.GeneratorType):
        figures = yield from figures
    return figures


def run_pair(load, order, seed):
    """What the load gives of each server. They take turns, part by part of the load, each time the other one first."""
    going = {server: in_parts(load.run, server, seed) for server in order}
    figures = {}
    while going:
        for server in [server for server in order if server in going]:
            try:
                next(going[server])
            except StopIteration as end:
                figures[server] = end.value
                del going[server]
        order = order[::-1]
    return figures


class Figures:
    """What one load gave: lists of values by what they are, ours and theirs in pairs."""

    def __init__(self, load):
        self.load = load
        self.ours, self.theirs = {}, {}

    def add(self, server, values):
        to = self.ours if isinstance(server, servers.Atelier) else self.theirs
        for unit, value in values.items():
            to.setdefault(unit, []).append(value)

    def rows(self):
        for unit, ours in self.ours.items():
            theirs = self.theirs[unit]
            pairs = [b / a if self.load.lower_is_better else a / b for a, b in zip(ours, theirs)]
            yield dict(load=self.load.title, unit=unit, atelier=statistics.median(ours), llama_server=statistics.median(theirs),
                       ratio=statistics.median(pairs), pairs=len(pairs))


def measure(args, load, folder):
    model = model_file(args, load.model)
    folder = folder / load.name
    folder.mkdir()
    ours = servers.Atelier()
    theirs = None
    figures = Figures(load)
    runs = args.runs if not load.heavy else min(args.runs, args.heavy_runs)
    extra = []
    try:
        ours.start(args, model, folder, load.parallel, load.context)
        theirs = servers.LlamaServer(ours.cpu_plug_in())
        theirs.request_extras = load.peer_extras
        theirs.start(args, model, folder, load.parallel, load.context, peer_arguments=load.peer_arguments)
        warmup = 0 if load.heavy else args.warmup
        if load.heavy:  # first touch of the weights
            for server in (ours, theirs):
                loads.one(server, loads.text_of(8, args.seed), 4, args.seed)
        for run in range(warmup + runs):
            order = [ours, theirs] if run % 2 == 0 else [theirs, ours]
            for server, values in run_pair(load, order, args.seed + 10_000 * run).items():
                if run >= warmup:
                    figures.add(server, values)
                note(f"{load.name}: {server.name} " + ", ".join(f"{value:.3f} {unit}" for unit, value in values.items()))
            if load.bare and run >= warmup:
                bare = load.bare(args, model, theirs.plug_in)
                extra.append(next(iter(figures.ours.values()))[-1] / bare)
                note(f"{load.name}: {load.bare_name} {bare:.3f} tokens/s")
        rows = list(figures.rows())
        if extra:
            rows.append(dict(load=load.title, unit=f"against {load.bare_name}", atelier=None, llama_server=None,
                             ratio=statistics.median(extra), pairs=len(extra)))
        peaks = [server.peak_mib() for server in (ours, theirs)]
        rows.append(dict(load=load.title, unit="MiB of memory at most", atelier=peaks[0], llama_server=peaks[1],
                         ratio=peaks[1] / peaks[0], pairs=1))
        return rows
    finally:
        ours.stop()
        if theirs is not None:
            theirs.stop()


def table(rows, args):
    lines = [f"Machine: {machine()}. Threads: {args.threads}. Medians; the last column is the median of the pairs' ratios.", "",
             "| load | unit | Atelier | llama-server | ours against theirs | pairs |", "|---|---|---|---|---|---|"]
    for row in rows:
        ours, theirs = ("" if row[key] is None else f"{row[key]:.2f}" for key in ("atelier", "llama_server"))
        lines.append(f"| {row['load']} | {row['unit']} | {ours} | {theirs} | {row['ratio']:.2f}x | {row['pairs']} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release", help="build folder (build/release)")
    parser.add_argument("--peers", type=pathlib.Path, default=ROOT / "build/runtime/peers/root", help="prefix of llama-server")
    parser.add_argument("--model", type=pathlib.Path, help="a GGUF in place of the 1B shape with random Q4_K weights")
    parser.add_argument("--load", action="append", metavar="NAME", help="only this one (again for more); --list names them")
    parser.add_argument("--list", action="store_true", help="name the loads and end")
    parser.add_argument("--runs", type=int, default=5, help="pairs to measure (5)")
    parser.add_argument("--heavy-runs", type=int, default=5, help="pairs of the loads that take minutes, at most (5)")
    parser.add_argument("--warmup", type=int, default=1, help="pairs before them, of the short loads (1)")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    args = parser.parse_args()
    if args.list:
        for load in loads.LOADS:
            print(f"{load.name:20}{load.title}{' (minutes a run)' if load.heavy else ''}")
        return
    known = {load.name for load in loads.LOADS}
    if unknown := set(args.load or []) - known:
        sys.exit(f"bench: there is no load {', '.join(sorted(unknown))}; --list names them")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="atelier-bench-"))
    rows = []
    try:
        for load in loads.LOADS:
            if not args.load or load.name in args.load:
                rows += measure(args, load, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if rows:
            print(json.dumps(rows, indent=1) if args.json else table(rows, args))


if __name__ == "__main__":
    main()
