"""rodgrad, through python/: variants "implicit" (BDF2) and "deform", double or float."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rodgrad
from rodgrad import Batch, Model

import scene

NEWTON_M = 1e-4  # of a forward implicit step: a hundredth of the error that is allowed; gradients keep 1e-8
FMA = "avx2" in Path("/proc/cpuinfo").read_text()
WANTED = ["bend_stiffness_1", "bend_stiffness_2", "bend_coupling", "x0", "v0"]


def models(rods: scene.Rods) -> list[Model]:
    out, last = [], rods.vertices - 1
    for k in range(len(rods.b11)):
        model = Model(rods.vertices, 1, [0, 1, last - 1, last])
        for name, value in (
                ("rest_length", scene.LENGTH_M / last), ("mass_per_length", scene.MASS_PER_LENGTH),
                ("stretch_stiffness", scene.STRETCH_STIFFNESS),
                ("stretch_relaxation", scene.STRETCH_RELAXATION),
                ("bend_relaxation", rods.relaxation), ("twist_relaxation", rods.relaxation),
                ("bend_memory", scene.BEND_MEMORY), ("bend_memory_time", scene.BEND_MEMORY_TIME),
                ("drag", scene.DRAG), ("bend_stiffness_1", rods.b11[k]), ("bend_stiffness_2", rods.b22[k]),
                ("bend_coupling", rods.b12[k]), ("twist_stiffness", rods.twist[k]),
                ("natural_curvature", rods.curvature[k])):
            model.fields[name][:] = value
        out.append(model)
    return out


def versions() -> dict[str, str]:
    return {"rodgrad": rodgrad.__version__}


class Case:
    def __init__(self, case: dict, threads: int) -> None:
        self.case, self.threads = case, threads
        self.models = models(scene.rods(case["batch"], case["vertices"], case["soft"], case["finer"]))

    def load(self) -> None:
        case, n, v = self.case, self.case["batch"], self.case["vertices"]
        options = dict(n_frames=case["frames"], dt=case["dt"] * case["substeps"], substeps=case["substeps"],
                       stepper=case["variant"], real=case["real"], adjoint=case["kind"] == "gradient",
                       threads=self.threads)
        if case["variant"] == "implicit" and case["kind"] == "forward":
            options["tolerance"] = NEWTON_M
        self.batch = Batch(self.models, isa="fma" if n == 1 and FMA else None, **options)
        x0, m0 = scene.start(v)
        self.x0, self.m0 = np.tile(x0, (n, 1, 1)), np.tile(m0, (n, 1, 1))
        self.clamp_x = scene.drive(n, v, scene.step_times(case["dt"], self.batch.steps))
        self.clamp_m = self.batch.carry_directors(self.m0, self.x0, self.clamp_x)

    def run(self) -> None:
        self.out, status = self.batch.forward(self.x0, self.m0, self.clamp_x, self.clamp_m)
        if status["flag"].any():
            bad = int(np.flatnonzero(status["flag"])[0])
            raise RuntimeError(f"rod {bad} failed: {rodgrad.rod_flag_text(int(status['flag'][bad]))}")
        if self.case["kind"] == "gradient":
            self.gradient, status = self.batch.adjoint({"x": 2.0 * self.out["x"]}, WANTED)
            if status["flag"].any():
                raise RuntimeError("the gradient of a rod failed")

    def positions(self) -> np.ndarray:
        return np.swapaxes(self.out["x"], 0, 1)
