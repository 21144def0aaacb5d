"""A byte-level BPE vocabulary as llama.cpp reads it (tokenizer model "gpt2", pre-tokenizer "qwen2").

Merges never cross the border between a letter and something else: " Paris", "\"Paris" and "Paris" share their tokens, so
that copying a word is copying tokens. The exception is the space before the most frequent small words, merged last.
Digits are single tokens.

    tokenizer.py FILE --vocabulary 3072     trains on the generator's text, and writes a JSON file
"""

import argparse
import heapq
import json
import random
import re
from collections import Counter, defaultdict

# The regular expression of "qwen2", with Python's classes in place of \p{L} and \p{N}.
PIECES = re.compile(r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|(?:[^\r\n\w]|_)?[^\W\d_]+|\d| ?(?:[^\s\w]|_)+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
LETTERS = re.compile(r"[^\W\d_]+$")

CONTROL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
ADDED = ["<think>", "</think>", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>", "<tools>", "</tools>"]
SPECIAL = CONTROL + ADDED
_SPLIT = re.compile("(" + "|".join(map(re.escape, SPECIAL)) + ")")


def byte_letters():
    """GPT-2's printable letter for each byte."""
    plain = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    letters, extra = {}, 0
    for b in range(256):
        letters[b] = chr(b if b in plain else 256 + extra)
        extra += b not in plain
    return letters


LETTER_OF = byte_letters()
BYTE_OF = {c: b for b, c in LETTER_OF.items()}


def to_letters(text):
    return "".join(LETTER_OF[b] for b in text.encode("utf-8"))


class Tokenizer:
    def __init__(self, tokens, merges):
        self.tokens, self.merges = tokens, merges
        self.id_of = {t: i for i, t in enumerate(tokens)}
        self.rank = {tuple(m): i for i, m in enumerate(merges)}
        self.cache = {}

    @classmethod
    def load(cls, path):
        with open(path, encoding="utf-8") as file:
            data = json.load(file)
        return cls(data["tokens"], data["merges"])

    def save(self, path):
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"tokens": self.tokens, "merges": self.merges}, file, ensure_ascii=False, indent=0)

    def _bpe(self, piece):
        parts = list(to_letters(piece))
        while len(parts) > 1:
            best = min(((self.rank.get((a, b), 1 << 30), i) for i, (a, b) in enumerate(zip(parts, parts[1:]))))
            if best[0] == 1 << 30:
                break
            i = best[1]
            parts[i:i + 2] = [parts[i] + parts[i + 1]]
        return [self.id_of[p] for p in parts]

    def encode(self, text):
        ids, cache = [], self.cache
        for chunk in _SPLIT.split(text):
            if chunk in self.id_of and chunk in SPECIAL:
                ids.append(self.id_of[chunk])
                continue
            for piece in PIECES.findall(chunk):
                found = cache.get(piece)
                if found is None:
                    found = self._bpe(piece)
                    if len(cache) < 400000:
                        cache[piece] = found
                ids += found
        return ids

    def decode(self, ids):
        data = bytearray()
        for i in ids:
            token = self.tokens[i]
            data += token.encode() if token in SPECIAL else bytes(BYTE_OF[c] for c in token)
        return data.decode("utf-8", errors="replace")


def train(texts, size, small_words):
    """small_words: how many space-and-word tokens there are among the size tokens."""
    counts, spaced = Counter(), Counter()
    for text in texts:
        for chunk in _SPLIT.split(text):
            if chunk in SPECIAL:
                continue
            for piece in PIECES.findall(chunk):
                head = piece[:1]
                if len(piece) > 1 and not LETTERS.match(head) and LETTERS.match(piece[1:]):
                    counts[head] += 1
                    counts[piece[1:]] += 1
                    if head == " ":
                        spaced[piece[1:]] += 1
                else:
                    counts[piece] += 1
    words = [[list(to_letters(p)), n] for p, n in counts.items()]
    pairs, where = Counter(), defaultdict(set)
    for index, (parts, n) in enumerate(words):
        for pair in zip(parts, parts[1:]):
            pairs[pair] += n
            where[pair].add(index)
    tokens = [LETTER_OF[b] for b in range(256)]
    merges, target = [], size - len(SPECIAL) - small_words
    heap = [(-n, pair) for pair, n in pairs.items()]
    heapq.heapify(heap)
    while len(tokens) < target and heap:
        n, pair = heapq.heappop(heap)
        if pairs[pair] != -n:
            if pairs[pair] > 0:
                heapq.heappush(heap, (-pairs[pair], pair))
            continue
        merged = pair[0] + pair[1]
        merges.append(list(pair))
        if merged not in tokens:
            tokens.append(merged)
        changed = set()
        for index in where.pop(pair):
            parts, n = words[index]
            for p in zip(parts, parts[1:]):
                pairs[p] -= n
                changed.add(p)
            i = 0
            while i < len(parts) - 1:
                if (parts[i], parts[i + 1]) == pair:
                    parts[i:i + 2] = [merged]
                i += 1
            for p in zip(parts, parts[1:]):
                pairs[p] += n
                where[p].add(index)
                changed.add(p)
        for p in changed:
            if pairs[p] > 0:
                heapq.heappush(heap, (-pairs[p], p))
    known = set(tokens)
    for word, _ in spaced.most_common():
        letters = to_letters(word)
        if small_words <= 0:
            break
        if word == word.lower() and len(word) < 8 and letters in known and "Ġ" + letters not in known:
            merges.append(["Ġ", letters])
            tokens.append("Ġ" + letters)
            known.add("Ġ" + letters)
            small_words -= 1
    return Tokenizer(tokens + SPECIAL, merges)


def small_word_texts(rng, count):
    """Text whose words are mostly the templates', not the slots': what the small words are taken from."""
    from corpus import mix
    return ["".join(t for t, _ in mix.dialogue(rng)[0]) for _ in range(count)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("file")
    parser.add_argument("--vocabulary", type=int, default=3072)
    parser.add_argument("--small-words", type=int, default=256)
    parser.add_argument("--dialogues", type=int, default=25000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    rng = random.Random(args.seed)
    tokenizer = train(small_word_texts(rng, args.dialogues), args.vocabulary, args.small_words)
    tokenizer.save(args.file)
    print(f"{len(tokenizer.tokens)} tokens, {len(tokenizer.merges)} merges")


if __name__ == "__main__":
    main()
