#!/bin/sh
# cli.sh PROGRAM CORPUS: exit codes and messages of the program, on files made here.
#
# Every wrong call ends with its code, one sentence on stderr that names what is wrong, nothing on
# stdout and no new file.
set -u
tests=$(cd "$(dirname "$0")" && pwd) || exit 1
program=$1
model=$2/uniform.json # 5 markers, the outer two of each end driven
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failures=0

. "$tests/refuse.sh"

# accept WORDS ARGUMENT...: exit code 0, and WORDS on stdout
accept() {
    words=$1
    shift
    if ! "$program" "$@" >"$work.out" 2>"$work.err"; then
        complain "rodgrad $*: failed: $(cat "$work.err")"
    fi
    grep -q -e "$words" "$work.out" || complain "rodgrad $*: no \"$words\" on stdout"
    rm -f "$work.out" "$work.err"
}

# recording MARKERS FRAMES: a rod of edges of 0.245 m that sags a little between slowly moving ends
recording() {
    awk -v n="$1" -v frames="$2" 'BEGIN {
        for (f = 0; f < frames; f++) {
            line = ""
            for (m = 0; m < n; m++) {
                s = m / (n - 1)
                z = 1 - 0.1 * 4 * s * (1 - s) + 0.0002 * f
                line = line (m ? "," : "") sprintf("%.6f,%.6f,%.6f", 0.245 * m, 0, z)
            }
            print line
        }
    }'
}

recording 5 30 >good.csv
recording 6 30 >six.csv
recording 5 2 >short.csv
mkdir empty two taken.npy
cp good.csv two/a.csv
cp good.csv two/b.csv
echo '{"format": "rodgrad-model"' >broken.json

accept "usage: rodgrad" --help
accept "^rodgrad [0-9]" --version
accept "^backends *cpu" info
accept '"backends":\["cpu"' info --json
accept '"lanes":{"double":[1248],"float":[0-9]*}' info --json
accept '"cuda":{"built":' info --json
export OMP_NUM_THREADS
for OMP_NUM_THREADS in 3 "3,2" " 3"; do accept '"threads":3' info --json; done
unset OMP_NUM_THREADS
all=$("$program" info --json | sed 's/.*"processors":\([0-9]*\).*/\1/')
for OMP_NUM_THREADS in "" 0 -2 many; do
    export OMP_NUM_THREADS
    accept "\"threads\":$all," info --json
done
unset OMP_NUM_THREADS
if command -v taskset >/dev/null; then
    taskset -c "$(taskset -pc $$ | sed 's/.*: *\([0-9]*\).*/\1/')" "$program" info | grep -q "^threads *1 of 1" ||
        complain "on one processor: $("$program" info | grep ^threads)"
fi
accept '"backend":"cpu".*"real":"double"' evaluate "$model" good.csv --json --backend cpu --real double
accept "usage: rodgrad evaluate" evaluate --help
accept "usage: rodgrad simulate" simulate --help
accept "overall" evaluate "$model" good.csv
accept '"l1_m":' evaluate --json "$model" good.csv
accept "overall" evaluate "$model" good.csv --scheme static
# a straight rod whose ends come closer stays straight, which is said and no failure
awk 'BEGIN { for (f = 0; f < 30; f++) for (m = 0; m < 5; m++)
    printf("%.6f,%.6f,%.6f%s", 0, 0, 0.25 * m - (m > 2 ? 0.0006 * f : m == 2 ? 0.0003 * f : 0), m < 4 ? "," : "\n") }' >column.csv
accept "but the equilibrium of step [0-9]* is unstable" evaluate "$model" column.csv --scheme static
accept '"ridge":' evaluate "$model" good.csv --train two --json
accept '"ridge":' evaluate --json "$model" good.csv --train two/a.csv two/b.csv
accept '"scheme":"be"' evaluate "$model" --scheme=be good.csv --json
accept '"substeps":2' evaluate "$model" --substeps 2 good.csv --json
accept '"isa":"scalar"' evaluate "$model" --isa scalar good.csv --json
accept '"real":"float"' evaluate "$model" --real float good.csv --json
accept '"status":"ok"' simulate "$model" --drive good.csv -o out.npy --json
accept '"status":"ok"' simulate "$model" --drive two -o out.h5 --json
accept "overall" evaluate "$model" out.npy out.h5

# a rod whose step is not solved freezes, or continues, with a warning
"$program" simulate "$model" --drive good.csv -o limit.npy --newton-iterations 2 >out.txt 2>err.txt &&
    complain "a step of 2 iterations is solved"
grep -q "step 0, vertex [0-9]*: Newton did not converge" err.txt || complain "two iterations: $(cat err.txt)"
accept '"status":"ok, but [1-9][0-9]* steps from step 0 on left up to 0.[0-9]* N.*"unfinished_steps":[1-9]' simulate \
    "$model" --drive good.csv -o limit.npy --newton-iterations 2 --at-limit continue --json
accept '"first_unfinished_step":0,"worst_residual_n":0.[0-9]*[1-9].*"warnings":\["Newton did not solve every step within' \
    evaluate "$model" good.csv --newton-iterations 2 --at-limit continue --json
accept "ok, but [1-9][0-9]* steps from step 0 on left" evaluate "$model" good.csv --newton-iterations 2 --at-limit continue
accept '"unfinished_steps":0,"first_unfinished_step":null,"worst_residual_n":0.0.*"warnings":\[\]' simulate "$model" \
    --drive good.csv -o limit.npy --at-limit continue --json
cmp out.npy limit.npy || complain "--at-limit changes steps that are solved"
rm -f limit.npy out.txt err.txt

# forces are put beside the motion, which does not change by them
accept '"forces":"forces.h5"' simulate "$model" --drive good.csv -o same.npy --forces forces.h5 --json
cmp out.npy same.npy || complain "--forces changes the motion"
accept '"forces":"forces.hdf5"' simulate "$model" --drive two -o same.h5 --forces=forces.hdf5 --json
accept "overall" evaluate "$model" same.h5
for file in forces.h5 forces.hdf5; do
    [ "$(dd if=$file bs=1 skip=1 count=3 2>/dev/null)" = HDF ] || complain "$file is no HDF5 file"
done
rm -f same.npy same.h5 forces.h5 forces.hdf5

# frame k of the output is frame k of the recording: 128 bytes of header, then doubles
[ "$(wc -c <out.npy)" -eq $((128 + 30 * 5 * 3 * 8)) ] || complain "out.npy has the wrong size"

refuse 2 "no command" swim
refuse 2 "unknown option --fast" evaluate "$model" good.csv --fast
refuse 2 "unknown option -x" evaluate "$model" good.csv -x
refuse 2 "takes no argument" evaluate "$model" good.csv --json=1
refuse 2 "needs an argument" evaluate "$model" good.csv --dt
refuse 2 "dt.*fast" evaluate "$model" good.csv --dt fast
refuse 2 "dt.*nan" evaluate "$model" good.csv --dt nan
refuse 2 "dt.*-1" evaluate "$model" good.csv --dt -1
refuse 2 "substeps" evaluate "$model" good.csv --substeps 1.5
refuse 2 "newton-tolerance.*0" evaluate "$model" good.csv --newton-tolerance 0
refuse 2 "newton-iterations.*0" evaluate "$model" good.csv --newton-iterations 0
refuse 2 "at-limit is \"stop\" but must be freeze or continue" evaluate "$model" good.csv --at-limit stop
refuse 2 "continue.*deform" evaluate "$model" good.csv --at-limit continue --stepper deform
refuse 2 "continue.*static" evaluate "$model" good.csv --at-limit continue --scheme static
refuse 2 "newton-tolerance.*tight" evaluate "$model" good.csv --newton-tolerance tight
refuse 2 "threads" evaluate "$model" good.csv --threads 0
for bad in 1,2 1,2,3,4 a,b,c 0,0,nan 0,0,inf 0,0,1e9 "" ,,; do
    refuse 2 "gravity is \"$bad\" but must be three numbers" evaluate "$model" good.csv --gravity "$bad"
done
refuse 2 "scheme" evaluate "$model" good.csv --scheme rk4
refuse 2 "stepper.*implicit or deform" evaluate "$model" good.csv --stepper rk4
refuse 2 "sweeps" evaluate "$model" good.csv --sweeps 0
refuse 2 "backend.*cpu, cuda or cuda:N" evaluate "$model" good.csv --backend gpu
refuse 2 "backend.*cpu, cuda or cuda:N" evaluate "$model" good.csv --backend cuda:x
refuse 2 "real.*double or float" evaluate "$model" good.csv --real half
refuse 2 "cuda:999999" evaluate "$model" good.csv --backend cuda:999999
refuse 2 "isa" evaluate "$model" good.csv --isa mmx
refuse 2 "units" evaluate "$model" good.csv --units ell
refuse 2 "clamp" evaluate "$model" good.csv --clamp 0,,1
refuse 2 "axes" evaluate "$model" good.csv --axes x,x,y
refuse 2 "refine" evaluate "$model" good.csv --refine 3
refuse 2 "driving markers" evaluate "$model" good.csv --clamp 0,-1
refuse 2 "at least one recording" evaluate "$model"
refuse 2 "before --train" evaluate --train two "$model" good.csv
refuse 2 "needs at least one" evaluate "$model" good.csv --train --json
refuse 2 "redirect" evaluate "$model" good.csv -o out.json
refuse 2 "none.json" evaluate none.json good.csv
refuse 2 "none.csv" evaluate "$model" none.csv
refuse 2 "none.csv" evaluate "$model" good.csv --train none.csv
refuse 2 "line 2" evaluate broken.json good.csv
refuse 2 "empty" evaluate "$model" empty
refuse 2 "6 markers.*for 5" evaluate "$model" six.csv
refuse 2 "6 markers.*for 5" evaluate "$model" good.csv --train six.csv
refuse 2 "2 frames" evaluate "$model" short.csv
refuse 2 "drive" simulate "$model" -o new.npy
refuse 2 "with -o" simulate "$model" --drive good.csv
refuse 2 "end in" simulate "$model" --drive good.csv -o new.txt
refuse 2 "takes one" simulate "$model" --drive two -o new.npy
refuse 2 "behind --drive" simulate "$model" good.csv --drive good.csv -o new.npy
refuse 2 "nowhere" simulate "$model" --drive good.csv -o nowhere/new.npy
refuse 2 "taken.npy" simulate "$model" --drive good.csv -o taken.npy
refuse 2 "nowhere" simulate "$model" --drive good.csv -o new.npy --forces nowhere/new.h5
refuse 2 "nowhere" simulate "$model" --drive good.csv -o nowhere/new.npy --forces new.h5
refuse 2 "taken.npy" simulate "$model" --drive good.csv -o taken.npy --forces new.h5
refuse 2 "forces is of the implicit stepper" simulate "$model" --drive good.csv -o new.npy --forces new.h5 --stepper deform
for name in new.h5 ./new.h5 "$PWD/new.h5" two/../new.h5; do
    refuse 2 "o and --forces name one file" simulate "$model" --drive good.csv -o new.h5 --forces "$name"
done
refuse 2 "loud" info loud

# an option that takes one argument and is given two
refuse 2 "drive is given twice, \"good.csv\" and \"two\"" simulate "$model" --drive good.csv --drive two -o new.h5
refuse 2 "forces is given twice, \"f.h5\" and \"g.h5\"" simulate "$model" --drive two -o new.h5 --forces f.h5 --forces g.h5
refuse 2 "output is given twice, \"new.h5\" and \"newer.h5\"" import good.csv -o new.h5 --output newer.h5
refuse 2 "substeps is given twice, \"2\" and \"2\"" evaluate "$model" good.csv --substeps=2 --substeps 2
refuse 2 "seed is given twice" plant -o new --seed 1 --seed 2
refuse 2 "batch is given twice" bench --batch 1 --batch 2
refuse 2 "radius is given twice" section circle --radius 0.004 --radius 0.005
accept '"l1_m":' evaluate "$model" good.csv --json --json

# an output whose name promises another format
for name in x.csv x.npy x.pkl x.json x; do refuse 2 "$name must end in .h5 or .hdf5" import good.csv -o $name; done
for name in x.csv x.json x; do
    refuse 2 "$name must end in .npy, .h5 or .hdf5" simulate "$model" --drive good.csv -o $name
done
for name in x.npy x.csv x; do
    refuse 2 "$name must end in .h5 or .hdf5" simulate "$model" --drive good.csv -o x.h5 --forces $name
done
for name in x.json x.pdf x; do refuse 2 "$name must end in .html or .htm" report "$model" good.csv -o $name; done
for name in x.h5 x.html x; do refuse 2 "$name must end in .json" fit good.csv -o $name; done
for name in x.csv x; do
    refuse 2 "$name must end in .json" section circle --radius 0.004 --young 1e6 --shear 4e5 --density 1100 \
        --model "$model" -o $name
    refuse 2 "$name must end in .json" new circle --radius 0.004 --young 1e6 --shear 4e5 --density 1100 --length 1 \
        -o $name
done
for name in x.csv x.h5; do refuse 2 "$name must end in .jsonl, .ndjson or .json" bench -o $name; done
for name in x.csv x.h5 x.json x.npy x.pkl x.html; do refuse 2 "$name is the name of a file" plant -o $name; done

# an output that is an input, by whatever name: nothing is lost
"$program" import good.csv -o kept.h5 2>/dev/null || complain "import of good.csv"
cp "$model" model.json
cp kept.h5 saved.h5
cp kept.h5 two/kept.h5
ln -s kept.h5 link.h5
ln kept.h5 hard.h5
ln -s ../kept.h5 two/link.h5
for same in kept.h5 ./kept.h5 two/../kept.h5 "$PWD/kept.h5" link.h5 hard.h5; do
    refuse 2 "one of the inputs" import kept.h5 -o "$same"
    refuse 2 "one of the inputs" simulate model.json --drive kept.h5 -o "$same"
    refuse 2 "one of the inputs" simulate model.json --drive kept.h5 -o new.h5 --forces "$same"
done
refuse 2 "of the folder two" import two -o two/kept.h5
refuse 2 "of the folder two" import two -o kept.h5
ln -s kept.h5 link.html
ln kept.h5 hard.html
ln model.json model.html
for same in link.html hard.html ./link.html "$PWD/hard.html"; do
    refuse 2 "one of the inputs" report model.json kept.h5 -o "$same"
    refuse 2 "one of the inputs" report model.json good.csv --train kept.h5 -o "$same"
    refuse 2 "one of the inputs" report model.json good.csv --truth kept.h5 -o "$same"
done
refuse 2 "one of the inputs" report model.json kept.h5 -o model.html
refuse 2 "one of the inputs" fit good.csv --start model.json -o model.json
cmp -s kept.h5 saved.h5 || complain "a refused output has changed kept.h5"
cmp -s model.json "$model" || complain "a refused output has changed model.json"

# what is said of a recording that speaks for itself
refuse 2 "kept.h5.*--units says 0.001" evaluate model.json kept.h5 --units mm
refuse 2 "kept.h5.*--axes says -z,-x,y" evaluate model.json kept.h5 --axes=-z,-x,y
refuse 2 "kept.h5.*0.01 s apart, but --dt says 0.02" evaluate model.json kept.h5 --dt 0.02
refuse 2 "kept.h5.*--dt says 0.02" fit kept.h5 -o new.json --dt 0.02
refuse 2 "kept.h5.*--dt says 0.02" simulate model.json --drive kept.h5 -o new.npy --dt 0.02
refuse 2 "kept.h5.*--units says 0.01" import kept.h5 -o new.h5 --units cm
accept "overall" evaluate model.json kept.h5 --units m --axes x,y,z --dt 0.01

# a recording given twice counts twice, which is said and no failure
warn() { # WORDS ARGUMENT...: exit code 0, a warning with WORDS on stderr and, with --json, in its warnings
    words=$1
    shift
    "$program" "$@" >"$work.out" 2>"$work.err" || complain "rodgrad $*: failed: $(cat "$work.err")"
    grep -q -e "^rodgrad $1: warning: .*$words" "$work.err" ||
        complain "rodgrad $*: no warning \"$words\": $(cat "$work.err")"
    case " $* " in *" --json "*)
        grep -q -e "\"warnings\":\[.*$words" "$work.out" || complain "rodgrad $*: no \"$words\" in warnings" ;;
    esac
    rm -f "$work.out" "$work.err"
}
quiet() { # ARGUMENT...: exit code 0 and no warning
    "$program" "$@" >"$work.out" 2>"$work.err" || complain "rodgrad $*: failed: $(cat "$work.err")"
    grep -q "warning" "$work.err" && complain "rodgrad $*: $(cat "$work.err")"
    rm -f "$work.out" "$work.err"
}
recording 5 31 >other.csv
warn "recordings 0 (good.csv) and 1 (good.csv) hold the same motion" evaluate model.json good.csv ./good.csv --json
rm -f two/*.h5
ln -s good.csv link.csv
warn "0 (a.csv) and 1 (b.csv) hold the same motion" evaluate model.json two --json
warn "0 (good.csv) and 2 (link.csv) hold the same motion" import good.csv other.csv link.csv -o new.h5 --json
warn "0 (good.csv) and 1 (good.csv) hold the same motion" report model.json good.csv kept.h5 -o new.html --json
warn "0 (good.csv) and 1 (good.csv) hold the same motion" fit good.csv good.csv -o new.json --iterations 1 --starts 0
warn "training recordings 0 (good.csv) and 1" evaluate model.json other.csv --train good.csv good.csv --json

# a rod that starts straight does not tell its roll, which matters from two recordings on
awk 'BEGIN {
    for (f = 0; f < 30; f++) {
        for (m = 0; m < 5; m++) printf "%s%g,0,%g", m ? "," : "", 0.245 * m, 0.001 * f
        print ""
    }
}' >straight.csv
warn "1 of 2 recordings start straight (first of them: straight.csv)" \
    fit good.csv straight.csv -o new.json --iterations 1 --starts 0 --json
"$program" fit straight.csv -o new.json --iterations 1 --starts 0 2>&1 | grep "start straight" &&
    complain "a single recording cannot contradict itself"
quiet evaluate model.json good.csv other.csv --train good.csv
rm -f new.h5 new.html new.json link.csv

# a name that would reach into the terminal or break a table
odd=$(printf 'a\033[31m\nb.csv')
ln -s good.csv "$odd"
accept '^a?\[31m?b.csv ' evaluate model.json "$odd"
"$program" import "$odd" -o new.h5 2>"$work.err" || complain "import of a file with an odd name failed"
grep -q '^a?\[31m?b.csv ' "$work.err" || complain "rodgrad import: no odd name on one line: $(cat "$work.err")"
warn '0 (good.csv) and 1 (a?\[31m?b.csv) hold the same motion' evaluate model.json good.csv "$odd"
rm -f new.h5 "$odd" "$work.err"

# a rod that does not fail and may be wrong: the edge between markers 3 and 4, gripped, turns by 120 degrees in frame 20,
# less than where markers that change places are put back; a long step
awk -F, -v OFS=, 'NR > 20 {
    x = ($10 + $13) / 2; z = ($12 + $15) / 2; a = ($13 - $10) / 2; c = ($15 - $12) / 2; b = sqrt(0.75 * (a * a + c * c))
    $10 = x + a / 2; $11 = -b; $12 = z + c / 2; $13 = x - a / 2; $14 = b; $15 = z - c / 2 } { print }' \
    good.csv >turn.csv
for command in "simulate model.json --drive turn.csv -o new.h5" "evaluate model.json turn.csv" \
    "report model.json turn.csv -o new.html" "check model.json turn.csv --frames 25"; do
    # shellcheck disable=SC2086 # the words of $command are the arguments
    "$program" $command --json >"$work.out" 2>"$work.err"
    grep -q "warning: a gripper turns by more than a quarter turn .*: 120 degrees up to frame 20" "$work.err" ||
        complain "rodgrad $command: no warning of the turn: $(cat "$work.err")"
    grep -q '"warnings":\[.*120 degrees up to frame 20' "$work.out" || complain "rodgrad $command: no turn in warnings"
done
warn "120 degrees up to frame 20" evaluate model.json turn.csv --substeps 7 --json
warn "too long for the deform stepper in 1 of 1 rod, worst in rod 0 (other.csv): 200 ms" \
    evaluate model.json other.csv --stepper deform --dt 0.2 --json
quiet evaluate model.json good.csv --stepper deform
for stepper in implicit deform; do
    "$program" report model.json good.csv -o new.html --stepper $stepper >"$work.out" 2>"$work.err" ||
        complain "report --stepper $stepper: $(cat "$work.err")"
    grep -c '"forces":{"unit_n"' new.html >"$work.out"
    [ "$(cat "$work.out")" -eq "$([ $stepper = deform ] && echo 0 || echo 1)" ] || complain "forces in the report, $stepper"
done
rm -f new.h5 new.html "$work.out" "$work.err"
rm -f kept.h5 link.h5 hard.h5 two/kept.h5 two/link.h5 saved.h5 ./*.html

# on these HDF5 1.10 crashes; another version may refuse them itself, with code 2
for damaged in segmentation division; do
    cp "$2/../h5/$damaged" two/$damaged.h5
    "$program" evaluate "$model" two >"$work.out" 2>"$work.err"
    got=$?
    [ $got -eq 1 ] || [ $got -eq 2 ] || complain "evaluate of the damaged $damaged.h5: exit code $got"
    [ "$(wc -l <"$work.err")" -eq 1 ] || complain "$damaged.h5: not one line: $(cat "$work.err")"
    grep -q "two/$damaged.h5" "$work.err" || complain "no \"$damaged.h5\" in: $(cat "$work.err")"
    [ $got -eq 2 ] || grep -q "is damaged.*copy the file again" "$work.err" ||
        complain "$damaged.h5 is not said to be damaged: $(cat "$work.err")"
    [ ! -s "$work.out" ] || complain "$damaged.h5: something on stdout"
    rm -f two/$damaged.h5 "$work.out" "$work.err"
done

# gravity: the option's, else the model's, which a fit writes; a model of before has the default
"$program" simulate "$model" --drive good.csv -o down.npy >out.txt 2>err.txt || complain "simulate: $(cat err.txt)"
[ ! -s err.txt ] || complain "simulate: $(cat err.txt)"
"$program" simulate "$model" --drive good.csv -o same.npy --gravity 0,0,-9.81 >out.txt 2>err.txt
cmp down.npy same.npy || complain "--gravity with the default changes bits"
[ ! -s err.txt ] || complain "simulate --gravity with the model's: $(cat err.txt)"
"$program" simulate "$model" --drive good.csv -o none.npy --gravity 0,0,0 --json >out.txt 2>err.txt
cmp -s down.npy none.npy && complain "--gravity 0,0,0 changes nothing"
grep -q "warning: --gravity 0,0,0 replaces the 0,0,-9.81 m/s^2 of " err.txt || complain "--gravity 0,0,0: $(cat err.txt)"
grep -q '"gravity_m_s2":\[0.0,0.0,0.0\].*"warnings":\["--gravity' out.txt || complain "--gravity 0,0,0: $(cat out.txt)"
"$program" fit good.csv -o moon.json --gravity 0,0,-1.62 --iterations 1 --starts 0 >out.txt 2>err.txt ||
    complain "fit --gravity: $(cat err.txt)"
grep -q '"gravity_m_s2": \[0.0, 0.0, -1.62\]' moon.json || complain "fit --gravity is not in the model"
for command in "evaluate moon.json good.csv" "check moon.json good.csv --frames 8 --rods 1" \
    "report moon.json good.csv -o moon.html" "simulate moon.json --drive good.csv -o moon.npy"; do
    # shellcheck disable=SC2086 # the words of $command are the arguments
    "$program" $command --json >out.txt 2>err.txt
    grep -q "gravity is 0,0,-1.62 m/s^2, as moon.json says" err.txt || complain "$command: $(cat err.txt)"
    grep -q '"gravity_m_s2":\[0.0,0.0,-1.62' out.txt || complain "$command: no gravity in $(cat out.txt)"
    "$program" $command --gravity 0,0,-9.81 --json >out.txt 2>err.txt
    grep -q "warning: --gravity 0,0,-9.81 replaces the 0,0,-1.62 m/s^2 of moon.json" err.txt ||
        complain "$command --gravity: $(cat err.txt)"
    grep -q '"gravity_m_s2":\[0.0,0.0,-9.81' out.txt || complain "$command --gravity: $(cat out.txt)"
done
"$program" fit good.csv --start moon.json -o next.json --iterations 1 --starts 0 >out.txt 2>err.txt
grep -q '"gravity_m_s2": \[0.0, 0.0, -1.62\]' next.json || complain "fit --start: another gravity than the start's"
"$program" new circle --radius 0.002 --young 1e7 --shear 4e6 --density 1000 --length 1 -o up.json --gravity 0,0,9.81 \
    >out.txt 2>err.txt || complain "new --gravity: $(cat err.txt)"
grep -q '"gravity_m_s2": \[0.0, 0.0, 9.81\]' up.json || complain "new --gravity is not in the model"
echo '{"recordings": {"train": 1, "eval": 0}, "frames": 5}' >small.json
"$program" plant small.json -o planted --gravity 1,0,0 >out.txt 2>err.txt || complain "plant --gravity: $(cat err.txt)"
grep -q '"gravity_m_s2": \[1.0, 0.0, 0.0\]' planted/truth.json || complain "plant --gravity is not in the truth"

# a rod that nothing holds: thrown by its first two frames, in every format; what needs a gripper says so
awk 'BEGIN { for (f = 0; f < 30; f++) for (m = 0; m < 5; m++)
    printf("%.9f,%.9f,%.9f%s", 0.25 * m + 0.005 * f, 0, 1 + 0.02 * f - 0.5 * 9.81 * (0.01 * f) ^ 2, m < 4 ? "," : "\n") }' >flight.csv
"$program" new circle --radius 0.004 --young 1e7 --shear 4e6 --density 1000 --length 1 --vertices 5 --refine 2 --clamp none \
    --drag 0 -o free.json >out.txt 2>err.txt || complain "new --clamp none: $(cat err.txt)"
grep -q "driven: none" out.txt || complain "new --clamp none: $(cat out.txt)"
grep -q '"clamps": \[\]' free.json || complain "new --clamp none: clamps in the model"
accept '"status":"ok"' simulate free.json --drive flight.csv -o free.h5 --json
accept '"status":"ok"' simulate free.json --drive flight.csv -o free.npy --forces none.h5 --json
"$program" report free.json flight.csv -o free.html >out.txt 2>err.txt || complain "report on a free rod: $(cat err.txt)"
grep -q '"forces":{"unit_n":[^}]*"grippers":\[\]' free.html || complain "no forces in the report on a free rod"
accept '"status":"ok"' simulate free.json --drive free.h5 -o again.npy --json --stepper deform
accept "overall *0.000 *0.000 *0.000" evaluate free.json free.h5
# 3/4 g h^2 = 0.7 mm at the end (test_free.c)
"$program" evaluate free.json flight.csv --json >out.txt 2>err.txt
grep -q '"max_m":0.000[67]' out.txt || complain "a free rod does not fall freely: $(cat out.txt)"
"$program" import flight.csv --clamp none -o flight.h5 >out.txt 2>err.txt || complain "import --clamp none: $(cat err.txt)"
accept '"max_m":0.000[67]' evaluate free.json flight.h5 --json
accept '"status":"ok"' check free.json flight.csv --frames 12 --json
"$program" fit flight.csv --clamp none -o flown.json --iterations 1 --starts 0 >out.txt 2>err.txt ||
    complain "fit of a free rod: $(cat err.txt)"
grep -q '"clamps": \[\]' flown.json || complain "fit --clamp none: clamps in the model"
refuse 2 "nothing holds this rod" evaluate free.json flight.csv --scheme static
refuse 2 "nothing holds this rod" fit flight.csv --clamp none --scheme static -o no.json
refuse 2 "no driving marker.*baseline" evaluate free.json flight.csv --train flight.csv
refuse 2 "driving markers" evaluate "$model" flight.csv --clamp none
echo '{"model": "free.json"}' >thrown.json
refuse 2 "no driving markers.*gripper" plant thrown.json -o thrown
refuse 2 "clamp" evaluate free.json flight.csv --clamp nobody

# stdout that cannot be written
for arguments in "--help" "--version" "info" "info --json" "evaluate --help" \
    "evaluate $model good.csv" "evaluate $model good.csv --json"; do
    # shellcheck disable=SC2086 # the words of $arguments are the arguments
    "$program" $arguments >/dev/full 2>err.txt
    got=$?
    [ "$got" -eq 1 ] || complain "rodgrad $arguments >/dev/full: exit code $got, not 1"
    grep -q "stdout" err.txt || complain "rodgrad $arguments >/dev/full: $(cat err.txt)"
done

"$program" >out.txt 2>err.txt
[ $? -eq 2 ] || complain "rodgrad alone: not exit code 2"
grep -q "usage" err.txt || complain "rodgrad alone: no usage on stderr"

[ "$failures" -eq 0 ] || exit 1
echo "cli.sh: all as it should be"
