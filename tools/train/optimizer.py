"""Muon for the matrices, Adam for the token vectors.

Muon (Keller Jordan, 2024): the momentum of each matrix is made nearly orthogonal by five Newton-Schulz steps.
"""

import torch


def orthogonal(m):
    """[n, rows, columns], rows <= columns, bf16."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = m / (m.float().norm(dim=(1, 2), keepdim=True) + 1e-7).to(m.dtype)
    for _ in range(5):
        s = x @ x.transpose(1, 2)
        x = a * x + (b * s + c * (s @ s)) @ x
    return x


class Optimizer:
    def __init__(self, p, lr_matrix=0.02, lr_embed=3e-3, weight_decay=0.1, head=64, attention_norm=10.0):
        self.lr_matrix, self.lr_embed, self.weight_decay = lr_matrix, lr_embed, weight_decay
        self.head, self.attention_norm = head, attention_norm
        self.state = {n: torch.zeros_like(v) for n, v in p.items()}
        self.second = torch.zeros_like(p["embed"])
        self.steps = 0
        groups = {}
        for n, v in p.items():
            if n != "embed":
                wide = v.shape[0] <= v.shape[1]
                groups.setdefault((min(v.shape), max(v.shape)), []).append((n, wide))
        self.groups = []
        for members in groups.values():  # in small portions, so that threads can share them
            self.groups += [members[i:i + 4] for i in range(0, len(members), 4)]

    def portions(self, p, g, factor):
        """The step as a list of functions that may run side by side."""
        self.steps += 1
        return [lambda: self._adam(p, g, factor)] + [lambda m=m: self._muon(p, g, m, factor) for m in self.groups]

    def _adam(self, p, g, factor, b1=0.9, b2=0.98):
        m, v, grad = self.state["embed"], self.second, g["embed"]
        m.lerp_(grad, 1 - b1)
        v.lerp_(grad * grad, 1 - b2)
        up = (m / (1 - b1 ** self.steps)) / ((v / (1 - b2 ** self.steps)).sqrt() + 1e-8)
        p["embed"].add_(up, alpha=-self.lr_embed * factor)

    def _muon(self, p, g, members, factor, momentum=0.95):
        updates = []
        for n, wide in members:
            m = self.state[n]
            m.lerp_(g[n], 1 - momentum)
            u = g[n].lerp(m, momentum)
            updates.append((u if wide else u.t()).bfloat16())
        for (n, wide), u in zip(members, orthogonal(torch.stack(updates)).float()):
            v = p[n]
            lr = self.lr_matrix * factor
            v.mul_(1 - lr * self.weight_decay)
            v.add_(u if wide else u.t(), alpha=-lr * max(1.0, v.shape[0] / v.shape[1]) ** 0.5)
            if n.endswith((".q", ".k")):
                self._bound(v)

    def _bound(self, v):
        """Keeps the queries and keys of each head from growing without end: Muon's steps have the same size however small the
        gradient is, scores of some hundred make every softmax a choice of one, and nothing comes back through it."""
        heads = v.view(-1, self.head, v.shape[1])
        norms = heads.flatten(1).norm(dim=1)
        heads.mul_((self.attention_norm / norms).clamp(max=1.0)[:, None, None])

    def forget(self, names):
        """The momentum of matrices that have been put in by hand."""
        for n in names:
            self.state[n].zero_()

    def saved(self):
        return {"state": self.state, "second": self.second, "steps": self.steps}

    def restore(self, saved):
        for n, v in saved["state"].items():
            self.state[n].copy_(v)
        self.second.copy_(saved["second"])
        self.steps = saved["steps"]
