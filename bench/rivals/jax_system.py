"""The JAX program of jax_rod.py: variants "projection" and "springs", float or double."""

from __future__ import annotations

import jax
import numpy as np

import jax_rod


jax.devices("cpu")  # starts the runtime, so that its memory is not a case's


def versions() -> dict[str, str]:
    return {"jax": jax.__version__}


class Case:
    def __init__(self, case: dict, threads: int) -> None:
        real = {"float": "float32", "double": "float64"}[case["real"]]
        self.arguments = (case["batch"], case["vertices"], case["dt"], case["frames"], case["substeps"], real,
                          case["soft"], case["finer"])
        self.gradient = case["kind"] == "gradient"
        program = jax_rod.program(case["kind"], case["variant"], case["dt"], case["substeps"])
        shapes = jax.eval_shape(lambda: jax_rod.inputs(*self.arguments))
        self.program = program.lower(*shapes).compile()

    def load(self) -> None:
        self.inputs = jax_rod.inputs(*self.arguments)

    def run(self) -> None:
        self.out = jax.block_until_ready(self.program(*self.inputs))
        self.x = self.out[0] if self.gradient else self.out
        if not bool(jax.numpy.isfinite(self.x[0][-1]).all()):
            raise RuntimeError("a position is not finite")

    def positions(self) -> np.ndarray:
        x = np.stack([np.asarray(c) for c in self.x], axis=-1)  # [frames, V, rods, 3]
        return np.swapaxes(x, 1, 2)
