"""The scenes of `rodgrad bench` (host/cli/bench_scene.c, docs/bench.md) in numpy, by the same formulas.

A rod of 1 m hangs in an arc between two grippers, each of which holds its end's two vertices, sways on a
path of its own and turns a little. Rod k is the same rod in every batch. `soft` divides every stiffness, so
that an explicit stepper may take longer steps; `finer` shortens the relaxation of bending and twist with
the square of the edges' length, which explicit steppers need on finer meshes. V vertices, E = V - 1 edges.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LENGTH_M = 1.0
MASS_PER_LENGTH = 0.06  # [kg/m]
STRETCH_STIFFNESS = 500.0  # [N]
STRETCH_RELAXATION = 0.01  # [s]
RELAXATION = 0.02  # of bending and twist [s]
BEND_MEMORY, BEND_MEMORY_TIME = 0.2, 0.5  # [1], [s]
DRAG = 0.2  # [1/s]
GRAVITY = 9.81
SLOPE_RAD = 0.9
RAMP_S = 0.3
SOFTER = 5.0  # by how much the soft rod is softer than rope12


@dataclass(frozen=True)
class Rods:
    """Rods 0 ... n - 1 of a scene: stiffnesses by vertex [n, V], of the two axes, their coupling and twist
    [N m^2]; natural curvature [n, V, 2] [1/m]; one relaxation of bending and twist [s]."""

    b11: np.ndarray
    b22: np.ndarray
    b12: np.ndarray
    twist: np.ndarray
    curvature: np.ndarray
    relaxation: float

    @property
    def vertices(self) -> int:
        return self.b11.shape[1]


def unit(n: int, index: int) -> np.ndarray:
    """A number 0 <= u < 1 for each of rods 0 ... n - 1 and this index: the finalizer of splitmix64."""
    z = (np.arange(n, dtype=np.uint64) * np.uint64(64) + np.uint64(index + 1)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ z >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ z >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return ((z ^ z >> np.uint64(31)) >> np.uint64(11)) * 2.0**-53


def between(n: int, index: int, low: float, high: float) -> np.ndarray:
    return low + (high - low) * unit(n, index)


def rods(n: int, vertices: int, soft: float = 1.0, finer: bool = False) -> Rods:
    """Rods 0 ... n - 1 with so many vertices."""
    last = vertices - 1
    stiffness = between(n, 0, 2.3e-3, 2.7e-3) / soft
    phase = 2 * np.pi * unit(n, 1)
    s = 2 * np.pi * np.arange(vertices) / last + phase[:, None]
    b = stiffness[:, None] * (1 + 0.3 * np.cos(s))
    curvature = np.stack([np.sin(s), 0.7 * np.cos(2 * s)], axis=-1)
    return Rods(1.1 * b, 0.9 * b, 0.05 * b, 0.5 * b, curvature,
                RELAXATION * ((11 / last) ** 2 if finer else 1.0))


def start_tangents(vertices: int) -> np.ndarray:
    """[E, 3] unit tangents at time 0"""
    slope = -SLOPE_RAD * np.cos(np.pi * (np.arange(vertices - 1) + 0.5) / (vertices - 1))
    return np.stack([np.cos(slope), np.zeros_like(slope), np.sin(slope)], axis=-1)


def start(vertices: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions [V, 3] [m] and directors [E, 3] at time 0, where everything is at rest."""
    tangents = start_tangents(vertices)
    x = np.zeros((vertices, 3))
    for i, t in enumerate(tangents):
        x[i + 1] = x[i] + t * LENGTH_M / (vertices - 1)
    return x, np.tile([0.0, 1.0, 0.0], (vertices - 1, 1))


def grippers(n: int, end: int) -> np.ndarray:
    """[amplitude, rate, phase][slow sway, quick sway, direction][rod][coordinate]"""
    low, high = (0.02, 0.005, 0.05), (0.05, 0.015, 0.15)
    low_hz, high_hz = (0.25, 0.8, 0.4), (0.6, 1.4, 0.9)
    out = np.zeros((3, 3, n, 3))
    for k in range(3):
        for c in range(3):
            index = 2 + 27 * end + 9 * k + 3 * c
            out[0, k, :, c] = (0.5 if c == 0 else 1.0) * between(n, index, low[k], high[k])
            out[1, k, :, c] = 2 * np.pi * between(n, index + 1, low_hz[k], high_hz[k])
            out[2, k, :, c] = 2 * np.pi * unit(n, index + 2)
    return out


def drive(n: int, vertices: int, times: np.ndarray) -> np.ndarray:
    """Positions of the clamped vertices 0, 1, V - 2 and V - 1 at the times: [n, T, 4, 3] [m]."""
    times = np.asarray(times, dtype=float)[:, None]
    edge, tangents, x0 = LENGTH_M / (vertices - 1), start_tangents(vertices), start(vertices)[0]
    ramp = -np.expm1(-((times / RAMP_S) ** 2))
    out = np.zeros((n, len(times), 4, 3))
    for end in range(2):
        amplitude, rate, phase = grippers(n, end)[:, :, :, None]
        sway = ramp * amplitude * np.sin(rate * times + phase)
        outer = x0[-end] + sway[0] + sway[1]
        tangent = tangents[-end] + sway[2]
        tangent /= np.linalg.norm(tangent, axis=-1, keepdims=True)
        out[:, :, 3 * end] = outer
        out[:, :, 1 + end] = outer + (-1 if end else 1) * edge * tangent
    return out


def step_times(dt: float, steps: int) -> np.ndarray:
    """after 1 ... steps steps"""
    return dt * np.arange(1, steps + 1)


def masses(vertices: int) -> np.ndarray:
    """[V] half of each edge's on either side [kg]"""
    m = np.full(vertices, MASS_PER_LENGTH * LENGTH_M / (vertices - 1))
    m[[0, -1]] /= 2
    return m


def carried_directors(m0: np.ndarray, tangents: np.ndarray) -> np.ndarray:
    """Directors [n, T, ..., 3] for unit tangents [n, T, ..., 3], from m0 [..., 3] at the first of them:
    carried along by parallel transport, without a turn."""
    out = np.empty_like(tangents)
    m = np.broadcast_to(m0, tangents[:, 0].shape).copy()
    out[:, 0] = m
    for k in range(1, tangents.shape[1]):
        s, t = tangents[:, k - 1], tangents[:, k]
        m = m - (m * t).sum(-1, keepdims=True) / (1 + (s * t).sum(-1, keepdims=True)) * (s + t)
        out[:, k] = m
    return out


def gripped_edges(clamp: np.ndarray) -> np.ndarray:
    """Unit tangents [n, T, 2, 3] of the two gripped edges, from `drive`."""
    e = clamp[:, :, 1::2] - clamp[:, :, ::2]
    return e / np.linalg.norm(e, axis=-1, keepdims=True)


def quaternions(frames: np.ndarray) -> np.ndarray:
    """Unit quaternions [..., 4], (x, y, z, w), of rotation matrices [..., 3, 3]."""
    m = np.asarray(frames)
    trace = np.trace(m, axis1=-2, axis2=-1)
    # the matrix whose largest eigenvector, here its largest column, is the quaternion (Bar-Itzhack 2000)
    k = np.empty((*m.shape[:-2], 4, 4))
    k[..., :3, :3] = m + np.swapaxes(m, -1, -2)
    k[..., range(3), range(3)] += (1.0 - trace)[..., None]
    k[..., :3, 3] = k[..., 3, :3] = np.stack(
        [m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]], axis=-1)
    k[..., 3, 3] = 1.0 + trace
    size = np.linalg.norm(k, axis=-2)
    best = np.take_along_axis(k, size.argmax(-1)[..., None, None], axis=-1)[..., 0]
    return best / np.linalg.norm(best, axis=-1, keepdims=True)
