"""The model, GGUF's "llama" in small: shape and parameters, a plain torch version, and a faster one for processors.

Normalisation has no learnt factors: each is followed by a matrix that can hold them. Rotary positions turn neighbouring
pairs, so that the GGUF needs no permutation. Token vectors and output are the same matrix.
"""

import math
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F


@dataclass
class Shape:
    vocabulary: int = 3072
    width: int = 256
    layers: int = 8
    heads: int = 4
    kv_heads: int = 2
    head: int = 64
    inner: int = 768
    context: int = 2048
    rope_base: float = 10000.0
    input_scale: float = 16.0  # of the token vectors where they go in, so that the layers' sums do not drown them

    def dict(self):
        return asdict(self)


def new_parameters(shape, seed):
    g = torch.Generator().manual_seed(seed)

    def matrix(rows, columns, scale=1.0):
        return torch.randn(rows, columns, generator=g) * (scale / math.sqrt(columns))

    p = {"embed": torch.randn(shape.vocabulary, shape.width, generator=g) / shape.input_scale}
    for i in range(shape.layers):
        p[f"{i}.q"] = matrix(shape.heads * shape.head, shape.width)
        p[f"{i}.k"] = matrix(shape.kv_heads * shape.head, shape.width)
        p[f"{i}.v"] = matrix(shape.kv_heads * shape.head, shape.width)
        p[f"{i}.o"] = matrix(shape.width, shape.heads * shape.head, 0.1)
        p[f"{i}.gate"] = matrix(shape.inner, shape.width)
        p[f"{i}.up"] = matrix(shape.inner, shape.width)
        p[f"{i}.down"] = matrix(shape.width, shape.inner, 0.1)
    _begin_with_copying(p, shape, g)
    return p


def grown(p, shape, layers):
    """The same model with more layers, spread over its second half. They begin as copies whose outputs are zero: what the
    model says stays the same, and training has more to work with."""
    more = layers - shape.layers
    order, after = [], list(range(shape.layers - 1, 0, -1))
    repeated = sorted(after[i % len(after)] for i in range(more))
    for i in range(shape.layers):
        order += [(i, False)] + [(i, True)] * repeated.count(i)
    result = {"embed": p["embed"]}
    for at, (source, new) in enumerate(order):
        for name in ("q", "k", "v", "o", "gate", "up", "down"):
            matrix = p[f"{source}.{name}"]
            result[f"{at}.{name}"] = torch.zeros_like(matrix) if new and name in ("o", "down") else matrix.clone()
    return result, Shape(**{**shape.dict(), "layers": layers})


def shared_attention(p, target, source):
    """Gives an idle layer half of another's attention: the same queries, keys and values, and half of what they write each.

    For neighbours, whose inputs are nearly the same, the sum stays nearly the same, and both learn from the first step on.
    A copy whose output is zero (grown) has first to be found useful, and forgets what it copied before that.
    """
    for name in ("q", "k", "v"):
        p[f"{target}.{name}"] = p[f"{source}.{name}"].clone()
    p[f"{source}.o"] = p[f"{source}.o"] * 0.5
    p[f"{target}.o"] = p[f"{source}.o"].clone()


def _begin_with_copying(p, shape, g):
    """Sets the first two layers so that the model copies before it has learnt anything.

    Left to itself a model needs millions of tokens until it finds the pair of heads that copying stands on (the induction
    heads of Elhage et al., 2021, and Olsson et al., 2022): one that looks at the previous token, and one that looks for
    what followed the present token before. Here they are there at the start, roughly, and training goes on from them.
    """
    h, group = shape.head, shape.heads // shape.kv_heads
    theta = shape.rope_base ** (-torch.arange(0, h, 2).float() / h)
    p["embed"][:, 0] = 4.0 / shape.input_scale  # a channel that all tokens have, for what depends on positions alone
    # Layer 0: the scores of a group of heads have their peak one position back. Only fast pairs tell positions apart.
    q, k = torch.zeros(h, shape.width), torch.zeros(h, shape.width)
    for i in range(8):
        q[2 * i, 0] = 2.4
        k[2 * i, 0], k[2 * i + 1, 0] = 2.4 * math.cos(theta[i]), 2.4 * math.sin(theta[i])
    for n in range(group):
        p["0.q"][n * h:(n + 1) * h] = q + 0.2 * p["0.q"][n * h:(n + 1) * h]
    p["0.k"][:h] = k + 0.2 * p["0.k"][:h]
    p["0.v"][:h, 0] = 0
    p["0.o"][:, :h] = torch.randn(shape.width, h, generator=g) * 0.09
    moved = p["0.o"][:, :h] @ p["0.v"][:h]  # what a token's vector becomes one position later
    # Layer 1: keys are what layer 0 moved, queries the same map of the present token. Slow pairs hardly turn.
    look = torch.randn(h, shape.width, generator=g) / math.sqrt(shape.width)
    look[:h // 2] = 0
    look[:, 0] = 0
    p["1.k"][:h] = look
    for n in range(group):
        p["1.q"][n * h:(n + 1) * h] = 14.0 * look @ moved
    # In every layer heads write back what they read: the vector of the token that they look at.
    for i in range(1, shape.layers):
        for n in range(shape.heads):
            p[f"{i}.o"][:, n * h:(n + 1) * h] += (2.0 if i == 1 and n < group else 0.1) * p[f"{i}.v"][n // group * h:(n // group + 1) * h].t()


def rope_table(shape):
    """[context, head]: cosine and sine alternating, one pair for each pair of channels."""
    inverse = shape.rope_base ** (-torch.arange(0, shape.head, 2).float() / shape.head)
    angles = torch.arange(shape.context).float()[:, None] * inverse
    return torch.stack((angles.cos(), angles.sin()), -1).reshape(shape.context, shape.head).contiguous()


def norm(x):
    return x * torch.rsqrt((x * x).mean(-1, keepdim=True) + 1e-5)


def _rope(x, table):
    c, s = table[:x.shape[2], 0::2], table[:x.shape[2], 1::2]
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack((a * c - b * s, a * s + b * c), -1).flatten(-2)


def plain_forward(p, shape, ids, table, dtype=torch.float32, watch=None):
    """Hidden states after the last normalisation, [b, t, width]. Any device; differentiable.

    watch(layer, input, queries, keys, what the attention writes, what the MLP writes) sees each layer.
    """
    b, t = ids.shape
    x = p["embed"][ids] * shape.input_scale
    group = shape.heads // shape.kv_heads
    mask = None
    for i in range(shape.layers):
        h = norm(x).to(dtype)

        def heads(name, n):
            return (h @ p[f"{i}.{name}"].to(dtype).t()).view(b, t, n, shape.head).transpose(1, 2)

        q, k, v = heads("q", shape.heads), heads("k", shape.kv_heads), heads("v", shape.kv_heads)
        q, k = _rope(q.float(), table).to(dtype), _rope(k.float(), table).to(dtype)
        k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
        if hasattr(F, "scaled_dot_product_attention"):
            o = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            if mask is None:
                mask = torch.full((t, t), -1e30, device=ids.device).triu(1)
            o = torch.softmax((q @ k.transpose(-1, -2)).float() / math.sqrt(shape.head) + mask, -1).to(dtype) @ v
        attended = (o.transpose(1, 2).reshape(b, t, -1) @ p[f"{i}.o"].to(dtype).t()).float()
        h = norm(x + attended).to(dtype)
        a = F.silu(h @ p[f"{i}.gate"].to(dtype).t()) * (h @ p[f"{i}.up"].to(dtype).t())
        written = (a @ p[f"{i}.down"].to(dtype).t()).float()
        if watch:
            watch(i, x, q, k, attended, written)
        x = x + attended + written
    return norm(x).to(dtype)


def plain_gradients(p, shape, batch, table, dtype=torch.bfloat16):
    """Gradients into p's .grad, and the sums of cross_entropy. For GPUs, and to check the faster one against."""
    ids, targets, weights, full, rows = (batch[k] for k in ("ids", "targets", "weights", "full", "rows"))
    hidden = plain_forward(p, shape, ids, table, dtype).flatten(0, 1)[rows]
    logits = (hidden @ p["embed"].to(dtype).t()).float()
    losses = F.cross_entropy(logits, targets.long(), reduction="none")
    loss = (losses * weights).sum()
    loss.backward()
    hits = (logits.argmax(-1) == targets) & (full > 0)
    return torch.stack((loss.detach(), (losses.detach() * full).sum(), hits.sum(), full.sum())).double()


class FastModel:
    """Forward and backward by hand for one thread, with bf16 products and the kernels of kernels.c."""

    def __init__(self, shape, kernels):
        self.s, self.k = shape, kernels
        self.table = rope_table(shape)

    def weights(self, p):
        """bf16 copies in the layout that the products want, made once a step and shared by the threads."""
        w = {"embed": p["embed"], "embed16": self.k.right_operands(p["embed"].bfloat16())}
        for i in range(self.s.layers):
            w[f"{i}.qkv"] = self.k.right_operands(torch.cat((p[f"{i}.q"], p[f"{i}.k"], p[f"{i}.v"])).bfloat16())
            w[f"{i}.gu"] = self.k.right_operands(torch.cat((p[f"{i}.gate"], p[f"{i}.up"])).bfloat16())
            w[f"{i}.o"] = self.k.right_operands(p[f"{i}.o"].bfloat16())
            w[f"{i}.down"] = self.k.right_operands(p[f"{i}.down"].bfloat16())
        return w

    def gradients(self, w, g, batch):
        """Adds the gradients of a micro-batch to g (fp32, named as in weights()); returns the sums of cross_entropy."""
        s, k, bf = self.s, self.k, torch.bfloat16
        b, t = batch["ids"].shape
        n, d, h, f = b * t, s.width, s.head, s.inner
        group = s.heads // s.kv_heads
        scale = 1.0 / math.sqrt(h)
        ids = batch["ids"].to(torch.int32).contiguous()
        x = torch.empty(n, d)
        k.embed(w["embed"], ids, x, n, d, s.input_scale)
        delta, kept = None, []
        for i in range(s.layers):
            h1, r1 = torch.empty(n, d, dtype=bf), torch.empty(n)
            k.add_norm(x, delta, h1, r1, n, d)
            qkv = k.product(h1, w[f"{i}.qkv"])
            q = torch.empty(b * s.kv_heads, group * t, h, dtype=bf)
            key, v = torch.empty(b * s.kv_heads, t, h, dtype=bf), torch.empty(b * s.kv_heads, t, h, dtype=bf)
            k.split_heads(qkv, q, key, v, self.table, b, t, s.heads, s.kv_heads, h)
            q, p, o = self._attention(q, key, v, group, scale)
            om = torch.empty(n, s.heads * h, dtype=bf)
            k.join_heads(o, om, b, t, s.heads, h)
            delta = k.product(om, w[f"{i}.o"])
            h2, r2 = torch.empty(n, d, dtype=bf), torch.empty(n)
            k.add_norm(x, delta, h2, r2, n, d)
            gu = k.product(h2, w[f"{i}.gu"])
            a = torch.empty(n, f, dtype=bf)
            k.swiglu(gu, a, n, f)
            delta = k.product(a, w[f"{i}.down"])
            kept.append((h1, r1, q, key, v, p, om, h2, r2, gu, a))
        hf, rf = torch.empty(n, d, dtype=bf), torch.empty(n)
        k.add_norm(x, delta, hf, rf, n, d)
        rows = batch["rows"]
        m = rows.numel()
        hs = torch.zeros(m + -m % 16, d, dtype=bf)  # whole tiles
        k.gather(hf, rows, hs, m, d)
        logits = k.product(hs, w["embed16"])
        sums = torch.zeros(4, dtype=torch.float64)
        k.cross_entropy(logits, batch["targets"], batch["weights"], batch["full"], sums, m, s.vocabulary)
        logits[m:].zero_()
        k.add_outer(g["embed"], logits, hs)
        dhs = k.product_back(logits, w["embed16"])
        dh = torch.zeros(n, d, dtype=bf)
        k.scatter(dh, rows, dhs, m, d)
        dx, dx16 = torch.zeros(n, d), torch.empty(n, d, dtype=bf)
        k.norm_back(dx, dx16, dh, hf, rf, n, d)
        for i in reversed(range(s.layers)):
            h1, r1, q, key, v, p, om, h2, r2, gu, a = kept.pop()
            k.add_outer(g[f"{i}.down"], dx16, a)
            da = k.product_back(dx16, w[f"{i}.down"])
            dgu = torch.empty(n, 2 * f, dtype=bf)
            k.swiglu_back(gu, da, dgu, n, f)
            k.add_outer(g[f"{i}.gu"], dgu, h2)
            dh = k.product_back(dgu, w[f"{i}.gu"])
            k.norm_back(dx, dx16, dh, h2, r2, n, d)
            k.add_outer(g[f"{i}.o"], dx16, om)
            dom = k.product_back(dx16, w[f"{i}.o"])
            do = torch.empty(b * s.kv_heads, group * t, h, dtype=bf)
            k.part_heads(dom, do, b, t, s.heads, h)
            dq, dk, dv = self._attention_back(q, key, v, p, do, group, scale)
            dqkv = torch.empty(n, (s.heads + 2 * s.kv_heads) * h, dtype=bf)
            k.join_heads_back(dqkv, dq, dk, dv, self.table, b, t, s.heads, s.kv_heads, h)
            k.add_outer(g[f"{i}.qkv"], dqkv, h1)
            dh = k.product_back(dqkv, w[f"{i}.qkv"])
            k.norm_back(dx, dx16, dh, h1, r1, n, d)
        k.embed_back(g["embed"], ids, dx, n, d, s.input_scale)
        return sums

    # Attention goes by blocks of queries, each of which meets the keys up to its own end alone: nearly half of the scores lie
    # beyond the diagonal, and of dialogues of 1,000 tokens they are two fifths of the work.
    BLOCK = 256

    def _blocks(self, x, group, t):
        """x [b * kv_heads, group * t, head] cut by time: [b * kv_heads, group * queries, head] each, and where it ends."""
        x = x.view(-1, group, t, x.shape[-1])
        return [(x[:, :, at:at + self.BLOCK].reshape(x.shape[0], -1, x.shape[-1]), min(at + self.BLOCK, t)) for at in range(0, t, self.BLOCK)]

    def _joined(self, blocks, group):
        return torch.cat([x.view(x.shape[0], group, -1, x.shape[-1]) for x in blocks], 2).view(blocks[0].shape[0], -1, blocks[0].shape[-1])

    def _attention(self, q, key, v, group, scale):
        """The queries in blocks, the probabilities of each block, and the output as q lies."""
        blocks, probabilities, out = self._blocks(q, group, key.shape[1]), [], []
        for x, end in blocks:
            p = torch.bmm(x, key[:, :end].transpose(1, 2))
            self.k.causal_softmax(p, p.shape[0] * p.shape[1], x.shape[1] // group, end, scale)
            probabilities.append(p)
            out.append(torch.bmm(p, v[:, :end]))
        return [x for x, _ in blocks], probabilities, self._joined(out, group)

    def _attention_back(self, q, key, v, probabilities, do, group, scale):
        dq, dk, dv = [], torch.zeros(key.shape), torch.zeros(v.shape)
        for x, p, (dx, end) in zip(q, probabilities, self._blocks(do, group, key.shape[1])):
            dp = torch.bmm(dx, v[:, :end].transpose(1, 2))
            dv[:, :end] += torch.bmm(p.transpose(1, 2), dx)
            self.k.causal_softmax_back(p, dp, p.shape[0] * p.shape[1], x.shape[1] // group, end, scale)
            dq.append(torch.bmm(dp, key[:, :end]))
            dk[:, :end] += torch.bmm(dp.transpose(1, 2), x)
        return self._joined(dq, group), dk.bfloat16(), dv.bfloat16()

    def new_gradients(self):
        s = self.s
        g = {"embed": torch.zeros(s.vocabulary, s.width)}
        for i in range(s.layers):
            g[f"{i}.qkv"] = torch.zeros((s.heads + 2 * s.kv_heads) * s.head, s.width)
            g[f"{i}.gu"] = torch.zeros(2 * s.inner, s.width)
            g[f"{i}.o"] = torch.zeros(s.width, s.heads * s.head)
            g[f"{i}.down"] = torch.zeros(s.width, s.inner)
        return g

    def named(self, g):
        """The gradients under the parameters' names."""
        s, out = self.s, {"embed": g["embed"]}
        for i in range(s.layers):
            sizes = (s.heads * s.head, s.kv_heads * s.head, s.kv_heads * s.head)
            out[f"{i}.q"], out[f"{i}.k"], out[f"{i}.v"] = g[f"{i}.qkv"].split(sizes)
            out[f"{i}.gate"], out[f"{i}.up"] = g[f"{i}.gu"].split(s.inner)
            out[f"{i}.o"], out[f"{i}.down"] = g[f"{i}.o"], g[f"{i}.down"]
        return out
