#!/bin/sh
# new.sh PROGRAM SOURCES: rodgrad new: what it writes holds a rod, which sags as beams do, and what it refuses.
set -u
tests=$(cd "$(dirname "$0")" && pwd) || exit 1
program=$1
sources=$2
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work" "$work.out" "$work.err"' EXIT
cd "$work" || exit 1
failures=0

. "$tests/refuse.sh"

# accept WORDS ARGUMENT...: exit code 0, WORDS on stdout, which stays in out.txt
accept() {
    words=$1
    shift
    "$program" "$@" >out.txt 2>err.txt || complain "$*: failed: $(cat err.txt)"
    [ -z "$words" ] || grep -q -e "$words" out.txt || complain "$*: no \"$words\" in: $(head -c 400 out.txt)"
}

cat >reading.py <<'END'
import csv, json, math, re, struct, sys

def npy(path):
    """[frame][marker] of points"""
    with open(path, "rb") as stream:
        data = stream.read()
    start = 10 + struct.unpack("<H", data[8:10])[0]
    frames, markers = map(int, re.search(rb"\((\d+), (\d+), 3\)", data).groups())
    x = struct.unpack("<%dd" % (frames * markers * 3), data[start:])
    return [[x[3 * (f * markers + m):][:3] for m in range(markers)] for f in range(frames)]

def near(a, b, share=1e-12):
    return abs(a - b) <= share * abs(b)

g, E, rho = 9.81, 2e11, 7850.0
damping = ("stretch_relaxation", "bend_relaxation", "twist_relaxation", "drag")
o = json.load(open("model.json"))
fields = {name: field["value"] for name, field in o["fields"].items()}
rows = list(csv.reader(open("hold.csv")))
END

# says EXPRESSION: of the model o, its fields and the rows of the drive
says() {
    python3 -c 'from reading import *
if not eval(sys.argv[1]): sys.exit("%s\n%s" % (o, rows[:2]))' "$1" 2>fault.txt || complain "$1: $(head -c 900 fault.txt)"
}

# made ARGUMENT...: model.json and hold.csv, of steel
steel="--young 2e11 --shear 7.7e10 --density 7850"
made() {
    rm -f model.json hold.csv
    # shellcheck disable=SC2086 # words
    "$program" new "$@" $steel -o model.json --drive hold.csv >out.txt 2>err.txt ||
        complain "new $*: $(cat err.txt)"
}

# sags DEFLECTION SHARE [ARGUMENT...]: how far the rod comes down at the end, as theory says but for this share
sags() {
    theory=$1
    share=$2
    shift 2
    accept "" simulate model.json --drive hold.csv -o out.npy "$@"
    python3 -c 'from reading import *
sag, theory = -min(p[2] for p in npy("out.npy")[-1]), eval(sys.argv[1])
if not near(sag, theory, float(sys.argv[2])): sys.exit("%g, theory %g" % (sag, theory))' "$theory" "$share" \
        2>fault.txt || complain "$theory $*: $(cat fault.txt)"
}

# ---- what is written ----

made circle --radius 0.001 --length 0.5 --bend-measure normalised
says 'o["bend_measure"] == "normalised"'
made circle --radius 0.001 --length 0.5
says '"bend_measure" not in o'
says 'o["markers"] == 21 and o["refine"] == 1 and o["clamps"] == [0, 1, 19, 20] and "fit" not in o'
says 'near(sum([fields["rest_length"]] * 20), 0.5) and near(fields["bend_stiffness_1"], E * math.pi / 4 * 1e-12)'
says 'near(fields["mass_per_length"], rho * math.pi * 1e-6) and fields["marker_mass"] == 0'
says '[fields[k] for k in damping] == [0.01, 0.05, 0.05, 0.05]'
says 'o["simulation"]["dt_s"] == 0.01 and o["simulation"]["scheme"] == "bdf2"'
says 'len(rows) == 502 and rows[0][:4] == ["t", "x0", "y0", "z0"] and all(r[1:] == rows[1][1:] for r in rows[2:])'
says 'float(rows[-1][0]) == 5 and [float(v) for v in rows[1][-3:]] == [0.5, 0, 0]'
[ -s err.txt ] && complain "said: $(cat err.txt)"
# the defaults that the help states
accept "(0.05)" new --help
for option in "vertices.*(21)" "seconds.*(5)" "stretch-relaxation.*(0.01)" "bend-relaxation.*(0.05)" \
    "twist-relaxation.*(0.05)" "drag.*(0.05)"; do
    grep -q -e "--$option" out.txt || complain "the help lacks the default $option"
done
made tube --outer 0.002 --inner 0.001 --length 1 --vertices 11 --refine 3 --clamp=-1,0 --direction 0,-3,4 --dt 0.02 \
    --seconds 1 --scheme be --substeps 2 --stretch-relaxation 0 --bend-relaxation 0.1 --twist-relaxation 0.2 --drag 0.3
says 'o["markers"] == 11 and o["refine"] == 3 and o["clamps"] == [0, 10]'
says 'o["simulation"]["scheme"] == "be" and o["simulation"]["substeps"] == 2 and o["simulation"]["dt_s"] == 0.02'
says '[fields[k] for k in damping] == [0, 0.1, 0.2, 0.3]'
says 'near(fields["rest_length"], 1 / 30) and len(rows) == 52 and near(float(rows[-1][0]), 1)'
says 'all(near(float(a), b) for a, b in zip(rows[1][-2:], (-0.6, 0.8))) and float(rows[1][-3]) == 0'
# between two driven neighbours lies one edge
made circle --radius 0.001 --length 1 --vertices 5 --refine 2 --clamp 0,1 --frames 3
says 'near(sum(fields["rest_length"]), 1) and all(near(a, b) for a, b in zip(fields["rest_length"], (0.25, 0.125)))'
says 'len(rows) == 4'
accept '"output":"model.json","drive":{"output":"hold.csv","frames":3,"seconds":0.02}' new circle --radius 0.001 \
    --young 1e7 --shear 3e6 --density 1000 --length 1 -o model.json --drive hold.csv --frames 3 --json
# without a drive, for recordings of one's own
rm -f hold.csv
accept "only.json: 1 m along 1,0,0, 21 markers" new circle --radius 0.001 --young 1e7 --shear 3e6 --density 1000 \
    --length 1 -o only.json
[ -e hold.csv ] && complain "a drive was written that was not asked for"

# ---- beams of small deflection (Timoshenko, Strength of Materials, 3rd ed. 1955, part I, chapter 5) ----

# a cantilever w L^4/(8 E I) from the clamp plane, the middle of the first segment, of 79.5 segments (1/(2 n^2) = 8e-5)
# with a sag of 2e-3 L: 1e-3
clamped="1 - 1 / 160"
made circle --radius 0.0005 --length 0.15 --vertices 81 --clamp 0,1 --frames 3
sags "rho * g * (0.15 * ($clamped)) ** 4 / (2 * E * 0.0005 ** 2)" 1e-3 --scheme static
made tube --outer 0.0005 --inner 0.0003 --length 0.15 --vertices 81 --clamp=-2,-1 --frames 3 --scheme static
sags "rho * g * (0.15 * ($clamped)) ** 4 / (2 * E * (0.0005 ** 2 + 0.0003 ** 2))" 1e-3
# width stands upright, along m1
made rectangle --width 0.001 --height 0.0005 --length 0.15 --vertices 81 --clamp 0,1 --frames 3 --direction 1,2,0
sags "12 * rho * g * (0.15 * ($clamped)) ** 4 / (8 * E * 0.001 ** 2)" 1e-3 --scheme static
made ellipse --a 0.0003 --b 0.001 --length 0.15 --vertices 41 --refine 2 --clamp 0,1 --frames 3
sags "rho * g * (0.15 * (1 - 1 / 80)) ** 4 / (2 * E * 0.0003 ** 2)" 1e-2 --scheme static
# the default mesh, 19.5 segments, comes to rest there within 5 s too
made circle --radius 0.0005 --length 0.15 --clamp 0,1
sags "rho * g * (0.15 * (1 - 1 / 40)) ** 4 / (2 * E * 0.0005 ** 2)" 5e-3
# between hinges 5 w L^4/(384 E I), between clamps w L^4/(384 E I); the ends' pull counts with (sag/radius)^2, 1e-4
made circle --radius 0.001 --length 0.15 --vertices 41 --clamp 0,-1 --frames 3
sags "5 * rho * g * 0.15 ** 4 / (96 * E * 0.001 ** 2)" 3e-3 --scheme static
made circle --radius 0.001 --length 0.15 --vertices 41 --frames 3
sags "rho * g * (0.15 * (1 - 1 / 40)) ** 4 / (96 * E * 0.001 ** 2)" 5e-3 --scheme static
# hanging from a clamp it stays straight, longer by w L^2/(2 EA)
made circle --radius 0.001 --length 1 --vertices 21 --clamp 0,1 --frames 3 --direction 0,0,-1
sags "1 + rho * g * 0.975 ** 2 / (2 * E)" 1e-8 --scheme static

# far too stiff for the deform stepper: no number of substeps that it takes would do
"$program" simulate model.json --drive hold.csv --stepper deform -o out.npy >out.txt 2>err.txt
grep -q "warning: the step is too long .* ms; take the implicit stepper" err.txt ||
    complain "more substeps advised than there can be: $(cat err.txt)"

# the example of the README, as it stands there
grep -A 3 '^rodgrad new' "$sources/README.md" | grep '^rodgrad' >readme.sh
[ "$(wc -l <readme.sh)" -eq 2 ] || complain "README.md has no example of two commands"
mkdir bin && ln -s "$program" bin/rodgrad
(PATH=$work/bin:$PATH && export PATH && sh -e readme.sh) >out.txt 2>err.txt ||
    complain "README.md: $(cat err.txt)"
python3 -c 'from reading import *
sag, theory = -npy("sag.npy")[-1][-1][2], rho * g * (0.5 * (1 - 1 / 40)) ** 4 / (2 * E * 0.001 ** 2)
if not near(sag, theory, 5e-3): sys.exit("%g, theory %g" % (sag, theory))' 2>fault.txt ||
    complain "README.md: $(cat fault.txt)"

# ---- warnings ----

made circle --radius 0.02 --length 0.3
grep -q "warning: the rod is only 7.5 times as long as wide" err.txt || complain "no warning of 7.5: $(cat err.txt)"
made rectangle --width 0.001 --height 0.04 --length 0.3
grep -q "warning: the rod is only 7.5" err.txt || complain "no warning of a wide strip: $(cat err.txt)"
made circle --radius 0.001 --length 1 --clamp 0
grep -q "warning: a single driven marker is a hinge" err.txt || complain "no warning of a hinge: $(cat err.txt)"
accept "" new circle --radius 0.001 --young 1e7 --shear 1e6 --density 1000 --length 1 -o model.json
grep -q "warning: Poisson's ratio.* is 4" err.txt || complain "no warning of Poisson's ratio 4"

# ---- what is refused ----

mkdir taken.json
ln -s model.json link.csv
# shellcheck disable=SC2086 # words
{
rod="--radius 0.001 $steel"
refuse 2 "one kind" new
refuse 2 "one kind" new circle tube
refuse 2 "\"pipe\"" new pipe
refuse 2 "sizes of the circle" new circle $steel --length 1 -o n.json
refuse 2 "circle has no --width" new circle --width 1 $rod --length 1 -o n.json
refuse 2 "radius.*\"-1\"" new circle --radius -1 $steel --length 1 -o n.json
refuse 2 "inner is 1 but" new tube --outer 1 --inner 1 $steel --length 1 -o n.json
refuse 2 "density.*\"nan\"" new circle --radius 0.001 --young 1 --shear 1 --density nan --length 1 -o n.json
refuse 2 "all three" new circle --radius 0.001 --young 1 --shear 1 --length 1 -o n.json
refuse 2 "rod's --length" new circle $rod -o n.json
refuse 2 "with -o" new circle $rod --length 1
refuse 2 "end in .csv" new circle $rod --length 1 -o n.json --drive n.h5
for wrong in 0 -1 nan inf 1e9 1m; do
    refuse 2 "length.*\"$wrong\"" new circle $rod --length=$wrong -o n.json
done
for wrong in 2 -5 0 10001 nan 5.5; do
    refuse 2 "vertices.*\"$wrong\"" new circle $rod --length 1 --vertices=$wrong -o n.json
done
refuse 2 "1e-05 m apart" new circle $rod --length 0.01 --vertices 1001 -o n.json
for wrong in 0,0,0 1,0 1,0,0,0 nan,0,0 x 1,,0 1e9,0,0; do
    refuse 2 "direction.*\"$wrong\"" new circle $rod --length 1 --direction=$wrong -o n.json
done
refuse 2 "direction.*\"\"" new circle $rod --length 1 --direction= -o n.json
refuse 2 "clamp 21 is not one of the 21" new circle $rod --length 1 --clamp 0,21 -o n.json
refuse 2 "clamp -22 is not one of the 21" new circle $rod --length 1 --clamp=-22 -o n.json
refuse 2 "marker 20 of 21 is a clamp twice" new circle $rod --length 1 --clamp 20,-1 -o n.json
refuse 2 "all 4 markers are clamps" new circle $rod --length 1 --vertices 4 -o n.json
refuse 2 "clamp.*\"0,x\"" new circle $rod --length 1 --clamp 0,x -o n.json
refuse 2 "marker indices" new circle $rod --length 1 --clamp= -o n.json
for option in stretch-relaxation bend-relaxation twist-relaxation drag; do
    refuse 2 "$option.*\"-1\"" new circle $rod --length 1 --$option -1 -o n.json
    refuse 2 "$option.*\"nan\"" new circle $rod --length 1 --$option nan -o n.json
done
refuse 2 "seconds is about the drive" new circle $rod --length 1 --seconds 1 -o n.json
refuse 2 "say the same" new circle $rod --length 1 --seconds 1 --frames 3 -o n.json --drive n.csv
refuse 2 "frames.*\"2\"" new circle $rod --length 1 --frames 2 -o n.json --drive n.csv
refuse 2 "seconds.*\"0\"" new circle $rod --length 1 --seconds 0 -o n.json --drive n.csv
refuse 2 "seconds is 0.01, but" new circle $rod --length 1 --seconds 0.01 -o n.json --drive n.csv
refuse 2 "seconds is 5, but" new circle $rod --length 1 --dt 10 -o n.json --drive n.csv
refuse 2 "more than the 2e+07" new circle $rod --length 1 --frames 10000000 -o n.json --drive n.csv
refuse 2 "more than the 2e+07" new circle $rod --length 1 --seconds 1e6 --dt 1e-6 -o n.json --drive n.csv
refuse 2 "more than the 100000 vertices" new circle $rod --length 1 --vertices 201 --refine 1000 --clamp 0 -o n.json --drive n.csv
refuse 2 "units" new circle $rod --length 1 --units mm -o n.json
refuse 2 "threads" new circle $rod --length 1 --threads 2 -o n.json
refuse 2 "n.csv must end in .json" new circle $rod --length 1 -o n.csv --drive n.csv
refuse 2 "one file" new circle $rod --length 1 -o model.json --drive link.csv
refuse 2 "nowhere/n.json" new circle $rod --length 1 -o nowhere/n.json --drive n.csv
refuse 2 "nowhere/n.csv" new circle $rod --length 1 -o n.json --drive nowhere/n.csv
refuse 2 "taken.json" new circle $rod --length 1 -o taken.json --drive n.csv
"$program" new circle $rod --length 1 -o n.json >/dev/full 2>err.txt
[ $? -eq 1 ] || complain "full stdout: not exit 1"
grep -q stdout err.txt || complain "full stdout: $(cat err.txt)"
}
# a drive that does not fit onto the disk leaves what was there
(
    ulimit -f 8
    # shellcheck disable=SC2086 # words
    "$program" new circle --radius 0.001 $steel --length 2 -o model.json --drive hold.csv
) >out.txt 2>err.txt && complain "a drive beyond the limit of files: exit code 0"
grep -q "hold.csv" err.txt || complain "a drive beyond the limit of files: $(cat err.txt)"
says 'o["clamps"] == [0, 1, 19, 20] and len(rows) == 502 and near(fields["rest_length"], 0.05)'

[ "$failures" -eq 0 ] || exit 1
echo "new.sh: all as it should be"
