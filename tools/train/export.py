"""A checkpoint as a GGUF file.

    export.py --folder build/train --out starter-q8_0.gguf [--type Q8_0|F16]
    export.py --folder build/draft --draft --out starter-draft-q8_0.gguf
    export.py --folder build/train --weights weights.pt          weights alone, bf16, and vocabulary: to go on from elsewhere
"""

import argparse
import os

import numpy as np
import torch

import gguf_write
from tokenizer import ADDED, CONTROL, Tokenizer

FILE_TYPES = {"F16": 1, "Q8_0": 7}
NAMES = ("Atelier Starter", "Atelier Starter Draft")
DRAFT_DESCRIPTION = "The starter's draft companion, with the same vocabulary: it guesses what the starter will say, for speculative decoding."
DESCRIPTION = ("A small model trained from nothing for Atelier on generated dialogues: small talk, questions about Atelier, tool calls, "
               "JSON. A starter, not an assistant.")


def metadata(shape, tokenizer, template, kind, parameters, name, description):
    types = [3 if t in CONTROL else 4 if t in ADDED else 1 for t in tokenizer.tokens]
    arch = "llama"
    return {
        "general.architecture": arch,
        "general.type": "model",
        "general.name": name,
        "general.author": "The Atelier authors",
        "general.organization": "Atelier",
        "general.license": "mit",
        "general.description": description,
        "general.size_label": f"{parameters / 1e6:.1f}M",
        "general.languages": ["en"],
        "general.tags": ["text-generation", "tools", "starter"],
        "general.file_type": FILE_TYPES[kind],
        "general.quantization_version": 2,
        f"{arch}.context_length": shape["context"],
        f"{arch}.embedding_length": shape["width"],
        f"{arch}.block_count": shape["layers"],
        f"{arch}.feed_forward_length": shape["inner"],
        f"{arch}.attention.head_count": shape["heads"],
        f"{arch}.attention.head_count_kv": shape["kv_heads"],
        f"{arch}.attention.key_length": shape["head"],
        f"{arch}.attention.value_length": shape["head"],
        f"{arch}.attention.layer_norm_rms_epsilon": 1e-5,
        f"{arch}.rope.dimension_count": shape["head"],
        f"{arch}.rope.freq_base": float(shape["rope_base"]),
        f"{arch}.vocab_size": shape["vocabulary"],
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "qwen2",
        "tokenizer.ggml.tokens": tokenizer.tokens,
        "tokenizer.ggml.token_type": types,
        "tokenizer.ggml.merges": [" ".join(m) for m in tokenizer.merges],
        "tokenizer.ggml.eos_token_id": tokenizer.id_of["<|im_end|>"],
        "tokenizer.ggml.eot_token_id": tokenizer.id_of["<|im_end|>"],
        "tokenizer.ggml.bos_token_id": tokenizer.id_of["<|endoftext|>"],
        "tokenizer.ggml.padding_token_id": tokenizer.id_of["<|endoftext|>"],
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.chat_template": template,
    }


def tensors(shape, p, kind):
    p = {n: v.float().numpy() for n, v in p.items()}
    ones = np.ones(shape["width"], np.float32)
    out = {"token_embd.weight": (p["embed"] * shape["input_scale"], kind), "output.weight": (p["embed"], kind),
           "output_norm.weight": (ones, "F32")}
    names = {"q": "attn_q", "k": "attn_k", "v": "attn_v", "o": "attn_output", "gate": "ffn_gate", "up": "ffn_up", "down": "ffn_down"}
    for i in range(shape["layers"]):
        out[f"blk.{i}.attn_norm.weight"] = (ones, "F32")
        out[f"blk.{i}.ffn_norm.weight"] = (ones, "F32")
        for short, long in names.items():
            out[f"blk.{i}.{long}.weight"] = (p[f"{i}.{short}"], kind)
    return out


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--folder", required=True)
    parser.add_argument("--out")
    parser.add_argument("--weights")
    parser.add_argument("--type", choices=list(FILE_TYPES), default="Q8_0")
    parser.add_argument("--draft", action="store_true", help="name and describe it as the starter's draft companion")
    args = parser.parse_args()
    saved = torch.load(os.path.join(args.folder, "checkpoint.pt"), map_location="cpu")
    tokenizer = Tokenizer.load(os.path.join(args.folder, "tokenizer.json"))
    if args.weights:
        torch.save({"shape": saved["shape"], "progress": saved["progress"], "tokens": tokenizer.tokens, "merges": tokenizer.merges,
                    "parameters": {n: v.bfloat16() for n, v in saved["parameters"].items()}}, args.weights)
    if args.out:
        with open(os.path.join(here, "chat_template.jinja"), encoding="utf-8") as file:
            template = file.read()
        count = sum(v.numel() for v in saved["parameters"].values())
        gguf_write.write(args.out, metadata(saved["shape"], tokenizer, template, args.type, count, NAMES[args.draft], DRAFT_DESCRIPTION if args.draft else DESCRIPTION),
                         tensors(saved["shape"], saved["parameters"], args.type))
        print(f"{args.out}: {os.path.getsize(args.out) / 1e6:.1f} MB, {saved['progress']['tokens'] / 1e6:.1f}M tokens trained")


if __name__ == "__main__":
    main()
