#!/bin/sh
# check.sh PROGRAM CORPUS WRONG: rodgrad check on recordings planted here: verdicts, what it finds, what it refuses.
# WRONG is the program with derivatives that are wrong on demand (check_wrong.c).
set -u
program=$1
model=$2/uniform.json # 5 markers, the outer two of each end driven
wrong=$3
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failures=0

complain() {
    echo "FAILED: $1"
    failures=$((failures + 1))
}

# expect CODE WORDS ARGUMENT...: exit code, and WORDS on stderr or, with code 0, stdout
expect() {
    want=$1 words=$2
    shift 2
    "$program" check "$@" >out.txt 2>err.txt
    got=$?
    [ "$got" -eq "$want" ] || complain "exit $got instead of $want: check $* ($(tail -n 2 err.txt))"
    file=err.txt
    [ "$want" -eq 0 ] && file=out.txt
    grep -q -e "$words" "$file" || complain "no \"$words\" from: check $* ($(head -c 300 "$file"))"
    [ "$want" -ne 2 ] || [ ! -s out.txt ] || complain "wrote to stdout: check $*"
}

# of_json EXPRESSION: d is the object on stdout; the expression must hold
of_json() {
    python3 -c '
import json, math, sys
text = open("out.txt").read()
d = json.loads(text, parse_constant=lambda c: sys.exit("not JSON: " + c))
if text.count("\n") != 1: sys.exit("not one line")
checks = {c["name"]: c for c in d["checks"]}
if not eval(sys.argv[1]): sys.exit(str(checks))' "$1" 2>fault.txt || complain "$1: $(head -c 600 fault.txt)"
}

printf '{"recordings": {"train": 3, "eval": 0}, "frames": 60, "seed": 5}' >spec.json
"$program" plant spec.json -o rope --json >/dev/null 2>&1 || complain "plant"
rope=rope/train

# a model that made the recordings passes, with either stepper and scheme, checkpoints or all states
expect 0 "verdict: ok" rope/truth.json $rope --substeps 4
grep -q "3 of 3 recordings, 58 frame intervals; memory: checkpoints" err.txt || complain "no plan: $(cat err.txt)"
expect 0 '"verdict":"ok"' rope/truth.json $rope --substeps 4 --json
of_json 'd["verdict"] == "ok" and all(c["passed"] for c in d["checks"])'
of_json 'checks["dot product"]["figure"] <= 1e-9 and checks["dot product"]["bar"] == 1e-9'
of_json 'len(d["dot_products"]) == 23 and max(d["dot_products"].values()) <= 1e-9'
of_json 'len(d["convergence"]) == 4 and 1.5 < d["convergence_order"] < 2.5'
of_json '[c["substeps"] for c in d["convergence"]] == [4, 8, 16, 32]'
of_json 'all(checks["taylor, " + k]["figure"] <= 1e-4 for k in ("start", "drive", "parameters"))'
of_json 'all(abs(d["taylor, " + k]["slope"] - 2) <= 0.1 for k in ("start", "drive", "parameters"))'
of_json 'len(d["dot_products_forces"]) == 23 and max(d["dot_products_forces"].values()) <= 1e-9'
of_json 'all(checks["forces, " + k]["figure"] <= 1e-4 for k in ("start", "drive", "parameters"))'
of_json 'all(abs(d["forces, " + k]["slope"] - 2) <= 0.1 for k in ("start", "drive", "parameters"))'
of_json 'len(d["growth"]["tangent"]) == 3 and d["growth"]["horizon_s"] is None or d["growth"]["horizon_s"] > 0'
of_json '1 < checks["step matrix"]["figure"] < 1e12 and 0 < d["conditioning"]["determined"] <= d["conditioning"]["parameters"]'
cp out.txt first.txt
expect 0 "ok" rope/truth.json $rope --substeps 4 --json --memory all --threads 2
of_json 'd["memory"].startswith("every one of")'
essence() { python3 -c '
import json, sys
d = json.load(open(sys.argv[1]))
for k in ("wall_s", "memory"): d.pop(k)
print(json.dumps(d, sort_keys=True))' "$1"; }
[ "$(essence first.txt)" = "$(essence out.txt)" ] || complain "threads or --memory change the figures"
expect 0 "ok" rope/truth.json $rope --scheme be --substeps 4

# nor does a fit's Newton tolerance tell: steps are solved to round-off here. A rod as README makes it passes too.
expect 0 "verdict: ok" rope/truth.json $rope --substeps 4 --newton-tolerance 1e-5
"$program" new circle --radius 0.001 --young 2e11 --shear 7.7e10 --density 7850 --length 0.5 --clamp 0,1 -o wire.json \
    --drive hold.csv >/dev/null || complain "new"
expect 0 "verdict: ok" wire.json hold.csv
printf '{}' >spec.json
"$program" plant spec.json -o plain --json >/dev/null 2>&1 || complain "plant"
expect 0 "verdict: ok" plain/truth.json plain/train

# steps that are not solved have no exact derivative
expect 1 "first rollout: 3 of 3 rods have steps that Newton did not solve within its 1 iteration" rope/truth.json $rope \
    --newton-iterations 1 --at-limit continue
grep -q "warning: Newton did not solve every step within its 1 iteration in 3 of 3 rods" err.txt || complain "no warning"

# a derivative that is wrong: the adjoint alone by its last digits, tangent and adjoint alike, and one that is missing
"$wrong" check rope/truth.json $rope --substeps 4 --json >out.txt 2>err.txt || complain "not wrong, and failed"
RODGRAD_WRONG_ADJOINT=1e-8 "$wrong" check rope/truth.json $rope --substeps 4 --json >out.txt 2>err.txt
[ $? -eq 1 ] || complain "an adjoint that is wrong by 1e-8 passed"
of_json 'not checks["dot product"]["passed"] and 0.5e-8 < checks["dot product"]["figure"] < 2e-8'
of_json 'all(w in checks["dot product"]["verdict"] for w in ("1 of 23", "bend_stiffness_1", "gradient is wrong"))'
of_json 'sum(not c["passed"] for c in d["checks"]) == 1'
RODGRAD_WRONG_TANGENT=1e-3 RODGRAD_WRONG_ADJOINT=1e-3 "$wrong" check rope/truth.json $rope --substeps 4 --json >out.txt 2>err.txt
[ $? -eq 1 ] || complain "a derivative that is wrong by 1e-3 passed"
of_json 'checks["dot product"]["passed"] and checks["taylor, start"]["passed"] and checks["taylor, drive"]["passed"]'
of_json 'not checks["taylor, parameters"]["passed"] and "derivative is wrong" in checks["taylor, parameters"]["verdict"]'
# of forces alone: the adjoint by its last digits, tangent and adjoint alike
RODGRAD_WRONG_FORCES_ADJOINT=1e-6 "$wrong" check rope/truth.json $rope --substeps 4 --json >out.txt 2>err.txt
[ $? -eq 1 ] || complain "an adjoint of tensions that is wrong by 1e-6 passed"
of_json 'all(w in checks["forces, dot product"]["verdict"] for w in ("of 23", "gradient is wrong"))'
of_json 'sum(not c["passed"] for c in d["checks"]) == 1'
RODGRAD_WRONG_FORCES=1e-2 "$wrong" check rope/truth.json $rope --substeps 4 --json >out.txt 2>err.txt
[ $? -eq 1 ] || complain "derivatives of tensions that are wrong by 1e-2 passed"
of_json 'checks["dot product"]["passed"] and checks["forces, dot product"]["passed"]'
of_json 'all("derivative is wrong" in checks["forces, " + k]["verdict"] for k in ("start", "drive", "parameters"))'
of_json 'sum(not c["passed"] for c in d["checks"]) == 3'
RODGRAD_WRONG_SILENT=1 "$wrong" check rope/truth.json $rope --substeps 4 --json >out.txt 2>err.txt
of_json '"derivative is wrong" in checks["taylor, start"]["verdict"] and checks["taylor, drive"]["passed"]'
of_json '"initial velocities" in checks["dot product"]["verdict"] and "gradient is wrong" in checks["dot product"]["verdict"]'

# Ill-conditioned: stretch stiffer by FACTOR than bending is soft. Digits go and the words say how many are left; what
# is wrong is found above them; in the end too few are left, and that is no wrong gradient either.
stiffer() {
    python3 -c '
import json, sys
d = json.load(open("rope/truth.json"))
v = d["fields"]["stretch_stiffness"]
f = float(sys.argv[1])
v["value"] = [f * x for x in v["value"]] if isinstance(v["value"], list) else f * v["value"]
json.dump(d, open("stiff.json", "w"))' "$1"
}
stiffer 1e7
expect 0 '"verdict":"ok"' stiff.json $rope --substeps 4 --json
of_json '1e-7 < checks["dot product"]["figure"] <= checks["dot product"]["bar"] <= 1e-3'
of_json '"round-off leaves no more" in checks["dot product"]["verdict"] and checks["step matrix"]["figure"] > 1e8'
RODGRAD_WRONG_ADJOINT=1e-2 "$wrong" check stiff.json $rope --substeps 4 --json >out.txt 2>err.txt
of_json '"gradient is wrong" in checks["dot product"]["verdict"]'
stiffer 1e10
"$program" check stiff.json $rope --substeps 4 --json >out.txt 2>err.txt
[ $? -eq 1 ] || complain "derivatives of two digits passed"
of_json 'any("ill-conditioned" in c["verdict"] for c in d["checks"]) and not any("wrong" in c["verdict"] for c in d["checks"])'
"$program" check rope/truth.json $rope --substeps 4 --real float --json >out.txt 2>err.txt
of_json '"ill-conditioned for single precision" in checks["dot product"]["verdict"]'
of_json 'not any("wrong" in c["verdict"] for c in d["checks"])'

# unstable: a column that its weight buckles, standing in balance; its gradients are right, and of no use for long
"$program" new circle --radius 0.003 --young 1e7 --shear 4e6 --density 1100 --length 0.6 --clamp 0,1 --direction 0,0,1 \
    -o column.json --drive up.csv >/dev/null || complain "new"
"$program" check column.json up.csv --json >out.txt 2>err.txt
[ $? -eq 1 ] || complain "a column that buckles passed"
of_json 'not checks["growth"]["passed"] and "cut it into" in checks["growth"]["verdict"]'
of_json 'checks["dot product"]["passed"] and all(checks["taylor, " + k]["passed"] for k in ("start", "drive", "parameters"))'
"$program" check column.json up.csv --scheme static --frames 20 --json >out.txt 2>err.txt
[ $? -eq 1 ] || complain "an unstable equilibrium passed"
of_json '"unstable equilibrium" in checks["rollout"]["verdict"] and "saddle" in checks["step matrix"]["verdict"]'
of_json '"unstable" in checks["taylor, drive"]["verdict"] and not any("wrong" in c["verdict"] for c in d["checks"])'

# the deform stepper on a stiff rod: too long a step is found and the number of substeps named suffices
"$program" check rope/truth.json $rope --stepper deform --json >out.txt 2>err.txt
[ $? -eq 1 ] || complain "deform with one step a frame passed"
of_json 'checks["stability"]["passed"] is False and d["longest_stable_step_s"] < 0.01'
of_json 'checks["stability"]["verdict"].endswith("take --substeps %d" % d["fewest_stable_substeps"])'
enough=$(python3 -c 'import json; print(int(json.load(open("out.txt"))["fewest_stable_substeps"]))')
"$program" check rope/truth.json $rope --stepper deform --substeps "$enough" --frames 30 --json >out.txt 2>err.txt
of_json 'checks["stability"]["passed"] and checks["rollout"]["passed"] and checks["dot product"]["passed"]'
of_json 'checks["reverse run"]["passed"] and checks["growth"]["passed"] and not any("forces" in c for c in checks)'

# where free markers were seen does not matter: only frames 0 and 1 and the drivers go in
recording() { # FRAMES AWAY PULL: a rod of edges of 0.245 m that sags between slowly moving ends
    awk -v frames="$1" -v away="$2" -v pull="$3" 'BEGIN {
        for (f = 0; f < frames; f++) {
            line = ""
            for (m = 0; m < 5; m++) {
                s = m / 4
                z = 1 - 0.1 * 4 * s * (1 - s) + 0.0002 * f
                if (m == 2 && f >= 2) z += away
                line = line (m ? "," : "") sprintf("%.6f,%.6f,%.6f", 0.245 * m + (m > 2) * pull * f, 0, z)
            }
            print line
        }
    }'
}
recording 40 0 0 >good.csv
recording 40 0.3 0 >away.csv
recording 40 0 0.05 >pulled.csv
recording 3 0 0 >three.csv
recording 2 0 0 >two.csv
derivatives() {
    "$program" check "$model" "$1" --json >out.txt 2>err.txt
    python3 -c 'import json; d = json.load(open("out.txt")); print(json.dumps([d["dot_products"], d["growth"]]))'
}
derivatives good.csv >a.txt
derivatives away.csv >b.txt
{ [ -s a.txt ] && cmp -s a.txt b.txt; } || complain "a free marker's place changes derivatives: $(cat err.txt)"

# three frames: one step; too short for a growth, not for the rest; and beside a longer recording
"$program" check "$model" three.csv --json >out.txt 2>err.txt
of_json 'd["frame_intervals"] == 1 and checks["dot product"]["passed"] and checks["growth"]["figure"] is None'
"$program" check "$model" three.csv good.csv --json >out.txt 2>err.txt
of_json 'd["frame_intervals"] == 38 and checks["dot product"]["passed"] and checks["taylor, drive"]["passed"]'
of_json '[len(g) for g in d["growth"]["tangent"]] == [1, 20]'
expect 0 "recordings" --help
"$program" check "$model" good.csv good.csv good.csv --rods 2 --frames 10 >out.txt 2>err.txt
grep -q "2 of 3 recordings, 8 frame" err.txt || complain "--rods, --frames: $(cat err.txt)"

# a rod that fails, here pulled apart, is named, and the others are checked
"$program" check "$model" pulled.csv good.csv --stepper deform --json >out.txt 2>err.txt
[ $? -eq 1 ] || complain "a rod that fails passed"
of_json 'checks["rollout"]["figure"] == 1 and "rod 0 (pulled.csv) in step" in checks["rollout"]["verdict"]'
of_json 'd["verdict"].find("rollout") >= 0 and checks["dot product"]["passed"] and checks["taylor, start"]["passed"]'
"$program" check "$model" pulled.csv --stepper deform --json >out.txt 2>err.txt
[ $? -eq 1 ] || complain "a rod that fails passed"
of_json 'checks["rollout"]["figure"] == 1 and not checks["step size"]["passed"] and checks["growth"]["figure"] is None'

# refused
expect 2 "at least one recording" "$model"
expect 2 "none.json" none.json good.csv
expect 2 "none.csv" "$model" none.csv
expect 2 "2 frames" "$model" two.csv
expect 2 "markers" rope/truth.json good.csv
expect 2 "driving markers" "$model" good.csv --clamp 0,-1
expect 2 "frames.*from 3" "$model" good.csv --frames 2
expect 2 "rods.*from 1" "$model" good.csv --rods 0
expect 2 "memory.*64M" "$model" good.csv --memory lots
expect 2 "memory.*64M" "$model" good.csv --memory 5Q
expect 2 "memory.*64M" "$model" good.csv --memory -1
expect 2 "bytes" "$model" good.csv --memory 1k
expect 2 "redirect" "$model" good.csv -o out.json
expect 2 "substeps" "$model" good.csv --substeps 5000
expect 2 "refine" "$model" good.csv --refine 7
expect 2 "unknown option" "$model" good.csv --steps 5
expect 2 "substeps.*from 1 to 1000" "$model" good.csv --substeps 1001
for flag in "" --json; do
    # shellcheck disable=SC2086 # no word where it is empty
    "$program" check "$model" three.csv $flag >/dev/full 2>err.txt
    [ $? -eq 1 ] || complain "full stdout: not exit 1"
    grep -q stdout err.txt || complain "full stdout: $(cat err.txt)"
done

# LAPACK without memory is no fault of the model
if [ -n "${LAPACKE_WITHOUT_MEMORY:-}" ]; then
    for code in -1010 -1011; do
        LD_PRELOAD=$LAPACKE_WITHOUT_MEMORY LAPACKE_CODE=$code "$program" check "$model" three.csv >out.txt 2>err.txt
        got=$?
        [ "$got" -eq 1 ] && grep -q "out of memory for the eigenvalues" err.txt ||
            complain "LAPACKE returned $code: exit $got ($(cat err.txt))"
    done
fi

# a terminal is told which part is at work
if command -v script >/dev/null; then
    script -qec "env TERM=xterm $program check $model three.csv" /dev/null </dev/null >screen.txt 2>&1
    for part in "reading recordings" "simulating with 2 substeps" "dot products: input 23 of 23" \
        "taylor, parameters: change 11 of 11" "growth of changes, backward" "matrix of the first step"; do
        grep -q "$part" screen.txt || complain "no progress \"$part\""
    done
fi

# interrupted: no output, 128 + signal
"$program" check rope/truth.json $rope --substeps 100 >out.txt 2>err.txt &
pid=$!
while kill -0 "$pid" 2>/dev/null && ! grep -q memory err.txt; do sleep 0.05; done
kill -TERM "$pid" 2>/dev/null
wait "$pid"
got=$?
[ "$got" -eq 143 ] || complain "interrupted: exit $got ($(cat err.txt))"
[ -s out.txt ] && complain "interrupted: something on stdout"

[ "$failures" -eq 0 ] || exit 1
echo "check.sh: all as it should be"
