"""run.py: measure rodgrad beside its rivals on the same rods, in one interleaved run (run.sh calls this).

Every system and number of threads has a process of its own (worker.py). Cases of a group take turns, first
to last and last to first, so that their ratios hold on a machine that changes its pace; a ratio is that of
one round, of which minimum, median and maximum are kept. Each system takes the largest step at which its
error against its own fine solution is within 1 % of the rod's length; the step is that of the table STEPS
or of --accuracy's last search, and its error is measured again in every run. Progress goes to stderr.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

import plan
import scene
import table

HERE = Path(__file__).resolve().parent
ACCURACY = 0.01  # of the rod's length


def say(text: str) -> None:
    print(f"rivals: {text}", file=sys.stderr, flush=True)


class Failed(Exception):
    """What a worker could not do, in its own words."""


class Workers:
    """The workers by system and threads, started when first asked."""

    def __init__(self, pythons: dict[str, str]) -> None:
        self.pythons, self.running = pythons, {}

    def _start(self, system: str, threads: int) -> subprocess.Popen:
        python = self.pythons.get(system, sys.executable)
        if not Path(python).exists():
            raise Failed(f"there is no {python}")
        command = [python, str(HERE / "worker.py"), plan.MODULES[system], str(threads)]
        count = str(threads)
        env = {**os.environ, "OMP_NUM_THREADS": count, "OPENBLAS_NUM_THREADS": "1",
               "NUMBA_NUM_THREADS": count}
        if threads == 1:
            command = ["taskset", "-c", "0", *command]
            env["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)

    def ask(self, system: str, threads: int, **request) -> dict:
        key = system, threads
        if key not in self.running:
            self.running[key] = self._start(system, threads)
        worker = self.running[key]
        try:
            worker.stdin.write(json.dumps(request) + "\n")
            worker.stdin.flush()
            line = worker.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            del self.running[key]
            raise Failed(f"its process ended with code {worker.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            raise Failed(answer["error"])
        return answer

    def stop(self) -> None:
        for worker in self.running.values():
            worker.stdin.close()
            worker.wait()
        self.running = {}


class Accuracy:
    """Errors of steps against the fine solution of the same system, in double if it has that."""

    def __init__(self, workers: Workers, seconds: float) -> None:
        self.workers, self.seconds, self.fine = workers, seconds, {}

    def trajectory(self, system: str, variant: str, real: str, per_frame: int, soft: float,
                   rods: int) -> np.ndarray:
        """[frames, rods, V, 3] every plan.FRAME_S of the scene"""
        seconds = min(plan.STEPS[system, variant].seconds, self.seconds)
        case = plan.case(system, variant, real=real, dt=plan.FRAME_S / per_frame, batch=rods,
                         frames=round(seconds / plan.FRAME_S), substeps=per_frame, soft=soft)
        answer = self.workers.ask(system, plan.THREADS[-1], do="trajectory", case=case.request())
        return np.array(answer["x"])

    def error(self, system: str, variant: str, real: str, per_frame: int, soft: float = 1.0,
              rods: int = plan.ERROR_RODS) -> dict:
        """The row of this step; "unavailable" says why there is none."""
        entry = plan.STEPS[system, variant]
        row = {"system": system, "variant": variant, "real": real, "soft": soft, "rods": rods,
               "dt": plan.FRAME_S / per_frame, "fine_dt": plan.FRAME_S / entry.fine,
               "seconds": min(entry.seconds, self.seconds)}
        key = system, variant, soft, rods
        try:
            if key not in self.fine:
                self.fine[key] = self.trajectory(system, variant, entry.reals[0], entry.fine, soft, rods)
            x = self.trajectory(system, variant, real, per_frame, soft, rods)
        except Failed as failed:
            say(f"{system} {variant} {real}: {failed}")
            return row | {"unavailable": str(failed)}
        distance = np.linalg.norm(x - self.fine[key], axis=-1)
        worst = float(distance.max()) / scene.LENGTH_M if np.isfinite(distance).all() else math.inf
        say(f"{system} {variant} {real}, {1e3 * row['dt']:.3g} ms, {rods} rods: error {100 * worst:.3g} %")
        return row | {"error": worst}

    def search(self, system: str, variant: str) -> int | None:
        """Steps a frame of the largest step that is accurate, of the entry's candidates."""
        entry = plan.STEPS[system, variant]
        for per_frame in entry.candidates:
            if self.error(system, variant, entry.reals[0], per_frame).get("error", math.inf) <= ACCURACY:
                return per_frame
        say(f"{system} {variant}: no step that was tried is within {100 * ACCURACY:.0f} %")
        return None


def agreement(accuracy: Accuracy) -> float:
    """The largest distance between deform and the JAX program at the same step, in double [m]."""
    x = [accuracy.trajectory(system, variant, "double", plan.SAME_STEPS[1.0], 1.0, plan.ERROR_RODS)
         for system, variant in (("rodgrad", "deform"), ("jax", "projection"))]
    return float(np.linalg.norm(x[0] - x[1], axis=-1).max())


def measure_errors(accuracy: Accuracy, steps: dict, only: set[str]) -> list[dict]:
    wanted = [(*key, n, 1.0, plan.ERROR_RODS) for key, n in steps.items()] + plan.OTHER_ERRORS
    wanted += [(*key, steps[key], 1.0, plan.MORE_RODS) for key in plan.OF_MORE_RODS]
    return [accuracy.error(system, variant, real, per_frame, soft, rods)
            for system, variant, per_frame, soft, rods in dict.fromkeys(wanted) if system in only
            for real in plan.STEPS[system, variant].reals[:1 if rods == plan.MORE_RODS else None]]


def run_group(workers: Workers, group: plan.Group, rounds: int, target_s: float) -> dict:
    """Rows of the group's cases and the ratios between them."""
    ready, rows = {}, []
    for case in group.cases:
        row = case.row() | {"group": group.name}
        rows.append(row)
        try:
            answer = workers.ask(case.system, case.threads, do="prepare", id=case.key, case=case.request())
            once = answer["first_s"]
            if once < 1.0:  # what is slower tells its time the first time
                once = workers.ask(case.system, case.threads, do="run", id=case.key, calls=1)["seconds"]
        except Failed as failed:
            row["unavailable"] = str(failed)
            say(f"{case.key}: {failed}")
            continue
        row |= {"compile_s": answer["prepare_s"] + max(answer["first_s"] - once, 0.0),
                "memory_bytes": answer["memory_bytes"],
                "calls": max(1, min(1000, math.ceil(target_s / once)))}
        ready[case.key] = (case, row, [])
    for k in range(rounds if group.timed else 0):
        order = list(ready.values())
        for case, row, samples in order if k % 2 == 0 else order[::-1]:
            try:
                samples.append(workers.ask(case.system, case.threads, do="run", id=case.key,
                                           calls=row["calls"])["seconds"])
            except Failed as failed:
                row["unavailable"] = str(failed)
                say(f"{case.key}: {failed}")
                del ready[case.key]
    for case, row, samples in ready.values():
        workers.ask(case.system, case.threads, do="release", id=case.key)
        if not samples:
            say(f"{case.key}: {row['memory_bytes'] / 2**20:.0f} MiB")
            continue
        median = statistics.median(samples)
        row |= {"rounds": rounds, "min_s": min(samples), "median_s": median, "max_s": max(samples),
                "rod_steps_per_s": case.rod_steps / median, "rod_seconds_per_s": case.rod_seconds / median}
        say(f"{case.key}: {median:.3g} s, {case.rod_steps / median:.3g} rod-steps/s, "
            f"{case.rod_seconds / median:.3g} rod-seconds/s, {row['memory_bytes'] / 2**20:.0f} MiB, "
            f"compiled in {row['compile_s']:.1f} s")
    return {"x": group.x, "rows": rows, "ratios": [find_ratio(ratio, ready) for ratio in group.ratios]}


def find_ratio(ratio: plan.Ratio, ready: dict) -> dict:
    """How many times as fast (or, of memory, how small a part) the first case is, by rounds."""
    out = {"name": ratio.name, "goal": ratio.goal, "what": ratio.what}
    missing = [key for key in (ratio.ours, ratio.theirs) if key not in ready]
    if missing:
        return out | {"unavailable": f"{missing[0]} did not run"}
    ours, theirs = ready[ratio.ours], ready[ratio.theirs]
    if ratio.what == "memory":
        value = ours[1]["memory_bytes"] / max(theirs[1]["memory_bytes"], 1)
        return out | {"median": value}
    pairs = [(ours[0].rod_seconds / a) / (theirs[0].rod_seconds / b) for a, b in zip(ours[2], theirs[2])]
    return out | {"min": min(pairs), "median": statistics.median(pairs), "max": max(pairs)}


def machine() -> dict:
    cpu = [line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
           if line.startswith("model name")]
    return {"processor": cpu[0] if cpu else platform.processor(), "processors": len(os.sched_getaffinity(0)),
            "system": platform.platform(), "python": platform.python_version(),
            "load": os.getloadavg()[0]}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a rehearsal: few cases, short samples")
    parser.add_argument("--only", action="append", metavar="SYSTEM", choices=list(plan.MODULES),
                        help=f"of {', '.join(plan.MODULES)}; may be repeated")
    parser.add_argument("--rounds", type=int, metavar="N", help="turns of a case (default 7, 3 with --quick)")
    parser.add_argument("--accuracy", action="store_true", help="search the largest accurate steps first")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every row and ratio there")
    parser.add_argument("--page", type=Path, metavar="FILE", help="write the page and its plots")
    parser.add_argument("--steps", type=Path, metavar="FILE",
                        help="where --accuracy stores steps, and where they are read")
    parser.add_argument("--command", default="bench/rivals/run.py", help="what the page says was run")
    parser.add_argument("--python", action="append", default=[], metavar="SYSTEM=PATH",
                        help="the interpreter of a system whose packages are elsewhere")
    return parser.parse_args()


def read_steps(path: Path | None) -> dict:
    """Steps a frame by system and variant."""
    steps = {key: entry.per_frame for key, entry in plan.STEPS.items()}
    if path and path.exists():
        steps |= {tuple(name.split(" ")): n for name, n in json.loads(path.read_text()).items()}
    return steps


def main() -> None:
    options = parse()
    start = time.monotonic()
    only = set(options.only or plan.MODULES)
    rounds = options.rounds or (3 if options.quick else 7)
    workers = Workers(dict(pair.split("=", 1) for pair in options.python))
    steps = read_steps(options.steps)
    result = {"machine": machine(), "quick": options.quick, "only": sorted(only), "rounds": rounds,
              "command": options.command, "groups": {}, "versions": {}}
    try:
        for system in plan.MODULES:
            if system in only:
                try:
                    result["versions"] |= workers.ask(system, plan.THREADS[-1], do="versions")["versions"]
                except Failed as failed:
                    say(f"{system}: {failed}")
        if options.accuracy:
            whole = Accuracy(workers, math.inf)
            for key in plan.STEPS:
                if key[0] in only:
                    steps[key] = whole.search(*key) or steps[key]
            if options.steps:
                stored = {" ".join(key): n for key, n in steps.items()}
                options.steps.write_text(json.dumps(stored, indent=1) + "\n")
        accuracy = Accuracy(workers, 1.0 if options.quick else math.inf)
        result["errors"] = measure_errors(accuracy, steps, only)
        if {"rodgrad", "jax"} <= only:
            try:
                result["agreement_m"] = agreement(accuracy)
            except Failed as failed:
                say(f"deform beside JAX: {failed}")
        dt = {key: plan.FRAME_S / n for key, n in steps.items()}
        for group in plan.groups(dt, only, options.quick):
            say(f"group {group.name} ({time.monotonic() - start:.0f} s)")
            result["groups"][group.name] = run_group(workers, group, min(rounds, group.most_rounds or rounds),
                                                     0.05 if options.quick else 0.3)
    finally:
        workers.stop()
    result["seconds"] = time.monotonic() - start
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    if options.page:
        table.write(result, options.page)
    say(f"done in {result['seconds']:.0f} s")


if __name__ == "__main__":
    main()
