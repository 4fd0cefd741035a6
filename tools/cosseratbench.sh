#!/usr/bin/env bash
# Compare rodgrad with the other solvers of cosseratbench and write docs/cosseratbench.md.
#
#   tools/cosseratbench.sh [--folder DIR] [--page FILE] [EXPERIMENT:FACTOR...]
#
# Makes a fresh virtual environment, builds librodgrad.so, installs cosseratbench, PyElastica, MuJoCo (3.x:
# from 4.0 on it lacks the cable that cosseratbench uses) and python/ into it, and runs every experiment
# without contact at its default resolution and at twice that (twist at its default alone);
# EXPERIMENT:FACTOR, as in twist:2, picks runs. That takes half an hour, most of it PyElastica's and MuJoCo's.
#
# --folder DIR   work there and keep what is there: the build, and runs, which are not run again; delete
#                DIR/results for new ones. Default: a temporary folder, removed at the end.
# --page FILE    write this page. Default: docs/cosseratbench.md.
# Needs python3 with venv, and the Debian packages of tools/install-deps.sh. Progress goes to stderr.
set -euo pipefail
cd "$(dirname "$0")/.."

folder="" page=docs/cosseratbench.md runs=()
command="tools/cosseratbench.sh"
while [ $# -gt 0 ]; do
    case "$1" in
        --folder | --page)
            [ -n "${2-}" ] || { echo "cosseratbench.sh: $1 needs a path" >&2; exit 2; }
            if [ "$1" = --folder ]; then folder=$2; else page=$2; fi
            shift ;;
        -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;;
        -*) echo "cosseratbench.sh: unknown option $1; --help lists them" >&2; exit 2 ;;
        *)
            [[ "$1" =~ ^[a-z_]+:[1-9][0-9]*$ ]] ||
                { echo "cosseratbench.sh: $1 is not EXPERIMENT:FACTOR, such as twist:2" >&2; exit 2; }
            runs+=("$1") command+=" $1" ;;
    esac
    shift
done
say() { echo "cosseratbench: $*" >&2; }

. tools/build-shared.sh

say "virtual environment"
rm -rf "$folder/venv"
python3 -m venv "$folder/venv"
# a copy: setuptools leaves its own folders beside what it builds
rm -rf "$folder/python"
cp -r python "$folder/python"
"$folder/venv/bin/pip" install -q --disable-pip-version-check \
    "cosseratbench==0.3.0" "pyelastica>=1.0" "mujoco>=3.2,<4" "$folder/python" >&2

# one thread for everyone
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 NUMBA_NUM_THREADS=1
export RODGRAD_LIBRARY="$folder/build/librodgrad.so"
"$folder/venv/bin/python" tools/cosseratbench-table.py "$folder/results" "$page" "$command" \
    ${runs[@]+"${runs[@]}"}
