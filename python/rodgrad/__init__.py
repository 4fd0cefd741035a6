"""rodgrad: simulate elastic rods and differentiate the simulation, from Python.

A thin layer over librodgrad.so: `Model` is the description of one rod, `Batch` runs many of them forward,
backward (`adjoint`) and along one direction (`jvp`), `directors_along` makes directors for a start, `simulate` drives
a model by recordings and gives its forces, which `hold_wrench` sums over a gripper. Arrays are numpy's, of float64 or,
in calls of a batch, float32, rods outermost; shapes, units and meaning are those of include/rodgrad/model.h, batch.h and rollout.h.
Every failure is a `RodgradError` with a sentence that says what to do.
"""

from rodgrad._library import FIELDS, RodgradError, rod_flag_text
from rodgrad._library import VERSION as __version__
from rodgrad.batch import ROD_STATUS, Batch, Model, directors_along
from rodgrad.recordings import hold_wrench, simulate

__all__ = ["FIELDS", "ROD_STATUS", "Batch", "Model", "RodgradError", "__version__", "directors_along",
           "hold_wrench", "rod_flag_text", "simulate"]
