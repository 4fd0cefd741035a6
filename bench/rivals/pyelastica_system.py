"""PyElastica's Cosserat rods, position Verlet, all rods of a batch in one memory block.

Stiffness by vertex with both axes, their coupling and twist, natural curvature, stretch and drag are the
scene's. It has shear, which the scene has not: that of a circular section of 10 mm and of Poisson's ratio
0.5. Damping of strains and the bending memory are left out. Grippers, gravity and drag act on the whole
block at once: PyElastica's own, one for each rod, would cost several calls of Python a rod and step.
"""

from __future__ import annotations

import importlib.metadata

import elastica
import numpy as np

import scene

RADIUS_M = 0.005


def versions() -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in ("pyelastica", "numba")}


class Simulator(elastica.BaseSystemCollection, elastica.Constraints):
    pass


class Surroundings(elastica.ConstraintBase):
    """Grippers, gravity and drag of all rods of a block, once that is loaded, at times of half steps."""

    def __init__(self, case: Case, **options) -> None:
        super().__init__(**options)
        self.case = case

    def constrain_values(self, system, time) -> None:
        case, k = self.case, round(2 * time / self.case.dt)
        if case.loaded:
            case.block.position_collection[:, case.nodes] = case.places[k]
            case.block.director_collection[:, :, case.elements] = case.frames_of_grippers[k]

    def constrain_rates(self, system, time) -> None:
        case, k = self.case, round(2 * time / self.case.dt)
        if case.loaded:
            velocity = case.block.velocity_collection
            velocity[2] -= case.fall
            velocity *= case.decay
            velocity[:, case.nodes] = case.speeds[k]
            case.block.omega_collection[:, case.elements] = 0.0


class Case:
    def __init__(self, case: dict, threads: int) -> None:
        self.dt, self.n, v, self.loaded = case["dt"], case["batch"], case["vertices"], False
        self.steps, self.substeps = case["frames"] * case["substeps"], case["substeps"]
        x0, m0 = scene.start(v)
        rods, tangents = scene.rods(self.n, v), scene.start_tangents(v)
        directors = np.stack([m0, np.cross(tangents, m0), tangents]).transpose(0, 2, 1)
        self.simulator, systems = Simulator(), []
        volume = np.pi * RADIUS_M**2 * scene.LENGTH_M
        modulus = scene.STRETCH_STIFFNESS / (np.pi * RADIUS_M**2)
        for k in range(self.n):
            rod = elastica.CosseratRod.straight_rod(
                v - 1, x0[0], tangents[0], m0[0], scene.LENGTH_M, RADIUS_M,
                scene.MASS_PER_LENGTH * scene.LENGTH_M / volume, youngs_modulus=modulus,
                shear_modulus=modulus / 3.0, position=x0.T.copy(), directors=directors.copy())
            b11, b22, b12 = rods.b11[k, 1:-1], rods.b22[k, 1:-1], rods.b12[k, 1:-1]
            # its curvatures are turns about the directors: (-kappa2, kappa1)
            rod.bend_matrix[...] = 0.0
            rod.bend_matrix[0, 0], rod.bend_matrix[1, 1] = b22, b11
            rod.bend_matrix[2, 2] = rods.twist[k, 1:-1]
            rod.bend_matrix[0, 1] = rod.bend_matrix[1, 0] = -b12
            rod.rest_kappa[0], rod.rest_kappa[1] = -rods.curvature[k, 1:-1, 1], rods.curvature[k, 1:-1, 0]
            self.simulator.append(rod)
            systems.append(rod)
        self.simulator.constrain(systems[0]).using(Surroundings, case=self)
        self.simulator.finalize()  # which makes the block, and asks for constraints already
        self.block = next(iter(self.simulator.final_systems()))
        starts = self.block.start_idx_in_rod_nodes[: self.n]
        self.rod_nodes = starts[:, None] + np.arange(v)
        self.nodes = self.rod_nodes[:, [0, 1, v - 2, v - 1]].ravel()
        self.elements = (self.block.start_idx_in_rod_elems[: self.n, None] + np.array([0, v - 2])).ravel()
        self.decay = np.exp(-scene.DRAG * self.dt)
        # 0 between rods, where there are no nodes
        self.fall = np.zeros(self.block.velocity_collection.shape[1])
        self.fall[self.rod_nodes] = scene.GRAVITY * self.dt
        self.vertices, self.m0 = v, m0
        self.state = [(a, a.copy()) for a in (self.block.position_collection, self.block.director_collection,
                                              self.block.velocity_collection, self.block.omega_collection)]
        self.stepper = elastica.PositionVerlet()

    def load(self) -> None:
        half = np.arange(2 * self.steps + 2) * self.dt / 2
        clamp = scene.drive(self.n, self.vertices, half)
        tangents = scene.gripped_edges(clamp)
        m1 = scene.carried_directors(self.m0[[0, -1]], tangents)
        frames = np.stack([m1, np.cross(tangents, m1), tangents], axis=-2)  # [n, T, 2, director, 3]
        self.frames_of_grippers = frames.transpose(1, 3, 4, 0, 2).reshape(len(half), 3, 3, -1)
        self.places = clamp.transpose(1, 3, 0, 2).reshape(len(half), 3, -1)
        self.speeds = np.gradient(self.places, self.dt / 2, axis=0)
        self.loaded = True

    def run(self) -> None:
        for array, start in self.state:
            array[...] = start
        time, self.seen = 0.0, []
        for k in range(self.steps):
            time = self.stepper.step(self.simulator, time, self.dt)
            if (k + 1) % self.substeps == 0:
                self.seen.append(self.block.position_collection[:, self.rod_nodes])
        if not np.isfinite(self.seen[-1]).all():
            raise RuntimeError("a position is not finite")

    def positions(self) -> np.ndarray:
        return np.array(self.seen).transpose(0, 2, 3, 1)
