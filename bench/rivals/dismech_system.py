"""dismech-newton on its CPU device: implicit Euler, Gauss-Newton with a line search, factored by SciPy's
SuperLU.

Stiffness by vertex about both axes and of twist, stretch, natural curvature and the relaxation times are
the scene's. Coupling of the axes, drag and the bending memory are left out. All rods of a batch are in one
model.
"""

from __future__ import annotations

import importlib.metadata

import newton
import numpy as np
import warp as wp

import scene


@wp.struct
class _Structure:
    pass


# its annotations hold `Slots | None`, Slots a structure of Warp's, which Pythons before 3.14 evaluate
type(_Structure).__or__ = lambda self, other: self

from dismech_newton import DiSMechSolver  # noqa: E402 (after what it needs)
from dismech_newton.builder import vec10f  # noqa: E402

RADIUS_M = 0.005
ITERATIONS = 5

wp.config.quiet = True
wp.set_device("cpu")


def versions() -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in ("dismech-newton", "newton", "warp-lang")}


@wp.kernel
def _prescribe(dofs: wp.array[wp.int32], places: wp.array2d[float], step: int, q: wp.array[float]):
    i = wp.tid()
    q[dofs[i]] = places[step, i]


class Case:
    def __init__(self, case: dict, threads: int) -> None:
        self.case, self.n, v = case, case["batch"], case["vertices"]
        self.steps = case["frames"] * case["substeps"]
        x0, m0 = scene.start(v)
        rods, tangents, edge = scene.rods(self.n, v), scene.start_tangents(v), scene.LENGTH_M / (v - 1)
        frames = np.stack([m0, np.cross(tangents, m0), tangents], axis=-1)
        line = newton.Rod(x0, quaternions=scene.quaternions(frames), radius=RADIUS_M)
        builder = newton.ModelBuilder()
        section = builder.default_shape_cfg.copy()
        section.density = scene.MASS_PER_LENGTH / (np.pi * RADIUS_M**2)
        for _ in range(self.n):
            edges = DiSMechSolver.add_rod(builder, line, cfg=section, collide=False, proxies=False)
            for end in (edges[0], edges[-1]):
                DiSMechSolver.fix_segment(builder, edge=end)
        # stretch stiffness of an edge's strain is shared by the edge's vertices
        share = np.full((v - 2, 2), 0.5)
        share[0, 0] = share[-1, 1] = 1.0
        stiffness = np.concatenate(
            [np.tile(scene.STRETCH_STIFFNESS * edge * share, (self.n, 1, 1)),
             np.stack([rods.b11, rods.b22, rods.twist], axis=-1)[:, 1:-1] / edge], axis=-1)
        damping = stiffness * np.array([scene.STRETCH_RELAXATION] * 2 + [rods.relaxation] * 3)
        values = builder.custom_attributes["dismech:triplet_params"].values
        for i, row in enumerate(np.concatenate([stiffness, damping], axis=-1).reshape(-1, 10)):
            values[i] = vec10f(*row.tolist())
        self.model = builder.finalize()
        self.solver = DiSMechSolver(self.model, exact=True, iterations=ITERATIONS, self_contact=False)
        rest = np.zeros((self.n, v - 2, 5), dtype=np.float32)
        rest[..., 2:4] = rods.curvature[:, 1:-1] * edge
        self.solver.triplets.rest.assign(rest.reshape(-1, 5))
        nodes = np.arange(self.n)[:, None] * v + np.array([0, 1, v - 2, v - 1])
        self.dofs = wp.array((3 * nodes[..., None] + np.arange(3)).ravel(), dtype=wp.int32)

    def load(self) -> None:
        times = scene.step_times(self.case["dt"], self.steps)
        clamp = scene.drive(self.n, self.case["vertices"], times)
        self.places = wp.array(clamp.swapaxes(0, 1).reshape(self.steps, -1), dtype=float)

    def run(self) -> None:
        now, after = self.model.state(), self.model.state()
        self.solver.reset(now)
        self.seen = []
        for k in range(self.steps):
            wp.launch(_prescribe, dim=self.dofs.shape[0], inputs=[self.dofs, self.places, k],
                      outputs=[now.dismech.q])
            self.solver.step(now, after, None, None, self.case["dt"])
            now, after = after, now
            if (k + 1) % self.case["substeps"] == 0:
                self.seen.append(now.particle_q.numpy().copy())
        if not np.isfinite(self.seen[-1]).all():
            raise RuntimeError("a position is not finite")

    def positions(self) -> np.ndarray:
        return np.array(self.seen).reshape(self.case["frames"], self.n, -1, 3)
