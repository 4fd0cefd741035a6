#!/usr/bin/env python3
"""What the CUDA kernels need of a GPU, and what speed that allows: docs/gpu-budget.md. No GPU is used.

  tools/gpu-budget.py [--archs LIST] [--vertices LIST] [--build FOLDER] [-o FILE] [--estimates FILE]

Compiles kernels/cuda/rollout.cu for the architectures (compute capabilities, "80,90"; of every generation the
first that nvcc knows) and reads what ptxas reports; counts the operations of a rod-step by running the kernels'
source on the CPU (bench/budget); and makes one document of both, on stdout or in FILE. Takes some minutes.
--estimates FILE takes the estimates for the scenes of rodgrad bench as a table for programs, which gpu-check
compares with what it measures. The one that belongs to the sources is bench/budget/estimates.tsv.
--build FOLDER counts with the target budget_count of a build folder that cmake has configured; without it a folder
is made for this run alone. Compilers: $NVCC or nvcc, and those that cmake ($CMAKE) chooses.
Exit code: 0; 1 if a kernel spills registers, if fewer than 32 rods of 13 vertices are resident on a multiprocessor
of compute capability 9.0 in float, or if a compiler failed; 2 for a wrong option or a missing compiler.
"""
import collections
import concurrent.futures
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
STEPPERS, REALS, KERNELS = ("implicit", "deform"), ("float", "double"), ("run", "reverse")
BYTES = {"float": 4, "double": 8}
TEAM, WARP, MOST_TEAMS = 8, 32, 8  # kernels/real/real.h, kernels/cuda/rollout_kernels.h
REGISTERS, RESERVED = 65536, 1024  # of a multiprocessor; shared bytes that the driver takes of every block

# compute capability: warps, blocks and shared KiB of a multiprocessor, of NVIDIA's CUDA C++ Programming Guide,
# "Technical Specifications per Compute Capability" (the same in libcu++'s cuda/__device/arch_traits.h)
Limits = collections.namedtuple("Limits", "chips warps blocks shared_kib")
LIMITS = {
    75: Limits("Turing", 32, 16, 64),
    80: Limits("A100", 64, 32, 164),
    86: Limits("RTX 30, A40", 48, 16, 100),
    87: Limits("Orin", 48, 16, 164),
    88: Limits("Ampere 8.8", 48, 16, 100),
    89: Limits("RTX 40, L40", 48, 24, 100),
    90: Limits("H100, H200", 64, 32, 228),
    100: Limits("B200", 64, 32, 228),
    103: Limits("B300", 64, 32, 228),
    110: Limits("Thor", 48, 24, 228),
    120: Limits("RTX 50", 48, 24, 100),
    121: Limits("GB10", 48, 24, 100),
}

# H100 SXM, of NVIDIA's data sheet and "H100 Tensor Core GPU Architecture": 67 TFLOP/s in float and 34 in double are
# these lanes at this clock. L2: about 5.5 TB/s were measured on the PCIe card (chipsandcheese.com, 2023-07-02).
H100 = {"arch": 90, "multiprocessors": 132, "clock_hz": 1.98e9, "lanes": {"float": 128, "double": 64},
        "schedulers": 4, "dram_bytes_s": 3.35e12, "l2_bytes": 50e6, "l2_bytes_s": 5.5e12}

# of the scenes of rodgrad bench that gpu-check runs
ESTIMATE_VERTICES = (12, 25, 50)
BOUNDS = ("arithmetic", "issue", "latency", "shared memory", "memory")

RAISE = {
    "arithmetic": "nothing but fewer operations",
    "issue": "fewer instructions of the busiest lanes: more of a step by all lanes, less index arithmetic",
    "latency": "more rods on a multiprocessor (fewer registers of a thread, fewer shared bytes of a rod), or "
               "shorter chains between barriers",
    "shared memory": "fewer passes over what lies in shared memory, or wider accesses",
    "memory": "less state that a rod comes back to: fewer tangents at a time, or float",
}


class Failure(Exception):
    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


def complain(text):
    print("gpu-budget.py: " + text, file=sys.stderr)


# ---- compilers ----

def find(variable, names):
    """A compiler: $VARIABLE, or the first of the names."""
    given = os.environ.get(variable)
    for name in [given] if given else names:
        path = shutil.which(name)
        if path:
            return path
    raise Failure(2, "%s was not found; install it or name it in %s." % (given or names[0], variable))


def output_of(command, what):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        raise Failure(1, "%s failed: %s" % (what, done.stdout.strip()[-2000:]))
    return done.stdout


def known_archs(nvcc):
    listed = output_of([nvcc, "--list-gpu-arch"], "nvcc --list-gpu-arch")
    return sorted(int(a) for a in re.findall(r"compute_(\d+)", listed))


def choose_archs(text, known):
    """The architectures to compile for; by default those of a build (cmake/RodgradCuda.cmake)."""
    if text is None:
        return sorted({a // 10: a for a in reversed(known)}.values())
    archs = []
    for word in re.split(r"[ ,;]+", text.strip()):
        if not word.isdigit() or int(word) not in known or int(word) not in LIMITS:
            both = ", ".join(str(a) for a in known if a in LIMITS)
            raise Failure(2, '--archs names "%s", which is none of %s.' % (word, both))
        archs.append(int(word))
    return sorted(set(archs))


def source(stepper, real):
    """What a compiler is told to compile, as the build does."""
    return [os.path.join(ROOT, "kernels", "cuda", "rollout.cu"), "-DRGI_REAL_%s" % real.upper(),
            "-DRGI_CUDA_DEFORM=%d" % (stepper == "deform"), "-DRGI_TEAM=%d" % TEAM, "-DRGI_REGISTERS=255"]


def nvcc_flags():
    return ["-std=c++17", "-O3", "-fmad=false", "-I" + os.path.join(ROOT, "include"), "-I" + os.path.join(ROOT, "kernels")]


def kernel_of(entry):
    """Which of KERNELS a function's name is of, or None."""
    found = re.search(r"rgi_(%s)_" % "|".join(KERNELS), entry)
    return found.group(1) if found else None


def compile_kernels(nvcc, stepper, real, arch, folder):
    """What ptxas says about each kernel: {"run": {...}, "reverse": {...}, ...}."""
    at = os.path.join(folder, "%s-%s-%d.cubin" % (stepper, real, arch))
    said = output_of([nvcc, *nvcc_flags(), "-arch=sm_%d" % arch, "-cubin", "-Xptxas", "-v", "-o", at,
                      *source(stepper, real)], "nvcc of the kernels of %s in %s for %d" % (stepper, real, arch))
    kernels, name = {}, None
    for line in said.splitlines():
        entry = re.search(r"Compiling entry function '(\w+)'", line)
        if entry:
            name = kernel_of(entry.group(1))
        frame = re.search(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", line)
        if frame and name:
            stack, stores, loads = map(int, frame.groups())
            kernels[name] = {"stack": stack, "stores": stores, "loads": loads, "shared": 0}
        used = re.search(r"Used (\d+) registers", line)
        if used and name in kernels:
            kernels[name]["registers"] = int(used.group(1))
            static = re.search(r"(\d+) bytes smem", line)
            kernels[name]["shared"] = int(static.group(1)) if static else 0
    for kernel in KERNELS:
        if "registers" not in kernels.get(kernel, {}):
            raise Failure(1, "ptxas does not speak of the kernel rgi_%s_: %s" % (kernel, said[-500:]))
    return kernels


def mix_of(nvcc, stepper, real, folder):
    """By kernel: how many operations an arithmetic instruction does (fused ones do two), and how many instructions
    there are for each of them; both as they stand in the code (PTX)."""
    at = os.path.join(folder, "%s-%s.ptx" % (stepper, real))
    output_of([nvcc, *nvcc_flags(), "-arch=compute_%d" % H100["arch"], "-ptx", "-o", at, *source(stepper, real)],
              "nvcc -ptx of the kernels of %s in %s" % (stepper, real))
    counts, name = {}, None
    kind = "f32" if real == "float" else "f64"
    with open(at, encoding="utf-8") as lines:
        for line in lines:
            entry = re.search(r"\.entry (\w+)", line)
            if entry:
                name = kernel_of(entry.group(1))
                counts[name] = collections.Counter()
            elif line.startswith("}"):
                name = None
            word = re.match(r"\s+(?:@!?%p\d+\s+)?([a-z]\w*)((?:\.\w+)*)\s.*;", line)
            # moves and changes of address space are no instructions of the machine, mostly
            if not name or not word or word.group(1) in ("mov", "cvta", "ret"):
                continue
            counts[name]["all"] += 1
            if word.group(2).endswith(kind) and word.group(1) in ("add", "sub", "mul", "fma"):
                counts[name]["fma" if word.group(1) == "fma" else "plain"] += 1
    mixes = {}
    for kernel in KERNELS:
        c = counts[kernel]
        arithmetic = c["fma"] + c["plain"]
        mixes[kernel] = {"operations": 1.0 + c["fma"] / arithmetic, "instructions": c["all"] / arithmetic}
    return mixes


def count_operations(cmake, build, vertices, folder):
    """Rows of bench/budget/count.cpp, by its target in a build folder, or in one made in `folder`."""
    if not build:
        build = os.path.join(folder, "build")
        output_of([cmake, "-S", ROOT, "-B", build, "-DCMAKE_BUILD_TYPE=Release", "-DRODGRAD_CUDA=OFF",
                   "-DRODGRAD_BUILD_PROGRAM=OFF", "-DRODGRAD_BUILD_TESTS=ON"], "configuring bench/budget")
    output_of([cmake, "--build", build, "--target", "budget_count", "-j", str(os.cpu_count() or 1)],
              "compiling bench/budget")
    program = os.path.join(build, "tests", "budget_count")
    lines = output_of([program, *map(str, vertices)], "budget_count").splitlines()
    return [json.loads(line) for line in lines]


# ---- what fits ----

Fit = collections.namedtuple("Fit", "teams shared rod_bytes resident")


def fit_rods(arch, row, real, registers):
    """Rods of a block and of a multiprocessor, as rollout_kernels.h chooses and the limits then allow."""
    limits = LIMITS[arch]
    total, per_block = limits.shared_kib * 1024, limits.shared_kib * 1024 - (RESERVED if arch >= 80 else 0)
    rod_bytes = row["run_bytes"] + (row["step_reals"] | 1) * BYTES[real]
    teams, most = MOST_TEAMS, 0
    for t in (8, 4, 2, 1):
        warps = -(-t * TEAM // WARP)
        resident = min(total // (t * rod_bytes + RESERVED), 8 // warps) * t
        if t * rod_bytes <= per_block and resident > most:
            teams, most = t, resident
    shared = most > 0
    bytes_of_block = teams * (rod_bytes if shared else row["run_bytes"]) + (RESERVED if arch >= 80 else 0)
    warps = -(-teams * TEAM // WARP)
    # registers are handed out to warps by 256
    by_registers = REGISTERS // (-(-registers * WARP // 256) * 256) // warps
    blocks = min(total // bytes_of_block, by_registers, limits.warps // warps, limits.blocks)
    return Fit(teams, shared, rod_bytes, blocks * teams)


# ---- what binds ----

def bounds_of(row, real, fit, mix):
    """Rod-steps a second that each resource of an H100 allows, by name."""
    h, size = H100, BYTES[real]
    rate = h["multiprocessors"] * h["clock_hz"]
    rods_of_warp = min(fit.teams, WARP // TEAM)
    warps = fit.resident / rods_of_warp
    slow = row["div"] + row["sqrt"]
    lanes_work = (row["add"] + row["mul"]) / mix["operations"] + 10.0 * slow
    arithmetic = row["path_arithmetic"] / mix["operations"]
    issue = arithmetic * mix["instructions"]
    if real == "double":
        # sixteen lanes of a scheduler take a warp's instruction in two cycles
        issue = max(issue, 2.0 * arithmetic)
    state = (row["working_read"] + row["working_written"]) * size
    passing = (row["gets"] + row["puts"]) * 8 + row["kept"] * size
    memory = h["dram_bytes_s"] / passing
    spilled = fit.resident * h["multiprocessors"] * row["working"] * size > h["l2_bytes"]
    if spilled:
        memory = h["dram_bytes_s"] / (passing + state)
    memory = min(memory, h["l2_bytes_s"] / (passing + state))
    bounds = {
        "arithmetic": rate * h["lanes"][real] / lanes_work,
        "issue": rate * min(h["schedulers"], warps) * rods_of_warp / issue,
        "latency": rate * fit.resident / row["cycles"],
        "memory": memory,
    }
    if fit.shared:
        # a warp's access takes a cycle, and another one for every 128 bytes beyond the first
        accesses = max(row["path_shared"], row["shared"] * rods_of_warp * size / 128)
        bounds["shared memory"] = rate * rods_of_warp / accesses
    # a warp that neither issues while it waits nor waits while it issues
    cautious = rate * fit.resident / (row["cycles"] + issue)
    return bounds, min(cautious, min(bounds.values())), passing + (state if spilled else 0.0)


def millions(x):
    return "%.3g" % (x / 1e6) if x < 1e8 else "%.0f" % (x / 1e6)


def thousands(x):
    return "%.3g" % (x / 1e3) if x < 1e5 else "%.0f" % (x / 1e3)


# ---- the document ----

def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(str(c) for c in r) + " |" for r in rows])


def resources_table(archs, ptxas, rows, vertices):
    out = []
    for arch in archs:
        for stepper in STEPPERS:
            for real in REALS:
                k = ptxas[stepper, real, arch]
                cells = ["%d.%d %s" % (arch // 10, arch % 10, LIMITS[arch].chips), stepper, real,
                         " / ".join(str(k[x]["registers"]) for x in KERNELS),
                         " / ".join(str(k[x]["stack"]) for x in KERNELS),
                         " / ".join(str(k[x]["stores"] + k[x]["loads"]) for x in KERNELS)]
                for n in vertices:
                    row = rows[stepper, "forward", n]
                    fit = fit_rods(arch, row, real, k["run"]["registers"])
                    back = fit_rods(arch, row, real, k["reverse"]["registers"])
                    both = [fit] if fit == back else [fit, back]
                    cells.append("%d" % fit.rod_bytes if fit.shared else "%d (none)" % fit.rod_bytes)
                    cells.append("%d × %s = %s" % (fit.teams, " / ".join(str(f.resident // f.teams) for f in both),
                                                   " / ".join(str(f.resident) for f in both)))
                out.append(cells)
    head = ["capability", "stepper", "real", "registers", "stack", "spilled"]
    for n in vertices:
        head += ["shared bytes, n = %d" % n, "rods, n = %d" % n]
    return table(head, out)


def modes_of(rows):
    return list(dict.fromkeys(mode for _, mode, _ in rows))


def work_table(rows, vertices):
    out = []
    for n in vertices:
        for stepper in STEPPERS:
            for mode in modes_of(rows):
                r = rows[stepper, mode, n]
                slow = r["div"] + r["sqrt"]
                total = r["add"] + r["mul"] + 10.0 * slow
                newton = "–" if mode == "adjoint" and stepper == "implicit" else "%.1f" % r["iterations"]
                out.append([n, stepper, mode, newton, thousands(r["add"] + r["mul"]), "%.0f" % slow,
                            thousands(r["compare"]), thousands(r["path_arithmetic"]),
                            "%.0f %%" % (100.0 * total / (TEAM * r["path_arithmetic"])), "%.0f" % r["barriers"],
                            thousands(r["cycles"]), thousands(r["shared"]), thousands(r["global"]), "%.0f" % r["working"]])
    return table(["n", "stepper", "run", "Newton", "+ − × [10³]", "÷ √", "compared [10³]", "path [10³]", "lanes busy",
                  "barriers", "cycles [10³]", "shared [10³]", "other arrays [10³]", "reals kept"], out)


def estimate_of(rows, n, stepper, real, mode, ptxas, mixes):
    """What bounds_of gives for a run on an H100, with what fits there."""
    row, kernel = rows[stepper, mode, n], "reverse" if mode == "adjoint" else "run"
    fit = fit_rods(H100["arch"], row, real, ptxas[stepper, real, H100["arch"]][kernel]["registers"])
    bounds, cautious, dram = bounds_of(row, real, fit, mixes[stepper, real][kernel])
    return fit, bounds, cautious, dram


def bounds_table(rows, vertices, ptxas, mixes):
    out, binding = [], collections.Counter()
    for n in vertices:
        for stepper in STEPPERS:
            for real in REALS:
                for mode in modes_of(rows):
                    fit, bounds, cautious, dram = estimate_of(rows, n, stepper, real, mode, ptxas, mixes)
                    least = min(bounds, key=bounds.get)
                    binding[least] += 1
                    cells = [millions(bounds[b]) if b in bounds else "–" for b in BOUNDS]
                    out.append([n, stepper, real, mode, fit.resident, "%.0f" % dram] + cells +
                               ["%s %s" % (millions(bounds[least]), least), "**%s**" % millions(cautious)])
    head = ["n", "stepper", "real", "run", "rods", "bytes", *BOUNDS, "roofline", "estimate"]
    return table(head, out), binding


ESTIMATES_HEAD = """\
# Estimates of what the kernels reach on an H100 SXM, by tools/gpu-budget.py with {nvcc}. Nothing here was measured.
# All are rod-steps a second with enough rods to fill the GPU, on {multiprocessors} multiprocessors at {ghz:g} GHz.
# On another GPU they go with multiprocessors times clock; memory's does not, it is of {tb:g} TB/s.
# rods: resident on a multiprocessor. arithmetic ... memory: what each resource would allow if nothing else
# limited; - where the kernel does not use it. binds: the least of them, which is the roofline. estimate: less
# than the roofline where a warp issues its instructions and waits out its chain one after the other
# (docs/gpu-budget.md).
# run: forward; 1 tangent (rodgrad bench --mode jvp); 40 tangents (--mode tangent --parameters 40, without the
# sums of the normal equations); reverse, a reverse step whose states were kept; adjoint (--mode adjoint), which
# with two levels of checkpoints runs every step twice forward and once backwards. An adjoint row is therefore
# the harmonic combination of two other rows, by column: 1 / (2 / forward + 1 / reverse).
"""


def estimates(nvcc, rows, ptxas, mixes):
    """bench/budget/estimates.tsv."""
    names = {"adjoint": "reverse"}

    def line(n, stepper, real, run, rods, bounds, cautious):
        cells = ["%.4g" % bounds[b] if b in bounds else "-" for b in BOUNDS]
        cells += ["%.4g" % cautious, min(bounds, key=bounds.get).replace(" ", "_")]
        return "\t".join(map(str, [n, stepper, real, run.replace(" ", "_"), rods, *cells]))

    lines = ["\t".join(["vertices", "stepper", "real", "run", "rods", *(b.replace(" ", "_") for b in BOUNDS),
                        "estimate", "binds"])]
    for n in ESTIMATE_VERTICES:
        for stepper in STEPPERS:
            for real in REALS:
                of = {}
                for mode in modes_of(rows):
                    fit, bounds, cautious, _ = of[mode] = estimate_of(rows, n, stepper, real, mode, ptxas, mixes)
                    lines.append(line(n, stepper, real, names.get(mode, mode), fit.resident, bounds, cautious))
                (there, up, slow_up, _), (back, down, slow_down, _) = of["forward"], of["adjoint"]
                both = {b: 1.0 / (2.0 / up[b] + 1.0 / down[b]) for b in up if b in down}
                lines.append(line(n, stepper, real, "adjoint", min(there.resident, back.resident), both,
                                  1.0 / (2.0 / slow_up + 1.0 / slow_down)))
    head = ESTIMATES_HEAD.format(nvcc=nvcc_name(nvcc), multiprocessors=H100["multiprocessors"],
                                 ghz=H100["clock_hz"] / 1e9, tb=H100["dram_bytes_s"] / 1e12)
    return head + "\n".join(lines) + "\n"


def claims(archs, ptxas, rows):
    """[(what, whether it holds)]"""
    spilled = sorted({"rgi_%s_kernel of %s in %s for %d" % (kernel, stepper, real, arch)
                      for (stepper, real, arch), kernels in ptxas.items() if arch in archs
                      for kernel, k in kernels.items() if k["stores"] + k["loads"] > 0})
    held = [("No kernel spills registers, for any of %s" % ", ".join("%d.%d" % (a // 10, a % 10) for a in archs) +
             (": but " + "; ".join(spilled) if spilled else ""), not spilled)]
    least = min(fit_rods(90, rows[stepper, "forward", 13], "float", kernel["registers"]).resident
                for stepper in STEPPERS for kernel in (ptxas[stepper, "float", 90][name] for name in KERNELS))
    held.append(("At least 32 rods of 13 vertices are resident on a multiprocessor of an H100, in float: %d" % least,
                 least >= 32))
    return held


TEXT = """# What the kernels need of a GPU

Made by `tools/gpu-budget.py` with {nvcc}; run it again after a change of the kernels. **Nothing here was measured on a GPU.**
The first table is what the compiler reports; the second was counted on the CPU; the third is an estimate from both.

{claims}

## Registers, memory, rods

A rod is worked on by {team} threads; the block is of the size (8 rods or fewer) with which most rods fit on a multiprocessor. Figures
of the forward / the reverse kernel. *Stack* are bytes of a thread for arrays that it indexes (the reverse kernel's levels of
checkpoints), *spilled* the bytes of spill stores and loads. *Shared bytes* are one rod's: `rgi_run` and what a step works on
(`rgi_run_step_reals`); *(none)*: beyond what a block can have, so that it lies in global memory. *Rods*: of a block × blocks = resident on a
multiprocessor, by registers, shared memory (with {reserved} bytes for each block), warps and blocks. The number of vertices does not
enter the code: registers and spills are those of every rod.

{resources}

Limits of a multiprocessor are those of the CUDA C++ Programming Guide, "Technical Specifications per Compute Capability".

## A rod-step

Counted by running the kernels' own source on the CPU shim with a number type that counts (`bench/budget`), one team on one rod, as
differences between runs of 10 and 30 steps. The rod is like those of `rodgrad bench`: 1 m between two grippers that sway, {steps}.
"1 tangent" and "40 tangents" are forward runs with so many directions of bend stiffness along, the latter with a fit's residuals and rows;
"adjoint" is a reverse step whose states were kept. With two levels of checkpoints, as a batch has by default, a forward step comes on top.

- *Newton*: iterations of a step; with deform those of its turns.
- *+ − ×*, *÷ √*, *compared*: operations of all lanes together, those that every lane does for itself counted for each.
- *path*: arithmetic of the busiest lane, summed over the pieces between barriers; a division or root for ten. *Lanes busy* is all lanes'
  arithmetic over {team} times the path.
- *cycles*: what one team alone would take if instructions waited for their operands only: the longest chain of dependent operations between two
  barriers, summed. Assumed: arithmetic 4 cycles, division and root 30, shared memory and shuffles 30, other arrays 250 (L2), a barrier 10.
- *shared*, *other arrays*: reads and writes of reals by all lanes, as the source has them; a compiler keeps some in registers.
- *reals kept*: different reals outside shared memory that the run comes back to: state, parameters, tangents.

{work}

## What an H100 could do

Estimates in 10⁶ rod-steps a second, for an H100 SXM with enough rods to fill it (132 multiprocessors × *rods*), each as if nothing but one thing limited it.
Facts: 132 multiprocessors, 1.98 GHz, 128 lanes for float and 64 for double, 3.35 TB/s and 50 MB of L2 (NVIDIA's data sheet); L2 5.5 TB/s.

- *arithmetic*: all lanes compute all the time; products and sums fuse as in the compiled code ({operations} operations an instruction).
- *issue*: four schedulers issue one instruction a cycle each. A warp runs four teams in step, so it issues the path, with as many other instructions (addresses,
  loads, branches) for each arithmetic one as the code has: {instructions} to one (PTX as it stands, which the assembler still shortens).
- *latency*: rods that are resident, over *cycles*.
- *shared memory*: a multiprocessor moves 128 bytes a cycle: a cycle for each access of the path, by a warp at a time, or more where its lanes want more
  bytes; without bank conflicts.
- *memory*: *bytes* of a rod-step from and to device memory: motion, outputs and kept states (computed from their sizes and counted), and the reals kept, once
  read and once written, where those of all resident rods exceed L2; else through L2.
- *roofline*: the least of these bounds, and which it is.
- *estimate*: no more than the roofline, nor than a warp reaches that issues its instructions and waits out its chain one after the other: *issue*
  supposes a warp that is ready in every cycle, and of four to eight warps on a multiprocessor a scheduler has but one or two.

`bench/budget/estimates.tsv` has the same for the scenes of `rodgrad bench`.

{bounds}

**What binds.** {binding}

**Choices.** Eight threads to a rod: of 13 vertices four joints are assembled at a time, in three colours, so that sixteen threads would be idle three quarters of the
time; and 32 rods of 16 threads would leave 128 registers to a thread, where the kernels spill (324 to 1088 bytes of stores for 9.0, with nvcc 13.0), while with 255 none does. The factor is the
team's: every thread factors the 4 × 4 diagonal block for itself, then takes a row of the panel, then entries of the update.

## Limits of the method

- Bounds are upper ones. What is near one of them has no reserve there, and several at once cost more than the least of them says: expect less than the
  estimate. `gpu-check` measures, on a machine with a GPU ([GPUs](gpu.md)).
- The chain of dependent operations is the source's own; a compiler issues in an order, and waits for loads that it could not move up.
- Teams of a warp are taken to run in step. Rods that need different numbers of Newton iterations do not, and lanes that take different branches
  run one after the other.
- Instructions for each arithmetic one are those of the code as it stands, not weighted by how often each runs.
- Index arithmetic, pointers of `rgi_run` in shared memory and reads of `fixed` and the elimination order are not counted as accesses.
"""


def nvcc_name(nvcc):
    release = re.search(r"release ([\d.]+)", output_of([nvcc, "--version"], "nvcc --version"))
    return "nvcc " + release.group(1) if release else "nvcc"


def document(nvcc, archs, ptxas, mixes, rows, vertices, held):
    bounds, binding = bounds_table(rows, vertices, ptxas, mixes)
    each = [m for kernels in mixes.values() for m in kernels.values()]

    def span(key):
        ends = ["%.1f" % pick(m[key] for m in each) for pick in (min, max)]
        return ends[0] if ends[0] == ends[1] else " to ".join(ends)

    of = sum(binding.values())
    sentences = ["%s in %d of %d rows; it would rise by %s." % (name.capitalize(), count, of, RAISE[name])
                 for name, count in binding.most_common()]
    return TEXT.format(
        nvcc=nvcc_name(nvcc), team=TEAM, reserved=RESERVED,
        claims="\n".join("- %s. %s" % (what, "Holds." if ok else "**Does not hold.**") for what, ok in held),
        resources=resources_table(archs, ptxas, rows, vertices), work=work_table(rows, vertices), bounds=bounds,
        steps="10 ms steps with BDF2; deform with 4 ms · (11/(n − 1))² and 10 sweeps",
        operations=span("operations"), instructions=span("instructions"), binding=" ".join(sentences))


def options(argv):
    given = {"--archs": None, "--vertices": "13,32", "--build": None, "-o": None, "--estimates": None}
    words = iter(argv)
    for word in words:
        if word in ("-h", "--help"):
            print(__doc__.strip())
            sys.exit(0)
        name, has, value = word.partition("=")
        if name not in given:
            raise Failure(2, "unknown option %s; --help lists them." % word)
        given[name] = value if has else next(words, None)
        if not given[name]:
            raise Failure(2, "%s needs a value." % name)
    vertices = []
    for word in given["--vertices"].split(","):
        if not word.isdigit() or not 6 <= int(word) <= 1000:
            raise Failure(2, '--vertices names "%s", which is no number from 6 to 1000.' % word)
        vertices.append(int(word))
    return given["--archs"], vertices, given["--build"], given["-o"], given["--estimates"]


def write(text, to):
    with open(to + ".part", "w", encoding="utf-8") as out:
        out.write(text)
    os.replace(to + ".part", to)


def main(argv):
    wanted, vertices, build, to, estimates_to = options(argv)
    nvcc = find("NVCC", ["nvcc", "/usr/local/cuda/bin/nvcc"])
    cmake = find("CMAKE", ["cmake"])
    known = known_archs(nvcc)
    if H100["arch"] not in known:
        raise Failure(2, "%s does not compile for the H100 (compute capability 9.0)." % nvcc)
    archs = choose_archs(wanted, known)
    with tempfile.TemporaryDirectory() as folder:
        rows = {(r["stepper"], r["mode"], r["vertices"]): r
                for r in count_operations(cmake, build, sorted({*vertices, 13, *ESTIMATE_VERTICES}), folder)}
        jobs = [(s, r, a) for a in sorted(set(archs) | {H100["arch"]}) for s in STEPPERS for r in REALS]
        # an architecture costs a compiler some seconds and 0.5 GB
        with concurrent.futures.ThreadPoolExecutor(max_workers=max(1, min(8, os.cpu_count() or 1))) as pool:
            compiled = [pool.submit(compile_kernels, nvcc, *job, folder) for job in jobs]
            mixed = {(s, r): pool.submit(mix_of, nvcc, s, r, folder) for s in STEPPERS for r in REALS}
            try:
                ptxas = {job: c.result() for job, c in zip(jobs, compiled)}
                mixes = {key: m.result() for key, m in mixed.items()}
            except Failure:
                pool.shutdown(cancel_futures=True)
                raise
    held = claims(archs, ptxas, rows)
    text = document(nvcc, archs, ptxas, mixes, rows, vertices, held)
    if estimates_to:
        write(estimates(nvcc, rows, ptxas, mixes), estimates_to)
    if to:
        write(text, to)
    else:
        sys.stdout.write(text)
    for what, holds in held:
        complain(what + (": holds." if holds else ": DOES NOT HOLD."))
    return 0 if all(holds for _, holds in held) else 1


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Failure as failure:
        complain(str(failure))
        sys.exit(failure.code)
    except OSError as error:
        complain(str(error))
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
