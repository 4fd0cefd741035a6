"""worker.py MODULE THREADS: one system, in a process of its own, for run.py.

A request is a line of JSON on stdin, {"do": ..., ...}, the answer a line on stdout, with "error" where it
failed.
MODULE has versions() -> {name: version} and a class Case:
    Case(case, threads)   build and compile; no inputs yet
    load()                make the inputs
    run()                 once, until the results are there
    positions()           what the last run got: [frames, rods, V, 3]
The dictionary `case` is what plan.py's Case.request() gives. Whatever the libraries print goes to stderr.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import resource
import sys
import time
import traceback
from pathlib import Path

HERE = Path(__file__).resolve().parent


def rss_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def peak_bytes() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


class Memory:
    """The peak of resident memory inside the block, over what is resident at its beginning."""

    def __enter__(self) -> Memory:
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")  # resets the peak
        self.before = rss_bytes()
        return self

    def __exit__(self, *_) -> None:
        self.bytes = max(peak_bytes() - self.before, 0)


class Worker:
    def __init__(self, module: str, threads: int) -> None:
        self.module, self.threads, self.cases = importlib.import_module(module), threads, {}

    def versions(self, _) -> dict:
        return {"versions": self.module.versions()}

    def prepare(self, request: dict) -> dict:
        """Compile, load, warm up: how long the first and the last took, what memory inputs and run need."""
        start = time.perf_counter()
        case = self.module.Case(request["case"], self.threads)
        prepared = time.perf_counter() - start
        with Memory() as memory:
            case.load()
            start = time.perf_counter()
            case.run()
            first = time.perf_counter() - start
        self.cases[request["id"]] = case
        return {"prepare_s": prepared, "first_s": first, "memory_bytes": memory.bytes}

    def run(self, request: dict) -> dict:
        case = self.cases[request["id"]]
        start = time.perf_counter()
        for _ in range(request["calls"]):
            case.run()
        return {"seconds": (time.perf_counter() - start) / request["calls"]}

    def release(self, request: dict) -> dict:
        del self.cases[request["id"]]
        gc.collect()
        return {}

    def trajectory(self, request: dict) -> dict:
        case = self.module.Case(request["case"], self.threads)
        case.load()
        case.run()
        return {"x": case.positions().tolist()}


def main() -> None:
    module, threads = sys.argv[1], int(sys.argv[2])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    sys.path.insert(0, str(HERE))
    worker: Worker | None = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            worker = worker or Worker(module, threads)
            answer = getattr(worker, request["do"])(request)
        except Exception as error:  # whatever a library raises is an answer
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}".splitlines()[0]}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
