#!/usr/bin/env bash
# The check of the CUDA backend on a machine with a GPU: build for that GPU, tests, compute-sanitizer, and a
# sweep of benchmarks. Nothing of it is needed to use rodgrad; its figures are the only ones about a GPU.
#
#   tools/gpu-check.sh [--quick] [--out DIR] [--no-sanitizer] [--seconds S] [--rehearse PROGRAM]
#
# Leaves in DIR (./gpu-check by default): rows.jsonl, one JSON object a line with the device and its clocks before
# and after; table.md; tests.log, sanitizer.log. A row that is there is not measured again: interrupted, call it again.
#   --quick        rope12 alone, batches to 4,096
#   --seconds S    stop the sweep after S seconds (the next call goes on)
#   --rehearse P   no GPU: go the sweep's ways with program P, tiny, on its CPU backend, or on cuda:0 where P was
#                  built with the CPU shim of the tests
set -euo pipefail
cd "$(dirname "$0")/.."

quick=0 out=gpu-check sanitizer=1 seconds=0 rehearse=
while [ $# -gt 0 ]; do
    case "$1" in
        --quick) quick=1 ;;
        --no-sanitizer) sanitizer=0 ;;
        --out | --seconds | --rehearse)
            [ $# -gt 1 ] || { echo "gpu-check.sh: $1 needs a value; --help lists the options" >&2; exit 2; }
            case "$1" in
                --out) out=$2 ;;
                --seconds) seconds=$2 ;;
                --rehearse) rehearse=$2 ;;
            esac
            shift ;;
        -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;;
        *) echo "gpu-check.sh: unknown option $1; --help lists them" >&2; exit 2 ;;
    esac
    shift
done
[[ "$seconds" =~ ^[0-9]+$ ]] || { echo "gpu-check.sh: --seconds needs a whole number, not \"$seconds\"" >&2; exit 2; }
say() { printf '\n== %s\n' "$*"; }
command -v python3 >/dev/null || { echo "gpu-check.sh: python3 is needed for the table; install it" >&2; exit 2; }

# the GPU's name, driver and clocks now, as JSON; without one (a rehearsal) null
gpu_state() {
    if [ -n "$rehearse" ]; then echo null; return; fi
    nvidia-smi -i 0 --query-gpu=name,driver_version,clocks.sm,clocks.mem,clocks.max.sm,power.draw,temperature.gpu \
        --format=csv,noheader,nounits | python3 -c '
import json, sys
names = ["name", "driver", "sm_mhz", "memory_mhz", "most_sm_mhz", "power_w", "temperature_c"]
print(json.dumps(dict(zip(names, [v.strip() for v in sys.stdin.readline().split(",")]))))'
}

mkdir -p "$out"
if [ -n "$rehearse" ]; then
    rodgrad=$rehearse backend=cpu reals="double" scenes="rope12" batches="1 4" frames=3 repeat=2
    [ -x "$rodgrad" ] || { echo "gpu-check.sh: $rodgrad is no program" >&2; exit 2; }
    if "$rodgrad" info --json | grep -q '"cuda:0"'; then backend=cuda:0 reals="float double"; fi
else
    if ! command -v nvidia-smi >/dev/null || ! nvidia-smi -L 2>/dev/null | grep -q '^GPU 0'; then
        echo "gpu-check.sh: no NVIDIA GPU is to be seen here (nvidia-smi lists none); run it where there is one" >&2
        exit 2
    fi
    arch=$(nvidia-smi -i 0 --query-gpu=compute_cap --format=csv,noheader | tr -d '. ')
    rodgrad=build/gpu/rodgrad backend=cuda:0 reals="float double" frames=100 repeat=5
    scenes="rope12 rope25 rope50 rope100 rope200" batches="1 4 16 64 256 1024 4096 16384 65536"
    [ $quick -eq 0 ] || { scenes=rope12 batches="1 16 256 4096" frames=50 repeat=3; }

    say "build for compute capability $arch"
    tools/install-deps.sh --test
    cmake --preset release -B build/gpu -DRODGRAD_CUDA=ON -DRODGRAD_CUDA_ARCHS="$arch" >"$out/configure.log" ||
        { cat "$out/configure.log" >&2; exit 1; }
    cmake --build build/gpu -j "$(nproc)"
    "$rodgrad" info

    say "tests labelled cuda"
    ctest --test-dir build/gpu -L cuda -LE slow --output-on-failure | tee "$out/tests.log"

    if [ $sanitizer -eq 1 ] && command -v compute-sanitizer >/dev/null; then
        : >"$out/sanitizer.log"
        for tool in memcheck racecheck; do
            for stepper in implicit deform; do
                say "compute-sanitizer $tool, $stepper"
                compute-sanitizer --tool "$tool" --error-exitcode 9 "$rodgrad" bench --backend "$backend" \
                    --stepper "$stepper" --scene rope12 --batch 16 --frames 3 --repeat 1 --real float,double \
                    2>&1 | tee -a "$out/sanitizer.log"
            done
        done
    else
        say "compute-sanitizer left out"
    fi
fi

say "sweep"
rows=$out/rows.jsonl
touch "$rows"
start=$SECONDS stopped=0
for scene in $scenes; do
    for stepper in implicit deform; do
        for real in $reals; do
            for batch in $batches; do
                for mode in forward tangent adjoint; do
                    key="$scene $stepper $real $batch $mode $backend $frames"
                    grep -qF "\"key\": \"$key\"" "$rows" && continue
                    if [ "$seconds" -gt 0 ] && [ $((SECONDS - start)) -ge "$seconds" ]; then
                        stopped=1
                        break 5
                    fi
                    before=$(gpu_state)
                    # what does not fit the GPU's memory is a row as well: the sentence that says so
                    if row=$("$rodgrad" bench --json --backend "$backend" --stepper "$stepper" --scene "$scene" \
                        --real "$real" --batch "$batch" --mode "$mode" --frames "$frames" --repeat "$repeat" \
                        2>"$out/last.err"); then
                        :
                    else
                        row=
                    fi
                    after=$(gpu_state)
                    KEY=$key BEFORE=$before AFTER=$after ROW=$row ERROR=$(tail -n 1 "$out/last.err") python3 -c '
import json, os
row = json.loads(os.environ["ROW"]) if os.environ["ROW"] else {"status": os.environ["ERROR"] or "failed"}
scene, stepper, real, batch, mode = os.environ["KEY"].split()[:5]
asked = {"scene": scene, "stepper": stepper, "real": real, "batch": int(batch), "mode": mode}
print(json.dumps({"key": os.environ["KEY"], **asked, **row, "gpu_before": json.loads(os.environ["BEFORE"]),
                  "gpu_after": json.loads(os.environ["AFTER"])}))' >>"$rows"
                    printf '%s\n' "$key"
                done
            done
        done
    done
done

python3 - "$rows" >"$out/table.part" <<'PYTHON'
import json, sys
rows = [json.loads(line) for line in open(sys.argv[1])]
gpus = sorted({json.dumps({k: r["gpu_before"][k] for k in ("name", "driver", "most_sm_mhz")})
               for r in rows if r.get("gpu_before")})
print("# rodgrad on a GPU\n")
print("\n".join(gpus) if gpus else "A rehearsal without a GPU: these figures are the CPU's.", "\n")
print("| scene | stepper | real | mode | batch | rod-steps/s | rod-seconds/s | kB/rod | SM clock after [MHz] | status |")
print("|---|---|---|---|---|---|---|---|---|---|")
number = lambda r, k, scale=1.0, form="{:.3g}": form.format(r[k] * scale) if isinstance(r.get(k), (int, float)) else "-"
for r in rows:
    clock = (r.get("gpu_after") or {}).get("sm_mhz", "-")
    print(f"| {r['scene']} | {r['stepper']} | {r['real']} | {r['mode']} | {r['batch']} | {number(r, 'rod_steps_per_s')} | "
          f"{number(r, 'rod_seconds_per_s')} | {number(r, 'bytes_per_rod', 1e-3, '{:.1f}')} | {clock} | {r['status']} |")
PYTHON
mv "$out/table.part" "$out/table.md"
[ $stopped -eq 0 ] || say "stopped after $seconds s; call it again to go on"
say "done: $rows and $out/table.md"
