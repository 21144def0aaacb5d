#!/usr/bin/env python3
"""Measures Atelier beside llama-server: the same model file, the same threads, every sampling parameter given to both,
both through HTTP with streaming. Only one of them works at a time; runs alternate (pairs), and medians and ratios count.

Run it with `make bench`, on a machine that does nothing else. Python's standard library is all it needs.
"""
import argparse
import contextlib
import http.client
import json
import os
import pathlib
import platform
import random
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
WORDS = ("model server token prompt cache layer weight memory thread stream answer question engine batch logit sample "
         "river stone winter garden window letter number morning silver engine forest bridge candle harbour").split()
SAMPLING = dict(temperature=0.8, top_k=40, top_p=0.95, min_p=0.05, repeat_penalty=1.1, repeat_last_n=64,
                presence_penalty=0.0, frequency_penalty=0.0)


def text_of(words, seed):
    """A prompt that no run has used before: neither server may answer it from a cache."""
    generator = random.Random(seed)
    return " ".join(generator.choice(WORDS) for _ in range(words))


class Answer:
    """One streamed completion: when it was asked, and when each piece came (seconds)."""

    def __init__(self):
        self.asked = 0.0
        self.times = []
        self.tokens = 0
        self.error = None

    @property
    def first(self):
        return self.times[0] - self.asked

    @property
    def tokens_per_second(self):
        return (self.tokens - 1) / (self.times[-1] - self.times[0])


class Target:
    name = ""
    model = ""

    def __init__(self, port):
        self.port = port

    def extra(self):
        return {}

    def complete(self, prompt, tokens, seed):
        answer = Answer()
        body = dict(model=self.model, prompt=prompt, max_tokens=tokens, seed=seed, stream=True,
                    stream_options=dict(include_usage=True), **SAMPLING, **self.extra())
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=1200)
        try:
            answer.asked = time.perf_counter()
            connection.request("POST", "/v1/completions", json.dumps(body), {"Content-Type": "application/json"})
            response = connection.getresponse()
            if response.status != 200:
                raise RuntimeError(f"{self.name} answered {response.status}: {response.read(500)!r}")
            pieces = 0
            for line in response:
                if not line.startswith(b"data: ") or line.startswith(b"data: [DONE]"):
                    continue
                now = time.perf_counter()
                event = json.loads(line[6:])
                if "error" in event:
                    raise RuntimeError(f"{self.name}: {event['error']}")
                if event.get("usage"):
                    answer.tokens = event["usage"]["completion_tokens"]
                if event.get("choices") and event["choices"][0].get("text"):
                    pieces += 1
                    answer.times.append(now)
            answer.tokens = answer.tokens or pieces
        except Exception as error:  # reported by the caller, which waits for all streams
            answer.error = error
        finally:
            connection.close()
        return answer


class Atelier(Target):
    name = "Atelier"


class LlamaServer(Target):
    name = "llama-server"

    def extra(self):
        return dict(cache_prompt=False)


def together(target, prompts, tokens, seed):
    answers = [None] * len(prompts)

    def one(i):
        answers[i] = target.complete(prompts[i], tokens, seed + i)

    threads = [threading.Thread(target=one, args=(i,)) for i in range(len(prompts))]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for answer in answers:
        if answer.error:
            raise answer.error
    ended = max(answer.times[-1] for answer in answers)
    return answers, ended - started


# Each load gives one figure; the unit says whether more is better.

def single_stream(target, seed):
    answer = together(target, [text_of(16, seed)], 256, seed)[0][0]
    return answer.tokens_per_second


def first_token(target, seed):
    answer = together(target, [text_of(400, seed)], 2, seed)[0][0]
    return answer.first


def four_streams(target, seed):
    answers, seconds = together(target, [text_of(16, seed * 10 + i) for i in range(4)], 96, seed)
    return sum(answer.tokens for answer in answers) / seconds


LOADS = [
    ("one stream, 256 tokens", "tokens/s", single_stream, True),
    ("time to first token, about 420 prompt tokens", "s", first_token, False),
    ("4 streams together, 96 tokens each", "tokens/s", four_streams, True),
]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_healthy(port, process, name, log):
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        if process.poll() is not None:
            sys.exit(f"bench: {name} ended while it started:\n{log.read_text()[-2000:]}")
        with contextlib.suppress(OSError):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/health")
            if connection.getresponse().status == 200:
                return
        time.sleep(0.1)
    sys.exit(f"bench: {name} did not answer in 180 s")


def start_atelier(args, model, folder):
    home = folder / "home"
    home.mkdir()
    models = folder / "models/bench/model"
    models.mkdir(parents=True)
    (models / model.name).symlink_to(model)
    (home / "settings.json").write_text(json.dumps(dict(downloadsFolder=str(folder / "models"))))
    port = free_port()
    log = folder / "atelier.log"
    process = subprocess.Popen([args.build / "bin/atelier", "serve", "--port", str(port)], stderr=open(log, "w"),
                               env=dict(os.environ, ATELIER_HOME=str(home)))
    wait_until_healthy(port, process, "Atelier", log)
    target = Atelier(port)
    target.model = "model"
    body = dict(model="model", context_length=args.context, parallel=4, threads=args.threads)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    connection.request("POST", "/api/v1/models/load", json.dumps(body), {"Content-Type": "application/json"})
    response = connection.getresponse()
    answer = response.read()
    if response.status != 200:
        sys.exit(f"bench: Atelier did not load the model: {answer!r}")
    return target, process


def kernels_used(server):
    """The CPU plug-in that our engine picked, as its memory map names it: the peer gets the same."""
    for status in pathlib.Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError):
            if f"\nPPid:\t{server.pid}\n" not in status.read_text():
                continue
            found = re.search(r"/(libggml-cpu-[^/\s]+\.so)$", (status.parent / "maps").read_text(), re.MULTILINE)
            if found:
                return found.group(1)
    sys.exit("bench: the engine has no CPU plug-in mapped, so the peer cannot be given the same kernels")


def start_llama_server(args, model, folder, plug_in):
    root = args.peers
    loader = next((root / "usr/lib").glob("*/ld-linux-*.so.*"))
    libraries = loader.parent
    port = free_port()
    log = folder / "llama-server.log"
    command = [loader, "--library-path", f"{libraries}:{libraries}/llama", root / "usr/bin/llama-server", "-m", model,
               "-c", str(args.context * 4), "-np", "4", "-t", str(args.threads), "--port", str(port), "--host", "127.0.0.1"]
    environment = dict(os.environ, GGML_BACKEND_PATH=str(libraries / "ggml/backends0" / plug_in))
    process = subprocess.Popen([str(part) for part in command], stdout=open(log, "w"), stderr=subprocess.STDOUT,
                               env=environment)
    wait_until_healthy(port, process, "llama-server", log)
    target = LlamaServer(port)
    target.model = "model"
    return target, process


def machine():
    model = "unknown processor"
    with contextlib.suppress(OSError):
        found = re.search(r"model name\s*:\s*(.+)", pathlib.Path("/proc/cpuinfo").read_text())
        model = found.group(1) if found else model
    return f"{model}, {len(os.sched_getaffinity(0))} cores, {platform.system()} {platform.machine()}"


def measure(args, targets):
    rows = []
    for title, unit, load, more_is_better in LOADS:
        figures = {target.name: [] for target in targets}
        for run in range(args.warmup + args.runs):
            order = targets if run % 2 == 0 else targets[::-1]
            for target in order:
                figure = load(target, args.seed + 1000 * run + len(rows) * 100_000)
                if run >= args.warmup:
                    figures[target.name].append(figure)
                print(f"bench: {title}: {target.name} {figure:.3f} {unit}", file=sys.stderr, flush=True)
        ours, theirs = (figures[target.name] for target in targets)
        pairs = [a / b if more_is_better else b / a for a, b in zip(ours, theirs)]
        rows.append((title, unit, statistics.median(ours), statistics.median(theirs), statistics.median(pairs)))
    return rows


def table(rows, args, model):
    lines = [f"Machine: {machine()}. Model: {model.name}. Threads: {args.threads}. Runs: {args.runs} pairs, medians.", "",
             "| load | unit | Atelier | llama-server | ours against theirs |", "|---|---|---|---|---|"]
    for title, unit, ours, theirs, ratio in rows:
        lines.append(f"| {title} | {unit} | {ours:.2f} | {theirs:.2f} | {ratio:.2f}x |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release", help="build folder (build/release)")
    parser.add_argument("--peers", type=pathlib.Path, default=ROOT / "build/runtime/peers/root", help="prefix of llama-server")
    parser.add_argument("--model", type=pathlib.Path, help="a GGUF; default: the 1B shape with random Q4_K weights, generated")
    parser.add_argument("--runs", type=int, default=5, help="pairs to measure (5)")
    parser.add_argument("--warmup", type=int, default=1, help="pairs before them (1)")
    parser.add_argument("--context", type=int, default=4096, help="context length of one stream (4096)")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    args = parser.parse_args()

    model = args.model
    if model is None:
        model = ROOT / "build/bench/llama-1b-q4_k.gguf"
        model.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([args.build / "bin/atelier-fixture", "llama-1b", "--keep", "--out", model], check=True,
                       stdout=subprocess.DEVNULL)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="atelier-bench-"))
    processes = []
    try:
        ours, process = start_atelier(args, model.resolve(), folder)
        processes.append(process)
        theirs, process = start_llama_server(args, model.resolve(), folder, kernels_used(process))
        processes.append(process)
        rows = measure(args, [ours, theirs])
    finally:
        for process in processes:
            process.send_signal(signal.SIGTERM)
        for process in processes:
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)
    if args.json:
        print(json.dumps([dict(zip(("load", "unit", "atelier", "llama_server", "ratio"), row)) for row in rows]))
    else:
        print(table(rows, args, model))


if __name__ == "__main__":
    main()
