"""Models and batches of rods over numpy arrays: the C API of model.h and batch.h, nothing added.

Arrays that go in are made contiguous and checked for shape; arrays that come out are fresh. What a call's arrays are
decides its kind: with arrays of float32 it takes and gives float32, as they are, else doubles, to which it converts;
arrays of float32 and of float64 in one call are refused.
V vertices, E = V - 1 edges, C clamped vertices, D clamped edges, M markers, S = n_frames * substeps steps,
F = n_frames frames, R rods. A batch keeps what the library needs to outlive a call (inputs until the adjoint,
a GPU's context), and objects may be dropped in any order. One thread at a time per object.
"""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from ctypes import POINTER, byref, c_double, c_int, c_void_p

import numpy as np

from rodgrad import _library as c
from rodgrad._library import FIELDS, RodgradError

# one rod's status, rg_rod_status: flag (0: fine; rod_flag_text), the first bad step, Newton's iterations, ...
ROD_STATUS = np.dtype(c.RodStatus)
ADJOINT_STATUS = np.dtype(c.AdjointStatus)

_MOST_BYTES = ctypes.c_size_t(-1).value - 1


class _Handle:
    """Something of the library's, destroyed with the last reference to it."""

    def __init__(self, pointer: c_void_p, destroy: str) -> None:
        self.pointer = pointer
        self.close = weakref.finalize(self, getattr(c.lib, destroy), byref(pointer))


def _choice(option: str, name: str) -> int:
    """the library's number for the stepper, scheme, real or measure of bending of this name"""
    number = c_int()
    if not getattr(c.lib, f"rg_{option}_find")(str(name).encode(), byref(number)):
        count, text = 0, getattr(c.lib, f"rg_{option}_name")
        while text(count) != b"unknown":
            count += 1
        names = ", ".join(repr(text(k).decode()) for k in range(count))
        raise RodgradError(f"{option} is {name!r}; it can be {names}.")
    return number.value


class _Kind:
    """What the numbers of a call's arrays are: float32 where any array is of that, else float64."""

    def __init__(self, arrays: Mapping[str, object]) -> None:
        names = {np.dtype(np.float32): [], np.dtype(np.float64): []}
        for name, value in arrays.items():
            # lists and numbers of Python, and other types, go with either
            if hasattr(value, "dtype") and (dtype := np.asarray(value).dtype.newbyteorder("=")) in names:
                names[dtype].append(name)
        singles, doubles = names.values()
        if singles and doubles:
            raise RodgradError(f"The arrays of one call must be of one type, but {', '.join(singles)} {_is(singles)} of "
                               f"float32 and {', '.join(doubles)} of float64; convert one or the other with astype.",
                               "value")
        self.dtype = np.float32 if singles else np.float64
        self.suffix = "_float" if singles else ""

    def zeros(self, shape: tuple[int, ...]) -> np.ndarray:
        return np.zeros(shape, self.dtype)

    def array(self, name: str, value, shape: tuple[int, ...], keep: bool = False) -> np.ndarray:
        return _array(name, value, shape, keep, self.dtype)

    def call(self, function: str, *arguments) -> None:
        c.call(function + self.suffix, *arguments)

    def fill(self, structure: str, arrays: Mapping[str, np.ndarray]):
        structures, fields = c.RUN[self.suffix], []
        filled = structures[f"batch_{structure}"]()
        filled.struct_size = ctypes.sizeof(filled)
        for name, array in arrays.items():
            number = c.field_number(name)
            if number is None:
                setattr(filled, name, _address(array))
            else:
                fields.append((number, _address(array)))
        if fields:
            element = structures["field_gradient" if structure == "gradients" else "field_values"]
            filled.list = (element * len(fields))(*fields)  # lives as long as the struct
            filled.fields, filled.n_fields = ctypes.addressof(filled.list), len(fields)
        return filled


def _is(names: list[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _array(name: str, value, shape: tuple[int, ...], keep: bool = False, dtype: type = np.float64) -> np.ndarray:
    """value as contiguous numbers of this very shape; with `keep` a copy that nobody else can change"""
    try:
        array = np.array(value, dtype=dtype, order="C", copy=True) if keep else \
            np.ascontiguousarray(value, dtype=dtype)
    except (TypeError, ValueError) as error:
        raise RodgradError(f"{name} is not an array of numbers: {error}.", "value") from None
    if array.shape != shape:
        raise RodgradError(f"{name} has shape {array.shape}; it needs {shape}.", "shape")
    return array


def _address(array: np.ndarray | None) -> int | None:
    return None if array is None else array.ctypes.data


def _known(names: Iterable[str], allowed: Iterable[str], what: str) -> None:
    allowed = list(allowed)
    for name in names:
        if name not in allowed:
            raise RodgradError(f"There is no {what} {name!r}; there are {', '.join(allowed)}.")


def fill_rollout(rollout: ctypes.Structure, *, gravity: Sequence[float], substeps: int, stepper: str, scheme: str,
                 tolerance: float | None, max_iterations: int | None, threads: int, isa: str | None, real: str,
                 at_limit: str, deadline: float) -> None:
    """Options into rg_rollout_opts; None leaves what is there."""
    rollout.stepper = _choice("stepper", stepper)
    rollout.scheme = _choice("scheme", scheme)
    rollout.real = _choice("real", real)
    rollout.at_limit, rollout.deadline_s = _choice("at_limit", at_limit), float(deadline)
    rollout.substeps, rollout.threads = c.integer("substeps", substeps), c.integer("threads", threads)
    if tolerance is not None:
        rollout.tolerance_m = tolerance
    if max_iterations is not None:
        rollout.max_iterations = c.integer("max_iterations", max_iterations)
    rollout.isa = None if isa is None else isa.encode()
    rollout.gravity[:] = _array("gravity", gravity, (3,))


def make_context(backend: str) -> _Handle | None:
    """Where to run; None: the CPU."""
    if backend == "cpu":
        return None
    opts, pointer = c.default_opts(c.ContextOpts), c_void_p()
    opts.backend = backend.encode()
    c.call("rg_context_create", byref(opts), byref(pointer))
    return _Handle(pointer, "rg_context_destroy")


def directors_along(positions, first=None) -> np.ndarray:
    """Directors [..., V - 1, 3] of curves [..., V, 3] without twist: `first`, [3] or one for each curve, made a unit
    vector across the first edge, and carried along by parallel transport. None: towards the last vertex, for a
    straight curve upwards, for a vertical one along x. The m0 of a start."""
    shape = np.shape(positions)
    if len(shape) < 2 or shape[-1] != 3:
        raise RodgradError(f"positions has shape {shape}; it needs [..., vertices, 3].", "shape")
    curves = _array("positions", positions, shape).reshape(-1, *shape[-2:])
    if first is not None:
        try:
            first = np.broadcast_to(np.asarray(first, dtype=np.float64), (*shape[:-2], 3))
        except (TypeError, ValueError) as error:
            raise RodgradError(f"first is no vector for each curve: {error}.", "shape") from None
        first = np.ascontiguousarray(first).reshape(-1, 3)
    directors = np.zeros((len(curves), max(shape[-2] - 1, 0), 3))
    for k, curve in enumerate(curves):
        c.call("rg_directors_along", _address(curve), shape[-2], None if first is None else _address(first[k]),
               _address(directors[k]))
    return directors.reshape(*shape[:-2], *directors.shape[1:])


class Fields(Mapping):
    """A model's fields by name, views of the library's own storage: to assign to one writes through."""

    def __init__(self, views: dict[str, np.ndarray]) -> None:
        self._views = views

    def __getitem__(self, name: str) -> np.ndarray:
        return self._views[name]

    def __setitem__(self, name: str, value) -> None:
        _known([name], self._views, "field")
        view = self._views[name]
        try:
            view[...] = np.asarray(value, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise RodgradError(f"{name} takes a number or an array of shape {view.shape}: {error}.",
                               "shape") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._views)

    def __len__(self) -> int:
        return len(self._views)

    def __repr__(self) -> str:
        return f"Fields({self._views!r})"


class Model:
    """One rod: a mesh between markers, and its fields.

    `fields[name]` is the library's own storage, [entries] or [entries, components]; write through it, or assign
    a number or an array of its shape to it. `FIELDS` lists names, units and where each lives. The storage lives
    as long as any view of it. `bend_measure`: "averaged" or "normalised" (rg_bend_measure); batches copy it when they
    are made.
    """

    def __init__(self, n_markers: int, refine: int = 1, clamps: Sequence[int] = (),
                 bend_measure: str | None = None) -> None:
        clamps = [c.integer(f"clamps[{i}]", k) for i, k in enumerate(clamps)]
        n_markers, refine = c.integer("n_markers", n_markers), c.integer("refine", refine)
        pointer = c_void_p()
        c.call("rg_model_create", n_markers, refine, (c_int * len(clamps))(*clamps), len(clamps), byref(pointer))
        self._handle = _Handle(pointer, "rg_model_destroy")
        if bend_measure is not None:
            self.bend_measure = bend_measure
        self.markers = c.lib.rg_model_markers(pointer)
        self.vertices = c.lib.rg_model_vertices(pointer)
        self.clamps = tuple(clamps)
        self.marker_vertices = np.array(c.lib.rg_model_marker_vertices(pointer)[: self.markers])
        self._fields = Fields({field.name: self._view(i, field.components) for i, field in enumerate(FIELDS)})

    @property
    def bend_measure(self) -> str:
        """Against which directors curvature is measured."""
        return c.lib.rg_bend_measure_name(c.lib.rg_model_bend_measure(self._handle.pointer)).decode()

    @bend_measure.setter
    def bend_measure(self, name: str) -> None:
        c.call("rg_model_set_bend_measure", self._handle.pointer, _choice("bend_measure", name))

    @property
    def fields(self) -> Fields:
        """The fields by name."""
        return self._fields

    def _view(self, number: int, components: int) -> np.ndarray:
        entries = c.lib.rg_model_field_entries(self._handle.pointer, number)
        data = c.lib.rg_model_field_data(self._handle.pointer, number)
        memory = (c_double * (entries * components)).from_address(ctypes.addressof(data.contents))
        memory.owner = self._handle  # a view holds `memory`, and so the model
        view = np.frombuffer(memory, dtype=np.float64)
        return view if components == 1 else view.reshape(entries, components)

    def check(self) -> None:
        """RodgradError, naming field, entry and value, where a value is out of its range."""
        c.call("rg_model_check", self._handle.pointer)


class Batch:
    """n_rods rods of one model, or one of each model of a list: simulated together, and differentiated.

    Options are those of rg_batch_opts and rg_rollout_opts; None leaves the library's default. `budget_bytes`
    -1 keeps every state. `backend` "cuda:0" runs on a GPU where the library was built with CUDA. `real`
    "float" computes in single precision; arrays are of float64 or of float32 in either case, as the caller has them.
    `at_limit` "continue" simulates past steps that Newton has not solved after `max_iterations` or, on the CPU,
    `deadline` seconds, which makes results depend on timing; statuses count them. `directions`: the most that a call of
    jvp may have.
    """

    def __init__(self, model: Model | Sequence[Model], n_rods: int | None = None, *, n_frames: int = 1,
                 dt: float = 0.01, substeps: int = 1, gravity: Sequence[float] = (0.0, 0.0, -9.81),
                 stepper: str = "implicit", scheme: str = "bdf2", adjoint: bool = True,
                 budget_bytes: int = 0, window: int = 0, carry_on: bool = False,
                 tolerance: float | None = None, max_iterations: int | None = None, threads: int = 0,
                 isa: str | None = None, backend: str = "cpu", real: str = "double", at_limit: str = "freeze",
                 deadline: float = 0.0, directions: int = 1) -> None:
        if n_rods is not None:
            n_rods = c.integer("n_rods", n_rods)
        models = [model] * (1 if n_rods is None else n_rods) if isinstance(model, Model) else list(model)
        if not models or (n_rods is not None and len(models) != n_rods):
            raise RodgradError(f"{len(models)} models for {n_rods} rods: a batch needs one or more rods, and "
                               "a model each, or one model for all.")
        n_frames, window = c.integer("n_frames", n_frames), c.integer("window", window)
        directions = c.integer("directions", directions, 1)
        budget_bytes = c.integer("budget_bytes", budget_bytes, -1, _MOST_BYTES)
        opts = c.default_opts(c.BatchOpts)
        fill_rollout(opts.rollout, gravity=gravity, substeps=substeps, stepper=stepper, scheme=scheme,
                     tolerance=tolerance, max_iterations=max_iterations, threads=threads, isa=isa, real=real,
                     at_limit=at_limit, deadline=deadline)
        self._context = make_context(backend)
        opts.rollout.context = None if self._context is None else self._context.pointer
        opts.dt_s, opts.n_frames = float(dt), n_frames
        opts.adjoint, opts.carry_on = int(adjoint), int(carry_on)
        opts.budget_bytes = ctypes.c_size_t(-1).value if budget_bytes == -1 else budget_bytes
        opts.window, opts.directions = window, directions

        pointer = c_void_p()
        handles = (c_void_p * len(models))(*[m._handle.pointer for m in models])
        c.call("rg_batch_create_ragged", handles, len(models), byref(opts), byref(pointer))
        self._handle = _Handle(pointer, "rg_batch_destroy")
        self.n_rods, self.n_frames, self.steps = len(models), n_frames, n_frames * opts.rollout.substeps
        self.vertices = max(m.vertices for m in models)
        self.markers = max(m.markers for m in models)
        self._entries = {f.name: max(m.fields[f.name].shape[0] for m in models) for f in FIELDS}
        self._clamped = max(len(self.clamped_vertices(r)) for r in range(self.n_rods))
        self._held = max(len(self.clamped_edges(r)) for r in range(self.n_rods))
        self._adjoint = bool(adjoint)
        self._inputs: dict[str, np.ndarray | None] = {}

    def close(self) -> None:
        """Free the batch now; every later call is refused."""
        self._handle.close()
        self._inputs = {}

    def __enter__(self) -> Batch:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def _pointer(self) -> c_void_p:
        if not self._handle.close.alive:
            raise RodgradError("The batch is closed; make a new one.")
        return self._handle.pointer

    def _rod(self, rod: int) -> int:
        """the number of a rod, where the batch has it"""
        if c.integer("rod", rod, -2**63, 2**63) not in range(self.n_rods):
            raise RodgradError(f"There is no rod {rod}; the batch has {self.n_rods}.")
        return c.integer("rod", rod)

    def _clamped_of(self, function: str, rod: int) -> np.ndarray:
        rod = self._rod(rod)
        indices = POINTER(c_int)()
        count = getattr(c.lib, function)(self._pointer(), rod, byref(indices))
        return np.array(indices[:count], dtype=int) if count else np.zeros(0, dtype=int)

    def clamped_vertices(self, rod: int = 0) -> np.ndarray:
        """The vertices that clamp_x prescribes, in its order."""
        return self._clamped_of("rg_batch_rod_clamped_vertices", rod)

    def clamped_edges(self, rod: int = 0) -> np.ndarray:
        """The edges whose directors clamp_m prescribes, in its order."""
        return self._clamped_of("rg_batch_rod_clamped_edges", rod)

    def plan(self) -> str:
        """What is kept for the adjoint, and for how much, in a sentence."""
        plan, text = c.lib.rg_batch_describe(self._pointer()), ctypes.create_string_buffer(512)
        c.lib.rg_batch_plan_text(byref(plan), text, len(text))
        return text.value.decode()

    def set_model(self, rod: int, model: Model) -> None:
        """Other parameters for one rod, on the same mesh and clamps."""
        c.call("rg_batch_set_model", self._pointer(), self._rod(rod), model._handle.pointer)

    def reset(self, rods: Sequence[bool]) -> None:
        """With carry_on: rods that start from the next run's x0, v0 and m0; the others go on."""
        mask = np.asarray(rods)
        if mask.dtype != bool and not np.isin(mask, (0, 1)).all():
            raise RodgradError("rods must be True or False for each rod.", "value")
        mask = np.ascontiguousarray(mask, dtype=np.uint8)
        if mask.shape != (self.n_rods,):
            raise RodgradError(f"rods has shape {mask.shape}; it needs {(self.n_rods,)}.", "shape")
        c.call("rg_batch_reset", self._pointer(), _address(mask))

    def _shapes(self, turns: bool) -> dict[str, tuple[int, ...]]:
        """of inputs, or of their derivatives, in which a director is one number"""
        r, v, s = self.n_rods, self.vertices, self.steps
        shapes = {"x0": (r, v, 3), "v0": (r, v, 3), "clamp_x": (r, s, self._clamped, 3),
                  "force": (r, s, v, 3)}
        if not turns:
            return shapes | {"m0": (r, v - 1, 3), "clamp_m": (r, s, self._held, 3)}
        shapes |= {"turn0": (r, v - 1), "clamp_turn": (r, s, self._held)}
        return shapes | {f.name: (r, self._entries[f.name]) + ((f.components,) if f.components > 1 else ())
                         for f in FIELDS}

    def _output_shapes(self, director: str) -> dict[str, tuple[int, ...]]:
        r, f, v = self.n_rods, self.n_frames, self.vertices
        turn = (r, f, v - 1, 3) if director == "m" else (r, f, v - 1)
        return {"x": (r, f, v, 3), "v": (r, f, v, 3), director: turn, "markers": (r, f, self.markers, 3),
                "tension": (r, f, v - 1), "reaction": (r, f, self._clamped, 3), "reaction_moment": (r, f, self._held),
                "moment": (r, f, v, 3), "energy": (r, f, 5)}

    def _give_inputs(self, given: Mapping[str, object], fields: Mapping[str, object] | None,
                     more: Mapping[str, object] | None = None) -> tuple[_Kind, dict, ctypes.Structure]:
        """the kind of the call, of these arrays and `more`, by how to call them, with its inputs"""
        shapes, arrays = self._shapes(False), {}
        fields = {} if fields is None else fields
        _known(fields, (f.name for f in FIELDS), "field")
        kind = _Kind({**given, **{f"the field {n}": v for n, v in fields.items()}, **(more or {})})
        for name, value in fields.items():
            arrays[name] = kind.array(f"the field {name}", value, self._shapes(True)[name], keep=self._adjoint)
        for name, shape in shapes.items():
            value = given.get(name)
            if value is None and name == "force":
                continue
            if value is None:
                if name in ("x0", "m0") or 0 not in shape and name != "v0":
                    raise RodgradError(f"{name} is missing; it needs shape {shape}.")
                value = kind.zeros(shape)
            arrays[name] = kind.array(name, value, shape, keep=self._adjoint)
        return kind, arrays, kind.fill("inputs", arrays)

    def forward(self, x0, m0, clamp_x=None, clamp_m=None, *, v0=None, force=None,
                fields: Mapping[str, np.ndarray] | None = None, outputs: Sequence[str] = ("x",)) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Simulate. x0 [R, V, 3] m, m0 [R, E, 3] unit directors, clamp_x [R, S, C, 3] m, clamp_m
        [R, S, D, 3], v0 [R, V, 3] m/s (None: at rest), force [R, S, V, 3] N, and by name fields [R, entries] or
        [R, entries, components] that this run has instead of the models'. Returns the outputs asked for, of
        "x", "v" [R, F, V, 3], "m" [R, F, E, 3], "markers" [R, F, M, 3] and, with the implicit stepper, "tension"
        [R, F, E] N, "reaction" [R, F, C, 3] N, the force with which the hold acts on each clamped vertex, and
        "reaction_moment" [R, F, D] N m, its moment about each clamped edge, "moment" [R, F, V, 3] N m, two of bending
        and that of twist, and "energy" [R, F, 5] J, kinetic, of stretch, bending, twist and weight; and the rods'
        statuses (ROD_STATUS)."""
        shapes = self._output_shapes("m")
        _known(outputs, shapes, "output")
        kind, arrays, inputs = self._give_inputs(dict(x0=x0, v0=v0, m0=m0, clamp_x=clamp_x, clamp_m=clamp_m,
                                                      force=force), fields)
        out = {name: kind.zeros(shapes[name]) for name in outputs}
        statuses = np.zeros(self.n_rods, ROD_STATUS)
        kind.call("rg_batch_forward", self._pointer(), byref(inputs), byref(kind.fill("outputs", out)),
                  _address(statuses))
        self._inputs = arrays
        return out, statuses

    def jvp(self, x0, m0, clamp_x=None, clamp_m=None, *, v0=None, force=None,
            fields: Mapping[str, np.ndarray] | None = None, tangents: Mapping[str, np.ndarray], outputs: Sequence[str] = ("x",)
            ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], np.ndarray]:
        """Simulate, and carry a direction along: `tangents` of x0, v0, turn0, clamp_x, clamp_turn, force
        and fields by name. Returns outputs, their derivatives ("m"'s is "turn"), and the rods' statuses. Tangents that
        all have a leading axis more, [n, ...], are n directions (up to the batch's `directions`); the derivatives have
        it then, too."""
        shapes, turn_shapes = self._output_shapes("m"), self._output_shapes("turn")
        _known(outputs, shapes, "output")
        wanted = self._shapes(True)
        _known(tangents, wanted, "tangent")
        leading = self._leading(tangents, wanted)
        kind, arrays, inputs = self._give_inputs(dict(x0=x0, v0=v0, m0=m0, clamp_x=clamp_x, clamp_m=clamp_m,
                                                      force=force), fields,
                                                 {f"the tangent of {n}": v for n, v in tangents.items()})
        direction = {n: kind.array(f"the tangent of {n}", v, leading + wanted[n]) for n, v in tangents.items()}
        out = {name: kind.zeros(shapes[name]) for name in outputs}
        turns = ["turn" if name == "m" else name for name in outputs]
        along = {name: kind.zeros(leading + turn_shapes[name]) for name in turns}
        statuses = np.zeros(self.n_rods, ROD_STATUS)
        filled = kind.fill("tangents", direction)
        filled.n_directions = leading[0] if leading else 1
        kind.call("rg_batch_jvp", self._pointer(), byref(inputs), byref(filled),
                  byref(kind.fill("outputs", out)), byref(kind.fill("tangent_outputs", along)), _address(statuses))
        self._inputs = arrays
        return out, along, statuses

    @staticmethod
    def _leading(tangents: Mapping[str, object], wanted: Mapping[str, tuple[int, ...]]) -> tuple[int, ...]:
        """(n,) where the first of the tangents has n directions, () where it is one without a leading axis"""
        for name, value in tangents.items():
            try:
                shape = np.shape(value)
            except ValueError:  # no array: _array says so
                break
            return shape[:1] if len(shape) == len(wanted[name]) + 1 and shape[0] > 0 else ()
        return ()

    def adjoint(self, cotangents: Mapping[str, np.ndarray], wrt: Sequence[str], *, growth_every: int = 0
                ) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """The gradient of a scalar after forward or jvp: from its derivatives with respect to the outputs
        "x", "v", "turn", "markers", "tension", "reaction", "reaction_moment", "moment" and "energy" those with
        respect to the names in `wrt`, of x0, v0, turn0, clamp_x, clamp_turn, force and fields. With growth_every
        (steps), "growth" as well. And each rod's status."""
        growth_every = c.integer("growth_every", growth_every)
        known, wanted = self._output_shapes("turn"), self._shapes(True)
        _known(cotangents, known, "cotangent of an output")
        _known(wrt, wanted, "gradient")
        kind = _Kind({f"the cotangent of {n}": v for n, v in cotangents.items()})
        bars = {n: kind.array(f"the cotangent of {n}", v, known[n]) for n, v in cotangents.items()}
        gradients = {name: kind.zeros(wanted[name]) for name in wrt}
        if growth_every > 0:
            gradients["growth"] = kind.zeros((self.n_rods, self.steps // growth_every + 1))
        asked = kind.fill("gradients", gradients)
        asked.growth_every = growth_every
        statuses = np.zeros(self.n_rods, ADJOINT_STATUS)
        kind.call("rg_batch_adjoint", self._pointer(), byref(kind.fill("cotangents", bars)), byref(asked),
                  _address(statuses))
        return gradients, statuses

    def carry_directors(self, m0, x0, clamp_x) -> np.ndarray:
        """Prescribed directors [R, S, D, 3] for prescribed positions: m0's, carried along without turn."""
        shapes = self._shapes(False)
        kind = _Kind(dict(m0=m0, x0=x0, clamp_x=clamp_x))
        m0, x0 = kind.array("m0", m0, shapes["m0"]), kind.array("x0", x0, shapes["x0"])
        clamp_x = kind.array("clamp_x", clamp_x, shapes["clamp_x"])
        clamp_m = kind.zeros(shapes["clamp_m"])
        kind.call("rg_batch_carry_directors", self._pointer(), _address(m0), _address(x0), _address(clamp_x),
                  _address(clamp_m))
        return clamp_m
