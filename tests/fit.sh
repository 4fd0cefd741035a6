#!/bin/sh
# fit.sh PROGRAM: rodgrad fit as a user meets it: interrupts, resuming, threads, faults of files and flags.
set -u
program=$1
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
cd "$work" || exit 1
failures=0

complain() {
    echo "FAILED: $1"
    failures=$((failures + 1))
}

# expect CODE WORDS COMMAND...: exit code, and a sentence with WORDS on stderr
expect() {
    want=$1 words=$2
    shift 2
    "$@" >out.txt 2>err.txt
    got=$?
    [ "$got" -eq "$want" ] || complain "exit $got instead of $want: $* ($(head -c 200 err.txt))"
    grep -q "$words" err.txt || complain "no \"$words\" from: $* ($(head -c 200 err.txt))"
}

# what must be equal between two fits of the same job
essence() {
    python3 -c '
import json, sys
m = json.load(open(sys.argv[1]))
print(json.dumps([m["fields"], m["fit"]["parameters"], m["fit"]["iterations"]], sort_keys=True))' "$1"
}

printf '{"recordings": {"train": 3, "eval": 0}, "frames": 60, "seed": 5}' >spec.json
"$program" plant spec.json -o rope --json >/dev/null 2>&1 || complain "plant"
set -- rope/train/000.h5 rope/train/001.h5 rope/train/002.h5

# threads do not change a bit
"$program" fit "$@" -o whole.json --threads 1 --json >whole.txt 2>/dev/null || complain "fit"
python3 -c 'import json,sys; json.load(open("whole.txt"))' || complain "stdout of fit --json is not one object"
grep -qi nan whole.json && complain "NaN in whole.json"
"$program" fit "$@" -o seven.json --threads 7 >/dev/null 2>&1 || complain "fit on 7 threads"
[ "$(essence whole.json)" = "$(essence seven.json)" ] || complain "7 threads give another fit"

# interrupted again and again, it ends with the same bits
runs=0 code=143
while [ "$code" -eq 143 ] && [ "$runs" -lt 200 ]; do
    before=$(cksum cut.json.checkpoint 2>/dev/null)
    "$program" fit "$@" -o cut.json --threads 1 >/dev/null 2>cut.txt &
    pid=$!
    # let it get somewhere first: until it has written a checkpoint, or is over
    while kill -0 "$pid" 2>/dev/null && [ "$(cksum cut.json.checkpoint 2>/dev/null)" = "$before" ]; do
        sleep 0.05
    done
    kill -TERM "$pid" 2>/dev/null
    wait "$pid"
    code=$?
    runs=$((runs + 1))
    [ "$code" -eq 143 ] && [ ! -f cut.json.checkpoint ] && complain "no checkpoint after SIGTERM"
done
[ "$code" -eq 0 ] || complain "the interrupted fit ended with $code: $(cat cut.txt)"
[ "$runs" -gt 1 ] || echo "note: the fit was over before it could be interrupted"
[ "$(essence whole.json)" = "$(essence cut.json)" ] || complain "the resumed fit is another one"
[ -f cut.json.checkpoint ] && complain "the checkpoint was left behind"

# how a fit ended: a fit that has not converged says so, and ends with 0 all the same
# ended MODEL: what its fit object says
ended() {
    python3 -c '
import json, sys
f = json.load(open(sys.argv[1]))["fit"]
print(f["converged"], f["stopped_by"], f["intervals_hold"], any("has not converged" in n for n in f["notes"]))' "$1"
}
[ "$(ended whole.json)" = "True tolerance True False" ] || complain "the whole fit: $(ended whole.json)"
python3 -c '
import json
o = json.load(open("whole.txt"))
assert o["converged"] and o["stopped_by"] == "tolerance" and o["warnings"] == [], o["warnings"]' ||
    complain "fit --json does not say that it converged"
expect 0 "warning: The fit has not converged, and its intervals do not hold: it was ended by its number of iterations" \
    "$program" fit "$@" -o short.json --iterations 1
[ "$(ended short.json)" = "False iterations False True" ] || complain "--iterations 1: $(ended short.json)"
expect 0 "warning: Newton did not solve every step within its 1 iteration in 3 of 3 rods" \
    "$program" fit "$@" -o short.json --iterations 1 --newton-iterations 1 --at-limit continue
grep -q "Newton did not solve every step of 3 of 3 recordings within its limit" short.json || complain "no note of it"
# --max-time bounds all stages, and the error reported is the model's
expect 0 "ended by its time limit" "$program" fit "$@" -o short.json --max-time 0.001 --json
[ "$(ended short.json)" = "False time False True" ] || complain "--max-time: $(ended short.json)"
python3 -c '
import json
fit = json.load(open("out.txt"))
assert fit["status"] == "ok" and fit["train_l1_m"] > 0.0 and fit["iterations"] == 1, fit' || complain "--max-time: $(cat out.txt)"

# damaged and foreign checkpoints
echo nonsense >bad.json.checkpoint
expect 2 "is damaged" "$program" fit "$@" -o bad.json --iterations 2
[ -f bad.json ] && complain "a model in spite of the damaged checkpoint"
# stop ARGUMENT...: a fit that a signal ended; its checkpoint stays
stop() {
    "$program" fit "$@" >/dev/null 2>&1 &
    pid=$!
    while kill -0 "$pid" 2>/dev/null && [ ! -f other.json.checkpoint ]; do sleep 0.05; done
    kill -INT "$pid" 2>/dev/null
    wait "$pid"
}
# a background process of sh ignores SIGINT until the program catches it, which it has by now
stop "$@" -o other.json
[ "$?" -eq 130 ] || complain "SIGINT did not end the fit with 130"
expect 0 "of another job" "$program" fit "$@" -o other.json --iterations 1 --real float

# other recordings under the same names are another job; planted files do not say what they were read from
"$program" plant -o first --seed 1 >/dev/null 2>&1 && "$program" plant -o second --seed 2 >/dev/null 2>&1 ||
    complain "plant"
rm -f other.json other.json.checkpoint
cp first/train/000.h5 swapped.h5
stop swapped.h5 -o other.json
[ -f other.json.checkpoint ] || complain "no checkpoint of a fit that SIGINT ended"
cp second/train/000.h5 swapped.h5
expect 0 "of another job; starting anew" "$program" fit swapped.h5 -o other.json --iterations 1
rm -rf first second swapped.h5

# files
cp whole.json old.json
mkdir full
# limited BLOCKS OUTPUT ARGUMENT...: a disk that is full after so many blocks; the message goes through a pipe
limited() {
    blocks=$1 output=$2
    shift 2
    { (ulimit -f "$blocks" && "$program" fit "$@" -o "$output" >/dev/null && echo "wrote $output" >&2) 2>&1; } |
        cat >err.txt
    grep -q "$output" err.txt && ! grep -q "^wrote" err.txt || complain "full disk: $(head -c 200 err.txt)"
}
limited 0 full/m.json "$@" --iterations 1
[ -z "$(ls full)" ] || complain "a full disk left $(ls full)"
limited 2 old.json "$@" --iterations 2
cmp -s whole.json old.json || complain "the old model was damaged by a full disk"
rm -f old.json.checkpoint
# refused before the fit, not after it
cp rope/train/000.h5 input.h5
ln input.h5 input.json
expect 2 "one of the inputs" "$program" fit input.h5 -o input.json
cmp -s rope/train/000.h5 input.h5 || complain "the recording was overwritten"
mkdir folder.json
expect 2 "not a regular file" "$program" fit "$@" -o folder.json
[ -f folder.json.checkpoint ] && complain "a fit went ahead with an output that cannot be written"
mkdir empty
expect 2 "empty" "$program" fit empty -o m.json
expect 2 "nowhere" "$program" fit nowhere -o m.json

# flags
expect 2 "no group \"stiffness\"" "$program" fit "$@" -o m.json --fit stiffness=along
expect 2 "bend_stiffness=along" "$program" fit "$@" -o m.json --fit bend_stiffness=
expect 2 "drag is given twice" "$program" fit "$@" -o m.json --fit drag=held,bend_stiffness=along,drag=uniform
expect 2 ": --max-time" "$program" fit "$@" -o m.json --max-time -1
expect 2 "seed" "$program" fit "$@" -o m.json --seed x
expect 2 "refine" "$program" fit "$@" -o m.json --refine 0
expect 2 "o model.json is missing" "$program" fit "$@"
expect 2 "no recording" "$program" fit -o m.json
held=$(python3 -c '
print(",".join(g + "=held" for g in """bend_stiffness bend_anisotropy natural_curvature twist_stiffness natural_twist
stretch_stiffness rest_length bend_relaxation twist_relaxation stretch_relaxation bend_memory bend_memory_time drag
mass_per_length marker_mass marker_offset""".split()))')
expect 2 "nothing to fit" "$program" fit "$@" -o m.json --fit "$held"
[ -f m.json ] && complain "a refused call wrote m.json"

# every method: the same rod, and the same bits after an interrupt
for method in gauss-newton-cg lbfgs adam; do
    set -- rope/train/000.h5 rope/train/001.h5 -o $method.json --iterations 8 --starts 1
    set -- "$@" --threads 1 --fit bend_anisotropy=held,marker_offset=held,natural_twist=held
    "$program" fit "$@" --method $method --json >$method.txt 2>/dev/null || complain "fit --method $method"
    grep -q "\"method\":\"$method\"" $method.txt || complain "no method in fit --method $method --json"
    grep -q "\"$method\"" $method.json || complain "no method in $method.json"
    mv $method.json once.json
    "$program" fit "$@" --method $method >/dev/null 2>err.txt &
    pid=$!
    while kill -0 "$pid" 2>/dev/null && [ ! -f $method.json.checkpoint ]; do sleep 0.01; done
    kill -TERM "$pid" 2>/dev/null
    wait "$pid"
    if [ -f $method.json.checkpoint ]; then
        cp $method.json.checkpoint kept.checkpoint
        expect 0 "goes on from" "$program" fit "$@" --method $method
        [ "$(essence once.json)" = "$(essence $method.json)" ] || complain "the resumed fit by $method is another one"
        cp kept.checkpoint $method.json.checkpoint
        expect 0 "of another job" "$program" fit "$@" --method lm
    else
        echo "note: the fit by $method was over before it could be interrupted"
    fi
done
set -- rope/train/000.h5 rope/train/001.h5 rope/train/002.h5
expect 2 "no group \"bend\"; there are bend_stiffness, .*, marker_offset\." "$program" fit "$@" -o m.json --fit bend=held
expect 2 "no method \"newton\"; there are lm, gauss-newton-cg, lbfgs, adam\." "$program" fit "$@" -o m.json --method newton
expect 2 "add --method adam" "$program" fit "$@" -o m.json --learning-rate 0.1
expect 2 "is not positive" "$program" fit "$@" -o m.json --method adam --learning-rate 0
expect 2 "learning-rate" "$program" fit "$@" -o m.json --method adam --learning-rate -1
expect 2 "learning-rate" "$program" fit "$@" -o m.json --method adam --learning-rate x
[ -f m.json ] && complain "a refused method wrote m.json"

# a fit goes on from a model, on that model's mesh
expect 0 "status ok" "$program" fit "$@" -o again.json --start whole.json --iterations 2
expect 2 "refine" "$program" fit "$@" -o m.json --start whole.json --refine 3
# the measure of bending: said by the option, else by the start; the deform stepper knows one
expect 2 "averaged or normalised" "$program" fit "$@" -o m.json --bend-measure mean
grep -q bend_measure whole.json && complain "averaged directors are written"
expect 0 "status ok" "$program" fit "$@" -o normal.json --bend-measure normalised --iterations 2 --starts 1
expect 0 "status ok" "$program" fit "$@" -o normal2.json --start normal.json --iterations 2
for model in normal normal2; do
    grep -q '"bend_measure": "normalised"' $model.json || complain "$model.json has no measure of bending"
done
expect 0 "status ok" "$program" fit "$@" -o m.json --start normal.json --bend-measure averaged --iterations 2
grep -q bend_measure m.json && complain "--bend-measure does not win over the start"
expect 2 "averaged directors" "$program" fit "$@" -o m.json --stepper deform --bend-measure normalised

[ "$failures" -eq 0 ] && echo "all passed ($runs runs of the interrupted fit)"
exit "$((failures > 0))"
