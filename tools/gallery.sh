#!/usr/bin/env bash
# Run the cases of rod theory and draw docs/theory.md with its pictures from what they found.
#
#   tools/gallery.sh [BUILD]     BUILD: a release build (default build/release, made when missing)
#
# Pictures are drawn with matplotlib: python3's, or one in BUILD/gallery-venv that pip installs from PyPI.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ $# -gt 1 ] || [[ "${1-}" == -* ]]; then
    sed -n '2,6s/^# \{0,1\}//p' "$0" >&2
    [[ "${1-}" == --help || "${1-}" == -h ]] && exit 0
    exit 2
fi
build=${1:-build/release}
if [ ! -f "$build/build.ninja" ]; then
    [ "$build" = build/release ] || { echo "gallery: $build is no build folder of ninja" >&2; exit 2; }
    cmake --preset release -DRODGRAD_CUDA=OFF >&2
fi
cmake --build "$build" >&2

data=$(mktemp -d)
trap 'rm -rf "$data"' EXIT
for test in "$build"/tests/theory/theory_*; do
    [ -f "$test" ] && [ -x "$test" ] || continue
    name=$(basename "$test")
    mkdir "$data/$name"
    echo "gallery: $name" >&2
    if ! RODGRAD_THEORY_DATA="$data/$name" "$test" >"$data/log" 2>&1; then
        cat "$data/log" >&2
        echo "gallery: $name fails; nothing was drawn" >&2
        exit 1
    fi
done

python=python3
if ! python3 -c 'import matplotlib' 2>/dev/null; then
    python=$build/gallery-venv/bin/python
    [ -x "$python" ] || python3 -m venv "$build/gallery-venv"
    "$python" -c 'import matplotlib' 2>/dev/null || "$python" -m pip install -q matplotlib >&2
fi
"$python" tools/gallery.py "$data" docs
