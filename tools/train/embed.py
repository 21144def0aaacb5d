"""The embedding model: GGUF's "nomic-bert" in small, learnt by contrast on pairs of texts that belong together.

    embed.py train --folder build/embed --steps 6000         (tokenizer.json in the folder; goes on from its checkpoint)
    embed.py export --folder build/embed --out starter-embed-q8_0.gguf
    embed.py score --folder build/embed
"""

import argparse
import math
import os
import random
import time

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

import gguf_write
from corpus import mix, pairs
from tokenizer import ADDED, CONTROL, Tokenizer

WIDTH, LAYERS, HEADS, INNER, CONTEXT, BASE = 128, 3, 2, 384, 512, 10000.0


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv, self.o = nn.Linear(WIDTH, 3 * WIDTH, bias=False), nn.Linear(WIDTH, WIDTH, bias=False)
        self.gate, self.up = nn.Linear(WIDTH, INNER, bias=False), nn.Linear(WIDTH, INNER, bias=False)
        self.down = nn.Linear(INNER, WIDTH, bias=False)
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH, eps=1e-12), nn.LayerNorm(WIDTH, eps=1e-12)

    def forward(self, x, cos, sin, mask):
        b, t, _ = x.shape
        q, k, v = self.qkv(x).view(b, t, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
        q, k = turn(q, cos, sin), turn(k, cos, sin)
        p = torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(WIDTH // HEADS) + mask, -1)
        x = self.norm1(x + self.o((p @ v).transpose(1, 2).reshape(b, t, WIDTH)))
        return self.norm2(x + self.down(F.silu(self.gate(x)) * self.up(x)))


def turn(x, cos, sin):
    """Rotary positions over two halves of the head, as GGUF's "nomic-bert" has them."""
    a, b = x.chunk(2, -1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)


class Embedder(nn.Module):
    def __init__(self, vocabulary):
        super().__init__()
        self.embed, self.norm = nn.Embedding(vocabulary, WIDTH), nn.LayerNorm(WIDTH, eps=1e-12)
        nn.init.normal_(self.embed.weight, std=0.05)
        self.blocks = nn.ModuleList(Block() for _ in range(LAYERS))
        half = WIDTH // HEADS // 2
        angles = torch.arange(CONTEXT)[:, None] * BASE ** (-torch.arange(half).float() / half)
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)

    def forward(self, ids, lengths):
        t = ids.shape[1]
        inside = torch.arange(t, device=ids.device)[None] < lengths[:, None]
        mask = torch.where(inside, 0.0, -1e9)[:, None, None, :]
        x = self.norm(self.embed(ids))
        for block in self.blocks:
            x = block(x, self.cos[:t], self.sin[:t], mask)
        mean = (x * inside[..., None]).sum(1) / lengths[:, None]
        return F.normalize(mean, dim=-1)


def batch_of(tokenizer, texts, device):
    ids = [tokenizer.encode(t)[:CONTEXT] for t in texts]
    lengths = torch.tensor([len(i) for i in ids])
    padded = torch.zeros(len(ids), int(lengths.max()), dtype=torch.long)
    for row, i in enumerate(ids):
        padded[row, :len(i)] = torch.tensor(i)
    return padded.to(device), lengths.to(device)


def distinct(rng, count, held):
    """Pairs of which no text stands twice; held: those kept for the score, by the hash of the first text."""
    seen, result = set(), []
    while len(result) < count:
        a, b = pairs.pair(rng)
        if mix.held_out([{"role": "user", "content": a}]) != held or a in seen or b in seen or a == b:
            continue
        seen.update((a, b))
        result.append((a, b))
    return result


def load(folder):
    tokenizer = Tokenizer.load(os.path.join(folder, "tokenizer.json"))
    model = Embedder(len(tokenizer.tokens))
    path, steps = os.path.join(folder, "embed.pt"), 0
    if os.path.exists(path):
        saved = torch.load(path, map_location="cpu")
        model.load_state_dict(saved["model"])
        steps = saved["steps"]
    return tokenizer, model, steps


def train(args):
    device = "cuda" if torch.cuda.is_available() else "cpu"
    tokenizer, model, steps = load(args.folder)
    model.to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.rate, betas=(0.9, 0.98), weight_decay=0.01)
    rng, begun, shown = random.Random(f"embed-{steps}"), time.time(), []
    while steps < args.steps:
        factor = min(1.0, (steps + 1) / 100, (args.steps - steps) / (0.3 * args.steps))
        for group in optimizer.param_groups:
            group["lr"] = args.rate * factor
        chosen = distinct(rng, args.batch, False)
        a = model(*batch_of(tokenizer, [p[0] for p in chosen], device))
        b = model(*batch_of(tokenizer, [p[1] for p in chosen], device))
        scores = a @ b.t() * 20.0
        target = torch.arange(len(chosen), device=device)
        loss = (F.cross_entropy(scores, target) + F.cross_entropy(scores.t(), target)) / 2
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        steps += 1
        shown.append(float(loss.detach()))
        if steps % 100 == 0 or steps == args.steps:
            print(f"step {steps} loss {np.mean(shown):.4f} {time.time() - begun:.0f} s", flush=True)
            shown = []
            torch.save({"model": model.state_dict(), "steps": steps}, os.path.join(args.folder, "embed.pt"))


def score(args):
    tokenizer, model, _ = load(args.folder)
    chosen = distinct(random.Random(2027), args.count, True)
    with torch.no_grad():
        a = torch.cat([model(*batch_of(tokenizer, [p[0] for p in chosen[i:i + 64]], "cpu")) for i in range(0, len(chosen), 64)])
        b = torch.cat([model(*batch_of(tokenizer, [p[1] for p in chosen[i:i + 64]], "cpu")) for i in range(0, len(chosen), 64)])
    same = (a * b).sum(1)
    other = (a * b[torch.arange(len(chosen)).roll(1)]).sum(1)
    first = (a @ b.t()).argmax(1) == torch.arange(len(chosen))
    print(f"paraphrase above one unrelated text: {float((same > other).float().mean()) * 100:.1f} %; first of {len(chosen)}: {float(first.float().mean()) * 100:.1f} %")


def export(args):
    tokenizer, model, _ = load(args.folder)
    arch, p = "nomic-bert", {n: v.numpy() for n, v in model.state_dict().items()}
    types = [3 if t in CONTROL else 4 if t in ADDED else 1 for t in tokenizer.tokens]
    count = sum(v.size for v in p.values())
    end = tokenizer.id_of["<|endoftext|>"]
    metadata = {
        "general.architecture": arch, "general.type": "model", "general.name": "Atelier Starter Embed", "general.author": "The Atelier authors",
        "general.organization": "Atelier", "general.license": "mit", "general.size_label": f"{count / 1e6:.1f}M", "general.languages": ["en"],
        "general.description": "A small embedding model trained from nothing for Atelier on generated pairs of texts. A starter.",
        "general.file_type": 7, "general.quantization_version": 2,
        f"{arch}.context_length": CONTEXT, f"{arch}.embedding_length": WIDTH, f"{arch}.block_count": LAYERS, f"{arch}.feed_forward_length": INNER,
        f"{arch}.attention.head_count": HEADS, f"{arch}.attention.layer_norm_epsilon": 1e-12, f"{arch}.attention.causal": False, f"{arch}.pooling_type": 1,
        f"{arch}.rope.freq_base": BASE, f"{arch}.vocab_size": len(tokenizer.tokens), "tokenizer.ggml.token_type_count": 1,
        "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "qwen2", "tokenizer.ggml.tokens": tokenizer.tokens, "tokenizer.ggml.token_type": types,
        "tokenizer.ggml.merges": [" ".join(m) for m in tokenizer.merges], "tokenizer.ggml.eos_token_id": end, "tokenizer.ggml.bos_token_id": end,
        "tokenizer.ggml.padding_token_id": end, "tokenizer.ggml.add_bos_token": False, "tokenizer.ggml.add_eos_token": False,
    }
    tensors = {"token_embd.weight": (p["embed.weight"], "Q8_0"), "token_types.weight": (np.zeros((1, WIDTH), np.float32), "F32"),
               "token_embd_norm.weight": (p["norm.weight"], "F32"), "token_embd_norm.bias": (p["norm.bias"], "F32")}
    for i in range(LAYERS):
        for long, short in {"attn_qkv": "qkv", "attn_output": "o", "ffn_gate": "gate", "ffn_up": "up", "ffn_down": "down"}.items():
            tensors[f"blk.{i}.{long}.weight"] = (p[f"blocks.{i}.{short}.weight"], "Q8_0")
        for long, short in {"attn_output_norm": "norm1", "layer_output_norm": "norm2"}.items():
            for part in ("weight", "bias"):
                tensors[f"blk.{i}.{long}.{part}"] = (p[f"blocks.{i}.{short}.{part}"], "F32")
    gguf_write.write(args.out, metadata, tensors)
    print(f"{args.out}: {os.path.getsize(args.out) / 1e6:.1f} MB")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("command", choices=["train", "export", "score"])
    parser.add_argument("--folder", required=True)
    parser.add_argument("--out")
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--batch", type=int, default=96)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--count", type=int, default=400)
    args = parser.parse_args()
    {"train": train, "export": export, "score": score}[args.command](args)


if __name__ == "__main__":
    main()
