#!/bin/sh
# calls.sh PROGRAM CORPUS: what all commands have in common: help, names of options, options that do not act, exit
# codes of paths, the object of --json after a failure, terminals, and signals.
set -u
tests=$(cd "$(dirname "$0")" && pwd) || exit 1
program=$1
model=$2/uniform.json # 5 markers, the outer two of each end driven
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failures=0

. "$tests/refuse.sh"

awk 'BEGIN { for (f = 0; f < 30; f++) for (m = 0; m < 5; m++) {
    s = m / 4; printf("%.6f,0,%.6f%s", 0.245 * m, 1 - 0.4 * s * (1 - s) + 0.0002 * f, m < 4 ? "," : "\n") } }' >good.csv
cp "$model" model.json

# ---- help ----

commands="import fit evaluate report check simulate plant new bench section info"
"$program" help >out.txt 2>err.txt || complain "rodgrad help: exit code $?"
for command in $commands; do
    grep -q "^  $command " out.txt || complain "rodgrad help: no $command"
    "$program" help "$command" >by-help.txt 2>err.txt || complain "rodgrad help $command: exit code $?"
    "$program" "$command" --help >by-option.txt 2>err.txt || complain "rodgrad $command --help: exit code $?"
    cmp -s by-help.txt by-option.txt || complain "rodgrad help $command is not rodgrad $command --help"
    grep -q "^usage: rodgrad $command" by-help.txt || complain "rodgrad help $command: no usage"
done
refuse 2 "no command \"swim\"" help swim
refuse 2 "one command" help fit evaluate

# lists COMMAND OPTIONS: the help of a command lists these common options, and its parser takes no other
common="output dt clamp axes units stepper sweeps scheme substeps gravity newton-tolerance newton-iterations at-limit refine threads backend real isa"
lists() {
    command=$1 listed=$2
    "$program" "$command" --help >out.txt
    for option in $common; do
        case " $listed " in
        *" $option "*) grep -q "^  --$option " out.txt || complain "rodgrad $command --help: no --$option" ;;
        *)
            grep -q "^  --$option " out.txt && complain "rodgrad $command --help: lists --$option"
            refuse 2 "takes no --$option" "$command" "--$option" 1
            ;;
        esac
    done
}
numeric="stepper sweeps scheme substeps newton-tolerance newton-iterations threads backend real isa"
steps="gravity at-limit $numeric"
lists import "output dt clamp axes units"
lists fit "output dt clamp axes units refine $steps"
lists evaluate "dt clamp axes units refine $steps"
lists check "dt clamp axes units refine $steps"
lists report "output dt clamp axes units refine $steps"
lists simulate "output dt clamp axes units refine $steps"
lists plant "output dt refine gravity $numeric"
lists bench "output dt $numeric"
lists section "output"
lists new "output dt clamp refine stepper sweeps scheme substeps gravity"
lists info ""
"$program" fit --help | grep -q -e "--substeps N.*(1)" || complain "fit --help: no default of --substeps"
"$program" evaluate --help | grep -q -e "--substeps N.*(the model's)" || complain "evaluate --help: whose --substeps"

# ---- options that would not act ----

refuse 2 "sweeps is of the deform stepper" evaluate model.json good.csv --sweeps 3
refuse 2 "sweeps is of the deform stepper" plant -o new --sweeps 3
rod="--radius 0.004 --young 1e6 --shear 4e5 --density 1100 --length 1"
# shellcheck disable=SC2086 # the words of $rod are arguments
refuse 2 "sweeps is of the deform stepper" new circle $rod -o new.json --sweeps 3
refuse 2 "scheme is of the implicit stepper" evaluate model.json good.csv --stepper deform --scheme be

# ---- limits are the same wherever a number is read ----

"$program" evaluate model.json good.csv --substeps 1000 >out.txt 2>err.txt || complain "1000 substeps: $(cat err.txt)"
refuse 2 "substeps is \"10000\" but must be a whole number from 1 to 1000" evaluate model.json good.csv --substeps 10000
sed 's/"substeps": 1/"substeps": 1001/' model.json >many.json
refuse 2 "many.json: .*substeps" evaluate many.json good.csv
echo '{"substeps": 1001}' >spec.json
refuse 2 "spec.json: .*substeps" plant spec.json -o new

# ---- one of something ----

# counts WORDS ARGUMENT...: the program says WORDS somewhere, and "1 things" nowhere
counts() {
    wanted=$1
    shift
    "$program" "$@" >out.txt 2>err.txt
    grep -q "$wanted" out.txt err.txt || complain "rodgrad $*: no \"$wanted\": $(cat out.txt err.txt)"
    nouns="recordings|frames|frame intervals|markers|rods|steps|substeps|states|gaps|columns|edges|rows|bytes"
    grep -E "(^|[^0-9.,])1 ($nouns)" out.txt err.txt && complain "rodgrad $*: one is no plural"
}
counts "^1 recording: " import good.csv -o one.h5
counts "1 of 1 recording, 1 frame interval; memory: every one of 1 state is kept" check model.json good.csv --frames 3
counts ", 1 frame of 10 ms" bench --batch 1 --mode forward --frames 1 --repeat 1
echo '{"recordings": {"train": 1, "eval": 0}, "frames": 5}' >spec.json
counts "planted 1 recording to train on" plant spec.json -o one
echo 7 >column.csv
counts "line 1 has 1 column;" import column.csv -o x.h5
rm -rf one one.h5

# ---- names in full ----

refuse 2 "unknown option --out; options are written in full: --output" simulate model.json --drive good.csv --out x.npy
refuse 2 "unknown option --dri; options are written in full: --drive" simulate model.json --dri good.csv -o x.npy
refuse 2 "in full: --stepper, --sweeps, --scheme or --substeps" evaluate model.json good.csv --s 3
refuse 2 "in full: --output" bench --out=x
refuse 2 "unknown option --js; options are written in full: --json" info --js
refuse 2 "in full: --train" report model.json good.csv --tra good.csv -o x.html
refuse 2 "see rodgrad evaluate --help" evaluate model.json good.csv --outer 3

# ---- paths ----

long=$(awk 'BEGIN { while (i++ < 300) printf "n" }')
mkdir folder
for command in evaluate check; do
    refuse 2 "folder.*directory" "$command" folder good.csv
    refuse 2 "too long" "$command" "$long" good.csv
    refuse 2 "too long" "$command" model.json "$long"
    refuse 2 "No such file" "$command" none.json good.csv
done
refuse 2 "folder.*directory" simulate folder --drive good.csv -o x.npy
refuse 2 "folder.*directory" report folder good.csv -o x.html
refuse 2 "folder.*directory" fit good.csv --start folder -o x.json
refuse 2 "folder.*directory" section circle --model folder
refuse 2 "folder.*directory" plant folder -o new
refuse 2 "too long" plant "$long" -o new
refuse 2 "too long" plant -o "$long"
refuse 2 "too long" simulate model.json --drive good.csv -o "$long.npy"
refuse 2 "too long" simulate model.json --drive good.csv -o "$long.h5"
refuse 2 "too long" report model.json good.csv -o "$long.html"
refuse 2 "too long" import good.csv -o "$long.h5"
refuse 2 "too long" fit good.csv -o "$long.json"
refuse 2 "too long" bench --batch 1 --mode forward --frames 1 --repeat 1 -o "$long.jsonl"
mkdir folder.html folder.jsonl
refuse 2 "folder.html.*not a regular file" report model.json good.csv -o folder.html
refuse 2 "folder.jsonl.*not a regular file" bench --batch 1 --mode forward --frames 1 --repeat 1 -o folder.jsonl
rmdir folder.html folder.jsonl

# no permission, as somebody who is not root
cp "$program" rodgrad
cp good.csv secret.csv
cp model.json secret.json
mkdir closed
chmod 755 . rodgrad
chmod 644 good.csv model.json
chmod 000 secret.csv secret.json
chmod 555 closed
if [ "$(id -u)" -ne 0 ]; then other=
elif command -v setpriv >/dev/null; then other="setpriv --reuid=65534 --regid=65534 --clear-groups"
else other=none; fi
# denied ARGUMENT...
denied() {
    $other ./rodgrad "$@" >out.txt 2>err.txt
    got=$?
    [ "$got" -eq 2 ] && grep -q "Permission denied" err.txt || complain "rodgrad $*: $got: $(cat err.txt)"
}
if [ "$other" = none ] || ! $other ./rodgrad --version >out.txt 2>&1; then
    echo "note: nobody else can be asked, so permissions were not tried"
else
    denied evaluate secret.json good.csv
    denied evaluate model.json secret.csv
    denied simulate model.json --drive good.csv -o closed/x.npy
    denied import good.csv -o closed/x.h5
    denied report model.json good.csv -o closed/x.html
    denied plant -o closed/x
    denied fit good.csv -o closed/x.json
fi
rm -rf closed rodgrad secret.csv secret.json

# ---- --json after a failure: refuse looks for the object ----

refuse 2 "no command" swim --json
refuse 2 "unknown option --fast" evaluate model.json good.csv --fast --json
refuse 2 "substeps" evaluate --json model.json good.csv --substeps many
refuse 2 "none.json" evaluate none.json good.csv --json
refuse 2 "none.json" check none.json good.csv --json
refuse 2 "none.json" report none.json good.csv -o x.html --json
refuse 2 "none.json" simulate none.json --drive good.csv -o x.npy --json
refuse 2 "none.json" section circle --model none.json --json
refuse 2 "none.json" plant none.json -o x --json
refuse 2 "none.csv" import none.csv -o x.h5 --json
refuse 2 "none.csv" fit none.csv -o x.json --json
refuse 2 "rope200.*smaller --dt" bench --scene rope200 --stepper deform --dt 0.1 --json
refuse 2 "loud" info loud --json

# one result where the job ran and failed: its status is the reason
"$program" evaluate model.json good.csv --newton-tolerance 1e-14 --json >out.txt 2>err.txt
[ "$(wc -l <out.txt)" -eq 1 ] && grep -q '"status":' out.txt || complain "evaluate --json: $(cat out.txt)"

# ---- terminals ----

# on_terminal TERM COLUMNS ARGUMENT...: the screen's bytes in screen.txt
on_terminal() {
    terminal=$1 columns=$2
    shift 2
    script -qec "stty cols $columns; env -u COLUMNS TERM=$terminal $program $*" /dev/null </dev/null >screen.txt 2>&1
}
if command -v script >/dev/null; then
    bench="bench --scene rope100 --batch 1 --mode forward --frames 2 --repeat 3"
    on_terminal xterm 40 "$bench"
    for columns in 40 20; do
        on_terminal xterm $columns "$bench"
        tr '\r' '\n' <screen.txt | grep "$(printf '\033').*rope100: [rsw]" | sed "s/^$(printf '\033').K//" >lines.txt
        [ -s lines.txt ] || complain "no progress on a terminal"
        awk -v most=$columns 'length($0) >= most { exit 1 }' lines.txt ||
            complain "progress wider than $columns columns"
    done
    on_terminal dumb 40 "$bench"
    grep -q "$(printf '\033')" screen.txt && complain "an escape sequence on a dumb terminal"
    grep -q "rope100" screen.txt || complain "no progress on a dumb terminal"
else
    echo "note: there is no script(1), so terminals were not tried"
fi

# ---- signals ----

"$program" plant -o rope --seed 1 >/dev/null 2>&1 || complain "plant"
"$program" fit rope/train -o hung.json --json >out.txt 2>err.txt &
pid=$!
while kill -0 "$pid" 2>/dev/null && [ ! -f hung.json.checkpoint ]; do sleep 0.05; done
kill -HUP "$pid"
wait "$pid"
[ $? -eq 129 ] || complain "SIGHUP did not end the fit with 129"
[ -f hung.json.checkpoint ] || complain "no checkpoint after SIGHUP"
grep -q '"status":"interrupted.*"exit_code":129[,}]' out.txt || complain "SIGHUP, --json: $(cat out.txt)"
# under nohup it continues
rm -f hung.json.checkpoint
(trap '' HUP && exec "$program" fit rope/train -o hung.json --iterations 2 >out.txt 2>err.txt) &
pid=$!
while kill -0 "$pid" 2>/dev/null && [ ! -f hung.json.checkpoint ]; do sleep 0.05; done
kill -HUP "$pid"
wait "$pid" || complain "SIGHUP ended a fit that ignores it"

[ "$failures" -eq 0 ] || exit 1
echo "calls.sh: all as it should be"
