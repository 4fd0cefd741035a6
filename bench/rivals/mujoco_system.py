"""MuJoCo's cable: its elasticity plugin on a chain of ball joints, integrator implicitfast.

One straight rod of uniform stiffness, the mean of rod 0's (the plugin knows one modulus a cable, and an
initial shape in its place), of a circular section of 10 mm; it cannot stretch; joints are damped as the
scene's bending is. Drag, coupling, different stiffness about the two axes and the bending memory are left
out. The first edge is a body that the gripper is, the last one is welded to the other. A batch goes through
mujoco.rollout.
"""

from __future__ import annotations

import mujoco
import mujoco.rollout
import numpy as np

import scene

RADIUS_M = 0.005

XML = """
<mujoco>
  <extension><plugin plugin="mujoco.elasticity.cable"/></extension>
  <option timestep="{dt!r}" integrator="implicitfast" gravity="0 0 -9.81"/>
  <worldbody>
    <body name="first" mocap="true">
      <composite prefix="c" type="cable" initial="none" vertex="{vertex}">
        <plugin plugin="mujoco.elasticity.cable">
          <config key="twist" value="{twist!r}"/>
          <config key="bend" value="{bend!r}"/>
          <config key="flat" value="true"/>
        </plugin>
        <joint kind="main" damping="{damping!r}"/>
        <geom type="capsule" size="{radius}" density="{density!r}" contype="0" conaffinity="0"/>
      </composite>
    </body>
    <body name="last" mocap="true" pos="{last}"/>
  </worldbody>
  <equality><weld body1="last" body2="cB_last" solref="0.01 1"/></equality>
</mujoco>
"""


def versions() -> dict[str, str]:
    return {"mujoco": mujoco.__version__}


class Case:
    def __init__(self, case: dict, threads: int) -> None:
        self.case, self.threads, v = case, threads, case["vertices"]
        self.steps = case["frames"] * case["substeps"]
        rods, edge = scene.rods(1, v), scene.LENGTH_M / (v - 1)
        bend, twist = float(np.mean([rods.b11, rods.b22])), float(np.mean(rods.twist))
        area_moment = np.pi * RADIUS_M**4 / 4
        capsule = np.pi * RADIUS_M**2 * (edge + 4 / 3 * RADIUS_M)
        self.x0, self.m0 = scene.start(v)
        xml = XML.format(dt=float(case["dt"]), vertex=" ".join(map(repr, self.x0.ravel().tolist())),
                         twist=twist / (2 * area_moment), bend=bend / area_moment,
                         damping=bend / edge * scene.RELAXATION, radius=RADIUS_M,
                         density=float(scene.MASS_PER_LENGTH * edge / capsule),
                         last=" ".join(map(repr, self.x0[-2].tolist())))
        self.model = mujoco.MjModel.from_xml_string(xml)
        self.data = mujoco.MjData(self.model)

    def load(self) -> None:
        n, v = self.case["batch"], self.case["vertices"]
        clamp = scene.drive(n, v, np.arange(self.steps + 1) * self.case["dt"])
        tangents = scene.gripped_edges(clamp)
        m1 = scene.carried_directors(self.m0[[0, -1]], tangents)
        frames = np.stack([tangents, m1, np.cross(tangents, m1)], axis=-1)
        frames = frames @ frames[:, :1].swapaxes(-1, -2)  # turns from the start
        quaternions = np.roll(scene.quaternions(frames[:, 1:]), 1, axis=-1)  # w first
        places = clamp[:, 1:][:, :, [0, 2]]
        self.control = np.concatenate([places.reshape(n, self.steps, 6),
                                       quaternions.reshape(n, self.steps, 8)], axis=-1)
        spec = mujoco.mjtState.mjSTATE_FULLPHYSICS
        state = np.empty(mujoco.mj_stateSize(self.model, spec))
        mujoco.mj_getState(self.model, self.data, state, spec)
        self.initial = np.tile(state, (n, 1))
        self.workers = [mujoco.MjData(self.model) for _ in range(self.threads)]

    def run(self) -> None:
        spec = mujoco.mjtState.mjSTATE_MOCAP_POS | mujoco.mjtState.mjSTATE_MOCAP_QUAT
        self.state, _ = mujoco.rollout.rollout(self.model, self.workers, self.initial, self.control,
                                               control_spec=spec, persistent_pool=True)
        if not np.isfinite(self.state[:, -1]).all():
            raise RuntimeError("a state is not finite")
        if self.state[:, -1, 0].min() < 0.5 * self.steps * self.case["dt"]:
            raise RuntimeError("MuJoCo found the simulation unstable and began again")

    def positions(self) -> np.ndarray:
        n, v, every = self.case["batch"], self.case["vertices"], self.case["substeps"]
        out = np.zeros((self.case["frames"], n, v, 3))
        bodies = [b for b in range(self.model.nbody) if self.model.body(b).name.startswith("cB_")]
        for rod in range(n):
            for k in range(self.case["frames"]):
                step = (k + 1) * every - 1
                mujoco.mj_setState(self.model, self.data, self.state[rod, step],
                                   mujoco.mjtState.mjSTATE_FULLPHYSICS)
                self.data.mocap_pos[:] = self.control[rod, step, :6].reshape(2, 3)
                self.data.mocap_quat[:] = self.control[rod, step, 6:].reshape(2, 4)
                mujoco.mj_kinematics(self.model, self.data)
                out[k, rod, :-1] = self.data.xpos[bodies]
                last = bodies[-1]
                axis = self.data.xmat[last].reshape(3, 3)[:, 0]
                out[k, rod, -1] = self.data.xpos[last] + axis * scene.LENGTH_M / (v - 1)
        return out
