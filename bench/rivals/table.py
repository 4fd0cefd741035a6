"""The page of a run of run.py (docs/rivals.md), and its plots."""

from __future__ import annotations

import math
import re
from pathlib import Path

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402 (after the choice of what draws)

import plan  # noqa: E402

HEAD = """# rodgrad beside its rivals

Speed of rodgrad and of other rod simulators on the same rods, `rope12` of `rodgrad bench`
([bench.md](bench.md)), from one interleaved run of one command:

```
{command}
```

{machine} {load} The run took {minutes:.0f} minutes.
"""

HOW = """## How it is measured

- **The work.** Rods of 1 m with 12 vertices hang between two moving grippers, each of which holds its end's
  two vertices. Rod k is the same rod in every system, as far as the system can express it (below).
  Positions of every frame come out; a gradient is that of the sum of squares of all positions, with respect
  to the three bend stiffness fields and the start's positions and velocities.
- **Steps.** Each system takes the largest step at which it stays within 1 % of the rod's length of *its
  own* fine solution, at every vertex and every 50 ms. The error of each is measured again in every run.
  rodgrad's implicit steps forward are solved to 0.1 mm, a hundredth of that; its gradients to 1e-8 m.
  Where deform and JAX are compared at the same step, that is chosen for stability in both, and the error is
  the same in both, whatever it is: on the soft rod, of a fifth of the stiffness, 10 ms.
- **Turns.** A process for each system and number of threads. Cases of a group take turns, first to last and
  last to first, {rounds} rounds (curves 5 at most). A ratio is that of one round; its median is given, and
  the least and largest in brackets. Start and compilation are apart.
- **Units.** A rod-second is a second of one rod's simulated time; rod-seconds a second are fair between
  steps of different length. Memory is the peak of the resident set while inputs are made and a rollout
  runs, over what the idle process holds after compilation; where that process has freed memory before, it
  may be more.
- **One thread** is one core (`taskset`), and the system's own option or variable. PyElastica,
  dismech-newton and Newton's CPU device run on one thread in any case.
"""

SYSTEMS = """## The systems

- **rodgrad**, through [python/](../python/README.md), whose copies are timed as well: the implicit stepper
  (BDF2) and the deform stepper; a batch of one rod with `isa="fma"`.
- **JAX**, [the program a user writes in an afternoon](../bench/rivals/jax_rod.py): rodgrad's deform stepper
  again, with `jit` and `grad` over `lax.scan`, bending memory, damping and all. It is written for speed:
  closed forces, the batch as last axis instead of `vmap`, one Newton step for the twist. "Springs" replaces
  the projection of lengths by the scene's stretch stiffness, without its damping: with that an explicit
  step is stable up to 0.05 ms only (by the bound in [physics.md](physics.md), section 6). No checkpoints:
  `grad` keeps what it needs, as it does by default.
- **PyElastica**, position Verlet, all rods in one memory block: stiffness about both axes, coupling, twist,
  natural curvature, stretch and drag are the scene's; it has shear, of a round section of 10 mm; no damping
  of strains, no bending memory. Grippers, gravity and drag act on the block at once, in place of its own
  classes, which are called for each rod.
- **MuJoCo's cable**, the elasticity plugin, `implicitfast`, a batch by `mujoco.rollout`: straight,
  isotropic, inextensible, uniform stiffness, that of rod 0 in every rod of a batch; damping of bending by
  its joints; no drag, no bending memory. One gripper is a body of the chain, the other a weld.
- **dismech-newton** (GPL-3.0, run as it is installed), its CPU device, Gauss-Newton: both axes, twist,
  natural curvature, stretch and relaxation times are the scene's; no coupling, drag or bending memory.
  Written for GPUs: its CPU device solves by SciPy's SuperLU.
- **Newton's cable**, SolverVBD, 10 iterations, its CPU device, float: straight, isotropic, uniform
  stiffness for each rod, with stretch and relaxation times; no drag, no bending memory. Written for GPUs as
  well.

What a system cannot express is left out of its work.
"""


def number(value: float) -> str:
    """three digits"""
    if abs(value) >= 1000.0:
        digits = 2 - math.floor(math.log10(abs(value)))
        return f"{round(value, digits):,.0f}"
    return f"{value:.3g}"


def times(value: float) -> str:
    """3.2x, or 1/31 where it is a small part"""
    return f"{number(value)}×" if value >= 0.1 else f"1/{number(1 / value)}"


def title(row: dict) -> str:
    """the system, its variant where it has several, and its numbers"""
    variant = f", {row['variant']}" if row["system"] in ("rodgrad", "jax") else ""
    return f"{plan.TITLES[row['system']]}{variant}, {row['real']}"


def verdict(ratio: dict) -> str:
    if ratio["goal"] is None:
        return "no goal"
    sign = 1.0 if ratio["what"] == "speed" else -1.0
    reached = sign * ratio["median"] >= sign * ratio["goal"]
    return f"goal {times(ratio['goal'])}: " + ("reached" if reached else "**not reached**")


def ratio_row(ratio: dict) -> str:
    if "unavailable" in ratio:
        goal = "no goal" if ratio["goal"] is None else f"goal {times(ratio['goal'])}: not measured"
        return f"| {ratio['name']} | {ratio['unavailable']} | {goal} |"
    spread = f" ({number(ratio['min'])} to {number(ratio['max'])})" if "min" in ratio else ""
    return f"| {ratio['name']} | {times(ratio['median'])}{spread} | {verdict(ratio)} |"


def error_row(row: dict) -> str:
    rod = "" if row["soft"] == 1.0 else f", stiffness 1/{row['soft']:g}"
    name = title(row) + rod
    found = row.get("unavailable") or f"{100 * row['error']:.2g} %"
    return (f"| {name} | {number(1e3 * row['dt'])} | {found} | {row['rods']} | "
            f"{number(1e3 * row['fine_dt'])} | {row['seconds']:g} |")


def case_row(row: dict) -> str:
    name = f"{title(row)}, {row['kind']}"
    steps = f"{row['frames'] * row['substeps']}"
    head = f"| {name} | {row['batch']} | {row['vertices']} | {number(1e3 * row['dt'])} | {steps} |"
    if "unavailable" in row:
        return f"{head} {row['unavailable']} | | | | |"
    memory = f"{row['memory_bytes'] / 2**20:.0f}"
    if "median_s" not in row:
        return f"{head} | | | {memory} | {row['compile_s']:.1f} |"
    spread = f"{number(row['median_s'])} ({number(row['min_s'])} to {number(row['max_s'])})"
    return (f"{head} {number(row['rod_seconds_per_s'])} | {number(row['rod_steps_per_s'])} | {spread} | "
            f"{memory} | {row['compile_s']:.1f} |")


def draw(group: dict, name: str, path: Path) -> bool:
    """Rod-seconds a second over the group's variable, logarithmic; False where there is nothing to draw."""
    series: dict[str, list] = {}
    for row in group["rows"]:
        if "median_s" in row:
            series.setdefault(title(row), []).append([row[group["x"]]] + [
                row["rod_seconds"] / row[key] for key in ("median_s", "min_s", "max_s")])
    if not series:
        return False
    figure, axis = plt.subplots(figsize=(5.4, 3.6))
    for mark, (label, points) in zip("osv^Dx*", sorted(series.items())):
        x, median, high, low = zip(*sorted(points))
        spread = [[m - l for m, l in zip(median, low)], [h - m for m, h in zip(median, high)]]
        axis.errorbar(x, median, spread, fmt=f"-{mark}", ms=3.5, lw=0.9, capsize=2, label=label)
    axis.set_xscale("log")
    axis.set_yscale("log")
    ticks = sorted({p[0] for points in series.values() for p in points})
    axis.set_xticks(ticks, [f"{t:g}" for t in ticks])
    axis.minorticks_off()
    axis.set_title(name, fontsize=8)
    axis.set_xlabel({"batch": "rods in the batch", "vertices": "vertices of a rod"}[group["x"]], fontsize=7)
    axis.set_ylabel("rod-seconds a second", fontsize=7)
    axis.tick_params(labelsize=6)
    axis.grid(lw=0.3, alpha=0.5)
    axis.legend(fontsize=6, frameon=False)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    plt.close(figure)
    return True


def goals(result: dict) -> list[str]:
    """What was aimed at, plainly."""
    ratios = [r for group in result["groups"].values() for r in group["ratios"] if r["goal"] is not None]
    known = [r for r in ratios if "median" in r]
    missed = [r["name"] for r in known if "not reached" in verdict(r)]
    text = [f"Of {len(ratios)} ratios with a goal, {len(known) - len(missed)} reached it, {len(missed)} did "
            f"not, and {len(ratios) - len(known)} could not be measured."]
    return text + ["", *([f"Not reached: {'; '.join(missed)}."] if missed else [])]


def write(result: dict, page: Path) -> None:
    plt.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "rodgrad", "font.family": "sans-serif"})
    machine = result["machine"]
    load = f"The load average when it began was {machine['load']:.1f}."
    about = (f"{machine['processors']} cores of {machine['processor']}, Python {machine['python']}; "
             + ", ".join(f"{name} {version}" for name, version in result["versions"].items()) + ".")
    text = [HEAD.format(command=result["command"], machine=about, load=load, minutes=result["seconds"] / 60)]
    if result["quick"]:
        text.append("**A rehearsal (`--quick`): short samples, few cases. Not for quoting.**\n")
    text += goals(result)
    ratios = [r for group in result["groups"].values() for r in group["ratios"]]
    text += ["", "| ratio of rod-seconds a second, or of memory | median (least to largest) | goal |",
             "|---|---|---|", *map(ratio_row, ratios), "", "## Errors",
             "", "| system | step [ms] | error, of the length | rods | fine step [ms] | over [s] |",
             "|---|---|---|---|---|---|", *map(error_row, result["errors"]), "",
             "The largest over vertices, times and rods. What decides on a step is rods 0 to "
             f"{plan.ERROR_RODS - 1}, the same in every system, in double where the system has it; the worst "
             f"of more rods is worse, as the rows with {plan.MORE_RODS} say. Slow systems are followed for "
             "less time.", ""]
    if "agreement_m" in result:
        text += ["deform and the JAX program, in double, at the same step: at most "
                 f"{number(result['agreement_m'])} m apart.", ""]
    text.append(HOW.format(rounds=result["rounds"]))
    text.append(SYSTEMS)
    folder = page.parent / page.stem
    folder.mkdir(parents=True, exist_ok=True)
    for name, group in result["groups"].items():
        text += [f"## {name}", ""]
        picture = folder / (re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") + ".svg")
        if group["x"] and draw(group, name, picture):
            text += [f"![{name}]({folder.name}/{picture.name})", ""]
        if group["x"] == "vertices":
            text += ["deform and JAX take stable steps of their own mesh, with relaxation times that are "
                     "shorter on finer ones ([bench.md](bench.md)); implicit takes rope12's step on all. "
                     "Errors were not measured on the finer meshes.", ""]
        text += ["| system | rods | vertices | step [ms] | steps | rod-seconds/s | rod-steps/s | seconds, "
                 "median (least to largest) | memory [MiB] | start and compilation [s] |", "|" + "---|" * 10,
                 *map(case_row, group["rows"]), ""]
    page.write_text("\n".join(text).rstrip() + "\n")
