"""The two servers that server_bench.py measures: how each is started, asked and looked at.

Both run on the same model file, with the same CPU plug-in and the same number of threads, both with room for
`parallel` sequences of `context` tokens.
"""
import contextlib
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time

# Every sampling parameter is given to both.
SAMPLING = dict(temperature=0.8, top_k=40, top_p=0.95, min_p=0.05, repeat_penalty=1.1, repeat_last_n=64,
                presence_penalty=0.0, frequency_penalty=0.0)
GREEDY = dict(SAMPLING, temperature=0.0, repeat_penalty=1.0)


class Answer:
    """One streamed completion: when it was asked, and when each piece came (seconds)."""

    def __init__(self):
        self.asked = 0.0
        self.times = []
        self.tokens = 0
        self.prompt_tokens = 0
        self.prompt_computed = 0
        self.text = ""
        self.error = None

    @property
    def first(self):
        return self.times[0] - self.asked

    @property
    def seconds(self):
        return self.times[-1] - self.asked

    @property
    def tokens_per_second(self):
        return (self.tokens - 1) / (self.times[-1] - self.times[0])

    @property
    def gaps(self):
        return [b - a for a, b in zip(self.times, self.times[1:])]


class Server:
    name = ""

    def __init__(self):
        self.port = free_port()
        self.process = None
        self.request_extras = {}
        self.started_with = ((), {})

    def complete(self, prompt, tokens, seed, sampling=None, on_piece=None):
        """A streamed /v1/completions. Errors are kept in the answer: the caller waits for several."""
        answer = Answer()
        body = dict(model="model", prompt=prompt, max_tokens=tokens, seed=seed, stream=True,
                    stream_options=dict(include_usage=True), **(sampling or SAMPLING), **self.request_extras)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=1800)
        try:
            answer.asked = time.perf_counter()
            connection.request("POST", "/v1/completions", json.dumps(body), {"Content-Type": "application/json"})
            response = connection.getresponse()
            if response.status != 200:
                raise RuntimeError(f"{self.name} answered {response.status}: {response.read(500)!r}")
            for line in response:
                if not line.startswith(b"data: ") or line.startswith(b"data: [DONE]"):
                    continue
                now = time.perf_counter()
                event = json.loads(line[6:])
                if "error" in event:
                    raise RuntimeError(f"{self.name}: {event['error']}")
                if event.get("usage"):
                    self.take_usage(answer, event)
                if event.get("choices") and event["choices"][0].get("text"):
                    answer.text += event["choices"][0]["text"]
                    answer.times.append(now)
                    if on_piece:
                        on_piece(answer)
        except Exception as error:
            answer.error = error
        finally:
            connection.close()
        return answer

    def take_usage(self, answer, event):
        usage = event["usage"]
        answer.tokens = usage["completion_tokens"]
        answer.prompt_tokens = usage["prompt_tokens"]
        cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
        answer.prompt_computed = answer.prompt_tokens - cached

    def restart(self):
        self.stop()
        self.start(*self.started_with[0], **self.started_with[1])

    def settle(self):
        """Until what is done in the background is done."""

    def cool(self):
        """What it takes until no model is loaded."""
        self.stop()

    def warm(self):
        """What it takes until a request may be sent that loads the model."""
        self.start(*self.started_with[0], **self.started_with[1])

    def processes(self):
        yield self.process.pid
        for status in pathlib.Path("/proc").glob("[0-9]*/status"):
            with contextlib.suppress(OSError):
                if f"\nPPid:\t{self.process.pid}\n" in status.read_text():
                    yield int(status.parent.name)

    def peak_mib(self):
        """Of the server and the processes it started, together."""
        total = 0
        for pid in self.processes():
            with contextlib.suppress(OSError):
                found = re.search(r"VmHWM:\s*(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())
                total += int(found.group(1)) if found else 0
        return total / 1024

    def stop(self):
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None


class Atelier(Server):
    name = "Atelier"

    def start(self, args, model, folder, parallel, context, **_):
        self.started_with = ((args, model, folder, parallel, context), {})
        self.cache = folder / "home/cache/kv"
        home = folder / "home"
        models = folder / "models/bench/model"
        models.mkdir(parents=True, exist_ok=True)
        home.mkdir(exist_ok=True)
        link = models / model.name
        if not link.exists():
            link.symlink_to(model)
        (home / "settings.json").write_text(json.dumps(dict(downloadsFolder=str(folder / "models"))))
        log = folder / "atelier.log"
        self.process = subprocess.Popen([args.build / "bin/atelier", "serve", "--port", str(self.port)], stderr=open(log, "a"),
                                        env=dict(os.environ, ATELIER_HOME=str(home)))
        wait_until_healthy(self, log)
        body = dict(model="model", context_length=context, parallel=parallel, threads=args.threads,
                    cache_tokens=context * (parallel - 1) + context // 2)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        connection.request("POST", "/api/v1/models/load", json.dumps(body), {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = response.read()
        if response.status != 200:
            sys.exit(f"bench: Atelier did not load the model: {answer!r}")

    # The server stays; the request itself loads the model, as a first request does.
    def cool(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("POST", "/api/v1/models/unload", json.dumps(dict(instance_id="model")), {"Content-Type": "application/json"})
        response = connection.getresponse()
        if response.status != 200:
            sys.exit(f"bench: Atelier did not unload the model: {response.read()!r}")
        response.read()

    def warm(self):
        pass

    def settle(self):
        before = -1
        while (now := sum(1 for _ in self.cache.rglob("*.kv"))) != before:
            before = now
            time.sleep(1)

    def cpu_plug_in(self):
        """The plug-in that the engine picked, as its memory map names it: the peer gets the same."""
        for pid in self.processes():
            with contextlib.suppress(OSError):
                maps = pathlib.Path(f"/proc/{pid}/maps").read_text()
                found = re.search(r"/(libggml-cpu-[^/\s]+\.so)$", maps, re.MULTILINE)
                if found:
                    return found.group(1)
        sys.exit("bench: the engine has no CPU plug-in mapped, so the peer cannot be given the same kernels")


class LlamaServer(Server):
    name = "llama-server"

    def __init__(self, plug_in):
        super().__init__()
        self.plug_in = plug_in

    def start(self, args, model, folder, parallel, context, peer_arguments=()):
        self.started_with = ((args, model, folder, parallel, context), dict(peer_arguments=peer_arguments))
        log = folder / "llama-server.log"
        command = [*peer_tool(args, "llama-server"), "-m", model, "-c", context * parallel, "-np", parallel, "-t", args.threads,
                   "--port", self.port, "--host", "127.0.0.1", *peer_arguments]
        self.process = subprocess.Popen([str(part) for part in command], stdout=open(log, "a"), stderr=subprocess.STDOUT,
                                        env=peer_environment(args, self.plug_in))
        wait_until_healthy(self, log)

    def take_usage(self, answer, event):
        super().take_usage(answer, event)
        timings = event.get("timings") or {}
        if "prompt_n" in timings:
            answer.prompt_computed = timings["prompt_n"]


def peer_tool(args, name):
    loader = next((args.peers / "usr/lib").glob("*/ld-linux-*.so.*"))
    libraries = loader.parent
    return [loader, "--library-path", f"{libraries}:{libraries}/llama", args.peers / "usr/bin" / name]


def peer_environment(args, plug_in):
    libraries = next((args.peers / "usr/lib").glob("*/ld-linux-*.so.*")).parent
    return dict(os.environ, GGML_BACKEND_PATH=str(libraries / "ggml/backends0" / plug_in))


def bare_decode(args, model, plug_in, tokens=256):
    """llama-bench's decode, in tokens a second: the library with no server around it."""
    command = [*peer_tool(args, "llama-bench"), "-m", model, "-p", 0, "-n", tokens, "-t", args.threads, "-r", 1, "-o", "json"]
    done = subprocess.run([str(part) for part in command], capture_output=True, env=peer_environment(args, plug_in), check=True)
    return json.loads(done.stdout)[0]["avg_ts"]


def bare_batch(args, model, plug_in, sequences, prompt_tokens=16, tokens=96):
    """llama-batched-bench: tokens a second of so many sequences in one batch, from the first prompt's token to the last."""
    command = [*peer_tool(args, "llama-batched-bench"), "-m", model, "-c", sequences * (prompt_tokens + tokens) + 256, "-npp", prompt_tokens,
               "-ntg", tokens, "-npl", sequences, "-t", args.threads, "--output-format", "jsonl"]
    done = subprocess.run([str(part) for part in command], capture_output=True, env=peer_environment(args, plug_in), check=True)
    line = next(line for line in done.stdout.splitlines() if line.startswith(b"{"))
    return sequences * tokens / json.loads(line)["t"]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_healthy(server, log):
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            sys.exit(f"bench: {server.name} ended while it started:\n{log.read_text()[-2000:]}")
        with contextlib.suppress(OSError):
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
            connection.request("GET", "/health")
            if connection.getresponse().status == 200:
                return
        time.sleep(0.01)
    sys.exit(f"bench: {server.name} did not answer in 180 s")
