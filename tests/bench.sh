#!/bin/sh
# bench.sh PROGRAM: rodgrad bench on small batches: rows and what they hold, what it refuses. No time is judged.
set -u
program=$1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failures=0

complain() {
    echo "FAILED: $1"
    failures=$((failures + 1))
}

# bench CODE WORDS ARGUMENT...: exit code, and WORDS on stderr or, with code 0, stdout
bench() {
    want=$1 words=$2
    shift 2
    "$program" bench "$@" >out.txt 2>err.txt
    got=$?
    [ "$got" -eq "$want" ] || complain "exit $got instead of $want: bench $* ($(tail -n 2 err.txt))"
    file=err.txt
    [ "$want" -eq 0 ] && file=out.txt
    grep -q -e "$words" "$file" || complain "no \"$words\" from: bench $* ($(head -c 300 "$file"))"
    [ "$want" -ne 2 ] || [ ! -s out.txt ] || complain "wrote to stdout: bench $*"
    [ "$want" -ne 2 ] || [ "$(wc -l <err.txt)" -eq 1 ] || complain "not one sentence: bench $*"
}

# of_rows FILE EXPRESSION: rows are the objects of FILE, one a line; the expression must hold
of_rows() {
    python3 -c '
import json, math, sys
rows = [json.loads(line, parse_constant=lambda c: sys.exit("not JSON: " + c)) for line in open(sys.argv[1])]
def near(a, b): return abs(a - b) <= 1e-9 * abs(b)
def one(**of): return next(r for r in rows if all(r[k] == v for k, v in of.items()))
if not eval(sys.argv[2]): sys.exit(str(rows))' "$1" "$2" 2>fault.txt || complain "$2: $(head -c 900 fault.txt)"
}

small="--scene rope12 --batch 1,8 --frames 10 --repeat 2"

# shellcheck disable=SC2086 # words
bench 0 '"scene":"rope12"' $small --json -o rows.jsonl --threads 2
[ -s err.txt ] && complain "something on stderr where there is no terminal: $(cat err.txt)"
cmp -s out.txt rows.jsonl || complain "--output has other rows than stdout"
of_rows out.txt '[(r["batch"], r["mode"]) for r in rows] == [(b, m) for b in (1, 8) for m in ("forward", "tangent", "adjoint")]'
of_rows out.txt 'all(r["scene"] == "rope12" and r["vertices"] == 12 and r["real"] == "double" for r in rows)'
of_rows out.txt 'all(r["threads"] == 2 and r["backend"] == "cpu" and r["stepper"] == "implicit" for r in rows)'
of_rows out.txt 'all(r["dt_s"] == 0.01 and r["substeps"] == 1 and r["frames"] == 10 and r["steps"] == 10 for r in rows)'
of_rows out.txt 'all(r["status"] == "ok" and r["failed_rods"] == 0 for r in rows)'
of_rows out.txt 'all(0 < r["min_s"] <= r["median_s"] <= r["max_s"] and r["calls_per_repeat"] >= 1 for r in rows)'
# half of minimum and maximum is the median of two
of_rows out.txt 'all(near(r["median_s"], 0.5 * (r["min_s"] + r["max_s"])) and r["repeats"] == 2 for r in rows)'
of_rows out.txt 'all(near(r["rod_steps_per_s"] * r["median_s"], 10 * r["batch"]) for r in rows)'
of_rows out.txt 'all(near(r["rod_seconds_per_s"], r["rod_steps_per_s"] * r["dt_s"]) for r in rows)'
# a state is 12 vertices of some 30 doubles; the reverse run keeps several
of_rows out.txt 'all(1e3 < r["bytes_per_rod"] < 1e7 for r in rows)'
of_rows out.txt 'all(rows[i + 2]["bytes_per_rod"] > rows[i]["bytes_per_rod"] for i in (0, 3))'
of_rows out.txt 'all(1 <= r["newton_per_step"] <= 6 and r["scheme"] == "bdf2" for r in rows)'
of_rows out.txt 'all(r["device"] is None and r["processors"] >= 1 for r in rows)'
of_rows out.txt 'all(r[k] for r in rows for k in ("machine", "compiler", "build_type", "version", "isa"))'
of_rows out.txt 'all(isinstance(r["flags"], str) for r in rows)'
# directions: those of mode tangent, of which there is one unless it is told
of_rows out.txt 'all(r["parameters"] == (1 if r["mode"] == "tangent" else None) for r in rows)'
# limits, and what of them a row uses
of_rows out.txt 'all(0 < r["peak_share"] < 1 and 0 < r["bandwidth_share"] < 1 for r in rows)'
of_rows out.txt 'all(r["peak_flops"] > 1e6 and r["bandwidth_bytes_per_s"] > 1e6 for r in rows)'
of_rows out.txt 'all(near(r["peak_share"] * r["peak_flops"], r["flops_per_rod_step"] * r["rod_steps_per_s"]) for r in rows)'
of_rows out.txt 'all(near(r["bandwidth_share"] * r["bandwidth_bytes_per_s"], r["bytes_per_rod_step"] * r["rod_steps_per_s"]) for r in rows)'
of_rows out.txt 'all(1e4 < rows[i]["flops_per_rod_step"] < rows[i + 1]["flops_per_rod_step"] < 1e6 for i in (0, 3))'
# four clamped positions, two directors and twelve markers, of three doubles each
of_rows out.txt 'one(mode="forward")["bytes_per_rod_step"] == 18 * 24'
of_rows out.txt 'all(r["bytes_per_rod_step"] > 18 * 24 for r in rows if r["mode"] == "adjoint")'

# lists: a row each; what is computed does not hang on threads
bench 0 '"mode":"tangent"' --threads 1,2 --mode forward,jvp,tangent --parameters 1,8,40 --batch 3 --frames 5 --repeat 1 --json
of_rows out.txt '[(r["threads"], r["mode"], r["parameters"]) for r in rows] == [(t, m, p) for t in (1, 2) for m, p in (("forward", None), ("jvp", 1), ("tangent", 1), ("tangent", 8), ("tangent", 40))]'
of_rows out.txt 'all(r["status"] == "ok" for r in rows)'
of_rows out.txt 'all(near(rows[i]["flops_per_rod_step"], rows[i + 5]["flops_per_rod_step"]) for i in range(5))'
of_rows out.txt 'one(parameters=8)["flops_per_rod_step"] < one(parameters=40)["flops_per_rod_step"]'
of_rows out.txt 'one(parameters=8)["bytes_per_rod"] < one(parameters=40)["bytes_per_rod"]'
# fewer iterations to less; what is computed, and how wide, is asked for
bench 0 '"isa"' --batch 1 --mode forward --dt 0.025 --frames 20 --repeat 1 --json
newton=$(python3 -c 'import json; print(json.loads(open("out.txt").read())["newton_per_step"])')
bench 0 '"isa"' --batch 1 --mode forward --dt 0.025 --frames 20 --repeat 1 --json --newton-tolerance 1e-3
of_rows out.txt "rows[0][\"newton_per_step\"] < 0.8 * $newton"
# equilibria, whose operations nobody counted
bench 0 '"scheme":"static"' --scheme static --batch 1 --mode forward,tangent --frames 3 --repeat 1 --json
of_rows out.txt 'all(r["flops_per_rod_step"] is None and r["peak_share"] is None and r["peak_flops"] > 0 for r in rows)'

# the deform stepper takes the substeps that it needs, or those it is given
bench 0 '"stepper":"deform"' --stepper deform --scene rope12 --scene=rope25 --batch 3 --frames 20 --repeat 1 --json
of_rows out.txt '[(r["scene"], r["vertices"]) for r in rows] == [("rope12", 12)] * 3 + [("rope25", 25)] * 3'
of_rows out.txt 'all(r["status"] == "ok" and r["newton_per_step"] is None and r["scheme"] is None for r in rows)'
of_rows out.txt 'all(near(r["dt_s"] * r["substeps"], 0.01) and r["steps"] == 20 * r["substeps"] for r in rows)'
of_rows out.txt '1 < rows[0]["substeps"] < rows[3]["substeps"]'
of_rows out.txt 'all(0 < r["peak_share"] < 1 and 0 < r["bandwidth_share"] < 1 for r in rows)'
bench 0 '"substeps":7' --stepper deform --substeps 7 --dt 0.02 --batch 1 --mode forward --frames 5 --repeat 1 --json
of_rows out.txt 'len(rows) == 1 and rows[0]["frame_s"] == 0.02 and near(rows[0]["dt_s"], 0.02 / 7)'

# every scene is calm
bench 0 'rope200' --scene rope12,rope25,rope50 --scene rope100,rope200 --batch 9 --mode adjoint --repeat 1 --json
of_rows out.txt 'len(rows) == 5 and all(r["status"] == "ok" and r["steps"] == 100 for r in rows)'

# a step that is too long: the row says which rod, exit code 1
bench 1 "failed in 2 rows" --stepper deform --substeps 1 --scene rope25 --batch 2 --mode forward,adjoint --frames 50 --repeat 1 --json
of_rows out.txt 'all(r["failed_rods"] == 2 and "2 failed: rod 0, step" in r["status"] for r in rows) and len(rows) == 2'

# a table
# shellcheck disable=SC2086
bench 0 "rod-steps/s" $small --mode tangent,forward
grep -q "^rope12 *8 *tangent 1 *double .* ok$" out.txt || complain "no row: $(cat out.txt)"
[ "$(wc -L <out.txt)" -le 120 ] || complain "a line is too long for a terminal: $(cat out.txt)"
[ "$(grep -c "^rope12" out.txt)" -eq 4 ] || complain "not 4 rows: $(cat out.txt)"
bench 0 "usage: rodgrad bench" --help

# refused
bench 2 "scene.*\"rope13\".*rope12" --scene rope13
bench 2 "scene.*\"rope13\"" --scene rope12 --scene=rope25,rope13
bench 2 "scene needs" --scene
bench 2 "batch.*\"0\".*from 1" --batch 0
bench 2 "batch.*\"many\"" --batch 1,many
bench 2 "batch.*\"\"" --batch 1,
bench 2 "mode.*\"forwrd\".*forward" --mode forwrd
bench 2 "mode.*\"\"" --mode forward,
bench 2 "parameters.*\"0\".*from 1" --parameters 0
bench 2 "parameters.*\"few\"" --parameters 1,few
bench 2 "threads.*\"0\".*from 1" --threads 0
bench 2 "threads.*\"2x\"" --threads 1,2x
bench 2 "threads.*\"\"" --threads 1,
bench 2 "threads needs" --threads
bench 2 "real.*\"half\".*double" --real double,half
bench 2 "frames.*from 1" --frames 0
bench 2 "repeat.*from 1" --repeat 0
bench 2 "stepper.*deform" --stepper explicit
bench 2 "options only.*rope12" rope12
bench 2 "no --clamp.*formulas" --clamp 0,1
bench 2 "no --units.*formulas" --units mm
bench 2 "no --refine.*formulas" --refine 2
bench 2 "parameters.*mode tangent" --parameters 2 --mode forward
bench 2 "sweeps.*deform" --sweeps 3
bench 2 "scheme.*implicit" --scheme be --stepper deform
bench 2 "rope200.*smaller --dt" --scene rope200 --stepper deform --dt 0.1
bench 2 "unknown option" --steps 5
bench 2 "none/rows.jsonl" -o none/rows.jsonl
[ -e rows.jsonl ] || complain "the rows went away"
# a sanitizer's own memory does not fit under a limit
if "$program" info --json | grep -q '"sanitizers":""'; then
    # shellcheck disable=SC3045 # dash and bash have it
    (ulimit -v 1000000; "$program" bench --batch 200000 --mode forward --threads 1) >out.txt 2>err.txt
    [ $? -eq 1 ] || complain "a batch beyond the memory: not exit 1"
    grep -q "memory.*200000 rods" err.txt || complain "a batch beyond the memory: $(cat err.txt)"
    [ -s out.txt ] && complain "a batch beyond the memory: something on stdout"
fi
for flag in "" --json; do
    # shellcheck disable=SC2086 # no word where it is empty
    "$program" bench $small --mode forward $flag >/dev/full 2>err.txt
    [ $? -eq 1 ] || complain "full stdout: not exit 1"
    grep -q stdout err.txt || complain "full stdout: $(cat err.txt)"
done

# interrupted: 128 + signal, and no file
"$program" bench --scene rope12 --batch 1 --mode forward --repeat 2000 -o cut.jsonl --json >out.txt 2>err.txt &
pid=$!
# its temporary file is there as soon as signals are caught
while kill -0 "$pid" 2>/dev/null && ! ls cut.jsonl* >/dev/null 2>&1; do sleep 0.05; done
kill -INT "$pid" 2>/dev/null
wait "$pid"
got=$?
[ "$got" -eq 130 ] || complain "interrupted: exit $got ($(cat err.txt))"
grep -q '^{"command":"bench","status":"interrupted.*"exit_code":130[,}]' out.txt || complain "interrupted: $(cat out.txt)"
ls cut.jsonl* >/dev/null 2>&1 && complain "interrupted: left $(ls cut.jsonl*)"

[ "$failures" -eq 0 ] || exit 1
echo "bench.sh: all as it should be"
