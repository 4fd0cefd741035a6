#!/usr/bin/env bash
# Everything that a machine with a GPU can say about the CUDA backend, in one command: build, tests,
# compute-sanitizer, and a sweep of rodgrad bench over batches, scenes, modes and reals (docs/gpu.md).
#
#   tools/gpu-check.sh [--quick] [--out DIR] [--no-sanitizer] [--time SECONDS] [--rehearse PROGRAM]
#
#   --quick              rope12 and rope50, batches of 1, 64, 4096 and 65536 rods, one timed repeat
#   --out DIR            where results go (gpu-check, gpu-rehearsal): rows.jsonl, table.md, checks.txt, logs
#   --no-sanitizer       without compute-sanitizer
#   --time SECONDS       start no row of the sweep after this time
#   --rehearse PROGRAM   a few small rows with this rodgrad, on whatever it runs on: nothing is built or
#                        tested, no GPU is needed, and the figures say nothing
#
# Run again, it goes on: what passed with this build is not done again, nor is a row that is there, with as
# many repeats and no failure, whatever build it came from: after a change, name another DIR. Which GPU:
# CUDA_VISIBLE_DEVICES, else the first. Exit code: 0; 1 when a check or a row failed; 2 for a wrong option or
# without a GPU.
set -euo pipefail
source_dir=$(cd "$(dirname "$0")/.." && pwd)

complain() { echo "gpu-check.sh: $1" >&2; }
say() { printf '\n== %s\n' "$*"; }

quick=0 out='' sanitizer=1 limit=0 rehearse=''
while [ $# -gt 0 ]; do
    case "$1" in
        --quick) quick=1 ;;
        --no-sanitizer) sanitizer=0 ;;
        --out | --time | --rehearse)
            [ -n "${2-}" ] || { complain "$1 needs a value; --help says which"; exit 2; }
            case "$1" in
                --out) out=$2 ;;
                --rehearse) rehearse=$(realpath -m -- "$2") ;;
                --time)
                    [[ "$2" =~ ^[1-9][0-9]*$ ]] ||
                        { complain "--time needs whole seconds, not \"$2\""; exit 2; }
                    limit=$2 ;;
            esac
            shift ;;
        -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;;
        *) complain "unknown option $1; --help lists them"; exit 2 ;;
    esac
    shift
done
if [ -z "$out" ]; then
    out='gpu-check'
    [ -z "$rehearse" ] || out='gpu-rehearsal'
fi
out=$(realpath -m -- "$out")
command -v python3 >/dev/null || { complain "python3 was not found; it makes the table"; exit 2; }

# ---- the GPU ----

gpu=${CUDA_VISIBLE_DEVICES:-0}
gpu=${gpu%%,*}
export CUDA_DEVICE_ORDER=PCI_BUS_ID

# ask FIELDS: of the GPU, separated by commas; nothing where nvidia-smi has nothing to say
ask() { nvidia-smi -i "$gpu" --query-gpu="$1" --format=csv,noheader,nounits 2>/dev/null || true; }

state_fields=name,driver_version,clocks.sm,clocks.mem,power.draw,temperature.gpu
state() { if command -v nvidia-smi >/dev/null; then ask $state_fields; fi; }

if [ -n "$rehearse" ]; then
    [ -x "$rehearse" ] || { complain "--rehearse: $rehearse is no program"; exit 2; }
    program=$rehearse
    say "rehearsal with $program: no figure counts"
else
    if ! command -v nvidia-smi >/dev/null; then
        complain "no GPU: nvidia-smi was not found. This needs an NVIDIA GPU with its driver; --rehearse does not"
        exit 2
    fi
    capability=$(ask compute_cap | head -n 1 | tr -d ' .')
    if ! [[ "$capability" =~ ^[0-9]+$ ]]; then
        complain "no GPU: nvidia-smi finds none (number $gpu). This check needs one; --rehearse does not"
        exit 2
    fi
    program=$source_dir/build/gpu/rodgrad
fi
mkdir -p "$out"

# ---- build, tests, sanitizer ----

failed=()
# check NAME COMMAND...: unless it passed with this program; its log is kept
check() {
    local name=$1 log=$out/$1.log
    shift
    if [ -e "$out/$name.passed" ] && [ "$out/$name.passed" -nt "$program" ]; then
        say "$name: passed before"
        return
    fi
    say "$name: $*"
    rm -f "$out/$name.passed"
    if "$@" >"$log" 2>&1; then
        touch "$out/$name.passed"
        echo "$name passed on $(ask name,driver_version)" >>"$out/checks.txt"
    else
        tail -n 20 "$log"
        echo "$name FAILED on $(ask name,driver_version): $log" >>"$out/checks.txt"
        failed+=("$name")
    fi
}

# short COMMAND...: all modes of both steppers, small; --real where the backend has a choice
short() {
    local stepper
    for stepper in implicit deform; do
        "$@" "$program" bench --backend "$backend" --real "$reals" --stepper $stepper --scene rope12 \
            --batch "$short_batch" --frames 5 --repeat 1 --json || return
    done
}

backend=cuda reals=float,double short_batch=64
if [ -z "$rehearse" ]; then
    say "build for compute capability $capability"
    (
        cd "$source_dir"
        cmake --preset release -B build/gpu -DRODGRAD_CUDA=ON "-DRODGRAD_CUDA_ARCHS=$capability" \
            -DRODGRAD_BUILD_TESTS=ON
        cmake --build build/gpu -j "$(nproc)"
    ) >"$out/build.log" 2>&1 || {
        tail -n 30 "$out/build.log"
        complain "the build failed: $out/build.log"
        exit 1
    }
    tests=(ctest --test-dir "$source_dir/build/gpu" --output-on-failure --no-tests=error)
    check parity "${tests[@]}" -L cuda -LE slow
    # tests of batches that run wherever they are told
    check batches env RODGRAD_TEST_BACKEND=cuda "${tests[@]}" -R '^batch_(ragged|carry)$'
else
    # the CPU computes in double
    "$program" info --json | grep -q '"cuda:0"' || backend=cpu reals=double
    short_batch=3
fi
check short short

# next to a toolkit that is not on the path, too
tool=$(PATH=$PATH:${CUDA_HOME:-/usr/local/cuda}/bin command -v compute-sanitizer || true)
if [ $sanitizer -eq 0 ]; then
    say "compute-sanitizer: left out"
elif [ -n "$rehearse" ]; then
    say "compute-sanitizer: needs a GPU, left out of a rehearsal"
elif [ -z "$tool" ]; then
    say "compute-sanitizer was not found: memory and races are not checked"
    echo "compute-sanitizer was not found" >>"$out/checks.txt"
else
    check memcheck short "$tool" --tool memcheck --error-exitcode 9
    check racecheck short "$tool" --tool racecheck --error-exitcode 9
fi

# ---- the sweep ----

rows=$out/rows.jsonl
touch "$rows"
key() { echo "$1 $2 $3 $4 $5"; } # scene stepper real mode batch

scenes="rope12 rope25 rope50 rope100 rope200" batches="1 4 16 64 256 1024 4096 16384 65536" repeat=5
# on finer meshes the deform stepper takes hundreds of substeps
deform_scenes="rope12 rope25"
if [ $quick -eq 1 ]; then
    scenes="rope12 rope50" batches="1 64 4096 65536" repeat=1 deform_scenes=rope12
fi
if [ -n "$rehearse" ]; then
    scenes="rope12 rope25" batches="1 4" repeat=1 deform_scenes=rope12
fi

# Rows to stay: whole lines (the machine may have gone down within one), without failure, with enough repeats.
# Prints their keys.
have=$(python3 - "$rows" $repeat "$rehearse" <<'END'
import json, os, sys
def parsed(line):
    try: return json.loads(line)
    except ValueError: return None
def good(row):
    if not isinstance(row, dict) or "failed" in row or row["failed_rods"]: return False
    return row["repeats"] >= int(sys.argv[2])
with open(sys.argv[1], encoding="utf-8") as lines: rows = [row for row in map(parsed, lines) if good(row)]
if any(row["rehearsal"] != bool(sys.argv[3]) for row in rows):
    sys.exit("gpu-check.sh: %s has rows of a %s; name another --out" %
             (sys.argv[1], "GPU" if sys.argv[3] else "rehearsal"))
with open(sys.argv[1] + ".part", "w", encoding="utf-8") as to:
    for row in rows: to.write(json.dumps(row) + "\n")
os.replace(sys.argv[1] + ".part", sys.argv[1])
for row in rows: print(*(row["asked"][k] for k in ("scene", "stepper", "real", "mode", "batch")))
END
) || exit 2

# frames SCENE BATCH: 100, and fewer where the markers of all rods would not fit into some GB
frames() {
    local n=$((40000000 / (${1#rope} * $2)))
    echo $((n > 100 ? 100 : n < 10 ? 10 : n))
}

# row SCENE STEPPER REAL MODE BATCH: one call of bench; its object, with the GPU's state around it, is a line
row() {
    local before after code=0 count
    count=$(frames "$1" "$5")
    [ -z "$rehearse" ] || count=5
    before=$(state)
    "$program" bench --backend "$backend" --scene "$1" --stepper "$2" --real "$3" --mode "$4" --batch "$5" \
        --frames "$count" --repeat "$repeat" --json >"$out/row.json" 2>"$out/row.err" || code=$?
    # interrupted: no row
    [ $code -le 128 ] || exit $code
    after=$(state)
    python3 - "$out/row.json" "$out/row.err" "$code" "$before" "$after" $state_fields "$rehearse" "$@" \
        >"$out/row.line" <<'END'
import json, sys
result, error, code, before, after, fields, rehearsal = sys.argv[1:8]
asked = dict(zip(("scene", "stepper", "real", "mode"), sys.argv[8:12]), batch=int(sys.argv[12]))
def state(text):
    values = [v.strip() for v in text.split(",")]
    return dict(zip(fields.split(","), values)) if text.strip() else None
lines = open(result, encoding="utf-8").read().splitlines()
why = open(error, encoding="utf-8").read().strip() or "exit code " + code
row = json.loads(lines[0]) if lines else {"failed": why}
print(json.dumps({"asked": asked, "rehearsal": rehearsal != "", "gpu_before": state(before),
                  "gpu_after": state(after), **row}))
END
    cat "$out/row.line" >>"$rows"
    rm -f "$out/row.json" "$out/row.err" "$out/row.line"
    [ $code -eq 0 ] || { complain "a row failed: $(key "$@")"; return 1; }
}

wanted=()
for stepper in implicit deform; do
    [ $stepper = implicit ] && of=$scenes || of=$deform_scenes
    for scene in $of; do
        for batch in $batches; do
            for real in ${reals//,/ }; do
                for mode in forward jvp adjoint; do
                    wanted+=("$(key "$scene" $stepper "$real" $mode "$batch")")
                done
            done
        done
    done
done

say "sweep: ${#wanted[@]} rows"
run=0 there=0 bad=0 late=0
for one in "${wanted[@]}"; do
    if grep -qxF "$one" <<<"$have"; then
        there=$((there + 1))
    elif [ "$limit" -gt 0 ] && [ $SECONDS -ge "$limit" ]; then
        late=$((late + 1))
    else
        # shellcheck disable=SC2086 # five words
        row $one || bad=$((bad + 1))
        run=$((run + 1))
        printf '%d of %d: %s\n' $((run + there)) ${#wanted[@]} "$one"
    fi
done

# ---- the table ----

python3 - "$rows" "${rehearse:+rehearsal}" $late >"$out/table.md" <<'END'
import json, sys
rows = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
batches = sorted({r["asked"]["batch"] for r in rows})
def numbers(of, field):
    found = []
    for r in of:
        for state in (r["gpu_before"], r["gpu_after"]):
            try: found.append(float((state or {})[field]))
            except (KeyError, ValueError): pass
    return found
def span(of, field):
    found = numbers(of, field)
    return "%g–%g" % (min(found), max(found)) if found else "–"
def names(of, field):
    states = [s or {} for r in of for s in (r["gpu_before"], r["gpu_after"])]
    return ", ".join(sorted({s.get(field, "unknown") for s in states}))
devices = sorted({str(r.get("device") or r.get("machine")) for r in rows if "failed" not in r})
print("# rodgrad on %s\n" % (", ".join(devices) or "nothing"))
if sys.argv[2]: print("**A rehearsal: the figures say nothing about a GPU.**\n")
if sys.argv[3] != "0": print("**Not complete: %s rows were not started in the time given.**\n" % sys.argv[3])
versions = ", ".join(sorted({r["version"] for r in rows if "version" in r})) or "unknown"
print("Driver %s; rodgrad %s. As nvidia-smi gave them before and after each row: SM %s MHz, memory %s MHz, %s W, %s °C.\n"
      % (names(rows, "driver_version"), versions, span(rows, "clocks.sm"), span(rows, "clocks.mem"),
         span(rows, "power.draw"), span(rows, "temperature.gpu")))
print("10⁶ rod-steps a second, from the median of the timed repeats, by rods in the batch. A step is 10 ms with the "
      "implicit stepper, a substep with deform (docs/bench.md). *failed*: rods, or the call; rows.jsonl says why.\n")
head = ["scene", "stepper", "mode", "real", "device", "SM [MHz]"] + [str(b) for b in batches]
print("| " + " | ".join(head) + " |\n|" + "---|" * len(head))
groups = {}
for r in rows:
    a = r["asked"]
    groups.setdefault((int(a["scene"][4:]), a["stepper"], a["mode"], a["real"]), {})[a["batch"]] = r
for (vertices, stepper, mode, real), of in groups.items():
    def cell(b):
        if b not in of: return ""
        if "failed" in of[b] or of[b]["failed_rods"]: return "failed"
        return "%.3g" % (of[b]["rod_steps_per_s"] / 1e6)
    device = ", ".join(sorted({str(r.get("device") or "CPU") for r in of.values() if "failed" not in r})) or "–"
    cells = ["rope%d" % vertices, stepper, mode, real, device, span(of.values(), "clocks.sm")]
    print("| " + " | ".join(cells + [cell(b) for b in batches]) + " |")
END
cat "$out/table.md"
say "$run rows run, $there there before, $late not started in time, $bad failed: $rows"
[ ${#failed[@]} -eq 0 ] || complain "FAILED: ${failed[*]}"
[ $bad -eq 0 ] && [ ${#failed[@]} -eq 0 ]
