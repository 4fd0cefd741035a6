#!/usr/bin/env bash
# Lay out the C, C++ and CUDA sources by .clang-format; with --check, say which files are not laid out so and fail.
#
#   tools/format.sh [--check]
#
# Versions of clang-format differ in what they make of one file, so that only the one that .clang-format is for will do:
# version 14, Debian 12's. The exit code is 3 where it is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

check=0
case "${1-}" in
    "") ;;
    --check) check=1 ;;
    -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;;
    *) echo "format.sh: unknown option $1; --help lists them" >&2; exit 2 ;;
esac

formatter=
for name in clang-format-14 clang-format; do
    if "$name" --version 2>/dev/null | grep -q 'version 14\.'; then formatter=$name; break; fi
done
if [ -z "$formatter" ]; then
    echo "format.sh: clang-format 14 is needed and not installed (Debian 12: apt install clang-format)" >&2
    exit 3
fi

mapfile -t files < <(find include kernels host tests bench cmake python -type f \
    \( -name '*.c' -o -name '*.h' -o -name '*.cu' -o -name '*.cpp' \) | LC_ALL=C sort)
if [ $check -eq 0 ]; then
    "$formatter" -i "${files[@]}"
    exit 0
fi
wrong=()
for file in "${files[@]}"; do
    "$formatter" "$file" | cmp -s - "$file" || wrong+=("$file")
done
if [ ${#wrong[@]} -gt 0 ]; then
    printf 'format.sh: not laid out by .clang-format, run tools/format.sh: %s\n' "${wrong[@]}" >&2
    exit 1
fi
