#!/bin/sh
# section.sh PROGRAM CORPUS: rodgrad section forward, back and into a model, and what it refuses.
set -u
tests=$(cd "$(dirname "$0")" && pwd) || exit 1
program=$1
model=$2/uniform.json # EA 500 N, EI 0.001 N m^2 twice, GJ 0.0005 N m^2, 0.03 kg/m
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work" "$work.out" "$work.err"' EXIT
cd "$work" || exit 1
failures=0

. "$tests/refuse.sh"

# accept WORDS ARGUMENT...: exit code 0, WORDS on stdout, which stays in out.txt
accept() {
    words=$1
    shift
    "$program" section "$@" >out.txt 2>err.txt || complain "section $*: failed: $(cat err.txt)"
    grep -q -e "$words" out.txt || complain "section $*: no \"$words\" in: $(head -c 400 out.txt)"
}

# says EXPRESSION: of the object o in out.txt, and of near(a, b)
says() {
    python3 -c '
import json, math, sys
o = json.load(open("out.txt"))
def near(a, b): return abs(a - b) <= 1e-12 * abs(b)
if not eval(sys.argv[1]): sys.exit(str(o))' "$1" 2>fault.txt || complain "$1: $(head -c 900 fault.txt)"
}

rubber="--young 1e7 --shear 3.5e6 --density 1100"

# shellcheck disable=SC2086 # words
{
accept "bend_stiffness_1 .* N m^2" circle --radius 0.004 $rubber
[ -s err.txt ] && complain "said: $(cat err.txt)"
accept '"kind":"circle"' circle --radius=0.004 $rubber --json
says 'near(o["fields"]["stretch_stiffness"]["value"], 1e7 * math.pi * 0.004**2)'
says 'near(o["fields"]["bend_stiffness_1"]["value"], 1e7 * math.pi / 4 * 0.004**4)'
says 'near(o["material"]["poisson"], 1 / 0.7 - 1) and o["fields"]["mass_per_length"]["unit"] == "kg/m"'
accept '"width_m":0.01' rectangle --width 0.01 --height 0.002 $rubber --json
says 'near(o["fields"]["bend_stiffness_1"]["value"], 1e7 * 0.002 * 0.01**3 / 12)'
accept '"a_m":0.003' ellipse --a 0.003 --b 0.001 $rubber --json
says 'near(o["fields"]["bend_stiffness_2"]["value"], 1e7 * math.pi / 4 * 0.003 * 0.001**3)'
accept '"inner_m":0.0' tube --outer 0.003 --inner 0 $rubber --json
says 'near(o["fields"]["twist_stiffness"]["value"], 3.5e6 * math.pi / 2 * 0.003**4)'
accept "stretch_stiffness" circle --radius 0.004 --young 1e7 --shear 1e6 --density 1100
grep -q "warning: Poisson's ratio.* is 4" err.txt || complain "no warning of Poisson's ratio 4"
accept '"warnings":\["Poisson' circle --radius 0.004 --young 1e7 --shear 1e6 --density 1100 --json
accept '"warnings":\[\]' circle --radius 0.004 --young 1e7 --shear 4e6 --density 1100 --json

# into a model and back out of it
accept '"output":"out.json"' ellipse --a 0.003 --b 0.002 $rubber --model "$model" -o out.json --json
accept '"sizes_given":true' ellipse --a 0.003 --b 0.002 --model out.json --json
says 'all(near(o["moduli"][k][w], 1e7) for k in ("young_stretch_pa", "young_bend_1_pa", "young_bend_2_pa") for w in ("from", "mean", "to"))'
says 'near(o["moduli"]["shear_pa"]["mean"], 3.5e6) and near(o["moduli"]["density_kg_m3"]["to"], 1100)'
accept '"sizes_given":false' ellipse --model out.json --json
says 'near(o["section"]["a_m"], 0.003) and near(o["section"]["b_m"], 0.002)'
}
accept "usage: rodgrad section" --help
accept "density" circle --radius 0.004 --model "$model"
accept '"kind":"circle"' circle --model "$model" --young 1e7 --json
says 'near(o["section"]["radius_m"], (4 * 0.001 / (math.pi * 1e7)) ** 0.25)'
accept '"kind":"tube"' tube --model "$model" --young 1e8 --json
says 'all(near(o["moduli"][k]["mean"], 1e8) for k in ("young_stretch_pa", "young_bend_1_pa"))'
# a range is that of the vertices that bend: the ends are not used
sed 's/"bend_stiffness_1": {"value": 0.001/"bend_stiffness_1": {"value": [9, 0.001, 0.002, 0.003, 0.002, 0.001, 9]/
s/"bend_coupling": {"value": 0.0/"bend_coupling": {"value": 1e-4/' "$model" >uneven.json
accept '"from":0.001' rectangle --width 0.01 --height 0.01 --model uneven.json --json
says 'near(o["fields"]["bend_stiffness_1"]["mean"], 0.0018) and o["fields"]["bend_stiffness_1"]["to"] == 0.003'
grep -q "bend_coupling is up to 0.0001" err.txt || complain "no warning of bend_coupling: $(cat err.txt)"

echo '{"format": "rodgrad-model"' >broken.json
mkdir taken.json
# shellcheck disable=SC2086 # words
{
refuse 2 "one kind" section
refuse 2 "one kind" section circle tube
refuse 2 "\"pipe\".*tube" section pipe
refuse 2 "unknown option --diameter" section circle --diameter 1
refuse 2 "sizes of the circle" section circle $rubber
refuse 2 "circle has no --width; it has --radius" section circle --radius 1 --width 1 $rubber
refuse 2 "rectangle needs both --width and --height" section rectangle --width 1 $rubber
refuse 2 "radius.*\"-0.004\"" section circle --radius -0.004 $rubber
refuse 2 "radius.*\"0\"" section circle --radius 0 $rubber
refuse 2 "radius.*\"nan\"" section circle --radius nan $rubber
refuse 2 "radius.*\"4mm\"" section circle --radius 4mm $rubber
refuse 2 "height.*\"inf\"" section rectangle --width 1 --height inf $rubber
refuse 2 "inner is 0.004 but must be below --outer, 0.004" section tube --outer 0.004 --inner 0.004 $rubber
refuse 2 "inner.*\"-1\"" section tube --outer 0.004 --inner -1 $rubber
refuse 2 "young.*\"nan\"" section circle --radius 0.004 --young nan --shear 1 --density 1
refuse 2 "shear.*\"-1\"" section circle --radius 0.004 --young 1 --shear -1 --density 1
refuse 2 "density.*\"0\"" section circle --radius 0.004 --young 1 --shear 1 --density 0
refuse 2 "all three" section circle --radius 0.004 --young 1e7 --shear 1e6
refuse 2 "with --model" section circle --radius 0.004 $rubber -o new.json
refuse 2 "write new.json" section circle --radius 0.004 --young 1e7 --model "$model" -o new.json
refuse 2 "write new.json" section circle $rubber --model "$model" -o new.json
refuse 2 "shear has no use" section circle --radius 0.004 $rubber --model "$model"
refuse 2 "finds the sizes" section circle --radius 0.004 --young 1e7 --model "$model"
refuse 2 "two radii" section tube --model "$model"
refuse 2 "No tube" section tube --model "$model" --young 1e6
refuse 2 "take an ellipse" section circle --model uneven.json
refuse 2 "none.json" section circle --radius 0.004 --model none.json
refuse 2 "line 2" section circle --radius 0.004 --model broken.json
refuse 2 "nowhere/new.json" section circle --radius 0.004 $rubber --model "$model" -o nowhere/new.json
refuse 2 "taken.json" section circle --radius 0.004 $rubber --model "$model" -o taken.json
refuse 2 "json and -o only" section circle --radius 0.004 $rubber --dt 0.01
refuse 2 "json and -o only" section circle --radius 0.004 $rubber --stepper deform
for flag in "" --json; do
    "$program" section circle --radius 0.004 $rubber $flag >/dev/full 2>err.txt
    [ $? -eq 1 ] || complain "full stdout: not exit 1"
    grep -q stdout err.txt || complain "full stdout: $(cat err.txt)"
done
}

[ "$failures" -eq 0 ] || exit 1
echo "section.sh: all as it should be"
