#!/usr/bin/env bash
# From a fresh clone to a finished report: build rodgrad, make recordings from known parameters, fit a
# model to them, evaluate it on recordings that the fit has not seen, write the report, and print the
# parameters that were planted beside the fitted ones with their intervals.
#
#   tools/quickstart.sh [--fresh] [FOLDER]      FOLDER: where results go, ./quickstart by default
#
# Missing Debian packages are installed (as root or through sudo). A step whose output is newer than
# its inputs is not done again; --fresh does all of them.
set -euo pipefail

fresh=0 out=
for argument in "$@"; do
    case "$argument" in
        --fresh) fresh=1 ;;
        -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;;
        -*) echo "quickstart.sh: unknown option $argument; --help lists them" >&2; exit 2 ;;
        *)
            [ -z "$out" ] || { echo "quickstart.sh: one folder, please" >&2; exit 2; }
            out=$argument ;;
    esac
done
out=$(realpath -m -- "${out:-quickstart}")
source_dir=$(cd "$(dirname "$0")/.." && pwd)
rodgrad=$source_dir/build/release/rodgrad
say() { printf '\n== %s\n' "$*"; }

say "build"
"$source_dir/tools/install-deps.sh"
(
    cd "$source_dir"
    # on the CPU: compiling for every kind of GPU takes minutes. A build that is there stays what it is
    options=()
    [ -e build/release/CMakeCache.txt ] || options=(-DRODGRAD_CUDA=OFF)
    cmake --preset release "${options[@]}" >/dev/null
    cmake --build --preset release --target rodgrad_program -j "$(nproc)"
)

# stale <output> <input>...: must the output be made?
stale() {
    local output=$1 input
    shift
    [ $fresh -eq 0 ] && [ -e "$output" ] || return 0
    for input in "$@"; do
        [ ! "$input" -nt "$output" ] || return 0
    done
    return 1
}

mkdir -p "$out"
data=$out/planted
# the stamp says that plant ran to its end, and that the folder is ours to replace
if [ -e "$data" ] && [ ! -e "$data.made" ]; then
    echo "quickstart.sh: $data exists and is not from here; name another folder" >&2
    exit 2
fi
if [ $fresh -eq 1 ]; then
    rm -f -- "$out"/model.json* "$out"/evaluation.txt "$out"/report.html "$out"/truth.txt
fi
if [ ! -d "$data" ] || stale "$data.made" "$rodgrad"; then
    say "plant: recordings from known parameters"
    rm -rf -- "$data.part"
    "$rodgrad" plant -o "$data.part"
    rm -rf -- "$data"
    touch "$data.made"
    mv -- "$data.part" "$data"
fi

if stale "$out/model.json" "$data.made" "$rodgrad"; then
    say "fit"
    "$rodgrad" fit "$data/train" -o "$out/model.json"
fi

if stale "$out/evaluation.txt" "$out/model.json" "$rodgrad"; then
    say "evaluate"
    "$rodgrad" evaluate "$out/model.json" "$data/eval" --train "$data/train" >"$out/evaluation.part"
    mv -- "$out/evaluation.part" "$out/evaluation.txt"
fi
cat -- "$out/evaluation.txt"

if stale "$out/report.html" "$out/model.json" "$rodgrad" || [ ! -e "$out/truth.txt" ]; then
    say "report"
    # its messages are the table of truth beside estimate
    if ! "$rodgrad" report "$out/model.json" "$data/eval" --truth "$data/truth.json" \
        -o "$out/report.html" 2>"$out/truth.part"; then
        cat -- "$out/truth.part" >&2
        exit 1
    fi
    mv -- "$out/truth.part" "$out/truth.txt"
fi
say "truth beside estimate"
cat -- "$out/truth.txt"
say "done: open $out/report.html in a browser"
