#!/bin/sh
# valgrind.sh PROGRAM CORPUS: no value that was never written decides anything, with rods in fewer lanes than a pack has.
# Exit 77: there is no valgrind here.
set -u
command -v valgrind >/dev/null || { echo "skipped: no valgrind"; exit 77; }
program=$1
model=$2/uniform.json # 5 markers, the outer two of each end driven
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failures=0

# three recordings of different lengths, for packs of 2, 4, 8 and more rods
mkdir three
awk 'BEGIN { for (f = 0; f < 8; f++) for (m = 0; m < 5; m++) {
    s = m / 4; printf("%.6f,0,%.6f%s", 0.245 * m, 1 - 0.4 * s * (1 - s) + 0.0002 * f, m < 4 ? "," : "\n") } }' >three/a.csv
head -6 three/a.csv >three/b.csv
head -7 three/a.csv >three/c.csv

# clean ARGUMENT...: whatever the program's verdict, valgrind has nothing to say
clean() {
    valgrind -q --error-exitcode=99 "$program" "$@" --threads 1 >out.txt 2>err.txt
    if [ $? -eq 99 ] || grep -q "^==[0-9]*== " err.txt; then
        echo "FAILED: rodgrad $*: $(grep "^==" err.txt | head -8)"
        failures=$((failures + 1))
    fi
}
for isa in scalar sse2 avx2; do
    # valgrind's processor is not the machine's
    valgrind -q "$program" info --json 2>/dev/null | grep -q "isa_available.*\"$isa\".*\"isa\":" || continue
    clean simulate "$model" --drive three -o out.h5 --isa $isa
    clean evaluate "$model" three --isa $isa --real float --scheme static
    clean check "$model" three --isa $isa
done
clean check "$model" three --stepper deform --substeps 4
clean fit three -o fitted.json --iterations 1 --starts 0

[ "$failures" -eq 0 ] || exit 1
echo "valgrind.sh: all as it should be"
