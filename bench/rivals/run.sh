#!/usr/bin/env bash
# Measure rodgrad beside JAX, PyElastica, MuJoCo's cable, dismech-newton and Newton's cable on the same rods,
# and write docs/rivals.md with its plots.
#
#   bench/rivals/run.sh [--folder DIR] [--page FILE] [--quick] [--only SYSTEM]... [--rounds N] [--json FILE]
#                       [--accuracy]
#
# Builds librodgrad.so and makes two virtual environments: dismech-newton needs an older Newton.
# About 20 minutes on two quiet cores; nothing else should run beside it.
#
# --folder DIR   work there and keep it: the build, the environments (made again only where they are missing),
#                rows.json, and the steps that --accuracy found, which later runs use. Default: a temporary
#                folder, removed at the end.
# --page FILE    write this page, and its plots in the folder of that name. Default: docs/rivals.md.
# --quick        a rehearsal of a few minutes: few cases, short samples, 3 rounds.
# --only SYSTEM  rodgrad, jax, pyelastica, mujoco, dismech or newton; may be repeated.
# --rounds N     turns of every case. Default: 7, and 3 with --quick.
# --json FILE    write all rows and ratios there as well.
# --accuracy     search each system's largest accurate step first, in place of the table in plan.py.
# Needs python3 (3.11 or newer) with venv, and the Debian packages of tools/install-deps.sh. Progress goes to
# stderr.
set -euo pipefail
self=$(realpath "$0")
cd "$(dirname "$self")/../.."

folder="" page=docs/rivals.md json="" options=() shown=()
while [ $# -gt 0 ]; do
    case "$1" in
        --folder | --page | --json | --only | --rounds)
            [ -n "${2-}" ] || { echo "run.sh: $1 needs a value" >&2; exit 2; }
            case "$1" in
                --folder) folder=$2 ;;
                --page) page=$2 ;;
                --json) json=$2 ;;
                *) options+=("$1" "$2") shown+=("$1" "$2") ;;
            esac
            shift ;;
        --quick | --accuracy) options+=("$1") shown+=("$1") ;;
        -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$self"; exit 0 ;;
        *) echo "run.sh: unknown option $1; --help lists them" >&2; exit 2 ;;
    esac
    shift
done
say() { echo "rivals: $*" >&2; }

. tools/build-shared.sh

# NAME PACKAGE...: a virtual environment, kept where these packages are in it already
environment() {
    local place="$folder/$1" packages="${*:2}"
    [ "$(cat "$place/packages" 2>/dev/null)" = "$packages" ] && return
    say "virtual environment $1"
    rm -rf "$place"
    python3 -m venv "$place"
    "$place/bin/pip" install -q --disable-pip-version-check "${@:2}" >&2
    echo "$packages" >"$place/packages"
}
environment venv "numpy>=2" "matplotlib>=3.9" "jax>=0.7" "pyelastica==1.0.0" "mujoco>=3.2,<4" "newton==1.8.0"
environment venv-dismech "numpy>=2" "dismech-newton==0.1.0.post4"

export RODGRAD_LIBRARY="$folder/build/librodgrad.so" PYTHONPATH="$PWD/python"
export PYTHONPYCACHEPREFIX="$folder/pycache" # nothing is left beside the sources
"$folder/venv/bin/python" bench/rivals/run.py --python "dismech=$folder/venv-dismech/bin/python" \
    --steps "$folder/steps.json" --page "$page" --json "${json:-$folder/rows.json}" \
    --command "bench/rivals/run.sh${shown[*]:+ ${shown[*]}}" ${options[@]+"${options[@]}"}
