"""Text into tokens: files of some thousand dialogues, made ahead of the training by a process of its own."""

import multiprocessing
import os
import random
import time

import numpy as np

CONTEXT = 2048


def repeated(rng, vocabulary):
    """Random tokens, said again: what the first steps learn copying from. (tokens, weights)"""
    once = [rng.randrange(256, vocabulary) for _ in range(rng.randint(6, 48))]
    times = rng.randint(2, 4)
    return once * times, [0] * len(once) + [255] * (len(once) * (times - 1))


def make(tokenizer, seed, count, repetition=0.0):
    """tokens, weights (0 to 255 for 0 to 1) and where each dialogue begins."""
    from corpus import mix
    rng = random.Random(seed)
    tokens, weights, starts = [], [], [0]
    for _ in range(count):
        if rng.random() < repetition:
            ids, ws = repeated(rng, len(tokenizer.tokens) - 16)
            tokens += ids
            weights += ws
            starts.append(len(tokens))
            continue
        parts, _ = mix.dialogue(rng)
        if rng.random() < 0.15:  # as one text, for servers that do not tokenise template and content apart
            merged, parts = parts, []
            for text, weight in merged:
                if parts and parts[-1][1] == weight:
                    parts[-1] = (parts[-1][0] + text, weight)
                else:
                    parts.append((text, weight))
        ids, ws = [], []
        for text, weight in parts:
            new = tokenizer.encode(text)
            ids += new
            ws += [round(weight * 255)] * len(new)
        if len(ids) > CONTEXT:
            continue
        tokens += ids
        weights += ws
        starts.append(len(tokens))
    return np.array(tokens, np.uint16), np.array(weights, np.uint8), np.array(starts, np.int64)


def _work(folder, tokenizer_file, seed, count, first, wanted, ahead, repetition):
    from tokenizer import Tokenizer
    tokenizer = Tokenizer.load(tokenizer_file)
    index = first
    parent = os.getppid()
    while os.getppid() == parent:
        if index >= wanted.value + ahead:
            time.sleep(0.5)
            continue
        path = os.path.join(folder, f"shard-{index}.npz")
        arrays = make(tokenizer, f"{seed}-{index}", count, repetition)
        np.savez(path + ".partial.npz", *arrays)
        os.rename(path + ".partial.npz", path)
        index += 1


class Shards:
    def __init__(self, folder, tokenizer_file, seed, first, repetition, count=6000, ahead=2):
        self.folder, self.index = folder, first
        os.makedirs(folder, exist_ok=True)
        for name in os.listdir(folder):
            os.unlink(os.path.join(folder, name))
        context = multiprocessing.get_context("spawn")
        self.wanted = context.Value("l", first)
        self.process = context.Process(target=_work, daemon=True,
                                       args=(folder, tokenizer_file, seed, count, first, self.wanted, ahead, repetition))
        self.process.start()

    def next(self):
        path = os.path.join(self.folder, f"shard-{self.index}.npz")
        while not os.path.exists(path):
            if not self.process.is_alive():
                raise RuntimeError("the process that makes the dialogues has ended")
            time.sleep(0.1)
        with np.load(path) as data:
            arrays = [data[name] for name in data.files]
        os.unlink(path)
        self.index += 1
        with self.wanted.get_lock():
            self.wanted.value = self.index
        return arrays


def batches(shard, rng, tokens_of_batch, prompt_share=0.2):
    """Micro-batches of dialogues of like length, padded; in random order.

    Of the prompt's tokens only a share is learnt from, with a weight that makes up for it: the output layer costs time.
    """
    import torch
    tokens, weights, starts = shard
    lengths = np.diff(starts)
    order = np.argsort(lengths + rng.random(len(lengths)) * 4, kind="stable")
    groups, group, longest = [], [], 0
    for i in order:
        if group and max(longest, lengths[i]) * (len(group) + 1) > tokens_of_batch:
            groups.append(group)
            group, longest = [], 0
        group.append(i)
        longest = max(longest, lengths[i])
    groups.append(group)
    rng.shuffle(groups)
    for group in groups:
        t = int(max(lengths[i] for i in group)) - 1
        t += -t % 16
        ids = np.zeros((len(group), t), np.int64)
        target, weight = np.zeros((len(group), t), np.int32), np.zeros((len(group), t), np.float32)
        for row, i in enumerate(group):
            a, b = starts[i], starts[i + 1]
            ids[row, :b - a - 1] = tokens[a:b - 1]
            target[row, :b - a - 1] = tokens[a + 1:b]
            weight[row, :b - a - 1] = weights[a + 1:b] / 255.0
        weak = (weight > 0) & (weight < 0.45)
        drop = weak & (rng.random(weight.shape) > prompt_share)
        weight[weak] /= prompt_share
        weight[drop] = 0
        rows = np.flatnonzero(weight)
        if len(rows) == 0:
            continue
        flat = weight.ravel()[rows]
        yield {"ids": torch.from_numpy(ids), "rows": torch.from_numpy(rows), "targets": torch.from_numpy(target.ravel()[rows]),
               "weights": torch.from_numpy(flat), "full": torch.from_numpy((flat == 1).astype(np.float32)),
               "tokens": int(sum(lengths[i] for i in group))}
