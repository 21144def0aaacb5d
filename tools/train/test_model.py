#!/usr/bin/env python3
"""The fast model's gradients are those of the plain one, and the optimizer keeps attention from saturating. Needs torch."""

import os
import sys
import tempfile
import unittest

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

try:
    import torch
except ImportError:
    raise SystemExit("test_model: needs torch (apt install python3-torch)")

import model
from kernels import Kernels
from optimizer import Optimizer

SHAPE = model.Shape(vocabulary=512, width=128, layers=2, heads=2, kv_heads=1, inner=128, context=64)


def batch(rng):
    ids = torch.randint(0, SHAPE.vocabulary, (3, 32), generator=rng)
    rows = torch.arange(0, 96, 2)
    return {"ids": ids, "rows": rows, "targets": torch.randint(0, SHAPE.vocabulary, (48,), generator=rng).int(), "weights": torch.full((48,), 1 / 48),
            "full": torch.ones(48), "tokens": 96}


class ModelTest(unittest.TestCase):
    def test_both_ways_have_the_same_gradients(self):
        for block in (model.FastModel.BLOCK, 16, 12):  # attention all at once, and cut in even and uneven parts
            with self.subTest(block=block):
                self._both_ways(block)

    def _both_ways(self, block):
        rng = torch.Generator().manual_seed(1)
        p, made = model.new_parameters(SHAPE, 1), batch(rng)
        with tempfile.TemporaryDirectory() as folder:
            fast = model.FastModel(SHAPE, Kernels(folder))
        fast.BLOCK = block
        with torch.inference_mode():
            gradients = fast.new_gradients()
            sums = fast.gradients(fast.weights(p), gradients, made)
            named = {n: g.clone() for n, g in fast.named(gradients).items()}
        for v in p.values():
            v.requires_grad_(True)
        expected = model.plain_gradients(p, SHAPE, made, model.rope_table(SHAPE), torch.float32)
        self.assertAlmostEqual(float(sums[1]), float(expected[1]), delta=0.02 * float(expected[1]))
        for n, v in p.items():
            a, b = named[n].flatten().double(), v.grad.flatten().double()
            self.assertGreater(float(a @ b / (a.norm() * b.norm())), 0.95, n)  # bf16 against fp32; the scores of layer 0 are large
            self.assertAlmostEqual(float(a.norm() / b.norm()), 1, delta=0.2, msg=n)

    def test_an_idle_layer_takes_half_of_the_attention_of_the_next(self):
        rng = torch.Generator().manual_seed(3)
        p, table, ids = model.new_parameters(SHAPE, 3), model.rope_table(SHAPE), torch.randint(0, SHAPE.vocabulary, (2, 24), generator=rng)
        p["1.o"] *= 0.1
        for name in ("0.o", "0.down"):
            p[name] = torch.zeros_like(p[name])
        before = model.plain_forward(p, SHAPE, ids, table)
        model.shared_attention(p, 0, 1)
        after = model.plain_forward(p, SHAPE, ids, table)
        self.assertGreater(float(p["0.o"].norm()), 0)
        self.assertGreater(float(torch.cosine_similarity(before, after, dim=-1).min()), 0.99)

    def test_queries_and_keys_stay_bounded(self):
        rng = torch.Generator().manual_seed(2)
        p = model.new_parameters(SHAPE, 2)
        optimizer = Optimizer(p)
        for _ in range(30):
            gradients = {n: torch.randn(v.shape, generator=rng) for n, v in p.items()}
            for portion in optimizer.portions(p, gradients, 5.0):
                portion()
        for n, v in p.items():
            if n.endswith((".q", ".k")):
                self.assertLessEqual(float(v.view(-1, SHAPE.head, SHAPE.width).flatten(1).norm(dim=1).max()), optimizer.attention_norm * 1.001, n)
        self.assertGreater(float(p["0.gate"].norm()), optimizer.attention_norm)  # the others are free to grow


if __name__ == "__main__":
    unittest.main()
