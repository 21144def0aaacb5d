"""Writes GGUF version 3: metadata and tensors, F32, F16 and Q8_0. Format: ggml's docs/gguf.md."""

import struct

import numpy as np

UINT32, FLOAT32, BOOL, STRING, ARRAY = 4, 6, 7, 8, 9
INT32 = 5
TENSOR_TYPES = {"F32": 0, "F16": 1, "Q8_0": 8}
ALIGNMENT = 32


def _string(text):
    data = text.encode("utf-8")
    return struct.pack("<Q", len(data)) + data


def _value(value):
    """(type, bytes); a bool, int (as uint32), float (as float32), str, or a list of str or int (as int32)."""
    if isinstance(value, bool):
        return BOOL, struct.pack("<?", value)
    if isinstance(value, int):
        return UINT32, struct.pack("<I", value)
    if isinstance(value, float):
        return FLOAT32, struct.pack("<f", value)
    if isinstance(value, str):
        return STRING, _string(value)
    if isinstance(value[0], str):
        return ARRAY, struct.pack("<IQ", STRING, len(value)) + b"".join(map(_string, value))
    return ARRAY, struct.pack("<IQ", INT32, len(value)) + struct.pack(f"<{len(value)}i", *value)


def q8_0(values):
    """Blocks of 32 weights: a half-precision scale and 32 signed bytes."""
    blocks = values.reshape(-1, 32).astype(np.float32)
    scale = np.abs(blocks).max(1, keepdims=True) / 127.0
    inverse = np.where(scale > 0, 1.0 / np.where(scale > 0, scale, 1), 0)
    quants = np.rint(blocks * inverse).astype(np.int8)
    return np.concatenate((scale.astype(np.float16).view(np.int8), quants), 1).tobytes()


def write(path, metadata, tensors):
    """tensors: name to (float32 array, type name). Rows are the last dimension."""
    head = struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), len(metadata))
    for key, value in metadata.items():
        kind, data = _value(value)
        head += _string(key) + struct.pack("<I", kind) + data
    offset, datas = 0, []
    for name, (array, kind) in tensors.items():
        array = np.ascontiguousarray(array, np.float32)
        data = {"F32": lambda: array.tobytes(), "F16": lambda: array.astype(np.float16).tobytes(), "Q8_0": lambda: q8_0(array)}[kind]()
        head += _string(name) + struct.pack("<I", array.ndim)
        head += struct.pack(f"<{array.ndim}Q", *reversed(array.shape)) + struct.pack("<IQ", TENSOR_TYPES[kind], offset)
        data += b"\0" * (-len(data) % ALIGNMENT)
        datas.append(data)
        offset += len(data)
    with open(path, "wb") as file:
        file.write(head + b"\0" * (-len(head) % ALIGNMENT))
        for data in datas:
            file.write(data)
