#!/usr/bin/env python3
"""Runs solvers of cosseratbench side by side and writes docs/cosseratbench.md, for tools/cosseratbench.sh.

    cosseratbench-table.py RESULTS PAGE COMMAND [EXPERIMENT:FACTOR...]

A run is an experiment at a multiple of its default resolution; without any, all experiments at once and twice
theirs. Solvers take turns, three rounds; the shortest time counts, a run of more than 20 s is not repeated.
Every run is saved in RESULTS as soon as it is done and not run again. Progress goes to stderr.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path

from cosseratbench import registry, run

SOLVERS = ("rodgrad", "pyelastica", "mujoco")
FACTORS = {"twist": (1,)}  # of the default resolution, else (1, 2): twist at 2 is half an hour of PyElastica
ROUNDS = 3
ONCE = 20.0  # s; a longer run is not repeated
# what each score is measured against; of a score without a reference zero is right
REFERENCES = {
    "tip_deflection_error": "Euler-Bernoulli beam",
    "shape_error": "elastic catenary, no bending",
    "sag_error": "elastic catenary, no bending",
    "period_error": "linear vibration theory",
    "amplitude_change": "no loss of energy",
    "critical_twist_error": "Greenhill",
    "settling_residual": "at rest",
}


def say(text: str) -> None:
    print(f"cosseratbench: {text}", file=sys.stderr, flush=True)


def measure(name: str, factor: int, results: Path) -> list[dict]:
    """the summaries of all solvers, each with the shortest of its times"""
    experiment, best = registry.load_experiment(name), {}
    for round_ in range(ROUNDS):
        for solver in SOLVERS:
            path = results / f"{name}-{factor}-{solver}-{round_}.json"
            known = best.get(solver)
            if known and ((known["wall_time"] or ONCE) >= ONCE or known["outcome"] != "completed"):
                continue
            if path.exists():
                summary = json.loads(path.read_text())
            else:
                n = experiment.n_elements * factor
                say(f"{name}, {n} elements, {solver}, round {round_ + 1}")
                summary = run(experiment, registry.load_solver(solver), n_elements=n).summary()
                partial = path.with_suffix(".part")
                partial.write_text(json.dumps(summary))
                partial.rename(path)
            if known is None:
                best[solver] = summary
            elif summary["wall_time"] is not None:
                known["wall_time"] = min(known["wall_time"], summary["wall_time"])
    return list(best.values())


def number(value: float | None) -> str:
    return "none" if value is None else f"{value:.2e}"


def seconds(value: float) -> str:
    return f"{1e3 * value:.0f} ms" if value < 1.0 else f"{value:.1f} s"


def rows(name: str, summaries: list[dict]) -> list[str]:
    ours = next(s for s in summaries if s["solver"] == "rodgrad")
    lines = []
    for s in summaries:
        n, solver = s["n_elements"], s["solver"]
        if s["outcome"] == "unsupported":
            needs = ", ".join(s["missing"])
            lines.append(f"| {name} | {n} | {solver} | not supported: needs {needs} | | | |")
        elif s["outcome"] == "diverged":
            at = "" if s["diverged_at"] is None else f" at {s['diverged_at']:.2g} s"
            lines.append(f"| {name} | {n} | {solver} | diverged{at}: {s['failure']} | | | |")
        else:
            scores = "; ".join(f"{k} {number(v)}" for k, v in s["metrics"].items())
            ratio = "1" if s is ours else f"{s['wall_time'] / ours['wall_time']:.0f}" \
                if ours["outcome"] == "completed" else ""
            lines.append(f"| {name} | {n} | {solver} | {scores} | {seconds(s['wall_time'])} | "
                         f"{s['settings']['time_step']:.2g} s | {ratio} |")
    return lines


PAGE = """# rodgrad in cosseratbench

[cosseratbench](https://pypi.org/project/cosseratbench) runs rod solvers on common scenarios and scores the
trajectories against theory; metrics see the trajectory alone. `python/rodgrad/cosseratbench.py` makes rodgrad one
of its solvers. This page is written by

```
{command}
```

{machine}. {versions}. Solvers took turns on one thread each, {rounds} rounds, shortest time; runs of more than
{once:.0f} s once. The machine was shared: times are good to some tens of percent. Times are of one forward run,
without what cosseratbench warms up first. dismech-python, its third solver, installs from git only and is left out.

| experiment | elements | solver | scores | time | step | time / rodgrad's |
| --- | --- | --- | --- | --- | --- | --- |
{rows}

Scores are relative errors, or lengths in rod lengths (shape_error), against: {references}.

## What rodgrad runs, and how

- Vertices are cosseratbench's nodes. A clamp is an edge of 1e-4 elements just outside the end, so that the clamped
  cross-section is the end node's: second order. Both other solvers hold a whole element, which is why their error
  of the cantilever is of first order. Its reference is linear: the deflection of 2 % of the length makes a beam
  stiffer by some 4e-4, which is what is left of rodgrad's error when elements get smaller.
- The catenary's reference has no bending, the rod has: shape and sag settle at the bending's share, not at zero.
- The pendulum's error is of second order in the element: 2e-5 of it is the amplitude, which the reference, linear
  as well, leaves out. BDF2's own share is below 1e-5 at this step.
- In *cantilever* and *catenary* equilibrium is the result and nothing is driven: every frame is one step of the static
  scheme, which finds the equilibrium in the first. The others move there under damping, which is their time.
- *twist* has ends that slide under a load while they turn. rodgrad holds whole vertices, so the rod goes on past its
  end as a massless rail, 1e-12 times as stiff in stretch and, at its far clamp, 1e6 times as stiff in bending and
  twist: nothing but the load pulls, and the cross-section is held across the rail to 1e-6.
- rodgrad's error in *twist* is its discretisation: strains of bending are taken in the mean of the two neighbouring
  directors, which a twist of t per vertex shortens by cos(t/2). Bending is too soft by t^2/4; at 50 elements
  (t = 0.31) this alone puts the critical twist 2.1 % too low, at 100 elements 0.5 %. The measurement itself is good
  to 0.5 %, as its authors say. `RodgradSolver(bend_measure="normalised")` measures bending against unit directors: its
  error is 0.54 % at 50 elements and 0.66 % at 100, where averaged directors have 2.51 and 1.02 %.
- rodgrad has no shear and no rotary inertia, and twist is in equilibrium at every moment; no experiment here needs
  them. Rods pass through each other and themselves: in *twist* only after what is measured.

## What it does not run

| experiment | reason |
| --- | --- |
| capstan | contact with a cylinder, and friction there |
| crossing | contact between rods |
| pile | contact of a rod with itself and with a plane, and friction |

A scenario with an end that slides along another direction than its own tangent is refused as well.
"""


def main(arguments: list[str]) -> int:
    results, page, command = Path(arguments[0]), Path(arguments[1]), arguments[2]
    results.mkdir(parents=True, exist_ok=True)
    wanted = [a.split(":") for a in arguments[3:]] or \
        [(name, f) for name in registry.names(registry.EXPERIMENTS) for f in FACTORS.get(name, (1, 2))]
    lines, scores = [], []
    for name, factor in wanted:
        experiment = registry.load_experiment(name)
        # what rodgrad lacks is listed once, and the others are not kept busy with it
        if not experiment.requires and not experiment.scenario.obstacles:
            lines += rows(name, measure(name, int(factor), results))
            scores += [m for m in experiment.metrics if m not in scores]
    versions = ", ".join(f"{p} {version(p)}" for p in ("cosseratbench", "rodgrad", "pyelastica", "mujoco", "numpy"))
    page.write_text(PAGE.format(
        command=command, rounds=ROUNDS, once=ONCE, rows="\n".join(lines),
        machine=f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}",
        versions=versions, references=", ".join(f"{m}: {REFERENCES[m]}" for m in scores)))
    say(f"wrote {page}")
    return 0


if __name__ == "__main__":
    if len(sys.argv) < 4 or sys.argv[1] in ("-h", "--help"):
        print(__doc__.strip())
        sys.exit(0 if sys.argv[1:2] in (["-h"], ["--help"]) else 2)
    sys.exit(main(sys.argv[1:]))
