"""The shared library: found, loaded, and declared to ctypes.

The library is, in this order, the file that $RODGRAD_LIBRARY names, librodgrad.so next to this package, that of
the unpacked archive or the sources' build/release in which this package lies, or what the system's loader finds
under the soname of this version. Structures are made from the library's own description (_layout.py); a library
of another version, or without a struct, a member or a function that this layer uses, is refused.
"""

from __future__ import annotations

import ctypes
import operator
import os
from ctypes import POINTER, byref, c_char_p, c_double, c_int, c_size_t, c_void_p
from pathlib import Path
from typing import NamedTuple

from rodgrad._layout import Layout, Unfit
from rodgrad._version import __version__

_SONAME = "librodgrad.so." + ".".join(__version__.split(".")[:2])


class RodgradError(RuntimeError):
    """A call failed; the text says why and what to do. `status` is the library's code by name ("value",
    "shape", ...), "library" where the library itself is the matter."""

    def __init__(self, text: str, status: str = "argument") -> None:
        super().__init__(text)
        self.status = status


class Field(NamedTuple):
    """A field of a model: its name in `Model.fields`, its unit, where it lives, numbers per entry."""

    name: str
    unit: str
    location: str  # "edge", "vertex" or "marker"
    components: int
    symbol: str


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
    return RodgradError(f"The library {path} does not fit the Python layer of rodgrad {__version__}: {why}; build "
                        "both from the same sources.", "library")


def _function(name: str, result, arguments: list):
    """The library's function of this name, declared."""
    try:
        function = getattr(lib, name)
    except AttributeError:
        raise _refuse(library_path, f"it has no {name}") from None
    function.restype, function.argtypes = result, arguments
    return function


def _check_version() -> str:
    version = _function("rg_version", c_char_p, [])().decode()
    if version != __version__:
        raise _refuse(library_path, f"it is of version {version}")
    return version


_DERIVATIVES = {"size_t": "struct_size n_fields", "pointer": "x0 v0 turn0 clamp_x clamp_turn force fields"}
_TURN_OUTPUTS = {"size_t": "struct_size", "pointer": "x v turn markers tension reaction reaction_moment moment energy"}
# the members that this layer fills or reads, by type
_USED = {
    "rg_error": {"char[]": "text"},
    "rg_rollout_opts": {"size_t": "struct_size",
                        "int": "stepper scheme substeps max_iterations threads real at_limit",
                        "double": "tolerance_m deadline_s",
                        "double[3]": "gravity", "text": "isa", "pointer": "context"},
    "rg_batch_opts": {"rg_rollout_opts": "rollout", "double": "dt_s",
                      "size_t": "struct_size n_frames budget_bytes window directions",
                      "int": "adjoint carry_on"},
    "rg_context_opts": {"size_t": "struct_size", "text": "backend"},
    "rg_field_info": {"text": "name unit symbol", "int": "location components"},
    "rg_field_values": {"int": "field", "pointer": "values"},
    "rg_field_gradient": {"int": "field", "pointer": "values"},
    "rg_batch_inputs": {"size_t": "struct_size n_fields", "pointer": "x0 v0 m0 clamp_x clamp_m force fields"},
    "rg_batch_outputs": {"size_t": "struct_size",
                         "pointer": "x v m markers tension reaction reaction_moment moment energy"},
    "rg_batch_tangents": _DERIVATIVES | {"size_t": "struct_size n_fields n_directions"},
    "rg_batch_tangent_outputs": _TURN_OUTPUTS,
    "rg_batch_cotangents": _TURN_OUTPUTS,
    "rg_batch_gradients": {"size_t": "struct_size n_fields growth_every",
                           "pointer": _DERIVATIVES["pointer"] + " growth"},
    "rg_batch_plan": {},
    "rg_rod_status": {"int": "flag step iterations worst_iterations vertex unstable worst_twist_step worst_turn_step "
                             "unfinished_steps first_unfinished_step",
                      "double": "worst_increment_m worst_twist_rad worst_turn_rad stable_step_s worst_residual_n"},
    "rg_adjoint_status": {"int": "flag step vertex"},
    "rg_recording": {"size_t": "n_frames n_markers n_lost n_clamps", "double": "dt_s", "pointer": "positions lost clamps"},
    "rg_forces": {"size_t": "struct_size", "pointer": "tension reaction reaction_moment moment"},
}
# a run's structs, which there are for arrays of doubles and, with _float behind their names, of floats
_RUN = ("field_values", "field_gradient", "batch_inputs", "batch_outputs", "batch_tangents", "batch_tangent_outputs",
        "batch_cotangents", "batch_gradients")
_USED |= {f"rg_{name}_float": _USED[f"rg_{name}"] for name in _RUN}


def _read_layout(text: str) -> tuple[dict[str, type[ctypes.Structure]], dict[int, str], dict[int, str]]:
    """From the library's description the structures in use, the names of statuses and of where fields live."""
    try:
        layout = Layout(text)
        structures = {name: layout.structure(name, used) for name, used in _USED.items()}
        statuses = layout.enum("rg_status", "RG_")
        return (structures, {code: name.removeprefix("err_") for code, name in statuses.items()},
                layout.enum("rg_location", "RG_PER_"))
    except Unfit as why:
        raise _refuse(library_path, str(why)) from None


def _list_fields() -> tuple[Field, ...]:
    fields = []
    while info := lib.rg_field_describe(len(fields)):
        f = info.contents
        fields.append(Field(f.name.decode(), f.unit.decode(), _locations[f.location], f.components, f.symbol.decode()))
    return tuple(fields)


lib, library_path = _open()
VERSION = _check_version()
_structures, STATUSES, _locations = _read_layout(_function("rg_layout_text", c_char_p, [])().decode())

Error = _structures["rg_error"]
RolloutOpts = _structures["rg_rollout_opts"]
BatchOpts = _structures["rg_batch_opts"]
ContextOpts = _structures["rg_context_opts"]
FieldInfo = _structures["rg_field_info"]
# a run's structs and elements of their lists by name, of doubles and of floats
RUN = {suffix: {name: _structures[f"rg_{name}{suffix}"] for name in _RUN} for suffix in ("", "_float")}
Plan = _structures["rg_batch_plan"]
RodStatus = _structures["rg_rod_status"]
AdjointStatus = _structures["rg_adjoint_status"]
Recording = _structures["rg_recording"]
Forces = _structures["rg_forces"]

_ints, _status = POINTER(POINTER(c_int)), c_int
_CHOICES = ("stepper", "scheme", "real", "at_limit", "bend_measure")


def _run_functions(suffix: str) -> dict:
    """the functions that take arrays of either kind"""
    of = {name.removeprefix("batch_"): POINTER(structure) for name, structure in RUN[suffix].items()}
    return {
        f"rg_batch_forward{suffix}": (_status, [c_void_p, of["inputs"], of["outputs"], c_void_p, POINTER(Error)]),
        f"rg_batch_jvp{suffix}": (_status, [c_void_p, of["inputs"], of["tangents"], of["outputs"],
                                            of["tangent_outputs"], c_void_p, POINTER(Error)]),
        f"rg_batch_adjoint{suffix}": (_status, [c_void_p, of["cotangents"], of["gradients"], c_void_p,
                                                POINTER(Error)]),
        f"rg_batch_carry_directors{suffix}": (_status, [c_void_p, c_void_p, c_void_p, c_void_p, c_void_p,
                                                        POINTER(Error)]),
    }


# name: (result, arguments)
_FUNCTIONS = {
    "rg_rollout_opts_init": (None, [POINTER(RolloutOpts)]),
    "rg_batch_opts_init": (None, [POINTER(BatchOpts)]),
    "rg_context_opts_init": (None, [POINTER(ContextOpts)]),
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
    "rg_model_clamped_edges": (c_size_t, [c_void_p, c_void_p]),
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
    "rg_batch_reset": (_status, [c_void_p, c_void_p, POINTER(Error)]),
    **_run_functions(""),
    **_run_functions("_float"),
    "rg_simulate": (_status, [c_void_p, POINTER(Recording), c_size_t, POINTER(RolloutOpts), POINTER(c_void_p), c_void_p,
                              POINTER(Error)]),
    "rg_simulate_forces": (_status, [c_void_p, POINTER(Recording), c_size_t, POINTER(RolloutOpts), POINTER(c_void_p),
                                     POINTER(Forces), c_void_p, POINTER(Error)]),
    "rg_hold_wrench": (_status, [c_void_p, c_size_t, c_size_t, *[c_void_p] * 6, POINTER(Error)]),
}

for _name, (_result, _arguments) in _FUNCTIONS.items():
    _function(_name, _result, _arguments)
FIELDS = _list_fields()


def default_opts(structure: type):
    """The library's default options."""
    opts = structure()
    opts.struct_size = ctypes.sizeof(structure)
    if structure is BatchOpts:
        opts.rollout.struct_size = ctypes.sizeof(RolloutOpts)
    {BatchOpts: lib.rg_batch_opts_init, ContextOpts: lib.rg_context_opts_init,
     RolloutOpts: lib.rg_rollout_opts_init}[structure](byref(opts))
    return opts


def call(function: str, *arguments) -> None:
    """Call a function that returns a status; its failure is a RodgradError with its sentence."""
    error = Error()
    status = getattr(lib, function)(*arguments, byref(error))
    if status != 0:
        name = STATUSES.get(status, str(status))
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
