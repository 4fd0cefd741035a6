"""rodgrad as a solver of cosseratbench (https://pypi.org/project/cosseratbench).

Every rod of a scenario is a row of one batch, of n_elements edges whose vertices are the scenario's nodes.
How ends are held, exactly where it can be:
  clamped   an edge of 1e-4 of an element before the end, its two vertices prescribed: the clamp's plane is
            the cross-section of the end node, and half an element bends between it and the first element's
            middle, as in the rod. (Clamping a whole element would shorten the rod by half of one: first
            order.)
  sliding   rodgrad holds whole vertices only, so the rod goes on past the end as a rail: one edge as long
            as the rod, without mass and 1e-12 of the rod's stiffness in stretch, so that the end slides
            freely along it. Its far end is a clamp, through a joint 1e6 times stiffer in bending and twist
            than the rod: end node and cross-section are held across the rail to that millionth.
  pinned    the vertex is prescribed, no director.
rodgrad's rod has no shear and no rotary inertia, and twists quasi-statically.

Where equilibrium is the result and nothing is driven, every frame is one step of the static scheme, an
equilibrium. Otherwise steps are BDF2 and resolve the slowest mode; where the motion is the result they do so
finely, and nothing is added to the scenario; where equilibrium is, damping is critical for the slowest mode.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from cosseratbench.scenario import End, EndCondition, Rod, Scenario
from cosseratbench.solver import Capability, Diverged
from cosseratbench.trajectory import Trajectory

from rodgrad import Batch, Model, __version__, rod_flag_text

GRIP = 1e-4  # length of a clamped edge, in elements
RAIL_STRETCH = 1e-12  # stretch stiffness of a rail, in the rod's
RAIL_MASS = 1e-9  # mass of a rail, in elements
RAIL_JOINT = 1e6  # stiffness of a rail's joint, in the rod's B/L and GJ/L
DAMPED_STEP = 1.0 / 200.0  # step times slowest angular frequency, where equilibrium is the result
DYNAMIC_STEP = 1.0 / 400.0  # where the motion is: BDF2's period is long by its square over three


@dataclass(frozen=True)
class _Numerics:
    """How a scenario is stepped."""

    scheme: str
    substeps: int  # steps of a frame
    time_step: float  # s
    drag: float  # 1/s, on all vertices


def _perpendicular(director: np.ndarray, tangent: np.ndarray) -> np.ndarray:
    """a unit vector across the tangent, nearest to director"""
    across = director - (director @ tangent) * tangent
    return across / np.linalg.norm(across)


class _Strand:
    """One rod of the scenario as one of rodgrad's: its vertices, edges and clamps.

    `before` and `after` count the edges added at the ends; the scenario's nodes are
    x[before : before + n + 1].
    """

    def __init__(self, spec: Rod, n: int) -> None:
        self.spec, self.n = spec, n
        self.x, self.m = spec.nodes(n), spec.directors(n)
        element = spec.length / n
        self.rest = np.full(n, element)
        self.before = self.after = 0
        self.driven: list[tuple[list[int], list[int], End]] = []  # vertices, edges, by which end
        self.rails: list[tuple[int, int, int]] = []  # rail edge, vertex at the rod, vertex at the joint
        points = np.asarray(spec.centerline, dtype=float)
        for end, along in ((End.START, points[1] - points[0]), (End.END, points[-1] - points[-2])):
            if spec.condition(end) is EndCondition.CLAMPED:
                self._clamp(end, along / np.linalg.norm(along), element * GRIP)
        shift = self.before
        for end, vertex in ((End.START, shift), (End.END, shift + n)):
            if spec.condition(end) is EndCondition.PINNED:
                self.driven.append(([vertex], [], end))

    def _clamp(self, end: End, along: np.ndarray, grip: float) -> None:
        """edges past the end: a grip, and before it a rail where the end slides"""
        motion = self.spec.motion(end)
        start, rail = end is End.START, motion is not None and motion.slides_along is not None
        if rail:
            axis = motion.axis * np.sign(motion.axis @ along)
            if np.linalg.norm(axis - along) > 1e-3:
                raise NotImplementedError("an end that slides along another direction than its own")
            along = axis
        outward, lengths = (-along if start else along), ([self.spec.length] if rail else []) + [grip]
        director = _perpendicular(self.m[0] if start else self.m[-1], along)
        for length in lengths:
            if start:
                self.x = np.vstack([self.x[0] + length * outward, self.x])
                self.m, self.rest = np.vstack([director, self.m]), np.concatenate([[length], self.rest])
            else:
                self.x = np.vstack([self.x, self.x[-1] + length * outward])
                self.m, self.rest = np.vstack([self.m, director]), np.concatenate([self.rest, [length]])
        if start:
            self.before = len(lengths)
            self.driven.append(([0, 1], [0], end))
            if rail:
                self.rails.append((1, 2, 1))
        else:
            self.after = len(lengths)
            last = len(self.x) - 1
            self.driven.append(([last - 1, last], [last - 1], end))
            if rail:
                self.rails.append((last - 2, last - 2, last - 1))

    def model(self, drag: float, bend_measure: str | None) -> Model:
        spec, material = self.spec, self.spec.material
        clamps = sorted(v for vertices, _, _ in self.driven for v in vertices)
        model = Model(len(self.x), 1, clamps, bend_measure)
        fields = model.fields
        bending = material.youngs_modulus * spec.second_moment_of_area
        torsion = material.shear_modulus * 2.0 * spec.second_moment_of_area
        fields["rest_length"][:] = self.rest
        fields["mass_per_length"][:] = material.density * spec.area
        fields["stretch_stiffness"][:] = material.youngs_modulus * spec.area
        fields["bend_stiffness_1"][:] = fields["bend_stiffness_2"][:] = bending
        fields["twist_stiffness"][:] = torsion
        fields["bend_coupling"][:] = 0.0
        for name in ("natural_curvature", "natural_twist", "marker_mass", "marker_offset",
                     "stretch_relaxation", "bend_relaxation", "twist_relaxation", "bend_memory"):
            fields[name][:] = 0.0
        fields["drag"][:] = drag
        element = spec.length / self.n
        # grips and rails are no part of the rod
        for edge in [*range(self.before), *range(len(self.rest) - self.after, len(self.rest))]:
            fields["mass_per_length"][edge] *= RAIL_MASS * element / self.rest[edge]
        for edge, at_rod, at_joint in self.rails:
            fields["stretch_stiffness"][edge] *= RAIL_STRETCH
            voronoi = 0.5 * (self.rest[1:] + self.rest[:-1])  # of vertices 1, 2, ...
            # at the rod, its own half element; at the joint, held
            for vertex, stiffness in ((at_rod, 1.0 / (0.5 * element)), (at_joint, RAIL_JOINT / spec.length)):
                for name, rod in (("bend_stiffness_1", bending), ("bend_stiffness_2", bending),
                                  ("twist_stiffness", torsion)):
                    fields[name][vertex] = rod * stiffness * voronoi[vertex - 1]
        model.check()
        return model

    def prescribed(self, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """[S, C, 3] positions and [S, D, 3] directors of what is held, at the ends of steps"""
        positions, directors = {}, {}
        for vertices, edges, end in self.driven:
            motion = self.spec.motion(end)
            anchor = self.x[self.before] if end is End.START else self.x[self.before + self.n]
            moved = [(np.zeros(3), np.eye(3))] if motion is None else [motion.pose(t) for t in times]
            shift, turn = np.array([d for d, _ in moved]), np.array([r for _, r in moved])
            for v in vertices:
                path = anchor + shift + turn @ (self.x[v] - anchor)
                positions[v] = np.broadcast_to(path, (len(times), 3))
            for e in edges:
                directors[e] = np.broadcast_to(turn @ self.m[e], (len(times), 3))
        none = np.zeros((len(times), 0, 3))
        return tuple(np.stack([held[k] for k in sorted(held)], axis=1) if held else none
                     for held in (positions, directors))

    def loads(self) -> np.ndarray:
        force = np.zeros_like(self.x)
        for load in self.spec.loads:
            force[self.before + (0 if load.at is End.START else self.n)] += load.force
        return force


class RodgradSolver:
    """The adapter. `time_step_scale` multiplies the step that it would choose; `bend_measure` is that of the models,
    None for the library's default."""

    name = "rodgrad"
    backend_version = __version__
    capabilities = frozenset({Capability.STRETCH})

    def __init__(self, time_step_scale: float = 1.0, bend_measure: str | None = None) -> None:
        if not time_step_scale > 0.0:
            raise ValueError(f"time_step_scale is {time_step_scale}; it must be positive")
        self.time_step_scale = time_step_scale
        self.bend_measure = bend_measure

    def _numerics(self, scenario: Scenario, n_frames: int) -> _Numerics:
        frame = scenario.duration / (n_frames - 1)
        driven = any(rod.motion(end) is not None for rod in scenario.rods for end in End)
        held = all(any(rod.condition(end) is not EndCondition.FREE for end in End) for rod in scenario.rods)
        if scenario.quasi_static and held and not driven:
            return _Numerics("static", 1, frame, 0.0)
        slowest = scenario.slowest_frequency()
        step = (DAMPED_STEP if scenario.quasi_static else DYNAMIC_STEP) / slowest * self.time_step_scale
        substeps = max(1, math.ceil(frame / step - 1e-9))
        drag = 2.0 * slowest if scenario.quasi_static else 0.0
        return _Numerics("bdf2", substeps, frame / substeps, drag)

    def settings(self, scenario: Scenario, *, n_elements: int, n_frames: int) -> dict:
        """The numerical choices for a scenario, as they are made."""
        chosen = self._numerics(scenario, n_frames)
        return {
            "integrator": {"static": "every step an equilibrium", "bdf2": "BDF2 (implicit)"}[chosen.scheme],
            "time_step": chosen.time_step,
            "damping_rate": chosen.drag,
        }

    def run(self, scenario: Scenario, *, n_elements: int, n_frames: int) -> Trajectory:
        chosen = self._numerics(scenario, n_frames)
        strands = [_Strand(rod, n_elements) for rod in scenario.rods]
        n_steps = (n_frames - 1) * chosen.substeps
        times = scenario.duration * np.arange(1, n_steps + 1) / n_steps
        widest = max(len(s.x) for s in strands)
        paths = [s.prescribed(times) for s in strands]
        n_clamped, n_held = (max(p[k].shape[1] for p in paths) for k in (0, 1))

        # a rod with fewer vertices or clamps uses the first of each row
        x0, m0 = np.zeros((len(strands), widest, 3)), np.zeros((len(strands), widest - 1, 3))
        clamp_x = np.zeros((len(strands), n_steps, n_clamped, 3))
        clamp_m = np.zeros((len(strands), n_steps, n_held, 3))
        force = np.zeros((len(strands), n_steps, widest, 3))
        for r, (strand, (positions, directors)) in enumerate(zip(strands, paths)):
            x0[r, : len(strand.x)], m0[r, : len(strand.m)] = strand.x, strand.m
            clamp_x[r, :, : positions.shape[1]] = positions
            clamp_m[r, :, : directors.shape[1]] = directors
            force[r, :, : len(strand.x)] = strand.loads()
        loaded = any(rod.loads for rod in scenario.rods)
        models = [s.model(chosen.drag, self.bend_measure) for s in strands]
        with Batch(models, n_frames=n_frames - 1, dt=scenario.duration / (n_frames - 1),
                   substeps=chosen.substeps, gravity=scenario.gravity, scheme=chosen.scheme,
                   adjoint=False) as batch:
            out, statuses = batch.forward(x0, m0, clamp_x, clamp_m, force=force if loaded else None,
                                          outputs=("x", "m"))
        for r, status in enumerate(statuses):
            if status["flag"] != 0:
                raise Diverged(f"rod {r}: {rod_flag_text(status['flag'])}",
                               time=float(times[status["step"]]))
            if status["unstable"] >= 0:
                raise Diverged(f"rod {r}: its equilibrium is not stable",
                               time=float(times[status["unstable"]]))
        frames = np.linspace(0.0, scenario.duration, n_frames)
        positions, directors = [], []
        for r, s in enumerate(strands):
            nodes = slice(s.before, s.before + n_elements + 1)
            edges = slice(s.before, s.before + n_elements)
            positions.append(np.concatenate([s.x[None, nodes], out["x"][r, :, nodes]]))
            directors.append(np.concatenate([s.m[None, edges], out["m"][r, :, edges]]))
        return Trajectory(frames, tuple(positions), tuple(directors))
