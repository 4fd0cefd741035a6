"""Newton's cable, rigid capsules and rod joints in SolverVBD, on its CPU device.

Straight rods of uniform isotropic stiffness, the mean of the scene's, each rod its own; stretch and
relaxation times are the scene's. Natural curvature, coupling, different stiffness about the two axes, drag
and the bending memory are left out. The first and last capsules are moved; without collisions. All rods of
a batch are in one model.
"""

from __future__ import annotations

import importlib.metadata

import newton
import numpy as np
import warp as wp

import scene

RADIUS_M = 0.005
ITERATIONS = 10

wp.config.quiet = True
wp.set_device("cpu")


def versions() -> dict[str, str]:
    return {"newton (of its cable)": importlib.metadata.version("newton")}


@wp.kernel
def _move(bodies: wp.array[wp.int32], poses: wp.array2d[wp.transform], step: int, q0: wp.array[wp.transform],
          q1: wp.array[wp.transform]):
    i = wp.tid()
    q0[bodies[i]] = poses[step, i]
    q1[bodies[i]] = poses[step, i]


class Case:
    def __init__(self, case: dict, threads: int) -> None:
        self.case, self.n, v = case, case["batch"], case["vertices"]
        self.steps = case["frames"] * case["substeps"]
        self.x0, self.m0 = scene.start(v)
        rods, tangents, edge = scene.rods(self.n, v), scene.start_tangents(v), scene.LENGTH_M / (v - 1)
        frames = np.stack([self.m0, np.cross(tangents, self.m0), tangents], axis=-1)
        line = newton.Rod(self.x0, quaternions=scene.quaternions(frames), radius=RADIUS_M, rest_straight=True)
        builder = newton.ModelBuilder()
        section = builder.default_shape_cfg.copy()
        section.has_shape_collision = False
        capsule = np.pi * RADIUS_M**2 * (edge + 4 / 3 * RADIUS_M)
        section.density = scene.MASS_PER_LENGTH * edge / capsule
        moved = []
        for k in range(self.n):
            bend = float(np.mean([rods.b11[k], rods.b22[k]])) / edge
            twist, stretch = float(np.mean(rods.twist[k])) / edge, scene.STRETCH_STIFFNESS / edge
            bodies, _ = builder.add_rod(
                rod=line, cfg=section, stretch_stiffness=stretch, bend_stiffness=bend, twist_stiffness=twist,
                stretch_damping=stretch * scene.STRETCH_RELAXATION, bend_damping=bend * rods.relaxation,
                twist_damping=twist * rods.relaxation)
            for body in (bodies[0], bodies[-1]):
                builder.body_mass[body] = builder.body_inv_mass[body] = 0.0
                builder.body_inertia[body] = builder.body_inv_inertia[body] = wp.mat33(0.0)
                moved.append(body)
        builder.color()
        self.model = builder.finalize()
        self.solver = newton.solvers.SolverVBD(self.model, iterations=ITERATIONS)
        self.bodies, self.edge = wp.array(moved, dtype=wp.int32), edge

    def load(self) -> None:
        clamp = scene.drive(self.n, self.case["vertices"], np.arange(self.steps + 1) * self.case["dt"])
        tangents = scene.gripped_edges(clamp)
        m1 = scene.carried_directors(self.m0[[0, -1]], tangents)
        turns = scene.quaternions(np.stack([m1, np.cross(tangents, m1), tangents], axis=-1))
        middle = (clamp[:, :, ::2] + clamp[:, :, 1::2]) / 2
        poses = np.concatenate([middle, turns], axis=-1)[:, 1:].swapaxes(0, 1)
        self.poses = wp.array(poses.reshape(self.steps, -1, 7), dtype=wp.transform)

    def run(self) -> None:
        now, after, control = self.model.state(), self.model.state(), self.model.control()
        self.solver.reset(now)
        self.seen = []
        for k in range(self.steps):
            wp.launch(_move, dim=self.bodies.shape[0], inputs=[self.bodies, self.poses, k],
                      outputs=[now.body_q, after.body_q])
            now.clear_forces()
            self.solver.step(now, after, control, None, self.case["dt"])
            now, after = after, now
            if (k + 1) % self.case["substeps"] == 0:
                self.seen.append(now.body_q.numpy().copy())
        if not np.isfinite(self.seen[-1]).all():
            raise RuntimeError("a pose is not finite")

    def positions(self) -> np.ndarray:
        q = np.array(self.seen).reshape(self.case["frames"], self.n, -1, 7)
        x, y, z, w = np.moveaxis(q[..., 3:], -1, 0)
        axis = np.stack([2 * (x * z + y * w), 2 * (y * z - x * w), 1 - 2 * (x * x + y * y)], axis=-1)
        start, end = q[..., :3] - axis * self.edge / 2, q[..., :3] + axis * self.edge / 2
        return np.concatenate([start, end[:, :, -1:]], axis=2)
