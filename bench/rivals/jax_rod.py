"""The JAX program that a user writes in an afternoon: rodgrad's deform stepper (docs/physics.md, section 6)
again.

jit and grad over lax.scan. A vector is three arrays and the rods of a batch are the last axis, which XLA
compiles to twice the speed of vmap over a single rod's program, whose scans move that axis. Forces are the
closed formulas of discrete elastic rods (Bergou 2010), not an automatic derivative of the energy. Twist
goes on from the last step's by one exact Newton step, a tridiagonal system; otherwise it is the same
algorithm, step for step. Lengths are kept by sweeps over the edges ("projection") or by springs. `grad`
differentiates the whole program.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

import scene

jax.config.update("jax_enable_x64", True)

SWEEPS = 10


def add(a, b):
    return tuple(p + q for p, q in zip(a, b))


def sub(a, b):
    return tuple(p - q for p, q in zip(a, b))


def scale(s, a):
    return tuple(s * p for p in a)


def dot(a, b):
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def cross(a, b):
    return (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])


def part(a, which):
    return tuple(p[which] for p in a)


def edges(x):
    """unit tangents and lengths"""
    e = sub(part(x, slice(1, None)), part(x, slice(-1)))
    length = jnp.sqrt(dot(e, e))
    return scale(1 / length, e), length


def transport(s, t, m):
    """m, perpendicular to s, carried to t without turning about it"""
    return sub(m, scale(dot(m, t) / (1 + dot(s, t)), add(s, t)))


def directors(t, m1, theta):
    """both directors, turned by small angles (Cayley: XLA calls sin and cos a dozen times an edge)"""
    m2, half = cross(t, m1), 0.5 * theta
    sin = theta / (1 + half * half)
    cos = 1 - half * sin
    return add(scale(cos, m1), scale(sin, m2)), sub(scale(cos, m2), scale(sin, m1))


def binormal(t):
    """curvature binormals of the inner vertices, 1 + cosines there"""
    a, b = part(t, slice(-1)), part(t, slice(1, None))
    chi = 1 + dot(a, b)
    return scale(2 / chi, cross(a, b)), chi


def strains(kb, m1, m2):
    """kappa1, kappa2 of the inner vertices"""
    both = [add(part(m, slice(-1)), part(m, slice(1, None))) for m in (m1, m2)]
    return 0.5 * dot(kb, both[1]), -0.5 * dot(kb, both[0])


def twist(t, m1):
    """angles of the inner vertices, from one edge's director, carried over, to the next one's"""
    a, b = part(t, slice(-1)), part(t, slice(1, None))
    over, to = transport(a, b, part(m1, slice(-1))), part(m1, slice(1, None))
    return jnp.arctan2(dot(cross(over, to), b), dot(over, to))


def tridiagonal(diag, off, rhs):
    """solves a symmetric tridiagonal system; off[i] couples i and i + 1, its last entry nothing"""
    def down(carry, row):
        d, o, r = row
        pivot = d - carry[0] * carry[1]
        r = r - carry[0] * carry[2]
        ratio = o / pivot
        return (ratio, o, r), (pivot, ratio, r)

    def up(after, row):
        pivot, ratio, r = row
        y = r / pivot - ratio * after
        return y, y

    zero = jnp.zeros_like(diag[0])
    _, rows = jax.lax.scan(down, (zero, zero, zero), (diag, off, rhs))
    return jax.lax.scan(up, zero, rows, reverse=True)[1]


def stress(p, h, s, past, z):
    """K s - b of the inner vertices: elastic, damped (Kelvin-Voigt) and remembering (Maxwell); and K, z"""
    keep = 1 / (1 + h / scene.BEND_MEMORY_TIME)
    rate = p["relaxation"] / h
    phi = 1 + rate + scene.BEND_MEMORY * keep
    d = [phi * s[k] - p["natural"][k] - rate * past[k] - scene.BEND_MEMORY * keep * z[k] for k in range(2)]
    w = [p["b11"] * d[0] + p["b12"] * d[1], p["b12"] * d[0] + p["b22"] * d[1],
         p["twist"] * ((1 + rate) * s[2] - rate * past[2])]
    stiff = [phi * p["b11"], phi * p["b12"], phi * p["b22"], (1 + rate) * p["twist"]]
    return w, stiff, [keep * (z[k] + h / scene.BEND_MEMORY_TIME * s[k]) for k in range(2)]


def turns(p, h, kb, m1, m2, tau, past, z):
    """angles of the edges by one Newton step on the potential of bending and twist; 0 at gripped edges"""
    s = [*strains(kb, m1, m2), tau]
    (s1, s2, st), (k11, k12, k22, kt), _ = stress(p, h, s, past, z)
    ae, be = dot(kb, part(m1, slice(-1))), dot(kb, part(m2, slice(-1)))
    af, bf = dot(kb, part(m1, slice(1, None))), dot(kb, part(m2, slice(1, None)))
    e1, e2, f1, f2 = k11 * ae + k12 * be, k12 * ae + k22 * be, k11 * af + k12 * bf, k12 * af + k22 * bf
    slope_e, slope_f = -0.5 * (s1 * ae + s2 * be) - st, -0.5 * (s1 * af + s2 * bf) + st
    diag_e = 0.25 * (e1 * ae + e2 * be) + kt + 0.5 * (s2 * ae - s1 * be)
    diag_f = 0.25 * (f1 * af + f2 * bf) + kt + 0.5 * (s2 * af - s1 * bf)
    off = 0.25 * (e1 * af + e2 * bf) - kt
    # edges 1 ... E - 2 are free: vertex j is behind edge j - 1 and before edge j
    free = tridiagonal(diag_f[:-1] + diag_e[1:], jnp.concatenate([off[1:-1], jnp.zeros_like(off[:1])]),
                       -(slope_f[:-1] + slope_e[1:]))
    zero = jnp.zeros_like(free[:1])
    return jnp.concatenate([zero, free, zero])


def bending_force(p, h, t, length, m1, m2, kb, chi, tau, past, z):
    """-dP/dx of vertices 0 ... V - 1, the strains, and the memory after the step"""
    s = [*strains(kb, m1, m2), tau]
    (w1, w2, wt), _, z = stress(p, h, s, past, z)
    te, tf = part(t, slice(-1)), part(t, slice(1, None))
    both = [scale(1 / chi, add(part(m, slice(-1)), part(m, slice(1, None)))) for m in (m1, m2)]
    lever = sub(scale(w1, both[1]), scale(w2, both[0]))
    along = scale((w1 * s[0] + w2 * s[1]) / chi, add(te, tf))
    torsion = scale(0.5 * wt, kb)
    ge = scale(1 / length[:-1], add(sub(cross(tf, lever), along), torsion))
    gf = scale(1 / length[1:], sub(torsion, add(cross(te, lever), along)))
    force = []
    for e, f in zip(ge, gf):
        none = jnp.zeros_like(e[:1])
        on_edge_e, on_edge_f = jnp.concatenate([e, none]), jnp.concatenate([none, f])
        pull = on_edge_e + on_edge_f  # dP/de of every edge
        force.append(jnp.concatenate([pull, none]) - jnp.concatenate([none, pull]))
    return tuple(force), s, z


def project(x, rest):
    """Gauss-Seidel sweeps over the edges from the first to the last (kernels/step/projection.h)"""
    n = x[0].shape[0]
    # shares of the edges between vertices 1 and V - 2, both of which are gripped
    share = np.full(n - 3, 0.5)
    share[0], share[-1] = 0.0, 1.0
    share = jnp.broadcast_to(jnp.asarray(share, x[0].dtype)[:, None], (n - 3, *x[0].shape[1:]))

    def edge(a, row):
        b, w = row[:3], row[3]
        e = sub(b, a)
        square = dot(e, e)
        l = (square - rest**2) / (square + rest**2)
        return sub(b, scale((1 - w) * l, e)), add(a, scale(w * l, e))

    def sweep(x, _):
        last, moved = jax.lax.scan(edge, part(x, 0), (*part(x, slice(1, None)), share))
        return tuple(jnp.concatenate([m, q[None]]) for m, q in zip(moved, last)), None

    inner, _ = jax.lax.scan(sweep, part(x, slice(1, -1)), None, length=SWEEPS)
    return tuple(jnp.concatenate([p[:1], q, p[-1:]]) for p, q in zip(x, inner))


def spring_force(t, length, rest):
    """of stretch, undamped: with the scene's relaxation an explicit step would be a twentieth"""
    pull = scale(scene.STRETCH_STIFFNESS * (length / rest - 1), t)
    return tuple(jnp.concatenate([q, q[:1] * 0]) - jnp.concatenate([q[:1] * 0, q]) for q in pull)


def step(variant: str, h: float, p: dict, state: tuple, clamp):
    """One step of one rod. clamp: three arrays [4], where the gripped vertices go."""
    x, v, m1, past, z = state
    n = x[0].shape[0]
    rest = scene.LENGTH_M / (n - 1)
    t, length = edges(x)
    kb, chi = binormal(t)
    tau = twist(t, m1)
    theta = turns(p, h, kb, m1, cross(t, m1), tau, past, z)
    m1, m2 = directors(t, m1, theta)
    tau = tau + theta[1:] - theta[:-1]
    force, past, z = bending_force(p, h, t, length, m1, m2, kb, chi, tau, past, z)
    if variant == "springs":
        force = add(force, spring_force(t, length, rest))
    pull = scale(1 / (scene.MASS_PER_LENGTH * rest), force)
    v = tuple(q + h * (f - scene.DRAG * q) for q, f in zip(v, pull))
    v = (v[0], v[1], v[2] - h * scene.GRAVITY)
    y = tuple(jnp.concatenate([c[:2], (q + h * w)[2:-2], c[2:]]) for c, q, w in zip(clamp, x, v))
    if variant == "projection":
        y = project(y, rest)
    m1 = transport(t, edges(y)[0], m1)
    return (y, scale(1 / h, sub(y, x)), m1, past, z), y


def rollout(variant: str, h: float, substeps: int, p: dict, x0, v0, m0, clamps):
    """Positions of every frame, three arrays [frames, V, rods]; clamps: three [frames, substeps, 4, rods]."""
    def begin(x, m1):
        t, _ = edges(x)
        kb, _ = binormal(t)
        s = strains(kb, m1, cross(t, m1))
        return [*s, twist(t, m1)], list(s)

    def one(state, clamp):
        return step(variant, h, p, state, clamp)

    def frame(state, clamp):
        if substeps == 1:
            return one(state, part(clamp, 0))
        state, positions = jax.lax.scan(one, state, clamp)
        return state, part(positions, -1)

    return jax.lax.scan(frame, (x0, v0, m0, *begin(x0, m0)), clamps)[1]


def inputs(n: int, vertices: int, h: float, frames: int, substeps: int, real: str, soft: float, finer: bool):
    """What `rollout` takes, on the device."""
    dtype = np.dtype(real)
    rods = scene.rods(n, vertices, soft, finer)
    x0, m0 = scene.start(vertices)
    clamp = scene.drive(n, vertices, scene.step_times(h, frames * substeps))
    clamp = clamp.reshape(n, frames, substeps, 4, 3)
    voronoi = scene.LENGTH_M / (vertices - 1)

    def put(array):
        return jnp.asarray(np.ascontiguousarray(array), dtype)

    def vector(array):  # [rods, ..., 3] to three arrays [..., rods]
        return tuple(put(np.moveaxis(array[..., c], 0, -1)) for c in range(3))

    batch = (n, 1, 1)
    stiffness = {name: put(getattr(rods, name).T[1:-1] / voronoi) for name in ("b11", "b22", "b12", "twist")}
    natural = [put(rods.curvature[..., c].T[1:-1] * voronoi) for c in range(2)]
    p = {**stiffness, "natural": natural, "relaxation": put(np.full(n, rods.relaxation))}
    return (p, vector(np.tile(x0, batch)), vector(np.tile(0 * x0, batch)), vector(np.tile(m0, batch)),
            vector(clamp))


def program(kind: str, variant: str, h: float, substeps: int) -> Callable:
    """The jitted program: "forward" gives positions, "gradient" also those of the sum of their squares with
    respect to the bend stiffnesses and the start's positions and velocities."""
    run = partial(rollout, variant, h, substeps)
    if kind == "forward":
        return jax.jit(run)

    def loss(bend, x0, v0, p, m0, clamps):
        x = run({**p, **bend}, x0, v0, m0, clamps)
        return sum(jnp.sum(c * c) for c in x), x

    def both(p, x0, v0, m0, clamps):
        bend = {name: p[name] for name in ("b11", "b22", "b12")}
        graded = jax.value_and_grad(loss, argnums=(0, 1, 2), has_aux=True)
        (_, x), gradient = graded(bend, x0, v0, p, m0, clamps)
        return x, gradient

    return jax.jit(both)
