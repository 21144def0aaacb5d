"""What server_bench.py asks of the servers. A load is a function of a server and a seed; it gives one or more figures.
A load with parts yields between them, and the servers take turns part by part: where a machine's speed drifts, minutes one
after the other cannot be compared.

Prompts are random words that no run has used before, so that nobody answers from what an earlier run left behind.
Where a load is about shared beginnings, what is shared is new in each run.
"""
import dataclasses
import json
import os
import random
import subprocess
import sys
import threading
import time
from typing import Callable

import servers

WORDS = ("model server token prompt cache layer weight memory thread stream answer question engine batch logit sample "
         "river stone winter garden window letter number morning silver engine forest bridge candle harbour").split()


# Of these words in the vocabulary of the generated models.
TOKENS_PER_WORD = 2.11


def text_of(tokens, seed):
    """About so many tokens."""
    generator = random.Random(seed)
    return " ".join(generator.choice(WORDS) for _ in range(max(1, round(tokens / TOKENS_PER_WORD))))


def together(server, prompts, tokens, seed, sampling=None):
    """All at once; the answers, and the seconds to the last byte of the last."""
    answers = [None] * len(prompts)

    def one(i):
        answers[i] = server.complete(prompts[i], tokens, seed + i, sampling)

    threads = [threading.Thread(target=one, args=(i,)) for i in range(len(prompts))]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for answer in answers:
        if answer.error:
            raise answer.error
    return answers, max(answer.times[-1] for answer in answers) - started


def one(server, prompt, tokens, seed, sampling=None):
    return together(server, [prompt], tokens, seed, sampling)[0][0]


def p95(values):
    return sorted(values)[max(0, -(-len(values) * 95 // 100) - 1)]


# ---------------------------------------------------------------- one stream

def single_stream(server, seed):
    return {"tokens/s": one(server, text_of(16, seed), 256, seed).tokens_per_second}


def busy_machine(server, seed):
    """One stream while every processor has another program to run."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in os.sched_getaffinity(0)]
    try:
        return {"tokens/s": one(server, text_of(16, seed), 64, seed).tokens_per_second}
    finally:
        for other in others:
            other.kill()
            other.wait()


def first_token(server, seed):
    return {"s to the first token": one(server, text_of(420, seed), 2, seed).first}


def cold_instance(server, seed):
    """From a request to its first token where no model is loaded: Atelier loads it for the request, llama-server is
    started with it. The file is in the page cache."""
    server.cool()
    started = time.perf_counter()
    server.warm()
    answer = one(server, text_of(16, seed), 2, seed)
    return {"s to the first token": answer.times[0] - started}


# ---------------------------------------------------------------- shared beginnings

def shared_system(server, seed):
    """Four requests at once with one system prompt of 3,000 tokens, cold; then the same with new questions."""
    system = text_of(3000, seed)

    def ask(first):
        prompts = [f"{system}\n\n{text_of(12, seed + first + i)}" for i in range(4)]
        return together(server, prompts, 32, seed)[1]

    cold = ask(100)
    yield
    return {"s to the last byte, cold": cold, "s to the last byte, warm": ask(200)}


def conversations(system_tokens):
    def load(server, seed):
        """Twelve conversations of three turns under three system prompts, taking turns, four at a time."""
        systems = [text_of(system_tokens, seed + i) for i in range(3)]
        texts = [systems[i % 3] for i in range(12)]
        before = [0] * 12
        new, computed, seconds = 0, 0, 0.0
        for turn in range(3):
            for group in range(0, 12, 4):
                for i in range(group, group + 4):
                    texts[i] += "\n\n" + text_of(90, seed + 1000 + turn * 100 + i)
                answers, took = together(server, texts[group:group + 4], 16, seed)
                seconds += took
                for i, answer in zip(range(group, group + 4), answers):
                    new += answer.prompt_tokens - before[i]
                    before[i] = answer.prompt_tokens
                    computed += answer.prompt_computed
                yield
        # Of each system prompt the first conversation's copy is new, those of the three others are not.
        shared = sum(one_prompt_tokens(server, system) for system in systems)
        return {"s in all": seconds, "prompt tokens computed for each new one": computed / (new - 3 * shared)}
    return load


def one_prompt_tokens(server, text):
    return one(server, text, 1, 0).prompt_tokens


def tool_conversation(server, seed):
    """Twenty turns that grow to 8,000 tokens, in turn with another conversation."""
    main, other = text_of(1300, seed), text_of(300, seed + 1)
    computed, before, new, seconds = 0, 0, 0, 0.0
    for turn in range(20):
        main += "\n\n" + text_of(320, seed + 100 + turn)
        answer = one(server, main, 16, seed)
        computed += answer.prompt_computed
        new += answer.prompt_tokens - before
        before = answer.prompt_tokens
        other += "\n\n" + text_of(30, seed + 200 + turn)
        seconds += answer.seconds + one(server, other, 16, seed).seconds
        yield
    return {"s in all": seconds, "prompt tokens computed for each new one": computed / new}


def agents(server, seed):
    """Eight agents on one beginning of 6,000 tokens, arriving together, then each on its own way."""
    shared = text_of(6000, seed)
    prompts = [f"{shared}\n\n{text_of(12, seed + 1 + i)}" for i in range(8)]
    answers, seconds = together(server, prompts, 32, seed)
    return {"s to the last byte": seconds, "s to the first token, p95": p95([answer.first for answer in answers])}


def restarted(server, seed):
    """A prompt of 4,000 tokens, cold; then the same after the server was started again."""
    prompt = text_of(4000, seed)
    cold = one(server, prompt, 1, seed).first
    server.settle()
    yield
    server.restart()
    one(server, text_of(8, seed), 4, seed)  # loads the model, touches the weights
    again = one(server, prompt, 1, seed).first
    return {"s to the first token": again, "first token against a cold prefill": again / cold}


# ---------------------------------------------------------------- side by side

def arriving_prompt(server, seed):
    """One stream runs while a prompt of 4,000 tokens arrives: the stream's worst gap, and what the prompt took against
    the same alone."""
    alone = one(server, text_of(4000, seed), 1, seed).first
    yield
    started = threading.Event()
    stream = []

    def on_piece(answer):
        if len(answer.times) == 8:
            started.set()

    # Ends by itself at the latest when the context is full; long enough to be there all the time.
    thread = threading.Thread(target=lambda: stream.append(server.complete(text_of(16, seed + 1), 600, seed,
                                                                           on_piece=on_piece)))
    thread.start()
    started.wait(600)
    prompt = one(server, text_of(4000, seed + 2), 1, seed)
    thread.join()
    if stream[0].error:
        raise stream[0].error
    return {"s, the stream's worst gap": max(stream[0].gaps), "prefill time against alone": prompt.first / alone}


def streams(count, tokens):
    def load(server, seed):
        answers, seconds = together(server, [text_of(16, seed * 10 + i) for i in range(count)], tokens, seed)
        return {"tokens/s in all": sum(answer.tokens for answer in answers) / seconds}
    return load


# ---------------------------------------------------------------- copying

def copying(server, seed):
    """The successor model says every token's successor: a prompt that ends with the token it began with is said again.
    As token ids, because the text of such tokens is not split into the same ones."""
    args, model = server.started_with[0][:2]
    command = [args.build / "bin/atelier-fixture", "successor-text", model, "--from", WORDS[seed % len(WORDS)], "--tokens", 300,
               "--json"]
    done = subprocess.run([str(part) for part in command], capture_output=True, check=True)
    said = json.loads(done.stdout)
    tokens = said["tokens"] if isinstance(said, dict) else said
    answer = one(server, tokens + tokens[:4], 256, seed, servers.GREEDY)
    return {"tokens/s": answer.tokens_per_second}


@dataclasses.dataclass
class Load:
    name: str
    title: str
    run: Callable
    parallel: int = 4
    context: int = 4096
    model: str = "llama-1b"
    lower_is_better: bool = False
    # A peer's own settings; the best of several counts.
    peer_arguments: tuple = ()
    peer_extras: dict = dataclasses.field(default_factory=dict)
    heavy: bool = False  # minutes a run on a processor
    # The library without a server: its name, and what measures it in the unit of the load's first figure.
    bare_name: str = ""
    bare: Callable | None = None


_FRESH = dict(cache_prompt=False)
_NGRAM = ("--spec-type", "ngram-simple", "--spec-ngram-simple-size-n", "3", "--spec-ngram-simple-size-m", "16")

LOADS = [
    Load("one-stream", "one stream, 256 tokens", single_stream, peer_extras=_FRESH, bare_name="llama-bench's bare decode",
         bare=servers.bare_decode),
    Load("first-token", "time to first token, about 420 prompt tokens", first_token, lower_is_better=True,
         peer_extras=_FRESH),
    Load("busy-machine", "one stream, 64 tokens, while other programs keep every core busy", busy_machine, peer_extras=_FRESH),
    Load("cold-instance", "first token where no model is loaded", cold_instance, lower_is_better=True),
    Load("shared-system", "4 requests with one system prompt of 3,000 tokens", shared_system, lower_is_better=True, heavy=True),
    Load("conversations", "12 conversations, 3 system prompts of 500 tokens, 4 at a time", conversations(500), lower_is_better=True,
         heavy=True),
    Load("long-systems", "12 conversations, 3 system prompts of 1,500 tokens, 4 at a time", conversations(1500),
         lower_is_better=True, heavy=True),
    Load("tool-conversation", "20 turns to 8,000 tokens beside another conversation", tool_conversation, context=9216,
         parallel=2, lower_is_better=True, heavy=True),
    Load("arriving-prompt", "a stream while a prompt of 4,000 tokens arrives", arriving_prompt, context=5120,
         lower_is_better=True, heavy=True, peer_extras=_FRESH),
    Load("agents", "8 agents on one beginning of 6,000 tokens", agents, parallel=8, context=6656, lower_is_better=True,
         heavy=True),
    Load("restarted", "the same prompt of 4,000 tokens after a restart", restarted, parallel=1, context=5120,
         lower_is_better=True, heavy=True),
    Load("2-streams", "2 streams together, 128 tokens each", streams(2, 128), peer_extras=_FRESH),
    Load("4-streams", "4 streams together, 96 tokens each", streams(4, 96), peer_extras=_FRESH,
         bare_name="llama-batched-bench", bare=lambda *measured: servers.bare_batch(*measured, 4)),
    Load("8-streams", "8 streams together, 96 tokens each", streams(8, 96), parallel=8, peer_extras=_FRESH,
         bare_name="llama-batched-bench", bare=lambda *measured: servers.bare_batch(*measured, 8)),
    Load("copying", "copying, against its default", copying, model="successor-1b", parallel=1, peer_extras=_FRESH),
    Load("copying-ngram", "copying, against its n-gram speculation", copying, model="successor-1b", parallel=1,
         peer_arguments=_NGRAM, peer_extras=_FRESH),
    Load("tiny-one", "tiny model, 128k vocabulary, one stream", single_stream, model="tiny-128k", peer_extras=_FRESH,
         bare_name="llama-bench's bare decode", bare=servers.bare_decode),
    Load("tiny-four", "tiny model, 128k vocabulary, 4 streams", streams(4, 192), model="tiny-128k", peer_extras=_FRESH),
]
