"""Simulations of recordings over numpy arrays: rg_simulate, rg_simulate_forces and rg_hold_wrench of rollout.h."""

from __future__ import annotations

from collections.abc import Sequence
from ctypes import byref, c_int, c_void_p, sizeof

import numpy as np

from rodgrad import _library as c
from rodgrad._library import RodgradError
from rodgrad.batch import ROD_STATUS, Model, _address, _array, _known, fill_rollout, make_context


def _forces_of(model: Model, frames: int) -> dict[str, tuple[int, ...]]:
    """shapes of a recording's forces"""
    clamps, vertices = len(model.clamps), model.vertices
    held = c.lib.rg_model_clamped_edges(model._handle.pointer, None)
    return {"tension": (frames, vertices - 1), "reaction": (frames, clamps, 3), "reaction_moment": (frames, held),
            "moment": (frames, vertices, 3)}


def _lost(value, frames: int, name: str) -> np.ndarray:
    numbers = np.asarray(value)
    if numbers.shape != (frames,):
        raise RodgradError(f"{name} has shape {numbers.shape}; it needs {(frames,)}.", "shape")
    if not np.issubdtype(numbers.dtype, np.integer) or numbers.min() < 0 or numbers.max() > 2**31 - 1:
        raise RodgradError(f"{name} must be whole numbers of frames, 0 or more.", "value")
    return np.ascontiguousarray(numbers, dtype=np.dtype(c_int))


def simulate(model: Model, positions: Sequence[np.ndarray], *, dt: float = 0.01,
             lost: Sequence[np.ndarray | None] | None = None, forces: Sequence[str] = (),
             gravity: Sequence[float] = (0.0, 0.0, -9.81), substeps: int = 1, stepper: str = "implicit",
             scheme: str = "bdf2", tolerance: float | None = None, max_iterations: int | None = None, threads: int = 0,
             isa: str | None = None, backend: str = "cpu", real: str = "double", at_limit: str = "freeze",
             deadline: float = 0.0
             ) -> tuple[list[dict[str, np.ndarray]], np.ndarray]:
    """Drive a model by recordings. positions: of each recording [frames, markers, 3] m, frames `dt` seconds apart, with
    the model's markers, of which the model's clamps drive; lost: None, or for each recording None or [frames], how many
    frames the camera lost before each. Options are those of `Batch`.

    Returns a dictionary for each recording: "markers" [frames, markers, 3], where frames 0 and 1 and the driving markers
    are the recording's own, and of `forces`, with the implicit stepper, "tension" [frames, E] N, positive where it pulls,
    "reaction" [frames, C, 3] N, the force with which the hold acts on each clamped vertex, "reaction_moment"
    [frames, D] N m, its moment about each clamped edge, and "moment" [frames, V, 3] N m, two of bending and that of
    twist; rows of frames 0 and 1, and of those from a rod's failure on, are NaN. And the rods' statuses (ROD_STATUS).
    docs/forces-format.md says how to read them."""
    recordings = list(positions)
    lost = [None] * len(recordings) if lost is None else list(lost)
    if len(lost) != len(recordings):
        raise RodgradError(f"lost has {len(lost)} entries for {len(recordings)} recordings.", "shape")
    _known(forces, _forces_of(model, 0), "force")
    opts = c.default_opts(c.RolloutOpts)
    fill_rollout(opts, gravity=gravity, substeps=substeps, stepper=stepper, scheme=scheme, tolerance=tolerance,
                 max_iterations=max_iterations, threads=threads, isa=isa, real=real,
                 at_limit=at_limit, deadline=deadline)
    context = make_context(backend)
    opts.context = None if context is None else context.pointer

    n = len(recordings)
    given, places, out = (c.Recording * n)(), (c.Forces * n)(), []
    clamps = np.array(model.clamps, dtype=np.dtype(c_int))
    kept = []  # what the structs point to
    for i, value in enumerate(recordings):
        shape = np.shape(value)
        frames = shape[0] if len(shape) == 3 else 0
        array = _array(f"positions[{i}]", value, (frames, model.markers, 3))
        gone = None if lost[i] is None else _lost(lost[i], frames, f"lost[{i}]")
        kept += [array, gone]
        recording = given[i]
        recording.n_frames, recording.n_markers, recording.dt_s = frames, model.markers, float(dt)
        recording.positions, recording.lost = _address(array), _address(gone)
        recording.n_lost = 0 if gone is None else int(gone.sum())
        recording.n_clamps, recording.clamps = len(clamps), _address(clamps)
        out.append({"markers": np.zeros((frames, model.markers, 3))})
        places[i].struct_size = sizeof(c.Forces)
        for name in forces:
            out[i][name] = np.zeros(_forces_of(model, frames)[name])
            setattr(places[i], name, _address(out[i][name]))
    markers = (c_void_p * n)(*[_address(o["markers"]) for o in out])
    statuses = np.zeros(n, ROD_STATUS)
    arguments = [model._handle.pointer, given, n, byref(opts), markers]
    if forces:
        c.call("rg_simulate_forces", *arguments, places, _address(statuses))
    else:
        c.call("rg_simulate", *arguments, _address(statuses))
    return out, statuses


def hold_wrench(model: Model, clamp_x, reaction, reaction_moment, point, *, clamps: tuple[int, int] | None = None
                ) -> tuple[np.ndarray, np.ndarray]:
    """The force [..., 3] N and the moment [..., 3] N m about `point`, [3] or [..., 3] m, with which a hold of several
    vertices acts on the rod: the model's clamps from the first number of `clamps` to before the second, None: all of
    them. clamp_x [..., C, 3] m is where the clamped vertices are, reaction [..., C, 3] N and reaction_moment [..., D] N m
    are those of `simulate` or of a batch: a row, of every frame, of every rod."""
    count = len(model.clamps)
    first, end = (0, count) if clamps is None else (c.integer("clamps", k) for k in clamps)
    held = c.lib.rg_model_clamped_edges(model._handle.pointer, None)
    rows = np.shape(clamp_x)[:-2]
    x = _array("clamp_x", clamp_x, (*rows, count, 3)).reshape(-1, count, 3)
    r = _array("reaction", reaction, (*rows, count, 3)).reshape(-1, count, 3)
    turns = _array("reaction_moment", reaction_moment, (*rows, held)).reshape(-1, held)
    try:
        about = np.ascontiguousarray(np.broadcast_to(np.asarray(point, dtype=np.float64), (*rows, 3))).reshape(-1, 3)
    except (TypeError, ValueError) as error:
        raise RodgradError(f"point is no point for each row: {error}.", "shape") from None
    force, moment = np.zeros((len(x), 3)), np.zeros((len(x), 3))
    for k in range(len(x)):
        c.call("rg_hold_wrench", model._handle.pointer, first, end,
               *(_address(a[k]) for a in (x, r, turns, about, force, moment)))
    return force.reshape(*rows, 3), moment.reshape(*rows, 3)
