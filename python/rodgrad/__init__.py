"""rodgrad: simulate elastic rods and differentiate the simulation, from Python.

A thin layer over librodgrad.so: `Model` is the description of one rod, `Batch` runs many of them forward,
backward (`adjoint`) and along one direction (`jvp`), `directors_along` makes directors for a start. Arrays are
numpy's, of float64 or float32, rods outermost; shapes, units and meaning are those of include/rodgrad/model.h and batch.h.
Every failure is a `RodgradError` with a sentence that says what to do.
"""

from rodgrad._library import FIELDS, RodgradError, rod_flag_text
from rodgrad._library import VERSION as __version__
from rodgrad.batch import ROD_STATUS, Batch, Model, directors_along

__all__ = ["FIELDS", "ROD_STATUS", "Batch", "Model", "RodgradError", "__version__", "directors_along",
           "rod_flag_text"]
