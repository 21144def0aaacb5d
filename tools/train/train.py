"""Trains the starter model. SIGTERM or Ctrl+C saves and ends it; the same command goes on from there.

    train.py --folder build/train --tokens 100e6                      until so many tokens have been seen
    train.py --folder build/train --tokens 400e6 --deadline 05:10     ... or until that time today (UTC), whichever is first
    train.py --folder build/train --weights starter-weights.pt --rewarm    goes on from weights that were kept without the rest

The learning rate warms up, stays, and falls to nothing over the last fifth (--decay): of the tokens, or of the time to the
deadline if that comes first. A run whose rate has not yet begun to fall can be prolonged as one likes; --rewarm goes on
from one that has ended.
"""

import os
import sys

# Before torch is loaded: one thread for each product, and no fresh pages from the kernel for each large tensor.
_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "MALLOC_MMAP_THRESHOLD_": str(1 << 32), "MALLOC_TRIM_THRESHOLD_": str(1 << 34),
                "MALLOC_TOP_PAD_": str(1 << 26), "MALLOC_ARENA_MAX": "4"}
if __name__ == "__main__" and os.environ.get("OMP_NUM_THREADS") != "1":
    os.environ.update(_ENVIRONMENT)
    os.execv(sys.executable, [sys.executable] + sys.argv)

import argparse
import datetime
import queue
import signal
import threading
import time

import numpy as np
import torch

import model
import shards
from optimizer import Optimizer


class Workers:
    """Threads that work through a list of functions, each told which thread it runs on."""

    def __init__(self, count):
        self.count, self.todo, self.done = count, queue.SimpleQueue(), queue.SimpleQueue()
        for index in range(count):
            threading.Thread(target=self._run, args=(index,), daemon=True).start()

    def _run(self, index):
        torch.set_num_threads(1)
        with torch.inference_mode():
            while True:
                function = self.todo.get()
                try:
                    self.done.put((function(index), None))
                except BaseException as error:  # goes to the thread that waits
                    self.done.put((None, error))

    def run(self, functions):
        functions = list(functions)
        for function in functions:
            self.todo.put(function)
        results = []
        for _ in functions:
            result, error = self.done.get()
            if error is not None:
                raise error
            results.append(result)
        return results


class CpuStep:
    def __init__(self, shape, p, folder, threads):
        from kernels import Kernels
        self.p, self.fast = p, model.FastModel(shape, Kernels(folder))
        self.workers = Workers(threads)
        self.grads = [self.fast.new_gradients() for _ in range(threads)]

    def run(self, group, optimizer, factor):
        weights = self.fast.weights(self.p)
        for g in self.grads:
            for v in g.values():
                v.zero_()
        scale = 1.0 / sum(float(b["weights"].sum()) for b in group)
        for b in group:
            b["weights"] = b["weights"] * scale
        group.sort(key=lambda b: -b["ids"].shape[0] * b["ids"].shape[1] ** 1.1)
        sums = sum(self.workers.run(lambda i, b=b: self.fast.gradients(weights, self.grads[i], b) for b in group))
        total = self.grads[0]
        for other in self.grads[1:]:
            for n, v in total.items():
                v.add_(other[n])
        self.workers.run(lambda i, f=f: f() for f in optimizer.portions(self.p, self.fast.named(total), factor))
        return sums


class PlainStep:
    """Any device, with torch alone."""

    def __init__(self, shape, p, device):
        self.shape, self.p, self.device = shape, p, device
        self.table = model.rope_table(shape).to(device)

    def run(self, group, optimizer, factor):
        scale = 1.0 / sum(float(b["weights"].sum()) for b in group)
        for v in self.p.values():
            v.requires_grad_(True)
            v.grad = None
        sums = torch.zeros(4, dtype=torch.float64, device=self.device)
        for b in group:
            b = {k: v.to(self.device) if isinstance(v, torch.Tensor) else v for k, v in b.items()}
            b["weights"] = b["weights"] * scale
            sums += model.plain_gradients(self.p, self.shape, b, self.table)
        with torch.no_grad():
            for v in self.p.values():
                v.requires_grad_(False)
            for function in optimizer.portions(self.p, {n: v.grad for n, v in self.p.items()}, factor):
                function()
        return sums.cpu()


def deadline_of(text):
    if not text:
        return None
    now = datetime.datetime.now(datetime.timezone.utc)
    hour, minute = map(int, text.split(":"))
    at = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
    return (at if at > now else at + datetime.timedelta(days=1)).timestamp()


def rate(args, steps, tokens, started, deadline):
    """The learning rate's factor, and what share of the run is over."""
    over = tokens / args.tokens
    if deadline is not None:
        over = max(over, (time.time() - started) / (deadline - started))
    return args.rate * min(1.0, (steps + 1) / args.warmup, max(0.0, 1 - over) / args.decay), over


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--folder", required=True)
    parser.add_argument("--tokens", type=float, default=100e6)
    parser.add_argument("--deadline", help="HH:MM, UTC")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--inner", type=int, default=768)
    parser.add_argument("--batch", type=int, default=16384, help="tokens of a step")
    parser.add_argument("--micro", type=int, default=4096, help="tokens of a micro-batch")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--decay", type=float, default=0.2, help="share of the run over which the rate falls")
    parser.add_argument("--rate", type=float, default=1.0, help="the learning rate, as a factor of the optimizer's own")
    parser.add_argument("--warmup", type=int, default=60)
    parser.add_argument("--repetition", type=float, default=0.0,
                        help="share of texts that are repeated random tokens: 0.5 for the first million tokens teaches copying")
    parser.add_argument("--save-every", type=float, default=300, help="seconds")
    parser.add_argument("--weights", help="what to begin with where the folder is empty: a file that export.py --weights wrote, vocabulary included")
    parser.add_argument("--grow", type=int, help="give the checkpoint's model so many layers")
    parser.add_argument("--share-attention", default="", metavar="3:4,5:6",
                        help="layer 3 takes half of layer 4's attention over, 5 half of 6's, before it goes on (layers.py shows which ones are idle); once: leave it out when the run is taken up again")
    parser.add_argument("--rewarm", action="store_true", help="count tokens and time anew, from the checkpoint's weights")
    args = parser.parse_args()
    os.makedirs(args.folder, exist_ok=True)
    checkpoint_file = os.path.join(args.folder, "checkpoint.pt")
    tokenizer_file = os.path.join(args.folder, "tokenizer.json")
    from tokenizer import Tokenizer
    saved = torch.load(checkpoint_file, map_location="cpu") if os.path.exists(checkpoint_file) else None
    if saved is None and args.weights:
        saved = torch.load(args.weights, map_location="cpu")
        Tokenizer(saved["tokens"], saved["merges"]).save(tokenizer_file)
    vocabulary = len(Tokenizer.load(tokenizer_file).tokens)
    shape = model.Shape(vocabulary=vocabulary, width=args.width, layers=args.layers, inner=args.inner,
                        heads=args.width // 64, kv_heads=args.width // 128)
    if saved:
        shape = model.Shape(**saved["shape"])
    device = "cuda" if torch.cuda.is_available() else "cpu"
    p = saved["parameters"] if saved else model.new_parameters(shape, args.seed)
    p = {n: v.float().to(device) for n, v in p.items()}
    if args.grow and args.grow > shape.layers:
        p, shape = model.grown(p, shape, args.grow)
        saved.pop("optimizer", None)
    optimizer = Optimizer(p, head=shape.head)
    shared = [tuple(map(int, pair.split(":"))) for pair in args.share_attention.split(",") if pair]
    if any(not 0 <= layer < shape.layers for pair in shared for layer in pair):
        parser.error(f"--share-attention {args.share_attention}: the layers are 0 to {shape.layers - 1}")
    for target, source in shared:
        model.shared_attention(p, target, source)
    progress = {"tokens": 0, "steps": 0, "shard": 0, "seconds": 0.0}
    if saved:
        if "optimizer" in saved:
            optimizer.restore(saved["optimizer"])
            optimizer.forget(f"{layer}.{name}" for pair in shared for layer in pair for name in ("q", "k", "v", "o"))
        progress.update(saved["progress"])
    base = progress["tokens"] if args.rewarm else 0
    steps_base = progress["steps"] if args.rewarm or (saved and "optimizer" not in saved) else 0
    step = PlainStep(shape, p, device) if device == "cuda" else CpuStep(shape, p, args.folder, args.threads)
    print(f"{sum(v.numel() for v in p.values()) / 1e6:.2f}M parameters on {device}, from token {progress['tokens']}", flush=True)
    source = shards.Shards(os.path.join(args.folder, "shards"), tokenizer_file, args.seed, progress["shard"], args.repetition)
    rng = np.random.default_rng(args.seed + progress["shard"])
    deadline, started = deadline_of(args.deadline), time.time()
    begun, saved_at, shown_at, shown_tokens = progress["seconds"], time.time(), time.time(), progress["tokens"]
    sums = torch.zeros(4, dtype=torch.float64)
    weighted, shown_steps = 0.0, progress["steps"]

    def save():
        progress["seconds"] = begun + time.time() - started
        torch.save({"shape": shape.dict(), "parameters": {n: v.cpu() for n, v in p.items()}, "optimizer": optimizer.saved(),
                    "progress": dict(progress)}, checkpoint_file + ".partial")
        os.replace(checkpoint_file + ".partial", checkpoint_file)

    def stop(*_):
        nonlocal finished
        finished = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    group, finished = [], False
    with torch.inference_mode() if device == "cpu" else torch.enable_grad():
        while not finished:
            shard = source.next()
            progress["shard"] += 1
            for batch in shards.batches(shard, rng, args.micro):
                group.append(batch)
                if sum(b["tokens"] for b in group) < args.batch:
                    continue
                if finished:
                    break
                factor, over = rate(args, progress["steps"] - steps_base, progress["tokens"] - base, started, deadline)
                if over >= 1:
                    finished = True
                    break
                progress["tokens"] += sum(b["tokens"] for b in group)
                result = step.run(group, optimizer, factor)
                sums += result
                progress["steps"] += 1
                group = []
                if time.time() - shown_at > 20:
                    speed = (progress["tokens"] - shown_tokens) / (time.time() - shown_at)
                    count = max(1.0, float(sums[3]))
                    print(f"{datetime.datetime.utcnow():%H:%M:%S} step {progress['steps']} tokens {progress['tokens'] / 1e6:.2f}M loss "
                          f"{float(sums[1]) / count:.4f} all {float(sums[0]) / (progress['steps'] - shown_steps):.4f} right "
                          f"{float(sums[2]) / count:.4f} rate {factor:.3f} {speed:.0f} tokens/s", flush=True)
                    shown_at, shown_tokens, shown_steps = time.time(), progress["tokens"], progress["steps"]
                    sums.zero_()
                if time.time() - saved_at > args.save_every:
                    save()
                    saved_at = time.time()
    save()
    print(f"ended: {progress['tokens'] / 1e6:.1f}M tokens, {progress['steps']} steps, {progress['seconds'] / 60:.0f} minutes", flush=True)


if __name__ == "__main__":
    main()
