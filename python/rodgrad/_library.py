"""The shared library: found, loaded, and declared to ctypes.

The library is, in this order, the file that $RODGRAD_LIBRARY names, librodgrad.so next to this package, that of
the unpacked archive or the sources' build/release in which this package lies, or what the system's loader finds
under the soname of this version. Structures are declared by hand below; that they are the library's is
checked where it can be, by the sizes that the library sets in its default options, its version and its list of
fields, so that another version is refused instead of misread.
"""

from __future__ import annotations

import ctypes
import operator
import os
from ctypes import POINTER, byref, c_char_p, c_double, c_int, c_size_t, c_ubyte, c_void_p
from pathlib import Path
from typing import NamedTuple

from rodgrad._version import __version__

_SONAME = "librodgrad.so." + ".".join(__version__.split(".")[:2])

STATUSES = ("ok", "argument", "memory", "shape", "value", "io", "format", "unsupported",
            "not_converged", "interrupted", "numeric", "device")


class RodgradError(RuntimeError):
    """A call failed; the text says why and what to do. `status` is the library's code by name ("value",
    "shape", ...), "library" where the library itself is the matter."""

    def __init__(self, text: str, status: str = "argument") -> None:
        super().__init__(text)
        self.status = status


class Error(ctypes.Structure):
    _fields_ = [("status", c_int), ("line", c_int), ("file", c_char_p), ("text", ctypes.c_char * 768)]


class RolloutOpts(ctypes.Structure):
    _fields_ = [("struct_size", c_size_t), ("stepper", c_int), ("sweeps", c_int), ("scheme", c_int),
                ("substeps", c_int), ("tolerance_m", c_double), ("max_iterations", c_int),
                ("gravity", c_double * 3), ("threads", c_int), ("isa", c_char_p), ("context", c_void_p),
                ("real", c_int), ("team", c_int), ("team_registers", c_int), ("block_rods", c_int)]


class BatchOpts(ctypes.Structure):
    _fields_ = [("struct_size", c_size_t), ("rollout", RolloutOpts), ("dt_s", c_double),
                ("n_frames", c_size_t), ("adjoint", c_int),
                ("budget_bytes", c_size_t), ("window", c_size_t), ("memory", c_int), ("carry_on", c_int)]


class ContextOpts(ctypes.Structure):
    _fields_ = [("struct_size", c_size_t), ("backend", c_char_p), ("stream", c_void_p),
                ("allocate", c_void_p), ("release", c_void_p), ("user", c_void_p),
                ("kernels", c_char_p)]


class FieldInfo(ctypes.Structure):
    _fields_ = [("name", c_char_p), ("unit", c_char_p), ("location", c_int), ("components", c_int),
                ("range", c_int), ("symbol", c_char_p)]


class Field(NamedTuple):
    """A field of a model: its name in `Model.fields`, its unit, where it lives, numbers per entry."""

    name: str
    unit: str
    location: str  # "edge", "vertex" or "marker"
    components: int
    symbol: str


# in the library's order, which is that of the arrays in the structures below
_FIELD_NAMES = (
    "rest_length", "mass_per_length", "marker_mass", "marker_offset", "stretch_stiffness",
    "bend_stiffness_1", "bend_stiffness_2", "bend_coupling", "natural_curvature", "twist_stiffness",
    "natural_twist", "stretch_relaxation", "bend_relaxation", "twist_relaxation", "bend_memory",
    "bend_memory_time", "drag")


def _pointers(*names: str) -> list:
    return [(name, c_void_p) for name in names]


class Inputs(ctypes.Structure):
    _fields_ = _pointers("x0", "v0", "m0", "clamp_x", "clamp_m", "force")


class Outputs(ctypes.Structure):
    _fields_ = _pointers("x", "v", "m", "markers")


class Tangents(ctypes.Structure):
    _fields_ = _pointers("x0", "v0", "turn0", "clamp_x", "clamp_turn", "force") + [
        ("fields", c_void_p * len(_FIELD_NAMES))]


class TurnOutputs(ctypes.Structure):
    """rg_batch_tangent_outputs, and rg_batch_cotangents too"""

    _fields_ = _pointers("x", "v", "turn", "markers")


class Gradients(ctypes.Structure):
    _fields_ = _pointers("x0", "v0", "turn0", "clamp_x", "clamp_turn", "force") + [
        ("fields", c_void_p * len(_FIELD_NAMES)), ("growth_every", c_size_t), ("growth", c_void_p)]


class Plan(ctypes.Structure):
    _fields_ = [("levels", c_int), ("length", c_size_t * 12), ("kept_bytes", c_size_t),
                ("total_bytes", c_size_t), ("forward_runs", c_double)]


class _Sized(ctypes.Structure):
    """Default options of any version: their size comes first, and there is room for all of a later one."""

    _fields_ = [("struct_size", c_size_t), ("rest", c_ubyte * 4096)]


_ints, _status = POINTER(POINTER(c_int)), c_int
_CHOICES = ("stepper", "scheme", "real", "bend_measure")
# name: (result, arguments)
_FUNCTIONS = {
    "rg_version": (c_char_p, []),
    "rg_field_describe": (POINTER(FieldInfo), [c_int]),
    "rg_field_find": (c_int, [c_char_p, POINTER(c_int)]),
    "rg_rod_flag_text": (c_char_p, [c_int]),
    **{f"rg_{option}_find": (c_int, [c_char_p, POINTER(c_int)]) for option in _CHOICES},
    **{f"rg_{option}_name": (c_char_p, [c_int]) for option in _CHOICES},
    "rg_directors_along": (_status, [c_void_p, c_size_t, c_void_p, c_void_p, POINTER(Error)]),
    "rg_model_create": (_status, [c_size_t, c_size_t, POINTER(c_int), c_size_t, POINTER(c_void_p),
                                  POINTER(Error)]),
    "rg_model_destroy": (None, [POINTER(c_void_p)]),
    "rg_model_markers": (c_size_t, [c_void_p]),
    "rg_model_bend_measure": (c_int, [c_void_p]),
    "rg_model_set_bend_measure": (_status, [c_void_p, c_int, POINTER(Error)]),
    "rg_model_vertices": (c_size_t, [c_void_p]),
    "rg_model_clamps": (c_size_t, [c_void_p, _ints]),
    "rg_model_marker_vertices": (POINTER(c_int), [c_void_p]),
    "rg_model_field_entries": (c_size_t, [c_void_p, c_int]),
    "rg_model_field_data": (POINTER(c_double), [c_void_p, c_int]),
    "rg_model_check": (_status, [c_void_p, POINTER(Error)]),
    "rg_context_create": (_status, [POINTER(ContextOpts), POINTER(c_void_p), POINTER(Error)]),
    "rg_context_destroy": (None, [POINTER(c_void_p)]),
    "rg_batch_create_ragged": (_status, [POINTER(c_void_p), c_size_t, POINTER(BatchOpts),
                                         POINTER(c_void_p), POINTER(Error)]),
    "rg_batch_destroy": (None, [POINTER(c_void_p)]),
    "rg_batch_set_model": (_status, [c_void_p, c_size_t, c_void_p, POINTER(Error)]),
    "rg_batch_rod_clamped_vertices": (c_size_t, [c_void_p, c_size_t, _ints]),
    "rg_batch_rod_clamped_edges": (c_size_t, [c_void_p, c_size_t, _ints]),
    "rg_batch_describe": (Plan, [c_void_p]),
    "rg_batch_plan_text": (None, [POINTER(Plan), ctypes.c_char_p, c_size_t]),
    "rg_batch_forward": (_status, [c_void_p, POINTER(Inputs), POINTER(Outputs), c_void_p, POINTER(Error)]),
    "rg_batch_reset": (_status, [c_void_p, c_void_p, POINTER(Error)]),
    "rg_batch_jvp": (_status, [c_void_p, POINTER(Inputs), POINTER(Tangents), POINTER(Outputs),
                               POINTER(TurnOutputs), c_void_p, POINTER(Error)]),
    "rg_batch_adjoint": (_status, [c_void_p, POINTER(TurnOutputs), POINTER(Gradients), c_void_p,
                                   POINTER(Error)]),
    "rg_batch_carry_directors": (_status, [c_void_p, c_void_p, c_void_p, c_void_p, c_void_p,
                                           POINTER(Error)]),
}
_DEFAULTS = {"rg_batch_opts_default": BatchOpts, "rg_context_opts_default": ContextOpts}


def _open() -> tuple[ctypes.CDLL, str]:
    named = os.environ.get("RODGRAD_LIBRARY")
    own = Path(__file__).with_name("librodgrad.so")
    top = Path(__file__).resolve().parents[2]
    built = top / "build" / "release" / "librodgrad.so"
    found = [str(path) for path in (own, top / "lib" / _SONAME, built) if path.exists()]
    path = named if named else found[0] if found else _SONAME
    try:
        return ctypes.CDLL(path), path
    except OSError as error:
        if named:
            raise RodgradError(f"The rodgrad library that RODGRAD_LIBRARY names, {named}, cannot be loaded: "
                               f"{error}.", "library") from None
        if found:
            raise RodgradError(f"The rodgrad library {path} cannot be loaded: {error}.", "library") from None
        raise RodgradError(
            f"The rodgrad library was not found: RODGRAD_LIBRARY is not set, neither {own} nor {built} exists, "
            f"and the system has no {_SONAME}. Build it with cmake --preset release && cmake --build --preset "
            "release, and name build/release/librodgrad.so in RODGRAD_LIBRARY.", "library") from None


def _refuse(path: str, why: str) -> RodgradError:
    return RodgradError(f"{path} is not the library of rodgrad {__version__}'s Python layer: {why}. Build "
                        "both from the same sources.", "library")


def _size(opts: bytes, structure: type, at: int, path: str, function: str) -> None:
    found, expected = c_size_t.from_buffer_copy(opts, at).value, ctypes.sizeof(structure)
    if found != expected:
        raise _refuse(path, f"the options of {function} have {found} bytes there and {expected} here")


def _declare(library: ctypes.CDLL, path: str) -> dict:
    """Types of all functions; the default options by function, once they have been found to fit."""
    for name, (result, arguments) in _FUNCTIONS.items():
        try:
            function = getattr(library, name)
        except AttributeError:
            raise _refuse(path, f"it has no {name}") from None
        function.restype, function.argtypes = result, arguments
    defaults = {}
    for name, structure in _DEFAULTS.items():
        try:
            function = getattr(library, name)
        except AttributeError:
            raise _refuse(path, f"it has no {name}") from None
        function.restype, function.argtypes = _Sized, []
        opts = bytes(function())
        _size(opts, structure, 0, path, name)
        if structure is BatchOpts:
            _size(opts, RolloutOpts, BatchOpts.rollout.offset, path, "rg_rollout_opts_default")
        defaults[structure] = opts[: ctypes.sizeof(structure)]
    return defaults


def _check_version(library: ctypes.CDLL, path: str) -> str:
    version = library.rg_version().decode()
    if version != __version__:
        raise _refuse(path, f"it is of version {version}")
    return version


def _list_fields(library: ctypes.CDLL, path: str) -> tuple[Field, ...]:
    fields = []
    while info := library.rg_field_describe(len(fields)):
        f = info.contents
        fields.append(Field(f.name.decode(), f.unit.decode(), ("edge", "vertex", "marker")[f.location],
                            f.components, f.symbol.decode()))
    if tuple(f.name for f in fields) != _FIELD_NAMES:
        raise _refuse(path, "its list of fields is another")
    return tuple(fields)


lib, library_path = _open()
_default_bytes = _declare(lib, library_path)
VERSION = _check_version(lib, library_path)
FIELDS = _list_fields(lib, library_path)


def default_opts(structure: type):
    """The library's default options."""
    return structure.from_buffer_copy(_default_bytes[structure])


def call(function: str, *arguments) -> None:
    """Call a function that returns a status; its failure is a RodgradError with its sentence."""
    error = Error()
    status = getattr(lib, function)(*arguments, byref(error))
    if status != 0:
        name = STATUSES[status] if status < len(STATUSES) else str(status)
        raise RodgradError(error.text.decode("utf-8", "replace") or f"{function} failed: {name}", name)


def integer(name: str, value, low: int = 0, high: int = 2**31 - 1) -> int:
    """value where it is a whole number from low to high, of Python or of numpy; ctypes would wrap others."""
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool) or not low <= number <= high:
        raise RodgradError(f"{name} is {value!r}; it must be a whole number from {low} to {high}.")
    return number


def field_number(name: str) -> int | None:
    """The library's number of the field of this name, None where there is none."""
    number = c_int()
    return number.value if lib.rg_field_find(name.encode(), byref(number)) else None


def rod_flag_text(flag: int) -> str:
    """What the flag of a rod's status means."""
    return lib.rg_rod_flag_text(integer("flag", flag, -2**31)).decode()
