"""Compiles kernels.c with the machine's C compiler and gives its functions as Python functions over tensors."""

import ctypes
import os
import platform
import subprocess

import torch

_HERE = os.path.dirname(os.path.abspath(__file__))


class Kernels:
    def __init__(self, folder):
        os.makedirs(folder, exist_ok=True)
        library = os.path.join(folder, f"kernels-{os.getpid()}.so")
        wide = ["-mprefer-vector-width=512"] if platform.machine() == "x86_64" else []
        subprocess.run(["cc", "-O3", "-march=native", *wide, "-ffast-math", "-fPIC", "-shared", "-o", library,
                        os.path.join(_HERE, "kernels.c"), os.path.join(_HERE, "matrix.c"), "-lm"], check=True)
        self._library = ctypes.CDLL(library)
        os.unlink(library)
        self._library.amx_ready.restype = ctypes.c_int
        self.amx = bool(self._library.amx_ready())

    def right_operands(self, w):
        """w [m, k] made ready for product() as x @ w^T and as y @ w."""
        if not self.amx:
            return w, w.t(), w
        m, k = w.shape
        transposed, plain = torch.empty(m * k, dtype=w.dtype), torch.empty(m * k, dtype=w.dtype)
        self.pack_transposed(w, transposed, m, k)
        self.pack_plain(w, plain, m, k)
        return w, transposed, plain

    def product(self, x, operands):
        """x [n, k] @ w^T"""
        w, transposed, _ = operands
        if not self.amx:
            return x @ transposed
        out = torch.empty(x.shape[0], w.shape[0], dtype=x.dtype)
        self.multiply(x, transposed, out, x.shape[0], w.shape[0], w.shape[1])
        return out

    def product_back(self, y, operands):
        """y [n, m] @ w"""
        w, _, plain = operands
        if not self.amx:
            return y @ plain
        out = torch.empty(y.shape[0], w.shape[1], dtype=y.dtype)
        self.multiply(y, plain, out, y.shape[0], w.shape[1], w.shape[0])
        return out

    def add_outer(self, total, y, x):
        """total [m, k] += y [n, m]^T @ x [n, k]"""
        if self.amx:
            self.multiply_back(y, x, total, y.shape[0], y.shape[1], x.shape[1])
        else:
            part = (y.t() @ x).contiguous()
            self.accumulate(total, part, part.numel())

    def __getattr__(self, name):
        function = getattr(self._library, name)
        function.restype = None

        def call(*args):
            function(*[ctypes.c_void_p(a.data_ptr()) if isinstance(a, torch.Tensor) else ctypes.c_void_p(None) if a is None
                       else ctypes.c_float(a) if isinstance(a, float) else ctypes.c_long(a) for a in args])

        setattr(self, name, call)
        return call
