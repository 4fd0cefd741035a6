#!/usr/bin/env python3
"""Time the JAX program of jax_rod.py on the device that JAX has, in one row; gpu-check runs it on a GPU.

  jax_gpu.py [--kind forward|gradient] [--batch N] [--least N] [--frames N] [--seconds S] [--cpu]

The rods, the algorithm and its step (5 ms) are those of rodgrad bench --stepper deform --scene rope12, in
float. Where a batch of N (1024) does not fit into the device's memory, half of it is tried, and so on down
to --least (N). Compiling is timed apart; then runs of --frames (50) frames of 10 ms are repeated for at
most --seconds (10). A row is a line of JSON on stdout, one of a batch that did not fit has "failed".
Needs numpy, jax and scene.py; nothing of rodgrad is built. --cpu lets JAX use the CPU, for a rehearsal.
Exit code: 0; 1 where nothing was measured; 2 for a wrong option; 3 without numpy, JAX or a GPU that JAX
can use.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path

# JAX would take most of the device's memory at once; this must stand before it starts
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.dont_write_bytecode = True

SUBSTEPS, STEP_S, REPEATS = 2, 0.005, 5


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="time the JAX program on the device that JAX has")
    parser.add_argument("--kind", choices=("forward", "gradient"), default="forward")
    parser.add_argument("--batch", type=int, default=1024)
    parser.add_argument("--least", type=int)
    parser.add_argument("--frames", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--cpu", action="store_true")
    chosen = parser.parse_args()
    if chosen.batch < 1 or chosen.frames < 1 or chosen.seconds <= 0:
        parser.error("--batch, --frames and --seconds must be positive")
    return chosen


def say(text: str) -> None:
    print("jax_gpu.py: " + text, file=sys.stderr, flush=True)


def measure(jax, jax_rod, chosen: argparse.Namespace, batch: int) -> dict:
    """A row of one batch; whatever JAX raises goes up."""
    program = jax_rod.program(chosen.kind, "projection", STEP_S, SUBSTEPS)
    arguments = (batch, 12, STEP_S, chosen.frames, SUBSTEPS, "float32", 1.0, False)
    inputs = jax.block_until_ready(jax_rod.inputs(*arguments))
    start = time.perf_counter()
    compiled = program.lower(*inputs).compile()
    compile_s = time.perf_counter() - start

    def run() -> float:
        start = time.perf_counter()
        out = jax.block_until_ready(compiled(*inputs))
        seconds = time.perf_counter() - start
        x = out[0] if chosen.kind == "gradient" else out
        if not bool(jax.numpy.isfinite(x[0][-1]).all()):
            raise RuntimeError("a position is not finite")
        return seconds

    began, first = time.perf_counter(), run()
    times = []
    while len(times) < REPEATS and (not times or time.perf_counter() - began + times[-1] < chosen.seconds):
        times.append(run())
    median, steps = statistics.median(times), chosen.frames * SUBSTEPS
    memory = (jax.devices()[0].memory_stats() or {}) if hasattr(jax.devices()[0], "memory_stats") else {}
    return {"compile_s": compile_s, "first_s": first, "min_s": min(times), "median_s": median,
            "max_s": max(times), "repeats": len(times), "rod_steps_per_s": batch * steps / median,
            "rod_seconds_per_s": batch * steps * STEP_S / median, "peak_bytes": memory.get("peak_bytes_in_use")}


def main() -> int:
    chosen = options()
    if chosen.cpu:
        os.environ["JAX_PLATFORMS"] = "cpu"
    try:
        import jax
        import jax_rod
        device = jax.devices()[0]
    except Exception as error:  # no module, or a driver that JAX cannot use
        say(f"no JAX here: {type(error).__name__}: {error}".splitlines()[0])
        return 3
    if device.platform == "cpu" and not chosen.cpu:
        say(f"JAX {jax.__version__} finds no GPU")
        return 3
    batch = chosen.batch
    while True:
        row = {"system": "jax", "version": jax.__version__, "device": device.device_kind, "kind": chosen.kind,
               "real": "float", "vertices": 12, "batch": batch, "frames": chosen.frames, "substeps": SUBSTEPS,
               "dt_s": STEP_S}
        try:
            row |= measure(jax, jax_rod, chosen, batch)
        except Exception as error:
            text = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            row["failed"] = text
            print(json.dumps(row), flush=True)
            say(text)
            full = "RESOURCE_EXHAUSTED" in text or "out of memory" in text.lower()
            if not full or batch // 2 < (chosen.least or chosen.batch):
                return 1
            batch //= 2
            jax.clear_caches()
            continue
        print(json.dumps(row), flush=True)
        return 0


if __name__ == "__main__":
    sys.exit(main())
