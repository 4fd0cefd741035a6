"""What is measured: systems, their steps, and the groups of cases whose turns are interleaved."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace

import scene

# system: the module of its worker
MODULES = {"rodgrad": "rodgrad_system", "jax": "jax_system", "pyelastica": "pyelastica_system",
           "mujoco": "mujoco_system", "dismech": "dismech_system", "newton": "newton_system"}
TITLES = {"rodgrad": "rodgrad", "jax": "JAX", "pyelastica": "PyElastica", "mujoco": "MuJoCo's cable",
          "dismech": "dismech-newton", "newton": "Newton's cable"}
THREADS = (1, 2)
BOTH = ("double", "float")
FRAME_S = 0.05  # at which positions are compared; steps are parts of it
SAME_STEPS = {1.0: 10, scene.SOFTER: 5}  # steps a frame by how soft the rod is: stable in deform and in JAX
MESHES = {12: 2, 25: 8, 50: 36, 100: 154, 200: 634}  # vertices: stable substeps of 10 ms (docs/bench.md)
ERROR_RODS = 4  # over which the errors are taken that decide on a step, the same ones in every system


@dataclass(frozen=True)
class Steps:
    """How long a system's steps may be: steps in 0.05 s of the step that is used (the largest accurate one
    when it was last searched), of those a search tries, and of the fine solution; over so many seconds."""

    per_frame: int
    candidates: tuple[int, ...]
    fine: int
    reals: tuple[str, ...]  # the first is that of the fine solution
    seconds: float = 5.0


STEPS = {
    ("rodgrad", "implicit"): Steps(2, (1, 2, 3, 4, 5, 10), 100, BOTH),
    ("rodgrad", "deform"): Steps(8, (5, 7, 8, 9, 10, 12, 15, 20, 30), 160, BOTH),
    ("jax", "projection"): Steps(8, (5, 7, 8, 9, 10, 12, 15, 20, 30), 160, BOTH),
    ("jax", "springs"): Steps(50, (40, 45, 50, 55, 60, 70, 80, 100), 400, BOTH),
    ("pyelastica", "cosserat"): Steps(550, (500, 550, 600, 650, 700, 800, 1000), 1400, ("double",)),
    ("mujoco", "cable"): Steps(9, (5, 6, 7, 8, 9, 10, 12, 15, 20, 25, 30, 35), 400, ("double",)),
    ("dismech", "newton"): Steps(4, (2, 3, 4, 5, 7, 10), 50, ("double",), 1.0),
    ("newton", "vbd"): Steps(20, (2, 5, 10, 20, 30, 50, 100), 250, ("float",), 0.5),
}
# other errors that are stated: system, variant, steps a frame, how soft, of how many rods
OTHER_ERRORS = [("jax", "projection", 50, 1.0, ERROR_RODS)] + [
    (*which, n, soft, ERROR_RODS) for soft, n in SAME_STEPS.items()
    for which in (("rodgrad", "deform"), ("jax", "projection"))]
MORE_RODS = 32  # over which the errors of OF_MORE_RODS are stated as well: the worst of more rods is worse
OF_MORE_RODS = [("rodgrad", "implicit"), ("rodgrad", "deform"), ("jax", "projection"), ("mujoco", "cable")]


@dataclass(frozen=True)
class Case:
    """One thing to time: `batch` rods over frames * substeps steps of dt seconds, all frames' positions."""

    system: str
    variant: str
    real: str
    kind: str
    dt: float
    batch: int
    frames: int
    substeps: int = 1
    vertices: int = 12
    soft: float = 1.0
    finer: bool = False
    threads: int = THREADS[-1]

    @property
    def rod_steps(self) -> int:
        return self.batch * self.frames * self.substeps

    @property
    def rod_seconds(self) -> float:
        return self.rod_steps * self.dt

    @property
    def key(self) -> str:
        soft = " soft" if self.soft != 1.0 else ""
        substeps = f"x{self.substeps}" if self.substeps > 1 else ""
        return (f"{self.system} {self.variant} {self.real} {self.kind} {1e3 * self.dt:.3g} ms{substeps} "
                f"B{self.batch} V{self.vertices} T{self.threads}{soft}")

    def request(self) -> dict:
        return asdict(self)

    def row(self) -> dict:
        return asdict(self) | {"key": self.key, "rod_seconds": self.rod_seconds}


@dataclass(frozen=True)
class Ratio:
    """`ours` over `theirs` in rod-seconds a second ("speed"), or in bytes ("memory"); the goal is a least, of
    memory a most."""

    name: str
    ours: str
    theirs: str
    goal: float | None = None
    what: str = "speed"


@dataclass
class Group:
    name: str
    cases: list[Case] = field(default_factory=list)
    ratios: list[Ratio] = field(default_factory=list)
    most_rounds: int | None = None
    timed: bool = True
    x: str | None = None  # what a plot of it is over

    def add(self, case: Case) -> Case:
        if case not in self.cases:
            self.cases.append(case)
        return case

    def compare(self, name: str, ours: Case, theirs: Case, goal: float | None = None,
                what: str = "speed") -> None:
        self.ratios.append(Ratio(name, self.add(ours).key, self.add(theirs).key, goal, what))


def case(system: str, variant: str, **options) -> Case:
    return Case(system, variant, **({"real": "double", "kind": "forward"} | options))


def counted(n: int, what: str) -> str:
    return f"{n} {what}{'s' * (n != 1)}"


def same_step(threads: int, softs: tuple[float, ...]) -> Group:
    """deform and the JAX program, which does the same, at the same step"""
    group = Group(f"The same algorithm at the same step, {counted(threads, 'thread')}",
                  most_rounds=3 if threads == 1 else None)
    for soft in softs:
        step = FRAME_S / SAME_STEPS[soft]
        rod = "rope12" if soft == 1.0 else "the soft rope12"
        for kind, goal in (("forward", 4.0), ("gradient", 20.0)):
            for real in BOTH:
                options = dict(real=real, kind=kind, dt=step, batch=1024, frames=100, soft=soft,
                               threads=threads)
                group.compare(f"deform over JAX: {rod}, {1e3 * step:.3g} ms, {kind}, {real}, "
                              f"{counted(threads, 'thread')}", case("rodgrad", "deform", **options),
                              case("jax", "projection", **options), goal)
    return group


def largest_step(dt: dict) -> Group:
    """implicit at its largest accurate step and the JAX program in substeps, with springs and at its own"""
    group = Group("Each at its largest accurate step, and JAX in ten substeps of 10 ms")
    for kind, goal in (("forward", 4.0), ("gradient", 20.0)):
        for real in BOTH:
            options = dict(real=real, kind=kind, batch=1024)
            ours = case("rodgrad", "implicit", dt=dt["rodgrad", "implicit"], frames=40, **options)
            frames = 20 if kind == "forward" else 5
            ten = case("jax", "projection", dt=0.001, frames=frames, substeps=10, **options)
            group.compare(f"implicit over JAX in ten projected substeps: {kind}, {real}", ours, ten, goal)
            springs = dt["jax", "springs"]
            inner = max(1, round(0.01 / springs))
            group.compare(f"implicit over JAX with springs: {kind}, {real}", ours,
                          case("jax", "springs", dt=springs, frames=frames, substeps=inner, **options))
            group.compare(f"implicit over JAX projected at its largest step: {kind}, {real}", ours,
                          case("jax", "projection", dt=dt["jax", "projection"], frames=40, **options))
    return group


def memory(dt: dict) -> Group:
    """what a gradient through a second needs"""
    group = Group("Memory of a gradient through one second", timed=False)
    for real in BOTH:
        options = dict(real=real, kind="gradient", batch=256)
        ours = case("rodgrad", "implicit", dt=dt["rodgrad", "implicit"],
                    frames=round(1.0 / dt["rodgrad", "implicit"]), **options)
        ten = case("jax", "projection", dt=0.001, frames=100, substeps=10, **options)
        group.compare(f"memory of implicit over that of JAX in ten projected substeps: {real}", ours, ten,
                      1 / 20, "memory")
    return group


def simulators(dt: dict, batch: int, threads: int) -> Group:
    """implicit and the rod simulators"""
    size = f"{counted(batch, 'rod')}, {counted(threads, 'thread')}"
    group = Group(f"Rod simulators, {size}")
    goal = {1: 10.0, 1024: 50.0}.get(batch)
    # of frames, steps in each: some 0.3 s for a batch, and longer where one step of it takes longer
    for system, variant, real, length in (
            ("pyelastica", "cosserat", "double", {1: (1, 3000), 64: (1, 500), 1024: (1, 30)}),
            ("mujoco", "cable", "double", {1: (1, 3000), 64: (1, 100), 1024: (1, 7)}),
            ("dismech", "newton", "double", {1: (20, 1), 64: (10, 1), 1024: (1, 1)}),
            ("newton", "vbd", "float", {1: (1, 50), 64: (1, 20), 1024: (1, 3)})):
        frames, substeps = length[batch]
        theirs = case(system, variant, real=real, dt=dt[system, variant], batch=batch, frames=frames,
                      substeps=substeps, threads=threads)
        for mine in BOTH if batch > 1 else BOTH[:1]:
            ours = case("rodgrad", "implicit", real=mine, dt=dt["rodgrad", "implicit"], batch=batch, frames=40,
                        threads=threads)
            group.compare(f"implicit, {mine}, over {TITLES[system]}: {size}", ours, theirs, goal)
    return group


def batch_curve(dt: dict, kind: str, threads: int, batches: tuple[int, ...], reals: dict) -> Group:
    group = Group(f"By batch: {kind}, {counted(threads, 'thread')}", most_rounds=5, x="batch")
    for (system, variant), names in reals.items():
        for real in names:
            for batch in batches:
                frames = {1: 200, 64: 100, 1024: 20}.get(batch, 5)
                group.add(case(system, variant, real=real, kind=kind, dt=dt[system, variant], batch=batch,
                               frames=frames, threads=threads))
    return group


def vertex_curve(dt: dict, meshes: dict[int, int], batch: int) -> Group:
    group = Group(f"By vertices: forward, {batch} rods, {THREADS[-1]} threads", most_rounds=5, x="vertices")
    for vertices, steps in meshes.items():
        options = dict(batch=batch, vertices=vertices)
        group.add(case("rodgrad", "implicit", dt=dt["rodgrad", "implicit"], frames=20, **options))
        explicit = dict(dt=0.01 / steps, frames=100 if vertices < 100 else 40, finer=True, **options)
        group.add(case("rodgrad", "deform", **explicit))
        group.add(case("jax", "projection", real="float", **explicit))
        group.add(case("jax", "projection", **explicit))
    return group


def groups(dt: dict, only: set[str], quick: bool) -> list[Group]:
    """All of the plan whose systems are among `only`, each with its step of dt[system, variant] seconds."""
    one, two = THREADS
    forward = {("rodgrad", "implicit"): BOTH, ("rodgrad", "deform"): BOTH, ("jax", "projection"): BOTH}
    gradient = {("rodgrad", "implicit"): BOTH, ("rodgrad", "deform"): BOTH, ("jax", "projection"): ("float",)}
    if quick:
        out = [same_step(two, (1.0,)), simulators(dt, 1, one), simulators(dt, 64, two),
               batch_curve(dt, "forward", two, (1, 64), forward), vertex_curve(dt, {12: 2, 25: 8}, 64)]
    else:
        out = [same_step(two, (1.0, scene.SOFTER)), same_step(one, (1.0,)), largest_step(dt), memory(dt),
               *(simulators(dt, batch, threads) for batch in (1, 64, 1024) for threads in THREADS),
               batch_curve(dt, "forward", one, (1, 64, 1024, 16384), forward),
               batch_curve(dt, "forward", two, (1, 64, 1024, 16384), forward),
               batch_curve(dt, "gradient", two, (1, 64, 1024), gradient),
               vertex_curve(dt, MESHES, 64)]
    return [g for g in (restrict(group, only) for group in out) if g.cases]


def restrict(group: Group, only: set[str]) -> Group:
    cases = [c for c in group.cases if c.system in only]
    keys = {c.key for c in cases}
    ratios = [r for r in group.ratios if r.ours in keys and r.theirs in keys]
    return replace(group, cases=cases, ratios=ratios)
