"""Models and batches: values against free fall and statics, gradients against central differences and against
each other, errors, lifetimes, the search for the library and its description of its structs. Run with
    RODGRAD_LIBRARY=build/release/librodgrad.so PYTHONPATH=python python3 -m unittest discover -s python/tests
"""

import ctypes
import gc
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import numpy as np

import rodgrad
from rodgrad import Batch, Model, RodgradError, _library

ROOT = Path(__file__).resolve().parents[2]
MARKERS, FRAMES, SUBSTEPS = 9, 4, 2
STEPS = FRAMES * SUBSTEPS


def cantilever(seed: int = 0) -> tuple[Model, dict]:
    """a rod of 1 m held at its first edge, bent and moving a little, and what drives it"""
    random = np.random.default_rng(seed)
    model = Model(MARKERS, 1, [0, 1])
    model.fields["bend_stiffness_1"][:] = 3e-3
    model.fields["bend_stiffness_2"][:] = 2e-3
    model.fields["rest_length"][:] = 1.0 / (MARKERS - 1)
    x0 = np.zeros((1, MARKERS, 3))
    x0[0, :, 0] = np.linspace(0.0, 1.0, MARKERS)
    x0[0, 2:] += 5e-3 * random.standard_normal((MARKERS - 2, 3))
    tangent = np.diff(x0, axis=1)
    tangent /= np.linalg.norm(tangent, axis=2, keepdims=True)
    m0 = np.array([0.0, 1.0, 0.0]) - tangent[..., 1:2] * tangent
    m0 /= np.linalg.norm(m0, axis=2, keepdims=True)
    v0 = 0.1 * random.standard_normal((1, MARKERS, 3))
    v0[0, :2] = 0.0
    clamp_x = np.repeat(x0[:, None, :2], STEPS, axis=1)
    clamp_m = np.repeat(m0[:, None, :1], STEPS, axis=1)
    force = 1e-2 * random.standard_normal((1, STEPS, MARKERS, 3))
    return model, {"x0": x0, "v0": v0, "m0": m0, "clamp_x": clamp_x, "clamp_m": clamp_m, "force": force}


def make(model: Model, n_rods: int = 1, **options) -> Batch:
    return Batch(model, n_rods, n_frames=FRAMES, substeps=SUBSTEPS, dt=0.02, tolerance=1e-12, **options)


class Values(unittest.TestCase):
    def test_fall(self):
        # backward Euler adds h^2/2 to the first step of BDF2: g t^2/2 to that error
        model = Model(MARKERS)
        x0 = np.zeros((1, MARKERS, 3))
        x0[0, :, 0] = np.linspace(0.0, 1.0, MARKERS)
        model.fields["rest_length"][:] = 1.0 / (MARKERS - 1)
        model.fields["drag"][:] = 0.0
        m0 = np.tile([0.0, 1.0, 0.0], (1, MARKERS - 1, 1))
        steps, h = 100, 1e-3
        out, statuses = Batch(model, n_frames=steps, dt=h).forward(x0, m0, outputs=("x", "v", "markers"))
        self.assertEqual(statuses["flag"][0], 0)
        t = h * np.arange(1, steps + 1)
        error = np.abs(out["x"][0, :, :, 2] + 0.5 * 9.81 * t[:, None] ** 2).max()
        self.assertLessEqual(error, 9.81 * h * t[-1])
        self.assertLessEqual(np.abs(out["v"][0, :, :, 2] + 9.81 * t[:, None]).max(), 1e-9)
        self.assertTrue(np.array_equal(out["x"], out["markers"]))
        batch = Batch(model, n_frames=steps, dt=h, gravity=(0.0, 3.0, 0.0))
        out, _ = batch.forward(x0, m0, outputs=("v",))
        self.assertLessEqual(np.abs(out["v"][0] - t[:, None, None] * np.array([0.0, 3.0, 0.0])).max(), 1e-9)

    def test_fields(self):
        model = Model(5, 3, [0, 1])
        self.assertEqual(model.vertices, 1 + 1 + 3 * 3)  # one edge between gripped markers
        self.assertEqual(list(model.marker_vertices), [0, 1, 4, 7, 10])
        self.assertEqual(set(model.fields), {f.name for f in rodgrad.FIELDS})
        sizes = {"edge": model.vertices - 1, "vertex": model.vertices, "marker": model.markers}
        for field in rodgrad.FIELDS:
            shape = (sizes[field.location],) + ((field.components,) if field.components > 1 else ())
            self.assertEqual(model.fields[field.name].shape, shape)

    def test_fields_among_inputs(self):
        model, given = cantilever()
        stiff, _ = cantilever()
        stiff.fields["bend_stiffness_1"][:] = 6e-3
        stiff.fields["rest_length"][:] *= 1.01
        fields = {name: stiff.fields[name][None] for name in ("bend_stiffness_1", "rest_length")}
        batch = make(model)
        wanted, as_it_is = make(stiff).forward(**given)[0], batch.forward(**given)[0]
        np.testing.assert_array_equal(batch.forward(**given, fields=fields)[0]["x"], wanted["x"])
        bars = {"x": np.ones_like(wanted["x"])}
        here, _ = batch.adjoint(bars, ["rest_length", "x0"])
        there = make(stiff)
        there.forward(**given)
        there, _ = there.adjoint(bars, ["rest_length", "x0"])
        for name, gradient in here.items():
            np.testing.assert_array_equal(gradient, there[name])
        np.testing.assert_array_equal(batch.forward(**given)[0]["x"], as_it_is["x"])
        with self.assertRaisesRegex(RodgradError, "no field 'stiffness'"):
            batch.forward(**given, fields={"stiffness": np.ones(1)})
        with self.assertRaisesRegex(RodgradError, "rod 0: rest_length, entry 0"):
            batch.forward(**given, fields={"rest_length": -np.ones((1, MARKERS - 1))})

    def test_float32(self):
        # what comes out of float32 is what comes out of its doubles, rounded, and of float32
        model, given = cantilever()
        given["x0"] = np.tile(np.arange(MARKERS)[:, None] * [0.125, 0.0, 0.0], (1, 1, 1))
        given["m0"] = np.tile([0.0, 1.0, 0.0], (1, MARKERS - 1, 1))
        given["clamp_x"] = np.repeat(given["x0"][:, None, :2], STEPS, axis=1)
        given["clamp_m"] = np.repeat(given["m0"][:, None, :1], STEPS, axis=1)
        floats = {name: a.astype(np.float32) for name, a in given.items()}
        fields = {"bend_stiffness_1": np.full((1, MARKERS), 4e-3, np.float32)}
        tangents = {"x0": 0.01 * floats["v0"], "bend_stiffness_1": fields["bend_stiffness_1"]}
        outputs = ("x", "v", "m", "markers", "tension", "energy")
        wrt = ("x0", "clamp_turn", "force", "bend_stiffness_1")

        def run(kind):
            batch = make(model, directions=2)
            to = {name: a.astype(kind) for name, a in floats.items()}
            clamp_m = batch.carry_directors(to["m0"], to["x0"], to["clamp_x"])
            forward, _ = batch.forward(**to, fields={n: f.astype(kind) for n, f in fields.items()}, outputs=outputs)
            gradients, _ = batch.adjoint({"x": to["force"][:, 1::2]}, wrt, growth_every=STEPS)
            along = {n: t.astype(kind) for n, t in tangents.items()}
            out, d_out, _ = batch.jvp(**to, tangents=along, outputs=outputs)
            two = {n: np.stack([np.zeros_like(t), t]) for n, t in along.items()}
            _, d_two, _ = batch.jvp(**to, tangents=two, outputs=outputs)
            for name, d in d_two.items():
                np.testing.assert_array_equal(d[1], d_out[name])
            return [clamp_m, *(a for part in (forward, gradients, out, d_out, d_two) for a in part.values())]

        for single, double in zip(run(np.float32), run(np.float64), strict=True):
            self.assertEqual((single.dtype, double.dtype), (np.float32, np.float64))
            self.assertTrue(np.abs(double).max() > 0)
            np.testing.assert_array_equal(single, double.astype(np.float32))
        # lists and whole numbers go with either; the library reads an array where it is when no adjoint follows
        batch = make(model, adjoint=False)
        out, _ = batch.forward(**(floats | {"m0": given["m0"].astype(int), "v0": given["v0"].tolist()}))
        self.assertEqual(out["x"].dtype, np.float32)
        self.assertIs(rodgrad.batch._Kind(floats).array("x0", floats["x0"], floats["x0"].shape), floats["x0"])
        out, _ = batch.forward(**{name: a.tolist() for name, a in given.items()})
        self.assertEqual(out["x"].dtype, np.float64)
        with self.assertRaisesRegex(RodgradError, "v0, force are of float32 and x0, m0, clamp_x, clamp_m of float64"):
            batch.forward(**(given | {"v0": floats["v0"], "force": floats["force"]}))
        with self.assertRaisesRegex(RodgradError, "the field drag is of float32 and"):
            batch.forward(**given, fields={"drag": np.ones((1, MARKERS), np.float32)})
        with self.assertRaisesRegex(RodgradError, "the cotangent of v is of float32 and the cotangent of x of float64"):
            make(model).adjoint({"x": np.ones((1, FRAMES, MARKERS, 3)), "v": np.ones(1, np.float32)}, ["x0"])

    def test_bend_measure(self):
        model, inputs = cantilever()
        self.assertEqual(model.bend_measure, "averaged")
        averaged, _ = make(model).forward(**inputs)
        model.bend_measure = "normalised"
        self.assertEqual(model.bend_measure, "normalised")
        normalised, _ = make(model).forward(**inputs)
        self.assertFalse(np.array_equal(averaged["x"], normalised["x"]))
        self.assertEqual(Model(4, bend_measure="normalised").bend_measure, "normalised")
        with self.assertRaisesRegex(RodgradError, "it can be 'averaged', 'normalised'"):
            model.bend_measure = "mean"
        with self.assertRaisesRegex(RodgradError, "deform stepper measures bending against averaged directors"):
            make(model, stepper="deform")

    def test_fields_write_through(self):
        model, inputs = cantilever()
        view = model.fields["bend_stiffness_1"]
        model.fields["bend_stiffness_1"] = 7e-3
        self.assertIs(model.fields["bend_stiffness_1"], view)
        self.assertTrue((view == 7e-3).all())
        model.fields["bend_stiffness_1"] *= 2.0
        self.assertTrue((view == 14e-3).all())
        model.fields["natural_curvature"] = np.tile([1.0, 2.0], (model.vertices, 1)).astype(np.float32)
        self.assertTrue((model.fields["natural_curvature"] == [1.0, 2.0]).all())
        # the library sees it
        written, _ = make(model).forward(**inputs)
        other, _ = cantilever()
        other.fields["bend_stiffness_1"][:] = 14e-3
        other.fields["natural_curvature"][:] = [1.0, 2.0]
        expected, _ = make(other).forward(**inputs)
        self.assertTrue(np.array_equal(written["x"], expected["x"]))
        model.fields["drag"] = -1.0
        with self.assertRaisesRegex(RodgradError, "drag"):
            model.check()
        for name, value, words in (("drag", [1.0, 2.0], "drag takes a number or an array of shape"),
                                   ("drag", "much", "drag takes a number"), ("stiffness", 1.0, "no field 'stiffness'")):
            with self.assertRaisesRegex(RodgradError, words):
                model.fields[name] = value
        with self.assertRaises(AttributeError):
            model.fields = {}
        with self.assertRaises(AttributeError):
            del model.fields["drag"]

    def test_directors_along(self):
        angle = np.linspace(0.0, 5.0, 30)
        helix = np.stack([np.cos(angle), np.sin(angle), 0.2 * angle], axis=1)
        curves = np.stack([helix, 2.0 * helix[::-1]])
        m = rodgrad.directors_along(curves, first=[0.0, 0.3, 4.0])
        self.assertEqual(m.shape, (2, 29, 3))
        t = np.diff(curves, axis=1)
        t /= np.linalg.norm(t, axis=2, keepdims=True)
        # a few roundings of numbers of size 1
        self.assertLessEqual(np.abs((m * t).sum(axis=2)).max(), 1e-14)
        self.assertLessEqual(np.abs((m * m).sum(axis=2) - 1.0).max(), 1e-14)
        binormal = np.cross(t[:, :-1], t[:, 1:])
        self.assertLessEqual(np.abs((binormal * (m[:, 1:] - m[:, :-1])).sum(axis=2)).max(), 1e-14)
        self.assertTrue(np.array_equal(rodgrad.directors_along(helix), rodgrad.directors_along(curves)[0]))
        for wrong, words in ((np.zeros((4, 2)), "shape"), (np.zeros((4, 3)), "one place"), (helix[:1], "2 or more")):
            with self.assertRaisesRegex(RodgradError, words):
                rodgrad.directors_along(wrong)
        for first, words in ((helix[1] - helix[0], "along the first edge"), ([0.0, 1.0], "no vector")):
            with self.assertRaisesRegex(RodgradError, words):
                rodgrad.directors_along(helix, first)

    def test_clamped(self):
        model, inputs = cantilever()
        batch = make(model)
        self.assertEqual(list(batch.clamped_vertices()), [0, 1])
        self.assertEqual(list(batch.clamped_edges()), [0])
        carried = batch.carry_directors(inputs["m0"], inputs["x0"], inputs["clamp_x"])
        self.assertLessEqual(np.abs(carried - inputs["clamp_m"]).max(), 1e-15)
        self.assertIn("step", batch.plan())

    def test_static(self):
        # where the weight holds the rod in the end, whichever way it got there
        model, inputs = cantilever()
        del inputs["force"], inputs["v0"]
        model.fields["drag"][:] = 20.0
        steps = 400
        for name in ("clamp_x", "clamp_m"):
            inputs[name] = np.repeat(inputs[name][:, :1], steps, axis=1)
        options = dict(n_frames=steps, dt=0.1, tolerance=1e-12)
        damped, _ = Batch(model, **options).forward(**inputs)
        static, statuses = Batch(model, scheme="static", **options).forward(**inputs)
        self.assertEqual(statuses["unstable"][0], -1)
        # what is left of the motion: drag against weight, slowest mode
        self.assertLessEqual(np.abs(damped["x"][0, -1] - static["x"][0, 0]).max(), 1e-7)

    def test_two_batches(self):
        # alive at once, of other sizes, used by turns: the same bits as alone
        model, inputs = cantilever()
        alone, _ = make(model).forward(**inputs)
        many = {name: np.repeat(value, 5, axis=0) for name, value in inputs.items()}
        one, five = make(model), make(model, 5)
        for _ in range(2):
            a, _ = one.forward(**inputs)
            b, _ = five.forward(**many)
            self.assertTrue(np.array_equal(a["x"], alone["x"]))
            self.assertTrue(all(np.array_equal(x, alone["x"][0]) for x in b["x"]))

    def test_ragged(self):
        model, inputs = cantilever()
        longer = Model(MARKERS + 2, 1, [0, 1])
        longer.fields["rest_length"][:] = 1.0 / (MARKERS - 1)
        x0, m0 = np.zeros((2, MARKERS + 2, 3)), np.zeros((2, MARKERS + 1, 3))
        x0[1, :, 0], m0[1, :, 1] = np.arange(MARKERS + 2) / (MARKERS - 1), 1.0
        x0[0, :MARKERS], m0[0, :-2] = inputs["x0"][0], inputs["m0"][0]
        clamp_x, clamp_m = np.repeat(x0[:, None, :2], STEPS, 1), np.repeat(m0[:, None, :1], STEPS, 1)
        out, statuses = Batch([model, longer], n_frames=FRAMES, substeps=SUBSTEPS, dt=0.02,
                              tolerance=1e-12).forward(x0, m0, clamp_x, clamp_m)
        alone, _ = make(model).forward(inputs["x0"], inputs["m0"], inputs["clamp_x"], inputs["clamp_m"])
        self.assertTrue((statuses["flag"] == 0).all())
        self.assertTrue(np.array_equal(out["x"][0, :, :MARKERS], alone["x"][0]))


class Derivatives(unittest.TestCase):
    NAMES = ("x0", "v0", "clamp_x", "force", "bend_stiffness_1", "natural_curvature", "mass_per_length",
             "twist_stiffness", "drag")

    def loss(self, model: Model, inputs: dict, weights: dict) -> float:
        out, statuses = make(model).forward(**inputs, outputs=("x", "v", "tension", "reaction", "reaction_moment",
                                              "moment", "energy"))
        self.assertEqual(statuses["flag"][0], 0)
        return sum(float((weights[name] * out[name]).sum()) for name in weights)

    def setUp(self):
        self.model, self.inputs = cantilever()
        random = np.random.default_rng(1)
        self.weights = {name: random.standard_normal((1, FRAMES, MARKERS, 3)) for name in ("x", "v")}
        # x0's clamped vertices and the directors' turns stay: a director moves when its edge does
        self.directions = {}
        for name in self.NAMES:
            target = self.inputs.get(name)
            shape = target.shape if target is not None else (1,) + self.model.fields[name].shape
            self.directions[name] = random.standard_normal(shape)
        self.directions["x0"][:, :2] = 0.0
        self.directions["clamp_x"][..., 0, :] = self.directions["clamp_x"][..., 1, :]
        self.weights["tension"] = 1e-3 * random.standard_normal((1, FRAMES, MARKERS - 1))
        self.weights["reaction"] = 1e-3 * random.standard_normal((1, FRAMES, 2, 3))
        self.weights["moment"] = random.standard_normal((1, FRAMES, MARKERS, 3))
        self.weights["energy"] = random.standard_normal((1, FRAMES, 5))
        self.weights["reaction_moment"] = random.standard_normal((1, FRAMES, 1))

    def moved(self, name: str, by: float) -> tuple[Model, dict]:
        model, inputs = cantilever()
        step = by * self.directions[name]
        if name not in inputs:
            model.fields[name][:] = self.model.fields[name] + step[0]
            return model, inputs
        inputs[name] = inputs[name] + step
        if name == "x0":  # directors go along by parallel transport
            old, new = (np.diff(x, axis=1) for x in (self.inputs["x0"], inputs["x0"]))
            s, t = (e / np.linalg.norm(e, axis=2, keepdims=True) for e in (old, new))
            m = inputs["m0"]
            inputs["m0"] = m - (m * t).sum(2, keepdims=True) / (1 + (s * t).sum(2, keepdims=True)) * (s + t)
        return model, inputs

    def test_adjoint_and_jvp(self):
        batch = make(self.model)
        batch.forward(**self.inputs)
        gradients, statuses = batch.adjoint(self.weights, self.NAMES, growth_every=2)
        self.assertEqual(statuses["flag"][0], 0)
        self.assertEqual(gradients["growth"].shape, (1, STEPS // 2 + 1))
        for name in self.NAMES:
            with self.subTest(name):
                adjoint = float((gradients[name] * self.directions[name]).sum())
                _, along, _ = batch.jvp(**self.inputs, tangents={name: self.directions[name]},
                                        outputs=("x", "v", "m", "tension", "reaction", "reaction_moment", "moment", "energy"))
                self.assertEqual(along["turn"].shape, (1, FRAMES, MARKERS - 1))
                forward = sum(float((w * along[k]).sum()) for k, w in self.weights.items())
                # both exact: rounding, and Newton's tolerance
                self.assertLessEqual(abs(adjoint - forward), 1e-9 * abs(forward) + 1e-12)
                scale = 1e-5
                if name not in self.inputs:
                    scale *= max(np.abs(self.model.fields[name]).max(), 0.1)
                difference = (self.loss(*self.moved(name, scale), self.weights)
                              - self.loss(*self.moved(name, -scale), self.weights)) / (2 * scale)
                self.assertGreater(abs(difference), 1e-9)
                # central differences: h^2 of the third derivative, and rounding over h
                self.assertLessEqual(abs(adjoint - difference), 2e-5 * abs(difference) + 1e-7)

    def test_several_directions(self):
        # with a leading axis, the bits of one after the other
        n, outputs = 3, ("x", "v", "m", "markers", "tension", "reaction", "reaction_moment", "moment", "energy")
        random = np.random.default_rng(2)
        tangents = {name: random.standard_normal((n,) + d.shape) for name, d in self.directions.items()}
        batch = make(self.model, directions=n)
        out, along, _ = batch.jvp(**self.inputs, tangents=tangents, outputs=outputs)
        self.assertEqual(out["x"].shape, (1, FRAMES, MARKERS, 3))
        self.assertEqual(along["x"].shape, (n, 1, FRAMES, MARKERS, 3))
        for q in range(n):
            _, alone, _ = batch.jvp(**self.inputs, tangents={k: t[q] for k, t in tangents.items()}, outputs=outputs)
            for name, value in alone.items():
                self.assertTrue(np.array_equal(along[name][q], value) and value.any(), name)
        two = dict(tangents, x0=tangents["x0"][:2])
        for batch, given, text in ((make(self.model), tangents, "created for at most 1"), (batch, two, "has shape"),
                                   (batch, {"x0": tangents["x0"][:0]}, "has shape")):
            with self.assertRaises(RodgradError) as caught:
                batch.jvp(**self.inputs, tangents=given)
            self.assertIn(text, str(caught.exception))
        with self.assertRaises(RodgradError):
            make(self.model, directions=0)

    def test_inputs_are_kept(self):
        # what the caller does to its arrays after the run is not seen by the adjoint
        batch = make(self.model)
        batch.forward(**self.inputs)
        before, _ = batch.adjoint(self.weights, ["x0", "force"])
        batch.forward(**self.inputs)
        for value in self.inputs.values():
            value[:] = np.nan
        self.inputs = {}
        gc.collect()
        after, _ = batch.adjoint(self.weights, ["x0", "force"])
        self.assertTrue(all(np.array_equal(before[n], after[n]) for n in before))


class Errors(unittest.TestCase):
    def refused(self, pattern: str, call, *arguments, **options) -> RodgradError:
        with self.assertRaisesRegex(RodgradError, pattern) as caught:
            call(*arguments, **options)
        return caught.exception

    def test_models(self):
        self.refused("markers", Model, 2)
        self.refused("n_markers is -3", Model, -3)
        self.refused("clamp", Model, 5, 1, [3, 1])
        model = Model(5)
        model.fields["twist_stiffness"][2] = -1.0
        error = self.refused("twist_stiffness", model.check)
        self.assertEqual(error.status, "value")
        self.refused("twist_stiffness", Batch, model)

    def test_options(self):
        model = Model(5)
        self.refused("scheme is 'euler'; it can be 'be', 'bdf2', 'static'", Batch, model, scheme="euler")
        self.refused("substeps", Batch, model, substeps=0)
        self.refused("substeps", Batch, model, substeps=1001)
        self.refused("n_frames is -1", Batch, model, n_frames=-1)
        self.refused("0 models", Batch, [])
        self.refused("0 models", Batch, model, 0)
        self.refused("isa|instruction", Batch, model, isa="mmx")
        self.refused("gravity has shape", Batch, model, gravity=(0.0, 1.0))
        self.refused("abacus", Batch, model, backend="abacus")

    def test_integers(self):
        # ctypes would wrap or cut them
        model, _ = cantilever()
        for value in (-1, 2**31 + 1, 2**32 + 1, 2**70, 2.5, 3.0, np.float64(3.0), "3", None, True):
            for name in ("n_frames", "substeps", "threads", "window", "max_iterations"):
                if value is None and name == "max_iterations":
                    continue
                self.refused(f"{name} is .* whole number", Batch, model, **{name: value})
            self.refused("n_markers is .* whole number", Model, value)
            self.refused("refine is .* whole number", Model, 5, value)
            self.refused(r"clamps\[1\] is .* whole number", Model, 5, 1, [0, value])
        for value in (-2, 2**64, 1e6):
            self.refused("budget_bytes is .* whole number", Batch, model, budget_bytes=value)
        self.refused("n_rods is .* whole number", Batch, model, 1.5)
        batch = make(model)
        for value in (0.0, "0"):
            self.refused("rod is .* whole number", batch.set_model, value, model)
            self.refused("rod is .* whole number", batch.clamped_vertices, value)
        self.refused("no rod 4294967296", batch.set_model, 2**32, model)
        self.refused("no rod -1", batch.clamped_vertices, -1)
        self.refused("growth_every is .* whole number", batch.adjoint, {}, ["x0"], growth_every=-1)
        self.refused("rods must be True or False", batch.reset, [256])
        self.refused("rods must be True or False", batch.reset, [0.5])
        self.refused("flag is .* whole number", rodgrad.rod_flag_text, 2**32)
        self.assertEqual(Model(np.int64(5), np.uint8(2), np.array([0, 1])).vertices, 1 + 1 + 3 * 2)

    def test_shapes(self):
        model, inputs = cantilever()
        batch = make(model)
        for name, value in inputs.items():
            self.refused(f"{name} has shape", batch.forward, **inputs | {name: value[:, :-1]})
        self.refused("x0 is not an array of numbers", batch.forward, **inputs | {"x0": "straight"})
        self.refused("m0 is not an array of numbers", batch.forward, **inputs | {"m0": [[1.0], [1.0, 2.0]]})
        self.refused("clamp_x is missing", batch.forward, inputs["x0"], inputs["m0"])
        self.refused("no output 'y'", batch.forward, **inputs, outputs=("y",))
        self.refused("there is no run", batch.adjoint, {"x": np.zeros((1, FRAMES, MARKERS, 3))}, ["x0"])
        batch.forward(**inputs)
        self.refused("cotangent of x has shape", batch.adjoint, {"x": np.zeros(3)}, ["x0"])
        self.refused("no gradient 'stiffness'", batch.adjoint, {}, ["stiffness"])
        self.refused("adjoint", self.ran(make(model, adjoint=False), inputs).adjoint, {}, ["x0"])
        self.refused("There is no rod 1", batch.clamped_edges, 1)
        self.refused("rods has shape", batch.reset, [True, False])
        self.refused("mesh|vertices|markers", batch.set_model, 0, Model(4))

    @staticmethod
    def ran(batch: Batch, inputs: dict) -> Batch:
        batch.forward(**inputs)
        return batch

    def test_limit(self):
        model, inputs = cantilever()
        _, frozen = make(model, max_iterations=1).forward(**inputs)
        self.assertEqual(rodgrad.rod_flag_text(frozen["flag"][0]), "Newton did not converge")
        for options in ({"max_iterations": 1, "adjoint": False}, {"deadline": 1e-12, "budget_bytes": -1}):
            out, statuses = make(model, at_limit="continue", **options).forward(**inputs)
            self.assertEqual(statuses["flag"][0], 0)
            self.assertEqual(statuses["unfinished_steps"][0], FRAMES * SUBSTEPS)
            self.assertEqual(statuses["first_unfinished_step"][0], 0)
            self.assertGreater(statuses["worst_residual_n"][0], 0.0)
            self.assertTrue(np.isfinite(out["x"]).all())
        _, solved = make(model, at_limit="continue").forward(**inputs)
        self.assertEqual((solved["unfinished_steps"][0], solved["first_unfinished_step"][0]), (0, -1))
        self.refused("at_limit is 'stop'; it can be 'freeze', 'continue'", Batch, model, at_limit="stop")
        self.refused("deadline_s is -1", Batch, model, deadline=-1.0)
        self.refused("RG_STORE_ALL", Batch, model, n_frames=100, deadline=0.1)

    def test_not_a_number(self):
        model, inputs = cantilever()
        bad = inputs["x0"].copy()
        bad[0, 4, 1] = np.nan
        self.assertEqual(self.refused(".", make(model).forward, **inputs | {"x0": bad}).status, "value")
        pushed = inputs["force"].copy()
        pushed[0, 3, 5, 0] = np.nan
        out, statuses = make(model).forward(**inputs | {"force": pushed})
        self.assertNotEqual(statuses["flag"][0], 0)
        self.assertEqual(statuses["step"][0], 3)
        self.assertNotEqual(rodgrad.rod_flag_text(statuses["flag"][0]), "ok")
        self.assertTrue(np.isfinite(out["x"]).all())


class Lifetime(unittest.TestCase):
    def test_any_order(self):
        model, inputs = cantilever()
        first, second = make(model), make(model)
        stiffness = model.fields["bend_stiffness_1"]
        expected, _ = second.forward(**inputs)
        del model
        gc.collect()
        stiffness[:] = 1.0  # the view alone keeps the model; the batch has its own copy
        first.close()
        first.close()
        with self.assertRaisesRegex(RodgradError, "closed"):
            first.forward(**inputs)
        again, _ = second.forward(**inputs)
        self.assertTrue(np.array_equal(expected["x"], again["x"]))
        del second, first
        gc.collect()
        self.assertEqual(stiffness.min(), 1.0)

    def test_many(self):
        # made and dropped, with a failure between: nothing is freed twice
        for _ in range(50):
            model, _ = cantilever()
            with make(model) as batch:
                self.assertRaises(RodgradError, batch.forward, np.zeros(3), np.zeros(3))


class Library(unittest.TestCase):
    def start(self, library: str | None) -> str:
        """what Python says that imports rodgrad with this library"""
        environment = {k: v for k, v in os.environ.items() if k not in ("RODGRAD_LIBRARY", "LD_LIBRARY_PATH")}
        if library is not None:
            environment["RODGRAD_LIBRARY"] = library
        environment["PYTHONPATH"] = str(ROOT / "python")
        done = subprocess.run([sys.executable, "-c", "import rodgrad"], env=environment, capture_output=True,
                              text=True, timeout=60)
        self.assertNotEqual(done.returncode, 0)
        return done.stderr.splitlines()[-1]

    def test_missing(self):
        said = self.start("/nowhere/librodgrad.so")
        self.assertRegex(said, "that RODGRAD_LIBRARY names, /nowhere/librodgrad.so, cannot be loaded")

    def test_built(self):
        # a copy of the sources with a library where the documented build leaves it
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(ROOT / "python" / "rodgrad", Path(folder, "python", "rodgrad"))
            Path(folder, "build", "release").mkdir(parents=True)
            built = Path(folder, "build", "release", "librodgrad.so")
            built.symlink_to(Path(_library.library_path).resolve())
            environment = {k: v for k, v in os.environ.items() if k != "RODGRAD_LIBRARY"}
            environment["PYTHONPATH"] = str(Path(folder, "python"))
            done = subprocess.run([sys.executable, "-c", "import rodgrad._library as l; print(l.library_path)"],
                                  env=environment, capture_output=True, text=True, timeout=60)
            self.assertEqual(done.stdout.strip(), str(built.parent.resolve() / built.name), done.stderr)

    def test_other_versions(self):
        compiler = shutil.which("cc")
        if compiler is None:
            self.skipTest("no C compiler")
        layout = _library.lib.rg_layout_text().decode()
        text = "const char *rg_{}(void) {{ return {}; }}\n"
        version = text.format("version", json.dumps(rodgrad.__version__))
        without = layout.replace("  carry_on int", "  carried_on int")
        with tempfile.TemporaryDirectory() as folder:
            other, source = Path(folder, "other.so"), Path(folder, "other.c")
            for code, why in (
                    ("int nothing;\n", "it has no rg_version"),
                    (text.format("version", '"0.0.1"'), "it is of version 0.0.1"),
                    (version, "it has no rg_layout_text"),
                    (version + text.format("layout_text", json.dumps(without)),
                     "its rg_batch_opts has no member carry_on"),
                    (version + text.format("layout_text", json.dumps(layout)), "it has no rg_rollout_opts_init")):
                source.write_text(code)
                subprocess.run([compiler, "-shared", "-fPIC", "-o", other, source], check=True)
                self.assertEqual(self.start(str(other)), "rodgrad._library.RodgradError: " + self.refusal(other, why))

    @staticmethod
    def refusal(path, why: str) -> str:
        return (f"The library {path} does not fit the Python layer of rodgrad {rodgrad.__version__}: {why}; build "
                "both from the same sources.")

    def test_layout(self):
        layout = _library.lib.rg_layout_text().decode()
        structures, statuses, locations = _library._read_layout(layout)
        self.assertEqual(set(structures), set(_library._USED))
        self.assertEqual((statuses[0], statuses[1], statuses[8]), ("ok", "argument", "not_converged"))
        self.assertEqual(set(locations.values()), {f.location for f in rodgrad.FIELDS})
        opts = _library.default_opts(_library.BatchOpts)
        for o, structure in ((opts, _library.BatchOpts), (opts.rollout, _library.RolloutOpts),
                             (_library.default_opts(_library.ContextOpts), _library.ContextOpts)):
            self.assertEqual(o.struct_size, ctypes.sizeof(structure))
        self.assertEqual((opts.dt_s, opts.rollout.gravity[:]), (0.01, [0.0, 0.0, -9.81]))
        # a struct may be longer, and one that this layer does not use may be missing
        at = layout.index("struct rg_moduli")
        other = layout[:at] + layout[layout.index("enum "):]
        other = other.replace("struct rg_adjoint_status 12\n", "struct rg_adjoint_status 20\n")
        other = other.replace("  vertex int 8\n", "  vertex int 8\n  cause int 12 2\n")
        structures, _, _ = _library._read_layout(other)
        self.assertEqual(ctypes.sizeof(structures["rg_adjoint_status"]), 20)

    def test_other_layouts(self):
        layout = _library.lib.rg_layout_text().decode()
        # what is replaced, by what, what is said then
        for old, new, why in (
                (r"  dt_s double \d+\n(?=  n_frames size_t \d+\n  adjoint)", "",
                 r"rg_batch_opts\.n_frames is at byte \d+ there and at \d+ here"),
                (r"  carry_on int \d+\n", "", "its rg_batch_opts has no member carry_on"),
                (r"  growth pointer", "  size pointer", "its rg_batch_gradients has no member growth"),
                (r"  substeps int", "  substeps size_t",
                 r"rg_rollout_opts\.substeps is at byte \d+ there and at \d+ here"),
                (r"  clamp_m pointer", "  clamp_m double",
                 r"rg_batch_inputs\.clamp_m is of type double there and pointer here"),
                (r"  clamp_m pointer", "  clamp_m float",
                 r"rg_batch_inputs\.clamp_m is of type float, which is unknown here"),
                (r"  gravity double (\d+) 3", r"  gravity double \1 4",
                 r"rg_rollout_opts\.threads is at byte \d+ there and at \d+ here"),
                (r"  text char 16 768", "  text char 16", "rg_error has 784 bytes there and 24 here"),
                (r"  text char 16 768", "  text double 16 96",
                 r"rg_error\.text is of type double\[96\] there and char\[\] here"),
                (r"struct rg_batch_plan \d+", "struct rg_batch_plan 8",
                 r"rg_batch_plan has 8 bytes there and \d+ here"),
                (r"struct rg_batch_plan ", "struct rg_batch_plans ", "it has no struct rg_batch_plan"),
                (r"struct rg_rollout_opts ", "struct rg_options ", "it has no struct rg_rollout_opts"),
                (r"enum rg_status\n", "enum rg_states\n", "it has no enum rg_status"),
                (r"  RG_OK 0\n", "  RG_OK zero\n", "the line '  RG_OK zero' of its rg_layout_text cannot be read"),
                (r"^struct rg_error 784\n", "", "the line '  status int 0' of its rg_layout_text cannot be read"),
                (r"struct rg_recording \d+", "\n", "the line '' of its rg_layout_text cannot be read")):
            with self.subTest(old=old, new=new):
                doctored = re.sub(old, new, layout)
                self.assertNotEqual(doctored, layout)
                with self.assertRaises(RodgradError) as caught:
                    _library._read_layout(doctored)
                self.assertEqual(caught.exception.status, "library")
                prefix, suffix = self.refusal(_library.library_path, "|").split("|")
                said = str(caught.exception)
                self.assertTrue(said.startswith(prefix) and said.endswith(suffix), said)
                self.assertRegex(said[len(prefix):-len(suffix)], f"^({why})$")
        with self.assertRaisesRegex(RodgradError, "it has no struct rg_error"):
            _library._read_layout("")

    def test_missing_members(self):
        # every member that this layer uses
        layout = _library.lib.rg_layout_text().decode()
        for struct, used in _library._USED.items():
            for member in " ".join(used.values()).split():
                renamed = re.sub(rf"(struct {struct} \d+\n(?:  .*\n)*?  ){member} ", r"\1other ", layout)
                self.assertNotEqual(renamed, layout, f"{struct}.{member}")
                with self.assertRaisesRegex(RodgradError, f"its {struct} has no member {member};"):
                    _library._read_layout(renamed)

    def test_version(self):
        header = (ROOT / "include/rodgrad/version.h").read_text()
        self.assertIn(f'#define RODGRAD_VERSION "{rodgrad.__version__}"', header)
        self.assertEqual(rodgrad.__version__, _library.lib.rg_version().decode())

    def test_fields(self):
        for i, field in enumerate(rodgrad.FIELDS):
            self.assertEqual(_library.field_number(field.name), i)
        self.assertIsNone(_library.field_number("drags"))


if __name__ == "__main__":
    unittest.main()
