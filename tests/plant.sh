#!/bin/sh
# plant.sh PROGRAM: rodgrad plant and report --truth on files made here: what they write, and what
# they refuse, with its code, one sentence, nothing on stdout and nothing left behind.
set -u
tests=$(cd "$(dirname "$0")" && pwd) || exit 1
program=$1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failures=0

. "$tests/refuse.sh"

must() {
    "$program" "$@" >out.txt 2>err.txt || complain "rodgrad $*: $(cat err.txt)"
}

# spec TEXT: the file spec.json with quotes for the apostrophes
spec() { printf '%s\n' "$1" | tr "'" '"' >spec.json; }

spec "{'recordings': {'train': 2, 'eval': 1}, 'frames': 60, 'noise_m': 0, 'seed': 5}"
must plant spec.json -o a --json
grep -q '"status":"ok"' out.txt || complain "no status in $(cat out.txt)"
[ "$(wc -l <out.txt)" -eq 1 ] || complain "plant --json printed more than one object"
[ "$(find a -type f | sort | tr '\n' ' ')" = \
    "a/eval/000.h5 a/spec.json a/train/000.h5 a/train/001.h5 a/truth.json " ] ||
    complain "plant wrote $(find a -type f)"
# what was planted without noise, the truth predicts to the last bit, through both file formats
must evaluate a/truth.json a/train a/eval --json
grep -q '"l1_m":0.0,' out.txt || complain "the truth misses its own recordings: $(cat out.txt)"
# the written spec plants the same again, whatever the number of threads
mkdir b # an empty folder is as good as none
must plant a/spec.json -o b --threads 1
for file in train/000 train/001 eval/000; do
    must simulate a/truth.json --drive a/$file.h5 -o a.npy
    must simulate a/truth.json --drive b/$file.h5 -o b.npy
    cmp -s a.npy b.npy || complain "$file differs when it is planted again"
done
cmp -s a/truth.json b/truth.json || complain "the truth differs when it is planted again"
must plant spec.json --seed 6 -o c
must simulate c/truth.json --drive c/eval/000.h5 -o c.npy
cmp -s a.npy c.npy && complain "another seed plants the same"
# the command line wins over the spec, the spec over its model
must plant spec.json -o d --scheme be --substeps 2 --dt 0.02 --refine 1 --noise 0.001 --bend-measure normalised
grep -q '"bend_measure": "normalised"' d/truth.json || complain "--bend-measure did not reach the truth"
grep -q '"scheme": "be", "dt_s": 0.02, "substeps": 2' d/truth.json ||
    grep -q '"substeps": 2' d/truth.json || complain "options did not reach the truth"
grep -q '"noise_m": 0.001' d/spec.json || complain "--noise did not reach the spec"
spec "{'model': 'd/truth.json', 'recordings': {'train': 1, 'eval': 0}, 'frames': 10, 'substeps': 3}"
must plant spec.json -o e
grep -q '"substeps": 3' e/truth.json || complain "the spec's substeps did not win"
[ ! -e e/eval ] || complain "a folder for no recordings"

refuse 2 "with -o" plant
refuse 2 "at most" plant spec.json spec.json -o x
refuse 2 "not empty" plant -o a
refuse 2 "out.txt" plant -o out.txt
refuse 2 "nowhere" plant -o nowhere/x
refuse 2 "none.json" plant none.json -o x
refuse 2 "seed" plant -o x --seed 1.5
refuse 2 "noise" plant -o x --noise -1
refuse 2 "averaged or normalised" plant -o x --bend-measure 1
refuse 2 "clamp" plant -o x --clamp 0,1
refuse 2 "1 edge between" plant spec.json -o x --refine 7
for line in \
    "[]|one JSON object" \
    "{|line 2" \
    "{'frame': 3}|unknown member \"frame\"" \
    "{'motion': {'speeds': 1}}|unknown member \"speeds\" in \"motion\"" \
    "{'motion': 1}|\"motion\" must be an object" \
    "{'frames': 2}|\"frames\"" \
    "{'frames': 1e3}|\"frames\"" \
    "{'frames': 10000000, 'recordings': {'train': 10000}}|too many" \
    "{'recordings': {'train': 0}}|\"train\"" \
    "{'noise_m': 'much'}|\"noise_m\" must be a number" \
    "{'noise_m': -1}|\"noise_m\" is -1" \
    "{'noise_start': 1}|\"noise_start\"" \
    "{'glitches': {'rate': 2}}|\"rate\" is 2" \
    "{'scheme': 'rk4'}|\"scheme\"" \
    "{'seed': -1}|\"seed\"" \
    "{'seed': 1, 'seed': 2}|not valid JSON" \
    "{'model': 3}|\"model\" must be" \
    "{'model': 'none.json'}|none.json" \
    "{'model': {}}|not a rodgrad model"; do
    spec "${line%|*}"
    refuse 2 "${line##*|}" plant spec.json -o x
done
rm -f spec.json
spec "{'frames': 30, 'recordings': {'train': 1, 'eval': 0},
    'motion': {'speed': 100, 'range_m': 100, 'bandwidth_hz': 1000, 'tilt_rad': 1}}"
before=$(find . | sort)
"$program" plant spec.json -o x >out.txt 2>err.txt
got=$?
# motion that no rod follows ends in a sentence, motion that one does in recordings
[ "$got" -eq 0 ] || [ "$got" -eq 1 ] || complain "wild motion: exit code $got"
if [ "$got" -eq 1 ]; then
    [ "$before" = "$(find . | sort)" ] || complain "wild motion left files behind"
fi

# the truth beside a fit's estimates
must fit a/train -o m.json --iterations 2 --starts 1
must report m.json a/eval --truth a/truth.json -o r.html
grep -q "bend_stiffness\[2\] .*0.00254" err.txt ||
    complain "no truth of bend_stiffness[2]: $(cat err.txt)"
grep -q "of [0-9]* identifiable parameters" err.txt || complain "no count in the table of the truth"
must report m.json a/eval --truth d/truth.json -o r.html --json
grep -q '"name":"rest_length\[1\]","truth":0.0509' out.txt ||
    complain "lengths of a coarser truth are not those of the fit's edges"
# the fit was ended before it had converged
grep -q "interval, not valid" err.txt || complain "intervals that do not hold are shown as others: $(cat err.txt)"
grep -q '"warnings":\["the intervals of the parameters in m.json do not hold' out.txt ||
    complain "no warning of intervals that do not hold: $(tail -c 300 out.txt)"
refuse 2 "none.json" report m.json a/eval --truth none.json -o x.html
refuse 2 "no fitted parameters" report a/truth.json a/eval --truth a/truth.json -o x.html

[ "$failures" -eq 0 ] || exit 1
echo "plant.sh: all as it should be"
