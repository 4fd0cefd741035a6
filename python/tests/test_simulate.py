"""Simulations of recordings: forces against the rod's weight, against a run without them, where there are none, errors.
"""

import unittest

import numpy as np

from rodgrad import Model, RodgradError, hold_wrench, simulate

MARKERS, FRAMES = 9, 12
FORCES = ("tension", "reaction", "reaction_moment", "moment")


def held_rod(clamps) -> tuple[Model, np.ndarray]:
    """a heavy rod of 0.8 m, and a recording of it at rest and straight"""
    model = Model(MARKERS, 2, clamps)
    edges = np.diff(model.marker_vertices)
    model.fields["rest_length"] = np.repeat(0.1 / edges, edges)
    model.fields["mass_per_length"] = 0.5
    model.fields["bend_stiffness_1"] = model.fields["bend_stiffness_2"] = 2.0
    positions = np.zeros((FRAMES, MARKERS, 3))
    positions[:, :, 0] = 0.1 * np.arange(MARKERS)
    return model, positions


class Simulate(unittest.TestCase):
    def test_weight(self):
        # in equilibrium the hold carries all of the weight: vertices weigh half of their edges
        for clamps in ([0, 1], [0, 1, MARKERS - 2, MARKERS - 1]):
            model, positions = held_rod(clamps)
            [out], statuses = simulate(model, [positions], scheme="static", forces=FORCES, tolerance=1e-13)
            self.assertEqual(statuses["flag"][0], 0)
            edges = model.vertices - 1
            self.assertEqual({name: out[name].shape for name in FORCES},
                             {"tension": (FRAMES, edges), "reaction": (FRAMES, len(clamps), 3),
                              "reaction_moment": (FRAMES, len(clamps) // 2), "moment": (FRAMES, model.vertices, 3)})
            for name in FORCES:
                self.assertTrue(np.isnan(out[name][:2]).all())
                self.assertTrue(np.isfinite(out[name][2:]).all())
            weight = 9.81 * 0.5 * 0.8
            error = np.abs(out["reaction"][2:].sum(axis=1) - [0.0, 0.0, weight]).max()
            self.assertLessEqual(error, 1e-9 * weight)

    def test_wrench(self):
        # at its root a cantilever has its weight, and the weight's moment about that; at both ends they sum up
        model, positions = held_rod([0, 1])
        model.fields["bend_stiffness_1"] = model.fields["bend_stiffness_2"] = 1e3
        [out], _ = simulate(model, [positions], scheme="static", forces=FORCES, tolerance=1e-13)
        clamp_x = positions[:, :2]
        force, moment = hold_wrench(model, clamp_x, out["reaction"], out["reaction_moment"], [0.1, 0.0, 0.0])
        self.assertEqual((force.shape, moment.shape), ((FRAMES, 3), (FRAMES, 3)))
        self.assertTrue(np.isnan(force[:2]).all() and np.isnan(moment[:2]).all())
        weight = 9.81 * 0.5 * 0.8
        self.assertLessEqual(np.abs(force[2:] - [0.0, 0.0, weight]).max(), 1e-9)
        self.assertLessEqual(np.abs(moment[2:] - [0.0, -weight * 0.3, 0.0]).max(), 1e-5 * weight)
        ends, positions = held_rod([0, 1, MARKERS - 2, MARKERS - 1])
        [out], _ = simulate(ends, [positions], scheme="static", forces=FORCES, tolerance=1e-13)
        rows = (positions[2:][:, list(ends.clamps)], out["reaction"][2:], out["reaction_moment"][2:])
        both = hold_wrench(ends, *rows, [0.0, 0.0, 1.0])
        parts = [hold_wrench(ends, *rows, [0.0, 0.0, 1.0], clamps=k) for k in ((0, 2), (2, 4))]
        for which in range(2):
            self.assertLessEqual(np.abs(both[which] - parts[0][which] - parts[1][which]).max(), 1e-9)
        self.assertLessEqual(np.abs(parts[0][0][:, 2] - 0.5 * weight).max(), 1e-9)
        with self.assertRaisesRegex(RodgradError, "clamps 1 to 5"):
            hold_wrench(ends, *rows, [0.0, 0.0, 1.0], clamps=(1, 5))
        with self.assertRaisesRegex(RodgradError, "reaction has shape"):
            hold_wrench(model, rows[0][:, :2], *rows[1:], [0.0, 0.0, 0.0])

    def test_markers(self):
        # with forces and without, together and alone, with frames that were lost: the same bits
        model, positions = held_rod([0, 1])
        other = positions[:7].copy()
        other[2:, :2, 2] += 0.01 * np.arange(5)[:, None]
        lost = np.array([0, 0, 0, 2, 0, 0, 1])
        both, statuses = simulate(model, [positions, other], lost=[None, lost], substeps=2)
        self.assertEqual(list(statuses["flag"]), [0, 0])
        [alone], _ = simulate(model, [other], lost=[lost], substeps=2, forces=["moment", "tension"])
        self.assertEqual(set(alone), {"markers", "moment", "tension"})
        self.assertTrue(np.array_equal(both[1]["markers"], alone["markers"]))
        self.assertEqual(both[0]["markers"].shape, positions.shape)
        self.assertTrue(np.array_equal(alone["markers"][:2], other[:2]))
        [apart], _ = simulate(model, [other], substeps=2)
        self.assertFalse(np.array_equal(apart["markers"], alone["markers"]))
        deform, statuses = simulate(model, [positions], stepper="deform", dt=1e-4)
        self.assertTrue(np.isfinite(deform[0]["markers"]).all())

    def test_errors(self):
        model, positions = held_rod([0, 1])
        for text, arguments in (("no force 'reactions'", {"forces": ["reactions"]}),
                                ("has no forces to give", {"forces": ["tension"], "stepper": "deform"}),
                                ("2 entries for 1", {"lost": [None, None]}),
                                (r"lost\[0\] has shape", {"lost": [np.zeros(3, int)]}),
                                (r"lost\[0\] must be whole", {"lost": [np.full(FRAMES, -1)]}),
                                (r"lost\[0\] must be whole", {"lost": [np.zeros(FRAMES)]}),
                                ("substeps is 0.5", {"substeps": 0.5}),
                                ("frame interval", {"dt": 0.0})):
            with self.assertRaisesRegex(RodgradError, text):
                simulate(model, [positions], **arguments)
        with self.assertRaisesRegex(RodgradError, r"positions\[0\] has shape"):
            simulate(model, [positions[:, 1:]])
        with self.assertRaisesRegex(RodgradError, r"positions\[0\] has shape \(9, 3\)"):
            simulate(model, positions)
        with self.assertRaisesRegex(RodgradError, "there is no recording"):
            simulate(model, [])


if __name__ == "__main__":
    unittest.main()
