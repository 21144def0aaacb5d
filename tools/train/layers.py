#!/usr/bin/env python3
"""What each layer of a checkpoint does, on one dialogue: an idle layer is to be seen at once.

    layers.py ../../build/train/checkpoint.pt [KIND]

Lengths are root mean squares, medians over the tokens. A layer whose attention has a score deviation below 1 looks at everything
alike; one above 10 at one token, and learns no more (README.md). What a layer writes that is far shorter than what has come to it hardly counts.
"""

import argparse
import math
import os
import random
import sys

if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

import model
from corpus import mix
from tokenizer import Tokenizer


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("checkpoint")
    parser.add_argument("kind", nargs="?", default="tool", choices=sorted(mix.KINDS))
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    saved = torch.load(args.checkpoint, map_location="cpu")
    tokenizer = (Tokenizer(saved["tokens"], saved["merges"]) if "tokens" in saved
                 else Tokenizer.load(os.path.join(os.path.dirname(os.path.abspath(args.checkpoint)), "tokenizer.json")))
    shape, p = model.Shape(**saved["shape"]), {n: v.float() for n, v in saved["parameters"].items()}
    parts, _ = mix.dialogue(random.Random(args.seed), args.kind)
    ids = torch.tensor([[i for text, _ in parts for i in tokenizer.encode(text)][:shape.context]])
    table = model.rope_table(shape)
    print(f"{ids.shape[1]} tokens\n\n| layer | input | attention writes | MLP writes | score deviation, by head | entropy, by head (nats) |\n|---|---|---|---|---|---|")

    def length(x):
        return float(x.pow(2).mean(-1).sqrt().median())

    def show(layer, x, q, k, attended, written):
        t = q.shape[2]
        scores = (q @ k.transpose(-1, -2))[0] / math.sqrt(shape.head)
        seen = torch.ones(t, t, dtype=torch.bool).tril()
        weights = torch.softmax(scores.masked_fill(~seen, -1e30), -1)
        deviations = " ".join(f"{float(head[seen].std()):.1f}" for head in scores)
        entropies = " ".join(f"{float(-(head.clamp_min(1e-9).log() * head).sum(-1).mean()):.1f}" for head in weights)
        print(f"| {layer} | {length(x):.1f} | {length(attended):.2f} | {length(written):.2f} | {deviations} | {entropies} |")

    with torch.inference_mode():
        model.plain_forward(p, shape, ids, table, watch=show)


if __name__ == "__main__":
    sys.exit(main())
