#!/usr/bin/env python3
"""What the GPU kernels need, on paper: no GPU is used, and nothing printed here was measured on one.

  tools/gpu-budget.py [--archs 75,80,90] [-o docs/gpu-budget.md]

Registers, spills and stack come from nvcc's assembler, for every architecture; operations of a rod-step are counted by
running the kernels on the CPU shim (bench/budget); rods resident and the roofline for an H100 follow from both and from
NVIDIA's data sheets. Needs nvcc (12.8 or newer), CMake, g++ and the library's packages; takes some minutes.
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
STEPPERS, REALS = ("implicit", "deform"), ("float", "double")
TEAM, BLOCK_TEAMS = 8, 8  # threads to a rod, rods to a block: kernels/real/real.h, cuda/rollout_kernels.h

# CUDA C++ Programming Guide, "Technical Specifications per Compute Capability": shared memory of a multiprocessor and
# most of a block [bytes], threads and blocks of a multiprocessor; 64 K registers everywhere; 1 KB of shared memory of
# every block is the system's from 8.0 on
FACTS = {
    75: (64 << 10, 64 << 10, 1024, 16, 0),
    80: (164 << 10, 163 << 10, 2048, 32, 1024),
    90: (228 << 10, 227 << 10, 2048, 32, 1024),
    100: (228 << 10, 227 << 10, 2048, 32, 1024),
    110: (228 << 10, 227 << 10, 1536, 24, 1024),
    120: (100 << 10, 99 << 10, 1536, 24, 1024),
}
# NVIDIA H100 SXM5 data sheet and white paper: multiprocessors, boost clock [Hz], fused multiply-adds a clock and
# multiprocessor in float and double, schedulers of a multiprocessor, memory [bytes/s]
H100 = {"sms": 132, "clock": 1.98e9, "fma": {"float": 128, "double": 64}, "schedulers": 4, "dram": 3.35e12}
# cycles from one instruction of a thread to the next that needs it: 4 in arithmetic, about 30 from shared memory
# (Luo et al. 2024, arXiv 2402.13499); a third of the instructions are taken to wait for shared memory
LATENCY = (2 * 4 + 30) / 3


def fail(sentence, code=2):
    print(f"gpu-budget: {sentence}", file=sys.stderr)
    sys.exit(code)


def run(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        fail(f"this failed ({done.returncode}): {' '.join(map(str, command))}\n{done.stdout}", 1)
    return done.stdout


def nvcc_of():
    for place in (os.environ.get("CUDA_PATH", ""), "/usr/local/cuda"):
        found = shutil.which("nvcc", path=os.path.join(place, "bin")) if place else None
        if found:
            return found
    return shutil.which("nvcc") or fail("nvcc was not found; add it to PATH or set CUDA_PATH")


def compile_kernels(nvcc, stepper, real, arch, folder):
    """{"run": ..., "reverse": ...} of one source: registers, stack, spills; instructions by kind from its PTX"""
    source = ROOT / f"kernels/cuda/rollout_{stepper}_{real}.cu"
    flags = ["-std=c++17", "-O3", f"-I{ROOT}/include", f"-I{ROOT}/kernels", f"-arch=sm_{arch}"]
    log = run(nvcc, *flags, "-Xptxas", "-v", "-c", str(source), "-o", f"{folder}/k.o")
    kernels, spills, stack, name = {}, 0, 0, None
    for line in log.splitlines():
        entry = re.search(r"Compiling entry function '(\S+)'", line)
        if entry:
            match = re.search(r"rgi_(run|reverse)_kernel", entry.group(1))
            name, spills, stack = match and match.group(1), 0, 0
        spilled = re.search(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", line)
        if spilled:
            stack += int(spilled.group(1))
            spills += int(spilled.group(2)) + int(spilled.group(3))
        used = re.search(r"Used (\d+) registers", line)
        if used and name:
            kernels[name] = {"registers": int(used.group(1)), "spills": spills, "stack": stack}
    if set(kernels) != {"run", "reverse"}:
        fail(f"nvcc's report on {source.name} for sm_{arch} names no registers:\n{log}", 1)
    return kernels


def instructions_per_operation(nvcc, stepper, real, folder):
    """all instructions of the run kernel over those that compute with reals, in its PTX (static)"""
    source = ROOT / f"kernels/cuda/rollout_{stepper}_{real}.cu"
    run(nvcc, "-std=c++17", "-O3", f"-I{ROOT}/include", f"-I{ROOT}/kernels", "-arch=compute_90", "-ptx", str(source),
        "-o", f"{folder}/k.ptx")
    text = pathlib.Path(f"{folder}/k.ptx").read_text()
    body = text[text.index("rgi_run_kernel"):]
    body = body[:body.index("\n}")]
    lines = [l.strip() for l in body.splitlines()]
    lines = [l for l in lines if re.match(r"(@!?%p\d+\s+)?[a-z]", l)]
    kind = "f32" if real == "float" else "f64"
    real_lines = [l for l in lines if re.match(rf"(add|sub|mul|fma|div|sqrt|rcp)\S*\.{kind}", l)]
    # a fused multiply-add is two operations
    operations = sum(2 if l.startswith("fma") else 1 for l in real_lines)
    return len(lines) / operations


def count_operations(folder, vertices):
    run("cmake", "-S", str(ROOT / "bench/budget"), "-B", f"{folder}/count", "-DCMAKE_BUILD_TYPE=Release")
    run("cmake", "--build", f"{folder}/count", "--target", "budget_count", "-j2")
    out = run(f"{folder}/count/budget_count", *map(str, vertices))
    return [json.loads(line) for line in out.splitlines()]


def rods_resident(arch, registers, shared_of_rod):
    """rods, with the size of block that cuda/rollout_kernels.h (fit_rods) takes; 0: the global-memory path"""
    shared, most_of_block, threads, blocks, reserved = FACTS[arch]
    best = chosen = 0
    for teams in (BLOCK_TEAMS >> k for k in range(4)):
        warps = -(-teams * TEAM // 32)
        n = min(8 // warps, shared // (teams * shared_of_rod + 1024)) * teams
        if teams * shared_of_rod <= most_of_block and n > best:
            best, chosen = n, teams
    if not chosen:
        return 0
    # registers are handed out in units of 256 a warp of 32 threads
    warps = -(-chosen * TEAM // 32)
    of_block = warps * (-(-registers * 32 // 256) * 256)
    return chosen * min(65536 // of_block, shared // (chosen * shared_of_rod + reserved), threads // (warps * 32), blocks)


def traffic(row, real, mode_tangents):
    """bytes of global memory of a rod-step, from the sizes of arrays: each is read or written once from DRAM"""
    n, size = row["vertices"], 4 if real == "float" else 8
    state, coefficients, direction = 27 * n * size, 16 * n * size, 25 * n * size
    drive = (4 * 3 + 2 * 3) * 8
    outputs = 3 * n * 8
    if row["mode"] == "adjoint":
        kept = (15 * n + 1) * size
        return 3 * kept + coefficients + 2 * direction + 2 * coefficients + drive + outputs
    # the state, read and written; directions, read and written
    return 2 * state + coefficients + drive + outputs + mode_tangents * 2 * direction


def estimate(row, real, kernel, factor, residents):
    """the rates that bounds allow, in rod-steps/s of an H100, and which is least"""
    operations = row["add"] + row["mul"] + row["div"] + row["sqrt"]
    tangents = {"tangent, 1": 1, "tangent, 40": 40}.get(row["mode"], 0)
    bytes_ = traffic(row, real, tangents)
    per_sm = {
        "arithmetic": 2 * H100["fma"][real] * H100["clock"] / operations,
        # four rods share a warp: in step they share its instructions
        "issue": H100["schedulers"] * H100["clock"] * (32 // TEAM) / (row["path"] * factor),
        "latency": residents * H100["clock"] / (row["path"] * factor * LATENCY),
    }
    rates = {name: H100["sms"] * rate for name, rate in per_sm.items()}
    rates["DRAM"] = H100["dram"] / bytes_
    least = min(rates, key=rates.get)
    return operations, bytes_, rates, least


def short(rate):
    return f"{rate / 1e6:.1f}"


RAISE = {
    "latency": "more rods a multiprocessor (fewer registers, smaller working set), or shorter chains: more lanes in "
               "the factor, the sweeps and single tangents",
    "issue": "fewer instructions on the busiest lane",
    "arithmetic": "fewer operations",
    "DRAM": "directions in shared memory, fewer bytes of a direction",
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--archs", default=",".join(map(str, FACTS)), help="compute capabilities, such as 80,90")
    parser.add_argument("-o", "--output", help="Markdown file to write; stdout by default")
    options = parser.parse_args()
    archs = []
    for word in options.archs.split(","):
        if not word.isdigit() or int(word) not in FACTS:
            fail(f'--archs names "{word}"; facts are known of {", ".join(map(str, FACTS))}')
        archs.append(int(word))
    nvcc = nvcc_of()
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        rows = count_operations(folder, (13, 32))
        kernels, factors = {}, {}
        for stepper in STEPPERS:
            for real in REALS:
                print(f"gpu-budget: {stepper} in {real}", file=sys.stderr)
                factors[stepper, real] = instructions_per_operation(nvcc, stepper, real, folder)
                for arch in sorted(set(archs) | {90}):
                    kernels[stepper, real, arch] = compile_kernels(nvcc, stepper, real, arch, folder)
    shared = {(r["stepper"], r["vertices"], real): r["run_bytes"] + (r["step_reals"] | 1) * (4 if real == "float" else 8)
              for r in rows for real in REALS}
    version = re.search(r"release (\S+),", run(nvcc, "--version")).group(1)
    lines += [f"Compiled with nvcc {version}. {BLOCK_TEAMS} rods of {TEAM} threads to a block.", "",
              "| kernel | real | sm | registers | spills [B] | stack [B] | shared [B/rod] 13 / 32 vertices | "
              "rods a multiprocessor 13 / 32 |", "|---|---|---|---|---|---|---|---|"]
    for (stepper, real, arch), found in kernels.items():
        for name, k in found.items():
            s13, s32 = shared[stepper, 13, real], shared[stepper, 32, real]
            r13, r32 = rods_resident(arch, k["registers"], s13), rods_resident(arch, k["registers"], s32)
            lines.append(f"| {stepper} {name} | {real} | {arch} | {k['registers']} | {k['spills']} | {k['stack']} | "
                         f"{s13} / {s32} | {r13} / {r32} |")
    lines += ["", "Operations of a rod-step, and what bounds an H100 (SXM5) would put on it: **estimates**.", "",
              "| stepper | mode | vertices | Newton | add | mul | div + sqrt | path | barriers |",
              "|---|---|---|---|---|---|---|---|---|"]
    for r in rows:
        lines.append(f"| {r['stepper']} | {r['mode']} | {r['vertices']} | {r['newton_iterations']:.1f} | {r['add']:.0f} | "
                     f"{r['mul']:.0f} | {r['div'] + r['sqrt']:.0f} | {r['path']:.0f} | {r['barriers']:.0f} |")
    lines += ["", "| stepper | mode | real | vertices | instructions / operation | DRAM [kB/rod-step] | arithmetic | issue | "
              "latency | DRAM | bound [10^6 rod-steps/s] |", "|---|---|---|---|---|---|---|---|---|---|---|"]
    bounds = set()
    for r in rows:
        for real in REALS:
            k = kernels[r["stepper"], real, 90]["reverse" if r["mode"] == "adjoint" else "run"]
            residents = rods_resident(90, k["registers"], shared[r["stepper"], r["vertices"], real])
            factor = factors[r["stepper"], real]
            _, bytes_, rates, least = estimate(r, real, k, factor, residents)
            bounds.add(least)
            lines.append(f"| {r['stepper']} | {r['mode']} | {real} | {r['vertices']} | {factor:.1f} | {bytes_ / 1e3:.1f} | "
                         f"{short(rates['arithmetic'])} | {short(rates['issue'])} | {short(rates['latency'])} | "
                         f"{short(rates['DRAM'])} | {least}: {short(rates[least])} |")
    lines.append("")
    for least in sorted(bounds):
        lines.append(f"- Bound by {least}: {RAISE[least]} would raise it.")
    spilling = [key for key, found in kernels.items() if any(k["spills"] for k in found.values())]
    lines.append("- Spills: " + ("none in any of these kernels." if not spilling else
                                 ", ".join(f"{s} {r} sm_{a}" for s, r, a in spilling) + "."))
    least = min(rods_resident(90, k["registers"], shared[s, 13, "float"])
                for (s, r, a), found in kernels.items() if r == "float" and a == 90 for k in found.values())
    lines.append(f"- Rods of 13 vertices resident on an H100's multiprocessor in float: at least {least}.")
    text = "\n".join(lines) + "\n"
    if not options.output:
        sys.stdout.write(text)
        return
    path = pathlib.Path(options.output)
    mark = "<!-- made by tools/gpu-budget.py from here on -->\n"
    head = path.read_text().split(mark)[0] if path.exists() else "# What the GPU kernels need\n\n"
    part = path.with_suffix(".part")
    part.write_text(head + mark + text)
    part.replace(path)


main()
